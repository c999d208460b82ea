"""The exercises of notebook 06: samplers."""

import functools
import itertools
import math
from collections.abc import Mapping
from typing import Any

import torch

from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Law, Number, as_number, cases, far, near, shown
from ldm_teach.theory import flow
from ldm_teach.theory.mixture import GaussianMixture
from ldm_teach.theory.samplers import Sampler, ddim, dpm_solver, final
from ldm_teach.theory.schedule import NoiseSchedule


def _ddim_step(
    x_t, eps, a, b, *, sign=-1.0, old_level=False, root=0.5, divide=True, ratio=False, kept=1.0, signal=True,
    swapped=False, mean=False, only_signal=False, only_noise=False, noise_root=0.5, back=1.0,
    raw=False,
):  # fmt: skip
    if swapped:
        a, b = b, a
    if mean:  # of DDPM
        alpha = a / b
        return (x_t - (1 - alpha) / (1 - a) ** 0.5 * eps) / alpha**0.5
    level = a / b if ratio else a
    x0 = x_t + sign * (1 - level) ** root * eps
    x0 = x0 / level**root if divide else x0
    x0 = x_t if raw else x0
    noise = (1 - (a if old_level else b)) ** (1.0 if only_noise else root * noise_root / 0.5)
    return (b ** (1.0 if only_signal else root) if signal else 1.0) * x0 + back * kept * noise * eps


ddim_step = Exercise(
    "implement",
    stars=2,
    minutes=10,
    judge=Law(
        _ddim_step,
        cases("x_t eps alpha_bar alpha_bar_s", alpha_bar=(0.2, 0.5), alpha_bar_s=(0.6, 0.9)),
        {
            "in x0 the noise is added, want taken away": dict(sign=1.0),
            "x0 is not divided by sqrt(alpha_bar)": dict(divide=False),
            "the noise that is put back is that of the old level, want sqrt(1 - alpha_bar_s)": dict(old_level=True),
            "the square roots are missing: alpha_bar is a power, its root an amplitude": dict(root=1.0),
            "the noise is not put back: x0 belongs to clean data, want the level s": dict(kept=0.0),
            "this is x0 itself; noise it again, to the level s": dict(kept=0.0, signal=False),
            "x0 is not multiplied by sqrt(alpha_bar_s)": dict(signal=False),
            "the two levels are exchanged: go from alpha_bar to alpha_bar_s": dict(swapped=True),
            "in x0 stands alpha = alpha_bar / alpha_bar_s, want alpha_bar: x_t holds all the noise so far": dict(
                ratio=True
            ),
            "this is the mean of a DDPM step; want the deterministic step": dict(mean=True),
            "x0 is multiplied by alpha_bar_s, want its root": dict(only_signal=True),
            "the noise is put back with the factor 1 - alpha_bar_s, want its root": dict(only_noise=True),
            "the noise is taken away at the end, want put back": dict(back=-1.0),
            "x_t stands where the clean sample belongs: guess x0 from x_t and eps first": dict(raw=True),
        },
    ),
    praise="sqrt(alpha_bar_s) x0 + sqrt(1 - alpha_bar_s) eps, x0 = (x_t - sqrt(1 - alpha_bar) eps) / sqrt(alpha_bar)",
    hints=(
        "First guess the clean sample from x_t and eps, then noise the guess again to the level s.",
        "x0 = (x_t - sqrt(1 - alpha_bar) eps) / sqrt(alpha_bar).",
        "sqrt(alpha_bar_s) x0 + sqrt(1 - alpha_bar_s) eps, with the same eps",
    ),
    right=(
        lambda x_t, eps, alpha_bar, alpha_bar_s: (
            alpha_bar_s.sqrt() * (x_t - (1 - alpha_bar).sqrt() * eps) / alpha_bar.sqrt()
            + (1 - alpha_bar_s).sqrt() * eps
        ),
        lambda x_t, eps, alpha_bar, alpha_bar_s: (
            (alpha_bar_s / alpha_bar) ** 0.5 * x_t
            + ((1 - alpha_bar_s) ** 0.5 - (alpha_bar_s * (1 - alpha_bar) / alpha_bar) ** 0.5) * eps
        ),
        lambda x_t, eps, a, b: b**0.5 * (x_t / a**0.5 + ((1 / b - 1) ** 0.5 - (1 / a - 1) ** 0.5) * eps),
    ),
    slips={
        "the result changes from call to call": lambda x_t, eps, a, b: (
            b**0.5 * (x_t - (1 - a) ** 0.5 * eps) / a**0.5 + (1 - b) ** 0.5 * torch.randn_like(x_t)
        ),
    },
)


