"""The exercises of notebook 05: diffusion and the score."""

import functools
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Guess, Law, Number, as_number, cases, far, near, shown
from ldm_teach.theory.mixture import GaussianMixture
from ldm_teach.theory.samplers import ddpm, final
from ldm_teach.theory.schedule import NoiseSchedule

two_steps = Exercise(
    "derive",
    stars=1,
    minutes=5,
    judge=Number(
        0.46,
        {
            "betas do not add: the second step shrinks the noise of the first": 0.5,
            "that is alpha_bar, the power of the signal; asked is that of the noise": 0.54,
            "that is the amplitude of the signal": 0.54**0.5,
            "that is the amplitude of the noise; asked is its variance": 0.46**0.5,
            "that is the noise of the second step alone": 0.4,
            "that is the product of the betas; the alphas are multiplied": 0.04,
            "sqrt(alpha) times an amplitude is alpha times a variance, not sqrt(alpha)": 0.1 * 0.6**0.5 + 0.4,
            "sqrt(alpha) times an amplitude is alpha times a variance, not alpha squared": 0.436,
        },
    ),
    praise="alpha_bar = 0.9 * 0.6 = 0.54, and 0.46 of the power is noise",
    hints=(
        "Write x_2 with x_1 put in. Two independent noises are left: which factor does each have?",
        "Variances of independent noises add: alpha_2 (1 - alpha_1) + (1 - alpha_2) = 1 - alpha_1 alpha_2.",
        "alpha_1 = 0.9 and alpha_2 = 0.6: one minus their product.",
    ),
    right=(0.46, torch.tensor(0.46), 1 - 0.9 * 0.6),
)


def _v(
    x_t, eps, alpha_bar, *, root=0.5, sign=-1.0, divide=1.0, swapped=False, scaled=1.0, at=1.0, x0=False, unsolved=False
):
    if unsolved:
        return alpha_bar**0.5 * eps - (1 - alpha_bar) ** 0.5 * x_t
    if x0:
        return (x_t - (1 - alpha_bar) ** 0.5 * eps) / alpha_bar**0.5
    signal, noise = alpha_bar**root, (1 - alpha_bar) ** root
    signal, noise = (noise, signal) if swapped else (signal, noise)
    return (scaled * eps + at * sign * noise * x_t) / signal**divide


v_from_noise = Exercise(
    "implement",
    stars=2,
    minutes=10,
    judge=Law(
        _v,
        cases("x_t eps alpha_bar", alpha_bar=(0.2, 0.8)),
        {
            "the square roots are missing: alpha_bar is a power, its root an amplitude": dict(root=1.0),
            "x_t is added, want taken away": dict(sign=1.0),
            "it is not divided by sqrt(alpha_bar)": dict(divide=0.0),
            "it is multiplied by sqrt(alpha_bar), want divided": dict(divide=-1.0),
            "it is divided by alpha_bar, want its root": dict(divide=2.0),
            "signal and noise are exchanged": dict(swapped=True),
            "x_t is forgotten": dict(at=0.0),
            "this is x_0, not v": dict(x0=True),
            "x_t stands where x_0 belongs": dict(unsolved=True),
            "this is -v: eps and x_t have the wrong signs": dict(scaled=-1.0, sign=1.0),
        },
    ),
    praise="(eps - sqrt(1 - alpha_bar) x_t) / sqrt(alpha_bar)",
    hints=(
        "v needs x_0, which is not given: first write x_0 in terms of x_t and eps.",
        "v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x_0, x_0 = (x_t - sqrt(1 - alpha_bar) eps) / sqrt(alpha_bar)",
        "Or solve eps = sqrt(1 - alpha_bar) x_t + sqrt(alpha_bar) v for v.",
    ),
    right=(
        lambda x_t, eps, alpha_bar: (eps - (1 - alpha_bar).sqrt() * x_t) / alpha_bar.sqrt(),
        lambda x_t, eps, a: a**0.5 * eps - (1 - a) ** 0.5 * (x_t - (1 - a) ** 0.5 * eps) / a**0.5,
        lambda x_t, eps, a: eps / math.sqrt(a) - math.tan(math.acos(math.sqrt(a))) * x_t,
    ),
)


