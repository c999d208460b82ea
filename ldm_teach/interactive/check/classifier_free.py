"""The exercises of notebook 09: classifier-free guidance."""

import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Guess, Law, Number, as_number, cases, far, near, shown
from ldm_teach.theory.guidance import classifier_free_guidance, guide, on_interval
from ldm_teach.theory.mixture import GaussianMixture
from ldm_teach.theory.samplers import ddim, final
from ldm_teach.theory.schedule import NoiseSchedule


def _guided_noise(
    eps_cond,
    eps_uncond,
    s,
    *,
    start=0.0,
    shift=0.0,
    sign=1.0,
    swapped=False,
    kept=1.0,
    plus=False,
    mixed=False,
    sums=True,
):
    if swapped:
        eps_cond, eps_uncond = eps_uncond, eps_cond
    base = start * eps_cond + (1 - start) * eps_uncond
    if not sums:
        return s * eps_cond - eps_uncond
    if mixed:
        return eps_cond + s * eps_uncond
    difference = eps_cond + eps_uncond if plus else eps_cond - eps_uncond
    return kept * base + sign * (s + shift) * difference


guided_noise = Exercise(
    "implement",
    stars=1,
    minutes=5,
    judge=Law(
        _guided_noise,
        cases("eps_cond eps_uncond s", s=(1.5, 4.0)),
        {
            "that is the rule with w: s is 1 + w, and s = 1 must be no guidance": dict(start=1.0),
            "s is one too small: s = 1 must give the conditional prediction": dict(shift=-1.0),
            "the condition and the null condition are swapped": dict(swapped=True),
            "the difference has the wrong sign: walk from the unconditional to the conditional one": dict(sign=-1.0),
            "the step is returned without the prediction where it starts": dict(kept=0.0),
            "the predictions are added, want their difference": dict(plus=True),
            "the two factors must add up to 1: equal predictions stay as they are": dict(sums=False),
            "the unconditional prediction is added to the conditional one; want an extrapolation": dict(mixed=True),
        },
    ),
    praise="eps_uncond + s (eps_cond - eps_uncond), s = 1 + w",
    hints=(
        "Start at the prediction without the condition and walk towards the one with it.",
        "s = 0 must give the unconditional, s = 1 the conditional prediction.",
        "eps_uncond plus s times the difference",
    ),
    right=(
        lambda eps_cond, eps_uncond, s: eps_uncond + s * (eps_cond - eps_uncond),
        lambda eps_cond, eps_uncond, s: s * eps_cond + (1 - s) * eps_uncond,
        lambda eps_cond, eps_uncond, s: torch.lerp(eps_uncond, eps_cond, s),
    ),
)


# Debug: labels that are dropped.


def _dropped(y, drop, generator, *, null=3, inverted=False, one=False, own=False, same=False, in_place=False):
    """Labels with the null token in some rows; the keywords are the slips."""
    shape = (1,) if one else y.shape
    generator = None if own else torch.Generator().manual_seed(0) if same else generator
    coin = torch.rand(shape, generator=generator)
    gone = (coin >= drop) if inverted else (coin < drop)
    if in_place:
        y[gone] = null
        return y
    return torch.where(gone, null, y)


def _slipped(**knobs):
    return lambda y, drop, generator: _dropped(y, drop, generator, **knobs)


def _judge_labels(answer):
    if not callable(answer):
        return f"want a function of (y, drop, generator), got {shown(answer)}"
    labels = torch.arange(3).repeat(4000)

    def call(drop, seed=1):
        return answer(labels.clone(), drop, torch.Generator().manual_seed(seed))

    some = call(0.2)
    if not isinstance(some, torch.Tensor):
        return f"the function returns {shown(some)}; want a tensor of labels"
    if some.shape != labels.shape or some.dtype != torch.int64:
        return f"the result is {some.dtype} of shape {tuple(some.shape)}; want int64, a label for each row"
    handed = labels.clone()
    answer(handed, 0.5, torch.Generator().manual_seed(1))
    if not torch.equal(handed, labels):
        return "y itself is changed: the data lose their labels for good, a few more at each step; make a new tensor"
    changed = some[some != labels]
    if torch.equal(call(1.0), labels) and torch.equal(call(0.0), torch.full_like(labels, 3)):
        return "it drops with probability 1 - drop: at drop = 0 every label is gone"
    if not torch.equal(call(0.0), labels):
        return "at drop = 0 some labels are changed; want all of them kept"
    if len(changed) and not (changed == 3).all():
        number = int(changed[changed != 3][0])
        kind = "a class" if 0 <= number < 3 else "no row of the table"
        return f"a dropped label becomes {number}, which is {kind}; the null token has the number 3"
    if not torch.equal(call(1.0), torch.full_like(labels, 3)):
        return "at drop = 1 some labels are kept; want the null token in every row"
    if not torch.equal(call(0.2), call(0.2)):
        return "the result changes from call to call: draw from the generator that is given"
    if all(torch.equal(call(0.5, seed), labels) or (call(0.5, seed) == 3).all() for seed in range(8)):
        return "one coin for the whole batch; want one for each row"
    if torch.equal(call(0.2, 1), call(0.2, 2)):
        return "the same rows are dropped in every step: draw from the generator that is given"
    shares = [float((some[labels == k] == 3).double().mean()) for k in range(3)]
    if max(abs(share - 0.2) for share in shares) > 0.03:
        return (
            f"of the three classes {shares[0]:.2f}, {shares[1]:.2f} and {shares[2]:.2f} are dropped; want 0.2 of each"
        )
    return None