heun_calls = Exercise(
    "derive",
    stars=2,
    minutes=8,
    judge=Number(
        199.0,
        {
            "100 is the number of steps; asked are the calls": 100.0,
            "the last step, to clean data, has no second look: one call less": 200.0,
            "that is for order one: at order two the error falls with the square of the number of steps": 1999.0,
            "1,000 is the number of steps at order one; the order is two, and asked are the calls": 1000.0,
            "ten times the steps, not ten times the 19 calls of 10 steps": 190.0,
            "19 calls are made by 10 steps, now; the error must become 100 times smaller": 19.0,
            "count two calls for each step but the last": 101.0,
            "ten times the steps of 10, not a hundred times its 19 or 20 calls": 1900.0,
        },
        tolerance=0.002,
    ),
    praise="100 steps, and 2 * 100 - 1 = 199 calls",
    hints=(
        "How many times smaller must the error become? What does order 2 say of the number of steps then?",
        "error ~ N^-2: a hundredth of the error at ten times the steps. N steps of Heun cost 2N - 1 calls.",
        "N = 10 * (0.02 / 0.0002) ** (1/2), then 2N - 1.",
    ),
    right=(199, 199.0, torch.tensor(199.0), 2 * 10 * (0.02 / 0.0002) ** 0.5 - 1),
)


LINE = GaussianMixture(
    torch.tensor([0.6, 0.4], dtype=torch.float64),
    torch.tensor([[-1.0], [1.5]], dtype=torch.float64),
    torch.tensor([[[0.25]], [[0.16]]], dtype=torch.float64),
)
LINEAR = NoiseSchedule.linear()
RANKS = torch.linspace(0.02, 0.98, 25, dtype=torch.float64)[:, None]
ARRIVAL = 199


class _Counted:
    """The exact denoiser on the line, which counts its calls."""

    def __init__(self):
        self.denoiser, self.calls = LINE.denoiser(LINEAR), 0

    def __call__(self, x, t):
        self.calls += 1
        return self.denoiser(x, t)


def _walked(sampler, num_steps: int):
    """The points that a sampler hands out, and its number of calls. Raises ValueError for what is no generator."""
    denoiser = _Counted()
    start = LINE.diffuse(float(LINEAR.alpha_bar[-1])).quantile(RANKS)
    steps = sampler(denoiser, LINEAR, start.clone(), num_steps)
    if steps is None or isinstance(steps, torch.Tensor) or not hasattr(steps, "__iter__"):
        raise ValueError("want a generator that hands out x after each step, by `yield x`")
    points = []
    for number, x in enumerate(steps):
        if number >= num_steps + 2:
            break
        if not isinstance(x, torch.Tensor) or x.shape != start.shape:
            raise ValueError(f"after step {number + 1} it hands out {shown(x)}; want x, of shape {tuple(start.shape)}")
        points.append(x.detach())
    return points, denoiser.calls


def _error_on_arrival(points, num_steps: int) -> float:
    arrival = [s for _, _, s, _ in LINEAR.walk(num_steps)].index(ARRIVAL)
    want = LINE.diffuse(float(LINEAR.alpha_bar[ARRIVAL])).quantile(RANKS)
    return float((points[arrival] - want).square().mean().sqrt())


def _order(sampler) -> tuple[float, float]:
    """The order between 40 and 200 steps, and the error at 200."""
    errors = [_error_on_arrival(_walked(sampler, number)[0], number) for number in (40, 200)]
    return math.log(errors[0] / errors[1]) / math.log(5), errors[1]


def _of_package(sampler: Sampler):
    """A sampler of the package with the face of those in the notebook: it hands out x."""

    def steps(denoiser, schedule, x, num_steps):
        for step in sampler(denoiser, schedule, x, num_steps):
            yield step.x

    return steps