def _posterior(
    x_t, x0, alpha_bar, alpha_bar_s, *,
    root=0.5, swapped=False, step=False, kept=True, first=1.0, second=1.0, exchanged=False, still=False, of=None,
):  # fmt: skip
    if still:
        return alpha_bar_s**0.5 * x0 + ((1 - alpha_bar_s) / (1 - alpha_bar)) ** 0.5 * (x_t - alpha_bar**0.5 * x0)
    if exchanged:
        alpha_bar, alpha_bar_s = alpha_bar_s, alpha_bar
    alpha = alpha_bar / alpha_bar_s
    whole = 1 - (alpha if step else alpha_bar)
    of_x_t = (alpha_bar if of == "x_t" else alpha) ** root * ((1 - alpha_bar_s) if kept else 1.0) / whole
    of_x0 = alpha_bar_s**root * (1 - (alpha_bar if of == "x_0" else alpha)) / whole
    if swapped:
        of_x_t, of_x0 = of_x0, of_x_t
    return first * of_x_t * x_t + second * of_x0 * x0


posterior_mean = Exercise(
    "implement",
    stars=2,
    minutes=10,
    judge=Law(
        _posterior,
        cases("x_t x0 alpha_bar alpha_bar_s", alpha_bar=(0.2, 0.5), alpha_bar_s=(0.6, 0.9)),
        {
            "the two coefficients are swapped": dict(swapped=True),
            "the square roots are missing: want sqrt(alpha) and sqrt(alpha_bar_s)": dict(root=1.0),
            "alpha for alpha_bar: divide by 1 - alpha_bar": dict(step=True),
            "alpha_bar for alpha in the factor of x_t: its root is that of one step": dict(of="x_t"),
            "alpha_bar for alpha in the factor of x_0: beta is 1 - alpha, of one step": dict(of="x_0"),
            "this keeps all of the noise of x_t, scaled (DDIM, notebook 06); the posterior draws some anew": dict(
                still=True
            ),
            "the factor 1 - alpha_bar_s of x_t is missing": dict(kept=False),
            "the levels of t and s are exchanged": dict(exchanged=True),
            "x_0 is forgotten": dict(second=0.0),
            "x_t is forgotten": dict(first=0.0),
        },
    ),
    praise="sqrt(alpha) (1 - alpha_bar_s) / (1 - alpha_bar) x_t + sqrt(alpha_bar_s) beta / (1 - alpha_bar) x_0",
    hints=(
        "The mean is the variance times the factor of x_s in the exponent, and both stand above.",
        "beta (1 - alpha_bar_s) / (1 - alpha_bar) (sqrt(alpha) x_t / beta + sqrt(alpha_bar_s) x_0 / (1 - alpha_bar_s))",
        "alpha = alpha_bar / alpha_bar_s, beta = 1 - alpha; x_t gets sqrt(alpha) (1 - alpha_bar_s) / (1 - alpha_bar).",
    ),
    right=(
        lambda x_t, x0, a, b: (a / b).sqrt() * (1 - b) / (1 - a) * x_t + b.sqrt() * (1 - a / b) / (1 - a) * x0,
        lambda x_t, x0, a, b: ((a * b) ** 0.5 * (1 / b - 1) * x_t + (b - a) / b**0.5 * x0) / (1 - a),
        lambda x_t, x0, a, b: (
            b**0.5 * x0 + ((a / b) ** 0.5 * (1 - b) / (1 - a)) * (x_t - a**0.5 * x0)  # regression of x_s on x_t
        ),
    ),
)