mended_labels = Exercise(
    "debug",
    stars=1,
    minutes=8,
    judge=_judge_labels,
    praise="the dropped rows get a number of their own, which no class has",
    hints=(
        "Print what comes out for y = 0, 1, 2 and drop = 1. Which class do the dropped rows belong to?",
        "y * keep is 0 where keep is False, and 0 is a class. The null token is row 3 of the table.",
        "torch.where(keep, y, 3)",
    ),
    right=(
        _slipped(),
        lambda y, drop, generator: torch.where(torch.rand(len(y), generator=generator) >= drop, y, 3),
        lambda y, drop, generator: y.masked_fill(torch.rand(len(y), generator=generator) < drop, 3),
    ),
    slips={
        "becomes 0, which is a class": lambda y, drop, generator: (
            y * (torch.rand(y.shape, generator=generator) >= drop)
        ),
        "becomes 2, which is a class": _slipped(null=2),
        "becomes 4, which is no row of the table": _slipped(null=4),
        "it drops with probability 1 - drop": _slipped(inverted=True),
        "one coin for the whole batch": _slipped(one=True),
        "the result changes from call to call": _slipped(own=True),
        "the same rows are dropped in every step": _slipped(same=True),
        "y itself is changed": _slipped(in_place=True),
        "want int64": lambda y, drop, generator: _dropped(y, drop, generator).float(),
    },
)


# Build: both branches in one call of the network.