def _judge_solver(answer, slips: Mapping[str, Any], package: Mapping[str, Any], num_steps: int = 20) -> str | None:
    """One call and one point for each step, no noise, not a known slip, at clean data in the end, and order two."""
    points, calls = _walked(answer, num_steps)
    if len(points) != num_steps:
        return f"in {num_steps} steps it hands out {len(points)} points; want one after each step"
    again, _ = _walked(answer, num_steps)
    if not all(torch.equal(a, b) for a, b in zip(points, again, strict=True)):
        return "it draws noise: the same start gives another result; want a deterministic solver"
    for words, sampler in {**slips, **package}.items():
        known, _ = _walked(sampler, num_steps)
        if torch.allclose(points[-1], known[-1], rtol=1e-7, atol=1e-9, equal_nan=True):
            return words
    if not all(x.isfinite().all() for x in points):
        return "some points are not finite; is the last step, to sigma = 0, treated like the others?"
    if calls != num_steps:
        return f"in {num_steps} steps the denoiser is called {calls} times; want one call for each step"
    found, error = _order(answer)
    if not error < 0.01:
        return f"it does not follow the flow: with 200 steps the error on arrival at t = {ARRIVAL} is {error:.2g}"
    if found < 1.8:
        return f"from 40 to 200 steps the order is {found:.1f}; want 2"
    apart = float((points[-1] - LINE.quantile(RANKS)).abs().max())
    return f"after the last step it is {apart:.2f} away from clean data" if apart > 0.5 else None


def _two_m(
    denoiser, schedule, x, num_steps, *, keep=False, weight=0.5, turned=False, sign=1.0, forget=False, h_kept=True
):
    """DPM-Solver++(2M); the keywords are the slips."""
    h_before, x0_before = math.nan, None
    for t, a, s, b in schedule.walk(num_steps):
        sigma, sigma_s = ((1 - a) / a) ** 0.5, ((1 - b) / b) ** 0.5
        x0 = (x - (1 - a) ** 0.5 * denoiser(x, torch.full((len(x),), t))) / a**0.5
        middle = x0
        if s >= 0:
            h = math.log(sigma / sigma_s)
            if x0_before is not None and not forget:
                ratio = h_before / h if turned else h / h_before
                middle = x0 + sign * weight * ratio * (x0 - x0_before)
            h_before, x0_before = (h if h_kept or math.isnan(h_before) else h_before), middle if keep else x0
        x = b**0.5 * (sigma_s / sigma * x / a**0.5 + (1 - sigma_s / sigma) * middle)
        yield x


TWO_M_SLIPS: dict[str, dict[str, Any]] = {
    "it still keeps the corrected value as the prediction before; want the prediction itself": dict(keep=True),
    "the lengths are upside down, want h / h_before": dict(turned=True),
    "this goes to the end of the step: want the middle, h / (2 h_before)": dict(weight=1.0),
    "the slope has the wrong sign: it is the prediction minus the one before": dict(sign=-1.0),
    "the correction is gone, this is DDIM": dict(forget=True),
    "h_before is never renewed": dict(h_kept=False),
}


def _in_vp(denoiser, schedule, x, num_steps):
    old = None
    for t, a, s, b in schedule.walk(num_steps):
        ratio = (((1 - b) / b) / ((1 - a) / a)) ** 0.5
        now = (x - (1 - a) ** 0.5 * denoiser(x, torch.full((len(x),), t))) / a**0.5
        middle = now
        if s >= 0:
            h = -math.log(ratio)
            middle = now if old is None else now + (now - old[1]) * h / old[0] / 2
            old = (h, now)
        x = ((1 - b) / (1 - a)) ** 0.5 * x + b**0.5 * (1 - ratio) * middle
        yield x


def _judge_2m(answer):
    return _judge_solver(answer, {words: functools.partial(_two_m, **slip) for words, slip in TWO_M_SLIPS.items()}, {})