reverse_variance = Exercise(
    "derive",
    stars=3,
    minutes=15,
    judge=Number(
        2 / 7,
        {
            "that is the small variance, right where x_0 is known": 1 / 6,
            "that is the large variance, right where the data have variance one": 0.5,
            "that is the variance of x_0 given x_t; carry it to x_s": 0.25 - 0.4 * 0.0625 / 0.7,
            "the coefficient of x_0 enters the variance squared": 1 / 6
            + (0.8**0.5 * 0.5 / 0.6) * (0.25 - 0.4 * 0.0625 / 0.7),
            "the variance of x_0 without having seen x_t is 1/4; given x_t it is smaller": 1 / 6
            + (0.8**0.5 * 0.5 / 0.6) ** 2 * 0.25,
            "that is only what the unknown x_0 adds; add the small variance": 2 / 7 - 1 / 6,
            "that is the variance of x_s without having seen x_t": 0.4,
        },
    ),
    praise="2/7 = 0.286, between the small variance 0.167 and the large one 0.5",
    hints=(
        "Given x_t, x_0 is still uncertain. Or: x_s and x_t are jointly Gaussian, and a formula gives Var(x_s|x_t).",
        "Var(x_s|x_t) = Var(x_s) - Cov(x_s, x_t)^2 / Var(x_t), with x_t = sqrt(alpha) x_s + noise.",
        "Var(x_s) = 0.8/4 + 0.2 = 0.4, Var(x_t) = 0.4/4 + 0.6 = 0.7, Cov = sqrt(0.5) * 0.4.",
    ),
    right=(2 / 7, 0.2857, torch.tensor(0.4 - 0.5 * 0.16 / 0.7)),
)


LOSS_SLIPS = {
    "with so little noise, x_t shows x_0 but not eps: it is much smaller than the data are wide": 0.0,
    "that is the sum over both coordinates; the loss is per coordinate": 2.0,
    "half of it can be seen only where signal and noise are of one size": 0.5,
    "that is the share of noise in x_t; the loss compares eps, which has variance one": 1e-4,
    "that is the amplitude of the noise in x_t; the loss compares eps, which has variance one": 1e-2,
}


loss_at_the_clean_end = Exercise(
    "predict",
    stars=2,
    minutes=5,
    judge=Guess(0.999, 1.3, LOSS_SLIPS),
    praise="even a perfect denoiser can hardly guess eps there, and its loss is nearly that of the guess 0",
    hints=(
        "At t = 0 the noise has amplitude 0.01, the bumps of the data are 0.2 to 0.5 wide. What can be seen of eps?",
        "The loss of the best guess is the mean of Var(eps|x_t). Compare with Var(eps), per coordinate.",
        "For data N(0, c^2) it is alpha_bar c^2 / (alpha_bar c^2 + 1 - alpha_bar), with 1 - alpha_bar = 1e-4.",
    ),
    right=(1.0, 0.98, torch.tensor(0.9)),
)


# Build: a network that predicts v inside and gives eps out.


class _Velocity(nn.Module):
    """A right answer, and with the keywords its slips."""

    def __init__(self, alpha_bar, *, out="eps", timed=True, first=False, scaled=True, learn=True, wide=1):
        super().__init__()
        self.alpha_bar, self.out, self.timed, self.first, self.scaled = alpha_bar, out, timed, first, scaled
        self.learn, self.wide = learn, wide
        self.layers = nn.Sequential(nn.Linear(3, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 2 * wide))

    def forward(self, x_t, t):
        time = t[:, None] / len(self.alpha_bar) if self.timed else torch.zeros(len(t), 1)
        v = self.layers(torch.cat([x_t, time.to(x_t)], dim=1))
        v = v if self.learn else v.detach()
        level = self.alpha_bar[t[:1] if self.first else t].to(x_t)[:, None]
        signal, noise = level.sqrt(), (1 - level).sqrt()
        if self.out == "x0":
            return signal * x_t - noise * v
        if self.out == "roots":
            return level * v + (1 - level) * x_t
        if self.out == "swapped" and self.wide == 1:
            return noise * v + signal * x_t
        if self.out == "v" or self.wide > 1:
            return v
        return signal * v + noise * x_t