class _Network(nn.Module):
    """A small network of (x, t, y) that counts its calls and the rows that it is given."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(4, 2, generator=torch.Generator().manual_seed(0)))
        self.rows: list[int] = []

    def forward(self, x, t, y):
        if not len(x) == len(t) == len(y):
            raise ValueError(f"the network is given x, t and y of {len(x)}, {len(t)} and {len(y)} rows")
        self.rows.append(len(x))
        return (x * self.table[y] + self.table[y].flip(1) * (1 + t[:, None] / 1000)).sin()


def _judge_one_call(answer):
    if not isinstance(answer, type) or not issubclass(answer, nn.Module):
        return f"want a class, a kind of nn.Module, got {shown(answer)}"
    network, generator = _Network(), torch.Generator().manual_seed(1)
    x, t, y = (
        torch.randn(5, 2, generator=generator),
        torch.tensor([900, 3, 500, 40, 700]),
        torch.tensor([0, 2, 1, 1, 0]),
    )
    null, w = torch.full_like(y, 3), 1.5
    cond, uncond = network(x, t, y), network(x, t, null)
    network.rows.clear()
    module = answer(network, 3, w)
    got = module(x.clone(), t.clone(), y.clone())
    if not isinstance(got, torch.Tensor):
        return f"it returns {shown(got)}; want the guided noise, a tensor"
    if got.shape != x.shape:
        return f"it returns a tensor of shape {tuple(got.shape)}; want {tuple(x.shape)}, as x_t"
    if len(network.rows) != 1:
        return f"it calls the network {len(network.rows)} times; want one call, on a batch of twice the rows"
    named = {
        "condition and null token are swapped: the halves come out in the order in which they went in": (
            uncond,
            cond,
            w,
        ),
        "w is taken for s: w = 0 must be the conditional prediction": (cond, uncond, w - 1),
        "w is one too large: w = 0 must be the conditional prediction": (cond, uncond, w + 1),
        "the guidance is missing: that is the conditional prediction": (cond, uncond, 0.0),
        "that is the unconditional prediction alone": (cond, uncond, -1.0),
        "w has the wrong sign": (cond, uncond, -w),
    }
    if not torch.allclose(got, guide(cond, uncond, w), atol=1e-5):
        for words, (first, second, weight) in named.items():
            if torch.allclose(got, guide(first, second, weight), atol=1e-5):
                return words
        return "the numbers are not the guided ones: do rows of x, t and y still belong together in the doubled batch?"
    if len(list(module.parameters())) != 1:
        return "the network is not among the parameters: keep it as an attribute of the module, self.network"
    if not got.requires_grad:
        return "no gradient reaches the network"
    if not torch.allclose(answer(network, 3, 0.0)(x, t, y), cond, atol=1e-5):
        return "w = 0 does not give the conditional prediction; is w that of the constructor?"
    return None


def _one_call(
    *, swapped=False, shift=0.0, twice=False, interleaved=False, kept=True, learn=True, weight=None, whole=False,
    short=False,
):  # fmt: skip
    """A class that guides with one call; the keywords are the slips."""

    class Guided(nn.Module):
        def __init__(self, network, null, w):
            super().__init__()
            self.network: Any = network if kept else [network]
            self.null, self.w = null, w if weight is None else weight

        def forward(self, x_t, t, y):
            network: Any = self.network if kept else self.network[0]
            null = torch.full_like(y, self.null)
            if twice:
                return guide(network(x_t, t, y), network(x_t, t, null), self.w)
            if interleaved:
                x, t = x_t.repeat_interleave(2, 0), t.repeat_interleave(2)
                cond, uncond = network(x, t, torch.cat([y, null])).chunk(2)
            else:
                t = t if short else torch.cat([t, t])
                both = network(torch.cat([x_t, x_t]), t, torch.cat([y, null]))
                cond, uncond = both.chunk(2)
                if whole:
                    return both
            cond, uncond = (uncond, cond) if swapped else (cond, uncond)
            guided = cond + (self.w + shift) * (cond - uncond)
            return guided if learn else guided.detach()

    return Guided


class _Sorted(nn.Module):
    """The null token first; pairs side by side."""

    def __init__(self, network, null, w):
        super().__init__()
        self.inner, self.null, self.w = network, null, w

    def forward(self, x_t, t, y):
        labels = torch.stack([torch.full_like(y, self.null), y], dim=1).flatten()
        eps = self.inner(x_t.repeat_interleave(2, dim=0), t.repeat_interleave(2), labels).unflatten(0, (-1, 2))
        return torch.lerp(eps[:, 0], eps[:, 1], 1 + self.w)


class _Repeated(nn.Module):
    def __init__(self, network, null, w):
        super().__init__()
        self.network, self.null, self.w = network, null, w

    def forward(self, x_t, t, y):
        n = len(y)
        eps = self.network(x_t.repeat(2, 1), t.repeat(2), torch.cat([torch.full_like(y, self.null), y]))
        return (1 + self.w) * eps[n:] - self.w * eps[:n]


one_call = Exercise(
    "build",
    stars=2,
    minutes=15,
    judge=_judge_one_call,
    praise="one call on twice the batch, and each row finds its partner again",
    hints=(
        "Put the batch in twice: once with its labels, once with the null token. The network treats rows alike.",
        "x, t and y must all have 2B rows, in the same order; chunk(2) takes the halves apart again.",
        "eps = self.network(torch.cat([x_t, x_t]), torch.cat([t, t]), torch.cat([y, torch.full_like(y, self.null)]))",
    ),
    right=(_one_call(), _Sorted, _Repeated),
    slips={
        "it calls the network 2 times": _one_call(twice=True),
        "condition and null token are swapped": _one_call(swapped=True),
        "w is taken for s": _one_call(shift=-1.0),
        "w is one too large": _one_call(shift=1.0),
        "do rows of x, t and y still belong together": _one_call(interleaved=True),
        "the network is not among the parameters": _one_call(kept=False),
        "no gradient reaches the network": _one_call(learn=False),
        "is w that of the constructor": _one_call(weight=1.5),
        "it returns a tensor of shape (10, 2)": _one_call(whole=True),
        "x, t and y of 10, 5 and 10 rows": _one_call(short=True),
        "want a class": lambda x_t, t, y: x_t,
    },
)


equal_widths = Exercise(
    "derive",
    stars=2,
    minutes=10,
    judge=Number(
        6.5,
        {
            "that is the mean of the class, without guidance": 2.0,
            "w is taken for s: the guided noise is (1 + w) times one minus w times the other": 5.0,
            "s = 1 + w is taken for w": 8.0,
            "the class and the whole are swapped": -4.0,
            "that is only how far guidance goes beyond the mean of the class": 4.5,
            "walk (1 + w) times from the whole, and start there: the mean of the whole is missing": 6.0,
            "the means are averaged; guidance extrapolates": 1.625,
        },
    ),
    praise="(1 + w) 2 - w 0.5 = 6.5, three times as far beyond the class as the class is from the whole",
    hints=(
        "Write E[eps|x_t] of a Gaussian with mean m and variance 1 at the level alpha_bar. Where does m enter?",
        "It is sqrt(1 - alpha_bar) (x_t - sqrt(alpha_bar) m): linear in m. Form (1 + w) of one minus w of the other.",
        "The guided noise is that of a Gaussian with the same variance and the mean (1 + w) m_y - w m.",
    ),
    right=(6.5, torch.tensor(6.5), 4 * 2 - 3 * 0.5, 13 / 2),
)


def _sharpening_step(
    x, eps_cond, eps_uncond, w, alpha_bar, delta, noise, *, sign=-1.0, root=0.5, half=0.5, power=0.5, by=1.0, plain=0.0,
    times=1.0, whole=0.0, swapped=False, kept=1.0, at=1.0, signal=False, only=False,
):  # fmt: skip
    if swapped:
        eps_cond, eps_uncond = eps_uncond, eps_cond
    eps = (by + times * w) * eps_cond - (by + times * w - 1) * eps_uncond
    eps = plain * eps_cond + (1 - plain) * eps
    eps = whole * eps_uncond + (1 - whole) * eps
    eps = w * (eps_cond - eps_uncond) if only else eps
    level = alpha_bar if signal else 1 - alpha_bar
    return at * x + sign * half * delta * eps / level**root + kept * delta**power * noise


sharpening_step = Exercise(
    "implement",
    stars=3,
    minutes=12,
    judge=Law(
        _sharpening_step,
        cases("x eps_cond eps_uncond w alpha_bar delta noise", w=(0.5, 2.0), alpha_bar=(0.2, 0.4), delta=(0.1, 0.4)),
        {
            "the score is minus eps over the root: the drift has the wrong sign": dict(sign=1.0),
            "eps is no score yet: divide by sqrt(1 - alpha_bar)": dict(root=0.0),
            "eps is divided by 1 - alpha_bar, want its root": dict(root=1.0),
            "eps is divided by sqrt(alpha_bar), want sqrt(1 - alpha_bar)": dict(signal=True),
            "the drift lacks its factor 1/2": dict(half=1.0),
            "the noise is scaled with delta, want sqrt(delta)": dict(power=1.0),
            "the noise is not scaled at all, want sqrt(delta)": dict(power=0.0),
            "the noise is scaled with sqrt(2 delta), as for a drift without its 1/2": dict(kept=2**0.5),
            "the noise is missing": dict(kept=0.0),
            "the step is returned without x, where it starts": dict(at=0.0),
            "w is taken for s": dict(by=0.0),
            "it sharpens with 2 w, as the corrector inside DDPM does; asked is w itself": dict(times=2.0),
            "the condition and the null condition are swapped": dict(swapped=True),
            "the step follows the conditional density, want the guided one": dict(plain=1.0),
            "the step follows the unconditional density, want the guided one": dict(whole=1.0),
            "the step follows the implicit classifier alone": dict(only=True),
        },
    ),
    praise="x + delta/2 score + sqrt(delta) noise, score = -((1 + w) eps_cond - w eps_uncond) / sqrt(1 - alpha_bar)",
    hints=(
        "Guide the noise, turn it into a score, take a Langevin step along it.",
        "score = -eps / sqrt(1 - alpha_bar), eps = (1 + w) eps_cond - w eps_uncond.",
        "x - delta / 2 eps / sqrt(1 - alpha_bar) + sqrt(delta) noise",
    ),
    right=(
        lambda x, c, u, w, alpha_bar, delta, noise: (
            x - delta / 2 * ((1 + w) * c - w * u) / (1 - alpha_bar).sqrt() + delta.sqrt() * noise
        ),
        lambda x, c, u, w, alpha_bar, delta, noise: (
            x.sub_(delta * (c + w * (c - u)) / (2 * torch.sqrt(1 - alpha_bar))) + noise * torch.sqrt(delta)
        ),
        lambda x, c, u, w, a, d, noise: x + d / 2 * -(u + (1 + w) * (c - u)) / (1 - a) ** 0.5 + d**0.5 * noise,
    ),
)


# Predict: saturation.

_near_white = Guess(0.195)


def _judge_white(answer, measured=None):
    got = as_number(answer)
    if got > 1:
        return f"want a share between 0 and 1: {got:g} % is {got / 100:g}"
    if got < 0:
        return "a share is not negative"
    return _near_white(got, measured)


white_pixels = Exercise(
    "predict",
    stars=1,
    minutes=3,
    judge=_judge_white,
    praise="that is near it: by w = 8 guidance has driven a fifth of all pixels to white",
    hints=(
        "The table has three points. How does the share grow from one to the next?",
        "From w = 1 to w = 3 it grows by about 0.018 for each unit of w, and it does not slow down.",
        "Another five units with more than 0.02 each: between 0.15 and 0.25.",
    ),
    right=(0.195, 0.15, 0.25, torch.tensor(0.2)),
    slips={
        "20 times too small": 0.01,
        "3.3 times too small": 0.06,
        "3.1 times too large": 0.6,
        "want a share between 0 and 1: 20 % is 0.2": 20,
        "a share is not negative": -0.1,
    },
)


# Experiment: guidance on one fifth of the timesteps.

STARTS = (0, 200, 400, 600, 800)


def _line(variance: float) -> GaussianMixture:
    one = torch.ones(1, dtype=torch.float64)
    return GaussianMixture(one, 0 * one[None], variance * one[None, None])


@functools.cache
def _widths(kind: str) -> dict[int, float]:
    """What a learner reads off for each interval of 200 timesteps: right, or with a slip."""
    if kind == "variance":
        return {start: width**2 for start, width in _widths("right").items()}
    if kind == "lost":
        return {start: 1 - width for start, width in _widths("right").items()}
    schedule = NoiseSchedule.linear()
    narrow, wide = (_line(variance).denoiser(schedule) for variance in (1.0, 5.0))
    if kind == "swapped":
        narrow, wide = wide, narrow
    guided = classifier_free_guidance(narrow, wide, 2.0 if kind == "s" else 3.0)
    found = {}
    for start in STARTS:
        arrows = (narrow, guided) if kind == "outside" else (guided, narrow)
        last = 999 if kind == "up" else start + 199
        steps = ddim(on_interval(*arrows, start, last), schedule, torch.ones(1, 1, dtype=torch.float64), 100)
        found[start] = float(final(steps))
    return found


WIDTH_SLIPS = {
    "guidance is on outside the interval and off inside": "outside",
    "these are the widths with w = 2, that is s = 3; want w = 3": "s",
    "these are variances; want standard deviations": "variance",
    "this is what is lost of the width 1; want the width itself": "lost",
    "each interval ends 199 steps after its start, not at 999": "up",
    "the narrow and the wide Gaussian are swapped": "swapped",
}


def _judge_widths(measured):
    if not isinstance(measured, Mapping):
        return f"want a dictionary first timestep -> width, got {shown(measured)}"
    missing = [start for start in STARTS if start not in measured]
    if missing:
        return f"there is no entry for {missing[0]}"
    got = [as_number(measured[start]) for start in STARTS]
    for words, kind in ({"": "right"} | WIDTH_SLIPS).items():
        if all(near(a, b, 0.02) for a, b in zip(got, _widths(kind).values(), strict=True)):
            return words or None
    want = list(_widths("right").values())
    off = next(i for i, (a, b) in enumerate(zip(got, want, strict=True)) if not near(a, b, 0.02))
    return f"from {STARTS[off]}: {got[off]:.3g} is {far(got[off], want[off])}"


where_it_narrows = Exercise(
    "experiment",
    stars=2,
    minutes=12,
    judge=_judge_widths,
    praise="most of it happens between 0 and 600, nothing at the noisiest fifth; the product of the five is 5^(-3/2)",
    hints=(
        "`width_of(denoiser)` of a cell above gives one width; `my_interval` switches the guidance on and off.",
        "my_interval(guided, narrow, first, first + 199) for each first; guided has w = 3.",
        "for first in (0, 200, ...): my_widths[first] = width_of(my_interval(guided, narrow, first, first + 199))",
    ),
    right=(
        _widths("right"),
        _widths("right") | {1000: 1.0},
        {start: torch.tensor(width) for start, width in _widths("right").items()},
    ),
    slips={words: _widths(kind) for words, kind in WIDTH_SLIPS.items()}
    | {
        "there is no entry for 800": dict.fromkeys(STARTS[:-1], 0.5),
        "want a dictionary": [0.5, 0.6],
    },
)