mended_2m = Exercise(
    "debug",
    stars=3,
    minutes=15,
    judge=_judge_2m,
    praise="what is remembered is the prediction itself, and the order is two",
    hints=(
        "The boxed formula holds three predictions: now, before, and in the middle. Which of them does the loop keep?",
        "x0_before is E[x_0|x_t] at the step before, not the value in the middle of that step.",
        "Two names in the place of one: x0 for the prediction, middle for its extrapolation; keep x0.",
    ),
    right=(_two_m, _in_vp, _of_package(dpm_solver)),
    slips={words: functools.partial(_two_m, **slip) for words, slip in TWO_M_SLIPS.items()}
    | {
        "want a generator": lambda denoiser, schedule, x, num_steps: final(
            dpm_solver(denoiser, schedule, x, num_steps)
        ),
        "hands out 1 points": lambda denoiser, schedule, x, num_steps: iter(
            [final(dpm_solver(denoiser, schedule, x, num_steps))]
        ),
    },
)


def _adams(
    denoiser, schedule, x, num_steps, *, weight=0.5, turned=False, sign=1.0, keep=False, last=False, noise=0.0, calls=1
):
    """Adams-Bashforth in sigma; the keywords are the slips, `last` is a choice."""
    h_before = eps_before = None
    for t, a, s, b in schedule.walk(num_steps):
        sigma, sigma_s = ((1 - a) / a) ** 0.5, ((1 - b) / b) ** 0.5
        eps, *_ = [denoiser(x, torch.full((len(x),), t)) for _ in range(calls)]
        h, slope = sigma_s - sigma, eps
        if eps_before is not None and h_before is not None and (last or s >= 0):
            ratio = h_before / h if turned else h / h_before
            slope = eps + sign * weight * ratio * (eps - eps_before)
        h_before, eps_before = h, slope if keep else eps
        x = b**0.5 * (x / a**0.5 + h * slope)
        x = x + noise * torch.randn_like(x) if noise else x
        yield x


ADAMS_SLIPS: dict[str, dict[str, Any]] = {
    "this goes to the end of the step: want its middle, h / (2 h_before)": dict(weight=1.0),
    "the lengths are upside down, want h / h_before": dict(turned=True),
    "the difference has the wrong sign: eps minus the eps before": dict(sign=-1.0),
    "keep the prediction, not its extrapolation": dict(keep=True),
    "this is Euler's step, DDIM: nothing is extrapolated": dict(weight=0.0),
}


def _judge_adams(answer):
    slips = {words: functools.partial(_adams, **slip) for words, slip in ADAMS_SLIPS.items()}
    return _judge_solver(answer, slips, {"this is DPM-Solver++(2M); want the extrapolation of eps in sigma": _two_m})


def _by_derivative(denoiser, schedule, x, num_steps):
    past = []
    for t, a, s, b in schedule.walk(num_steps):
        sigma, sigma_s = math.sqrt(1 / a - 1), math.sqrt(max(1 / b - 1, 0.0))
        eps, step = denoiser(x, torch.full((len(x),), t)), sigma_s - sigma
        y = x / math.sqrt(a) + step * eps
        if past and s >= 0:
            y = y + step**2 / 2 * (eps - past[-1][1]) / (sigma - past[-1][0])
        past.append((sigma, eps))
        x = y * math.sqrt(b)
        yield x


def _heun_steps(denoiser, schedule, x, num_steps):
    for t, a, s, b in schedule.walk(num_steps):
        eps, step = denoiser(x, torch.full((len(x),), t)), ((1 - b) / b) ** 0.5 - ((1 - a) / a) ** 0.5
        y = x / a**0.5
        if s >= 0:
            eps = (eps + denoiser(b**0.5 * (y + step * eps), torch.full((len(x),), s))) / 2
        x = b**0.5 * (y + step * eps)
        yield x


def _in_x(denoiser, schedule, x, num_steps):
    for t, a, _, b in schedule.walk(num_steps):
        x = x + (((1 - b) / b) ** 0.5 - ((1 - a) / a) ** 0.5) * denoiser(x, torch.full((len(x),), t))
        yield x