class _Embedded(nn.Module):
    def __init__(self, alpha_bar):
        super().__init__()
        self.table, self.inside = nn.Embedding(len(alpha_bar), 16), nn.Linear(2, 64)
        self.time, self.outside = nn.Linear(16, 64), nn.Linear(64, 2)
        self.register_buffer("alpha_bar", alpha_bar)

    def forward(self, x_t, t):
        hidden = torch.tanh(self.inside(x_t) + self.time(self.table(t)))
        angle = self.alpha_bar[t].sqrt().acos().to(x_t)[:, None]
        return angle.cos() * self.outside(hidden) + angle.sin() * x_t


class _Wide(nn.Module):
    def __init__(self, alpha_bar):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 2))
        self.signals = alpha_bar**0.5
        self.noises = (1 - alpha_bar) ** 0.5

    def forward(self, x_t, t):
        a, b = (level[t].float()[:, None] for level in (self.signals, self.noises))
        return torch.addcmul(b * x_t, a, self.net(torch.cat([x_t, a, b], dim=-1)))


def _judge_velocity(answer):
    alpha_bar = NoiseSchedule.cosine().alpha_bar
    if not (isinstance(answer, type) and issubclass(answer, nn.Module)):
        return f"want a class that is an nn.Module, made as VelocityNetwork(alpha_bar); got {shown(answer)}"
    torch.manual_seed(0)
    network, generator = answer(alpha_bar), torch.Generator().manual_seed(1)
    x_t, t = torch.randn(6, 2, generator=generator), torch.tensor([5, 200, 400, 600, 800, 990])
    got = network(x_t, t)
    if not isinstance(got, Tensor) or got.shape != (6, 2):
        return f"for x_t of shape (6, 2) it returns {shown(got)}; want a tensor of shape (6, 2)"
    wrong = _at_zero(answer(alpha_bar), x_t, t, alpha_bar)
    if wrong:
        return wrong
    if torch.allclose(network(x_t[:1].expand(6, 2), t[:1].expand(6)), network(x_t[:1].expand(6, 2), t)):
        return "the result does not depend on t"
    if not got.requires_grad:
        return "no gradient reaches the parameters; is something detached, or computed without gradients?"
    got.square().sum().backward()
    idle = [name for name, value in network.named_parameters() if value.grad is None]
    if idle:
        return f"no gradient reaches the parameter {idle[0]}"
    return _velocity_inside(network, x_t, t, alpha_bar) or _overfits(answer(alpha_bar), alpha_bar)


def _at_zero(network, x_t, t, alpha_bar):
    """With all its parameters at zero v is zero, and eps = sqrt(1 - alpha_bar) x_t."""
    parameters = list(network.parameters())
    if not parameters:
        return "it has no parameters; are its layers kept as attributes of self?"
    with torch.no_grad():
        for value in parameters:
            value.zero_()
        got = network(x_t, t).float()
    level = alpha_bar[t].float()[:, None]
    said = {
        "with all parameters at zero it returns 0: that is v itself, not turned into eps": 0 * x_t,
        "x_t has the factor sqrt(alpha_bar), want that of eps, sqrt(1 - alpha_bar)": level.sqrt() * x_t,
        "the square roots are missing: alpha_bar is a power": (1 - level) * x_t,
        "every row gets the level of the first: look alpha_bar up at each t": (1 - level[:1]).sqrt() * x_t,
    }
    if torch.allclose(got, (1 - level).sqrt() * x_t, atol=1e-5):
        return None
    named = [words for words, value in said.items() if torch.allclose(got, value, atol=1e-5)]
    return named[0] if named else "with all parameters at zero, v = 0; it then must return sqrt(1 - alpha_bar) x_t"