adams_bashforth = Exercise(
    "build",
    stars=3,
    minutes=20,
    judge=_judge_adams,
    praise="one call for each step, and order two",
    hints=(
        "Start from Euler in sigma: y = x / sqrt(alpha_bar), y + (sigma_s - sigma_t) eps, times sqrt(alpha_bar_s).",
        "Keep eps and h of each step for the next: slope = eps + h / (2 h_before) (eps - eps_before).",
        "Before the loop: before = None. In it, after the slope: before = (h, eps). Use it if there is one and s >= 0.",
    ),
    right=(_adams, functools.partial(_adams, last=True), _by_derivative),
    slips={words: functools.partial(_adams, **slip) for words, slip in ADAMS_SLIPS.items()}
    | {
        "it does not follow the flow": _in_x,
        "this is DPM-Solver++(2M)": _of_package(dpm_solver),
        "it draws noise": functools.partial(_adams, noise=0.1),
        "is called 39 times": _heun_steps,
        "is called 40 times": functools.partial(_adams, calls=2),
        "want a generator": lambda denoiser, schedule, x, num_steps: final(ddim(denoiser, schedule, x, num_steps)),
    },
)


def _velocity_of(
    x_t, eps, alpha_bar, *, sign=1.0, divide=True, root=0.5, v=False, plus=False, straight=False, add=False, raw=False
):
    signal, noise = alpha_bar**root, (1 - alpha_bar) ** root
    x_t = x_t / (signal + noise) if straight else x_t
    x0 = x_t + noise * eps if add else x_t - noise * eps
    x0 = x0 / signal if divide else x0
    x0 = x_t if raw else x0
    if v:
        return signal * eps - noise * x0
    return eps + x0 if plus else sign * (eps - x0)


velocity_of = Exercise(
    "implement",
    stars=2,
    minutes=10,
    judge=Law(
        _velocity_of,
        cases("x_t eps alpha_bar", alpha_bar=(0.2, 0.8)),
        {
            "time is turned round: u = eps - x0 leads to the noise": dict(sign=-1.0),
            "x0 is not divided by sqrt(alpha_bar)": dict(divide=False),
            "the square roots are missing: alpha_bar is a power, its root an amplitude": dict(root=1.0),
            "this is v, the velocity on the arc; want eps - x0": dict(v=True),
            "x0 and eps are added, want their difference": dict(plus=True),
            "x_t was divided by the sum of the amplitudes first; x0 is found from x_t itself": dict(straight=True),
            "in x0 the noise is added, want taken away": dict(add=True),
            "x_t stands where the clean sample belongs: guess x0 from x_t and eps first": dict(raw=True),
        },
    ),
    praise="u = eps - x0, x0 = (x_t - sqrt(1 - alpha_bar) eps) / sqrt(alpha_bar)",
    hints=(
        "The velocity is a difference of two predictions; one of them is given.",
        "u = eps - x0, and x0 follows from x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps.",
        "eps - (x_t - sqrt(1 - alpha_bar) eps) / sqrt(alpha_bar)",
    ),
    right=(
        lambda x_t, eps, alpha_bar: eps - (x_t - (1 - alpha_bar).sqrt() * eps) / alpha_bar.sqrt(),
        lambda x_t, eps, a: ((a**0.5 + (1 - a) ** 0.5) * eps - x_t) / a**0.5,
        flow.velocity_from_eps,
        lambda x_t, eps, a: eps * (1 + (1 / a - 1) ** 0.5) - x_t * a**-0.5,
    ),
)


RHOS = (0.5, 0.75, 1.0, 1.5, 2.0)


def _straight_error(taus) -> float:
    """The rms error of Euler on the straight path on the line, as in the notebook."""
    shares = torch.linspace(0.02, 0.98, 49, dtype=torch.float64)[:, None]
    first = float(flow.alpha_bar_from_tau(taus[0]))
    x = flow.straight_from_vp(LINE.diffuse(first).quantile(shares), first)
    for tau, tau_next in itertools.pairwise(taus):
        alpha_bar = float(flow.alpha_bar_from_tau(tau))
        x_t = flow.vp_from_straight(x, alpha_bar)
        score = LINE.diffuse(alpha_bar).score(x_t)
        x = x + (tau_next - tau) * flow.velocity_from_score(x_t, score, alpha_bar)
    return float((x - LINE.quantile(shares)).square().mean().sqrt())