def _velocity_inside(network, x_t, t, alpha_bar):
    """Where hardly any signal is left, eps = sqrt(alpha_bar) v + ... is x_t whatever the parameters are."""
    late = torch.full_like(t, 999)
    if not torch.allclose(network(x_t, late).float(), (1 - alpha_bar[999]).sqrt().float() * x_t, atol=1e-2):
        return "at the last t, eps must be x_t nearly, whatever the parameters: v enters times sqrt(alpha_bar)"
    return None


def _overfits(network, alpha_bar):
    generator = torch.Generator().manual_seed(2)
    x0, eps = torch.randn(2, 16, 2, generator=generator)
    t = torch.randint(100, 900, (16,), generator=generator)
    level = alpha_bar[t].float()[:, None]
    x_t = level.sqrt() * x0 + (1 - level).sqrt() * eps
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    lowest = 1.0
    for _ in range(400):
        loss = (network(x_t, t) - eps).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        lowest = min(lowest, float(loss.detach()))
    if lowest < 0.05:
        return None
    said = f"in 400 steps on one batch of 16 points its loss is never below {lowest:.2f}; want 0.05"
    return f"{said}: more units, or t scaled to unit size?"


def _slipped(**options: Any) -> type:
    """A class of networks that make one slip."""

    class Slipped(_Velocity):
        def __init__(self, alpha_bar):
            super().__init__(alpha_bar, **options)

    return Slipped


class _Tiny(nn.Module):
    def __init__(self, alpha_bar):
        super().__init__()
        self.alpha_bar, self.layer = alpha_bar, nn.Linear(3, 2)

    def forward(self, x_t, t):
        level = self.alpha_bar[t].float()[:, None]
        v = self.layer(torch.cat([x_t, level], dim=1))
        return level.sqrt() * v + (1 - level).sqrt() * x_t


class _Unkept(nn.Module):
    def __init__(self, alpha_bar):
        super().__init__()
        self.layers = [nn.Linear(2, 2)]

    def forward(self, x_t, t):
        return self.layers[0](x_t)


class _Untimed(_Velocity):
    """It adds x_t as it should, and leaves t out of v and of its factor."""

    def forward(self, x_t, t):
        v = self.layers(torch.cat([x_t, torch.zeros(len(t), 1)], dim=1))
        return v + (1 - self.alpha_bar[t]).sqrt().to(x_t)[:, None] * x_t


velocity_network = Exercise(
    "build",
    stars=3,
    minutes=20,
    judge=_judge_velocity,
    praise="it predicts v, gives eps, and at the noisy end it cannot be wrong",
    hints=(
        "Two parts: layers that make v of x_t and t, and the conversion from v to eps.",
        "eps = sqrt(alpha_bar_t) v + sqrt(1 - alpha_bar_t) x_t, with alpha_bar_t of each row, shaped (B, 1).",
        "level = self.alpha_bar[t].to(x_t)[:, None]; then level.sqrt() * v + (1 - level).sqrt() * x_t.",
    ),
    right=(_slipped(), _Embedded, _Wide),
    slips={
        "that is v itself, not turned into eps": _slipped(out="v"),
        "x_t has the factor sqrt(alpha_bar)": _slipped(out="x0"),
        "the square roots are missing": _slipped(out="roots"),
        "every row gets the level of the first": _slipped(first=True),
        "no gradient reaches the parameters": _slipped(learn=False),
        "it returns a tensor of shape (6, 4)": _slipped(wide=2),
        "its loss is never below": _Tiny,
        "it has no parameters": _Unkept,
        "v enters times sqrt(alpha_bar)": _Untimed,
        "want a class": nn.Linear(2, 2),
    },
)


# Debug: a sampler with the large variance.


def _walk_back(
    denoiser, schedule, x, num_steps, generator, *, step=False, variance="large", last=False, fresh=True, minus=False,
    ahead=False, unscaled=False,
):  # fmt: skip
    """DDPM in its eps form; the keywords are the slips."""
    noise = None
    for t, alpha_bar, s, alpha_bar_s in schedule.walk(num_steps):
        alpha = alpha_bar / alpha_bar_s
        beta = 1 - alpha
        eps = denoiser(x, torch.full((len(x),), max(s, 0) if ahead else t))
        whole = {True: beta, False: 1 - alpha_bar, "s": 1 - alpha_bar_s + 1e-12}[step]
        x = (x + (1 if minus else -1) * beta / whole**0.5 * eps) / (1.0 if unscaled else alpha**0.5)
        if s >= 0 or last:
            if noise is None or fresh:
                noise = torch.randn(x.shape, dtype=x.dtype, generator=generator)
            kept = {"large": 1.0, "small": (1 - alpha_bar_s) / (1 - alpha_bar), "none": 0.0}[variance]
            x = x + (beta * kept) ** 0.5 * noise
    return x


SAMPLER_SLIPS: dict[str, dict[str, Any]] = {
    "alpha for alpha_bar is still there: eps is divided by the root of the wrong level": dict(step=True),
    "eps is divided by the root of 1 - alpha_bar_s; it is the noise in x_t, not in x_s": dict(step="s"),
    "that is the small variance; the sampler of the cell above has the large one, and that was right": dict(
        variance="small"
    ),
    "the noise is gone; that part was right": dict(variance="none"),
    "noise is added on the last step": dict(last=True),
    "the same noise is used on every step: draw it inside the loop": dict(fresh=False),
    "the noise is added where it must be taken away": dict(minus=True),
    "the denoiser is asked at s; x still has the noise of t": dict(ahead=True),
    "the mean is not divided by sqrt(alpha)": dict(unscaled=True),
}


def _judge_sampler(answer):
    one = torch.ones(1, dtype=torch.float64)
    data = GaussianMixture(torch.stack([0.6 * one[0], 0.4 * one[0]]), torch.tensor([[-1.0], [1.5]]).double(),
                           torch.tensor([[[0.25]], [[0.16]]]).double())  # fmt: skip
    schedule = NoiseSchedule.linear(200)
    denoiser, x = data.denoiser(schedule), torch.randn(50, 1, dtype=torch.float64, generator=_seeded(0))
    got = answer(denoiser, schedule, x.clone(), 20, _seeded(1))
    if not isinstance(got, Tensor) or got.shape != x.shape:
        return f"want the samples after the last step, a tensor of shape {tuple(x.shape)}; got {shown(got)}"
    for words, slip in ({"": {}} | SAMPLER_SLIPS).items():
        if torch.allclose(got, _walk_back(denoiser, schedule, x, 20, _seeded(1), **slip)):
            return words or None
    off = float((got - _walk_back(denoiser, schedule, x, 20, _seeded(1))).abs().max())
    return f"its samples differ from the right ones by up to {off:.2g}"


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _by_the_package(denoiser, schedule, x, num_steps, generator):
    return final(ddpm(denoiser, schedule, x, num_steps, variance="large", generator=generator))


def _by_the_posterior(denoiser, schedule, x, num_steps, generator):
    levels = [*schedule.timesteps(num_steps).tolist(), -1]
    for t, s in itertools.pairwise(levels):
        a, b = float(schedule.alpha_bar[t]), 1.0 if s < 0 else float(schedule.alpha_bar[s])
        x0 = (x - (1 - a) ** 0.5 * denoiser(x, torch.full((len(x),), t))) / a**0.5
        x = _posterior(x, x0, a, b)
        if s >= 0:
            x = x + (1 - a / b) ** 0.5 * torch.randn(x.shape, dtype=x.dtype, generator=generator)
    return x


mended_sampler = Exercise(
    "debug",
    stars=2,
    minutes=10,
    judge=_judge_sampler,
    praise="eps is the noise of all steps so far: its amplitude is sqrt(1 - alpha_bar), not that of one step",
    hints=(
        "Compare the mean of the step with the boxed equation, factor by factor. One letter is missing.",
        "mu = (x_t - (1 - alpha) / sqrt(1 - alpha_bar) eps) / sqrt(alpha): both alphas occur in it.",
        "math.sqrt(beta) in the line of `mean` must be the root of 1 - alpha_bar.",
    ),
    right=(_walk_back, _by_the_package, _by_the_posterior),
    slips={words: functools.partial(_walk_back, **slip) for words, slip in SAMPLER_SLIPS.items()}
    | {"want the samples": lambda denoiser, schedule, x, num_steps, generator: (x, x)},
)