@functools.cache
def _spacing_errors(kind: str) -> dict[float, float]:
    """What a learner reads off for each rho: right, or with a slip."""

    def taus(rho):
        n = 20 if kind == "twenty" else 10
        steps = [0.9999 * (1 - k / n) ** rho for k in range(n + 1)]
        if kind == "power of k":
            steps = [0.9999 * (1 - (k / n) ** rho) for k in range(n + 1)]
        if kind == "root":
            steps = [0.9999 * (1 - k / n) ** (1 / rho) for k in range(n + 1)]
        return steps[:-1] if kind == "open" else steps

    if kind == "rms":
        return {rho: error**2 for rho, error in _spacing_errors("right").items()}
    return {rho: _straight_error(taus(rho)) for rho in RHOS}


SPACING_SLIPS = {
    "these are the errors of 20 steps; want 10": "twenty",
    "the power belongs to 1 - k/10 as a whole, not to k/10": "power of k",
    "these are the errors for 1 / rho": "root",
    "the levels end before tau = 0: want 11 of them, k = 0 to 10": "open",
    "these are mean squares; want what straight_error returns, their root": "rms",
}


def _judge_spacing(measured):
    if not isinstance(measured, Mapping):
        return f"want a dictionary rho -> error, got {shown(measured)}"
    missing = [rho for rho in RHOS if rho not in measured]
    if missing:
        return f"there is no entry for rho = {missing[0]:g}"
    got = [as_number(measured[rho]) for rho in RHOS]
    for words, kind in ({"": "right"} | SPACING_SLIPS).items():
        if all(near(a, b, 0.02) for a, b in zip(got, _spacing_errors(kind).values(), strict=True)):
            return words or None
    want = list(_spacing_errors("right").values())
    off = next(i for i, (a, b) in enumerate(zip(got, want, strict=True)) if not near(a, b, 0.02))
    return f"rho = {RHOS[off]:g}: {got[off]:.3g} is {far(got[off], want[off])}"


spacing = Exercise(
    "experiment",
    stars=2,
    minutes=12,
    judge=_judge_spacing,
    praise="rho = 0.75 wins by a little: the best spacing is flat, and near the even one",
    hints=(
        "`straight_error(taus)` of a cell above takes a list of eleven levels, from 0.9999 to 0.",
        "[0.9999 * (1 - k / 10) ** rho for k in range(11)] are the levels of one rho.",
        "for rho in (...): my_errors[rho] = straight_error(those levels)",
    ),
    right=(
        _spacing_errors("right"),
        _spacing_errors("right") | {3.0: 1.0},
        {rho: torch.tensor(error) for rho, error in _spacing_errors("right").items()},
    ),
    slips={words: _spacing_errors(kind) for words, kind in SPACING_SLIPS.items()}
    | {
        "there is no entry for rho = 2": {rho: 0.1 for rho in RHOS[:-1]},
        "want a dictionary": [0.1, 0.2],
    },
)


NAMES = {
    "ddpm small": "its variance is too small and each step loses more of it: with few steps the samples are too narrow",
    "ddpm large": "the large variance helps DDPM, but its 5 steps are too long all the same",
    "ddim": "its order is one: with 5 calls the steps are long",
    "heun": "with other levels than these it may lose",
    "dpm-solver++": "a good guess, and the lowest at 9 and 19 calls; of its 5 steps two are those of DDIM",
    "predictor-corrector": "half of its calls go to the corrector, and its 3 steps of DDIM are very long",
}


def _judge_best(answer, measured="heun"):
    if not isinstance(answer, str):
        return f"want one of the names, in quotes, got {shown(answer)}"
    name = answer.strip().lower()
    if name not in NAMES:
        return f"there is no {answer!r} in the table; there are {', '.join(NAMES)}"
    return None if name == measured else f"you said {name}: {NAMES[name]}"


best_at_five = Exercise(
    "predict",
    stars=2,
    minutes=5,
    judge=_judge_best,
    praise="that is the best of the six at 5 calls",
    hints=(
        "Fresh noise does not lessen the error of a long step. Which of the deterministic ones are of order two?",
        "Two of them are. Count their steps at 5 calls, and how many of these are really of order two.",
        "Heun makes 3 steps with 5 calls, DPM-Solver++ 5. Both are far ahead of DDIM; the one with two looks wins.",
    ),
    right=("heun", "Heun", " heun "),
    slips={f"you said {name}": name for name in NAMES if name != "heun"}
    | {"in the table": "euler", "want one of the names": 4},
)