# Experiment: how narrow the samples are with few steps.

COUNTS = (5, 20, 100, 500)


def _ratio(schedule: NoiseSchedule, num_steps: int, variance: float = 0.25, large: bool = False) -> float:
    """Var of the samples of DDPM on N(0, variance) over `variance`: every step is linear, so it is known exactly."""
    v = 1.0
    for _, a, s, b in schedule.walk(num_steps):
        x0 = a**0.5 * variance / (a * variance + 1 - a)  # E[x_0|x_t] = x0 x_t
        factor = float(_posterior(1.0, x0, a, b))
        v = factor**2 * v + (0.0 if s < 0 else (1 - a / b) * (1.0 if large else (1 - b) / (1 - a)))
    return v / variance


WIDTH_SLIPS: dict[str, Callable[[int], float]] = {
    "these are the ratios on the linear schedule; asked is the cosine one": lambda k: _ratio(NoiseSchedule.linear(), k),
    "these are those of the large variance; asked is the small one": lambda k: _ratio(_cosine(), k, large=True),
    "these are ratios of standard deviations; want variances": lambda k: _ratio(_cosine(), k) ** 0.5,
    "divide by the variance of the data, 0.25": lambda k: 0.25 * _ratio(_cosine(), k),
    "the other way round: divide the variance of the samples by that of the data": lambda k: 1 / _ratio(_cosine(), k),
    "these are the ratios for data of variance one": lambda k: _ratio(_cosine(), k, variance=1.0),
}


@functools.cache
def _cosine() -> NoiseSchedule:
    return NoiseSchedule.cosine()


def _judge_widths(measured):
    if not isinstance(measured, Mapping):
        return f"want a dictionary number of steps -> ratio, got {shown(measured)}"
    missing = [k for k in COUNTS if k not in measured]
    if missing:
        return f"there is no entry for {missing[0]} steps"
    got = {k: as_number(measured[k]) for k in COUNTS}
    named: dict[str, Callable[[int], float]] = {"": lambda k: _ratio(_cosine(), k)}
    for words, ratio in (named | WIDTH_SLIPS).items():
        if all(near(got[k], ratio(k), 0.05) for k in COUNTS):
            return words or None
    off = next(k for k in COUNTS if not near(got[k], _ratio(_cosine(), k), 0.05))
    return f"{off} steps: {got[off]:.3g} is {far(got[off], _ratio(_cosine(), off))}"


few_steps = Exercise(
    "experiment",
    stars=2,
    minutes=10,
    judge=_judge_widths,
    praise="too narrow at every number, by about 7 % at 100 steps: the lack falls in proportion to 1 / steps",
    hints=(
        "`my_ddpm` with the denoiser of `narrow` on the cosine schedule, 20,000 samples, for each number of steps.",
        "The ratio is float(x.var()) / 0.25; collect it in a dictionary under the number of steps.",
        "for k in [5, 20, 100, 500]: x = my_ddpm(narrow.denoiser(cosine), cosine, noise, k, seeded(0)).",
    ),
    right=(
        {k: _ratio(NoiseSchedule.cosine(), k) for k in COUNTS},
        {k: torch.tensor(1.02 * _ratio(NoiseSchedule.cosine(), k)) for k in (*COUNTS, 50)},
        {5: 0.43, 20: 0.75, 100: 0.93, 500: 0.98},
    ),
    slips={words: {k: ratio(k) for k in COUNTS} for words, ratio in WIDTH_SLIPS.items()}
    | {"there is no entry for 500 steps": {5: 0.4, 20: 0.7, 100: 0.9}, "want a dictionary": [0.4, 0.7, 0.9, 1.0]},
)
