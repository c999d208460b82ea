"""The exercises of notebook 03: Langevin dynamics."""

import functools
import math
from collections.abc import Mapping
from typing import Any

import torch

from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Guess, Law, Number, as_number, cases, far, near, shown
from ldm_teach.theory.langevin import annealed_langevin
from ldm_teach.theory.mixture import GaussianMixture


def _langevin_step(x, score, delta, noise, *, sign=1.0, half=0.5, step=1.0, power=0.5, kept=1.0, at=1.0):
    return at * x + sign * half * delta**step * score + kept * delta**power * noise


langevin_step = Exercise(
    "implement",
    stars=1,
    minutes=5,
    judge=Law(
        _langevin_step,
        cases("x score delta noise", delta=(0.1, 0.6)),
        {
            "the drift has the wrong sign: climb the density, do not fall": dict(sign=-1.0),
            "the drift lacks its factor 1/2": dict(half=1.0),
            "the drift is missing": dict(half=0.0),
            "the drift is not scaled with delta": dict(step=0.0),
            "the drift is scaled with sqrt(delta), want delta": dict(step=0.5),
            "the noise is scaled with delta, want sqrt(delta)": dict(power=1.0),
            "the noise is not scaled at all, want sqrt(delta)": dict(power=0.0),
            "the noise is missing": dict(kept=0.0),
            "the noise is scaled with sqrt(2 delta), as for a drift without its 1/2": dict(kept=2**0.5),
            "the noise is halved, too: the 1/2 belongs to the drift alone": dict(kept=0.5),
            "the step is returned without x, where it starts": dict(at=0.0),
        },
    ),
    praise="x + delta/2 score + sqrt(delta) noise",
    hints=(
        "A step has three parts: where it starts, a drift along the score, and noise.",
        "Welling & Teh 2011: the drift is delta / 2 times the score, the noise has variance delta.",
        "x plus half of delta times score plus the root of delta times the noise that is given.",
    ),
    right=(
        lambda x, score, delta, noise: x + delta / 2 * score + delta.sqrt() * noise,
        lambda x, score, delta, noise: x.add_(0.5 * delta * score).add_(torch.sqrt(delta) * noise),
        lambda x, score, delta, noise: torch.lerp(x, x + delta * score, 0.5) + math.sqrt(delta) * noise,
    ),
    slips={
        "the result changes from call to call": lambda x, score, delta, noise: (
            x + delta / 2 * score + delta**0.5 * torch.randn_like(x)
        ),
    },
)


stationary_variance = Exercise(
    "derive",
    stars=2,
    minutes=10,
    judge=Number(
        4.0,
        {
            "that is the variance of the target; a chain with finite steps has another": 1.0,
            "the variance is multiplied by a squared, not by a": 2.0,
            "1 + delta/4 is the answer to first order only; solve the equation for V": 1.75,
            "upside down: the chain is too wide, not too narrow": 0.25,
            "sqrt(delta) eps has variance delta, not delta squared": 12.0,
            "sqrt(delta) eps has variance delta, not sqrt(delta)": 3**0.5 / 0.75,
            "the drift is half of delta times the score: a = 1 - delta/2": -1.0,
        },
    ),
    praise="V = V/4 + 3 has the solution 4: the chain is twice as wide as the target",
    hints=(
        "Write the step as x <- a x + noise. When the law stands still, x has the same variance V before and after.",
        "x and eps are independent, so V = a^2 V + delta, with a = 1 - delta/2.",
        "V = delta / (1 - a^2) with delta = 3 and a = -1/2.",
    ),
    right=(4, 4.0, torch.tensor(4.0), 3 / (1 - 0.25)),
)


def _waiting(tolerated, narrow, wide):
    delta = 4 * narrow * (1 - 1 / (1 + tolerated))
    return -1 / math.log(1 - delta / (2 * wide))


narrow_direction = Exercise(
    "derive",
    stars=3,
    minutes=15,
    judge=Number(
        _waiting(0.1, 0.25, 4.0),
        {
            "that is the step size; now count the steps along the wide direction": 1 / 11,
            "the narrow direction bounds the step, the wide one sets the waiting: you used one of them for both": (
                _waiting(0.1, 4.0, 4.0)
            ),
            "a factor of two: the mean is multiplied by a = 1 - delta/(2 sigma^2) at each step": 43.75,
            "the formulas hold the variances sigma^2, not the standard deviations": _waiting(0.1, 0.5, 2.0),
            "1 + delta/(4 sigma^2) is the variance to first order only": 79.75,
            "delta = 4 sigma^2 is where the chain diverges; asked is 10 % too much": -1 / math.log(1 - 1 / 8),
        },
        tolerance=0.02,
    ),
    praise="delta = 1/11, and 87.5 steps",
    hints=(
        "The narrow direction says how large delta may be, the wide one how many steps it takes.",
        "1 / (1 - delta / (4 * 0.25)) = 1.1 gives delta. A step multiplies the mean of the wide one by 1 - delta / 8.",
        "delta = 1/11; solve (1 - 1/88)^n = 1/e for n.",
    ),
    right=(87.5, 88, torch.tensor(87.4989), -1 / math.log(1 - 1 / 88)),
)


GAMMAS = (0.3, 0.5, 0.8, 1.0, 1.5)


def _variances(gamma, num_steps, start=9.0, sign=-1.0):
    """The variance of a chain on N(0, 1) after `num_steps` steps delta_k = (1 + k)^-gamma."""
    v = start
    for k in range(num_steps):
        delta = (1.0 + k) ** (sign * gamma)
        v = (1 - delta / 2) ** 2 * v + delta
        if v > 1e30:
            break
    return v


@functools.cache
def _rule_errors(kind: str) -> dict[float, float]:
    """What a learner reads off for each gamma: right, or with a slip."""
    if kind == "right":
        return {gamma: abs(_variances(gamma, 10_000) - 1) for gamma in GAMMAS}
    if kind == "variance":
        return {gamma: _variances(gamma, 10_000) for gamma in GAMMAS}
    if kind == "short":
        return {gamma: abs(_variances(gamma, 1_000) - 1) for gamma in GAMMAS}
    if kind == "start":
        return {gamma: abs(_variances(gamma, 10_000, start=1.0) - 1) for gamma in GAMMAS}
    if kind == "relative":
        return {gamma: error / 8 for gamma, error in _rule_errors("right").items()}
    raise ValueError(kind)


RULE_SLIPS = {
    "these are the variances; the error is the distance from 1": "variance",
    "these are the errors after 1,000 steps; want 10,000": "short",
    "start at the variance 9, not at 1: else there is nothing to forget": "start",
    "do not divide by the error at the start": "relative",
}


def _judge_rules(measured):
    if not isinstance(measured, Mapping):
        return f"want a dictionary gamma -> error, got {shown(measured)}"
    missing = [gamma for gamma in GAMMAS if gamma not in measured]
    if missing:
        return f"there is no entry for gamma = {missing[0]:g}"
    got = [abs(as_number(measured[gamma])) for gamma in GAMMAS]
    for words, kind in ({"": "right"} | RULE_SLIPS).items():
        want = list(_rule_errors(kind).values())
        if all(near(a, b, 0.05) for a, b in zip(got, want, strict=True)):
            return words or None
    want = _rule_errors("right")
    off = [gamma for gamma, a in zip(GAMMAS, got, strict=True) if not near(a, want[gamma], 0.05)]
    return f"gamma = {off[0]:g}: {got[GAMMAS.index(off[0])]:.3g} is {far(got[GAMMAS.index(off[0])], want[off[0]])}"


step_rule = Exercise(
    "experiment",
    stars=2,
    minutes=10,
    judge=_judge_rules,
    praise="1.5 is stuck: its steps have a finite sum; 0.3 and 0.5 come near 0, with an infinite sum of squares",
    hints=(
        "`variance_errors(rule, num_steps)` of a cell above gives the error after each step; take its last value.",
        "The rule is a function of k: (1 + k) ** -gamma. Make a dictionary with an entry for each gamma.",
        "for gamma in (...): measured[gamma] = abs(variance_errors(lambda k: (1 + k) ** -gamma, 10_000)[-1])",
    ),
    right=(
        _rule_errors("right"),
        {gamma: _variances(gamma, 10_000) - 1 for gamma in (*GAMMAS, 2.0)},
        {gamma: torch.tensor(error) for gamma, error in _rule_errors("right").items()},
    ),
    slips={words: _rule_errors(kind) for words, kind in RULE_SLIPS.items()}
    | {
        "there is no entry for gamma = 1.5": {gamma: 0.1 for gamma in GAMMAS[:-1]},
        "want a dictionary": [0.1, 0.2, 0.3],
    },
)


def _log_ratio(
    log_p_x, log_p_y, x, y, mean_x, mean_y, delta, *, p=1.0, back=1.0, forth=1.0, scale=0.5, power=1.0, own=False,
    mean=False, everything=False, clamp=False, exp=False,
):  # fmt: skip
    def reduce(squares, dim):
        if everything:
            return squares.sum()
        return squares.mean(dim) if mean else squares.sum(dim)

    if own:
        mean_x, mean_y = mean_y, mean_x
    to_y = reduce(scale * (y - mean_x).square() / delta**power, dim=1)
    to_x = reduce(scale * (x - mean_y).square() / delta**power, dim=1)
    log_ratio = p * (log_p_y - log_p_x) - back * to_x + forth * to_y
    log_ratio = log_ratio.clamp(max=0) if clamp else log_ratio
    return log_ratio.exp() if exp else log_ratio


def _proposals():
    """Cases of (log_p_x, log_p_y, x, y, mean_x, mean_y, delta), with 7 and with 5 chains."""
    generator, made = torch.Generator().manual_seed(0), []
    for shape in ((7, 2), (5, 3)):
        case = {
            name: torch.randn(shape[0], dtype=torch.float64, generator=generator) for name in ("log_p_x", "log_p_y")
        }
        for name in ("x", "y", "mean_x", "mean_y"):
            case[name] = torch.randn(shape, dtype=torch.float64, generator=generator)
        made.append(case | dict(delta=0.4 + 0.3 * torch.rand((), dtype=torch.float64, generator=generator)))
    return made


def _by_normal(log_p_x, log_p_y, x, y, mean_x, mean_y, delta):
    forth = torch.distributions.Normal(mean_x, delta.sqrt()).log_prob(y).sum(1)
    back = torch.distributions.Normal(mean_y, delta.sqrt()).log_prob(x).sum(1)
    return log_p_y + back - log_p_x - forth


def _in_one_sum(log_p_x, log_p_y, x, y, mean_x, mean_y, delta):
    return log_p_y - log_p_x + ((y - mean_x) ** 2 - (x - mean_y) ** 2).sum(dim=1) / (2 * delta)


def _by_norms(log_p_x, log_p_y, x, y, mean_x, mean_y, delta):
    forth, back = (y - mean_x).norm(dim=1), (x - mean_y).norm(dim=1)
    return log_p_y - log_p_x + 0.5 / delta * (forth - back) * (forth + back)


mala_log_ratio = Exercise(
    "implement",
    stars=2,
    minutes=10,
    judge=Law(
        _log_ratio,
        _proposals(),
        {
            "the way back g(x|y) is forgotten": dict(back=0.0),
            "the way there g(y|x) is forgotten": dict(forth=0.0),
            "both proposal densities are forgotten; they do not cancel, for the drift differs": dict(
                back=0.0, forth=0.0
            ),
            "the proposal densities are upside down: want that of the way back above": dict(back=-1.0, forth=-1.0),
            "the density of p is upside down: want that of y above": dict(p=-1.0),
            "this is log 1/R: everything is upside down": dict(p=-1.0, back=-1.0, forth=-1.0),
            "the squares are not divided by 2 delta": dict(scale=1.0, power=0.0),
            "the squares are divided by delta, want 2 delta": dict(scale=1.0),
            "the squares are divided by 2, want 2 delta": dict(power=0.0),
            "the variance of the proposal is delta, not delta squared": dict(power=2.0),
            "the means are exchanged: y is drawn around mean_x, and x around mean_y": dict(own=True),
            "the squares are averaged over the coordinates, want their sum": dict(mean=True),
            "the squares of all chains are summed: want a sum for each row": dict(everything=True),
            "this is min(0, log R); want log R itself": dict(clamp=True),
            "this is R; want its logarithm": dict(exp=True),
            "p(y) and p(x) are missing": dict(p=0.0),
        },
    ),
    praise="log R = log p(y) - |x - mean_y|^2 / (2 delta) - log p(x) + |y - mean_x|^2 / (2 delta)",
    hints=(
        "R is a fraction of four densities: two of p, which are given as logarithms, and two of the proposal.",
        "log g(y|x) = -|y - mean_x|^2 / (2 delta) + a constant, and the same constant in log g(x|y): it cancels.",
        "log_p_y - log_p_x + (sum over dim 1 of (y - mean_x)^2 - (x - mean_y)^2) / (2 delta).",
    ),
    right=(_by_normal, _in_one_sum, _by_norms),
)


def _judge_acceptance(answer, measured=None):
    got = as_number(answer)
    if not 0 <= got <= 1:
        return f"{got:.3g} is no share: an acceptance lies between 0 and 1"
    if Guess(0.21, 1.3)(got, measured) is None:
        return None
    for words, value in ACCEPTANCE_SLIPS.items():
        if abs(got - value) < 0.004:
            return words
    return Guess(0.21, 1.3)(got, measured)


ACCEPTANCE_SLIPS = {
    "0.92 is the acceptance in one dimension; in 100 the fluctuations of log R add up": 0.92,
    "0.574 belongs to the best step size in many dimensions; this step is not the best": 0.574,
    "MALA keeps p at every step size, but it does refuse": 1.0,
    "0.92^100 is near 0, but the coordinates are not judged one by one: one R is made of all of them": 0.0,
    "log R has the mean -1/2 s^2, not 0: half of the proposals would have R > 1": 0.5,
    "twice that: the average of min(1, R) is 2 P(R > 1)": 0.106,
}

acceptance_rate = Exercise(
    "predict",
    stars=2,
    minutes=5,
    judge=_judge_acceptance,
    praise="in 100 dimensions four of five proposals are refused, in one dimension not one of ten",
    hints=(
        "log R is (delta/8)(|x|^2 - |y|^2): a sum over the coordinates, whose fluctuations add up.",
        "It is nearly Gaussian with variance s^2 = d delta^3 / 16 and mean -s^2 / 2; the acceptance is 2 P(R > 1).",
        "2 P(R > 1) = 2 Phi(-s/2) with s = sqrt(100 / 16) = 2.5, and Phi(-1.25) = 0.106.",
    ),
    right=(0.21, 0.2, 0.25, torch.tensor(0.2113)),
    slips={"no share": 21.0} | ACCEPTANCE_SLIPS,
)


class _Counted:
    """A density that counts how often its score is asked for."""

    def __init__(self, p):
        self.p, self.scores = p, 0

    def log_prob(self, x):
        return self.p.log_prob(x)

    def score(self, x):
        self.scores += 1
        return self.p.score(x)


def _cached_mala(p, x, delta, num_steps, generator, *, kept="right", back=1.0, refuse=True, log=True, proposal=False):
    """MALA with one score per step; the keywords are the slips."""
    y, score = x, p.score(x)
    for _ in range(num_steps):
        mean = x + delta / 2 * score
        y = mean + delta**0.5 * torch.randn(x.shape, dtype=x.dtype, generator=generator)
        score_y = p.score(y)
        to_x = (x - y - delta / 2 * score_y).square().sum(1) / (2 * delta)
        to_y = (y - mean).square().sum(1) / (2 * delta)
        log_ratio = p.log_prob(y) - p.log_prob(x) - back * to_x + to_y
        u = torch.rand(len(x), dtype=x.dtype, generator=generator)
        accepted = ((u.log() if log else u) < log_ratio) | (not refuse)
        x = torch.where(accepted[:, None], y, x)
        score = {"right": torch.where(accepted[:, None], score_y, score), "new": score_y, "old": score}[kept]
    return y if proposal else x


MALA_SLIPS: dict[str, dict[str, Any]] = {
    "after a refusal it still keeps the score of the refused point": dict(kept="new"),
    "the score is never renewed: after an acceptance it must be that of the new point": dict(kept="old"),
    "nothing is refused any more: this is the unadjusted chain": dict(refuse=False),
    "the way back is lost from the ratio, which was right": dict(back=0.0),
    "u is compared with log R; the comparison was right with log u": dict(log=False),
    "the last proposal is returned, accepted or not": dict(proposal=True),
}


def _judge_mala(answer):
    n, num_steps, delta = 4000, 30, 1.5
    one = torch.ones(1, dtype=torch.float64)
    normal = GaussianMixture(one, 0 * one[:, None], one[:, None, None])
    x = normal.sample(n, torch.Generator().manual_seed(0))

    def seeded():
        return torch.Generator().manual_seed(1)

    p = _Counted(normal)
    got = answer(p, x.clone(), delta, num_steps, seeded())
    if not isinstance(got, torch.Tensor) or got.shape != x.shape:
        return f"want the points after the last step, a tensor of shape {tuple(x.shape)}; got {shown(got)}"
    for words, slip in MALA_SLIPS.items():
        if torch.allclose(got, _cached_mala(normal, x, delta, num_steps, seeded(), **slip)):
            return words
    if torch.equal(got, x):
        return "no chain has moved"
    variance = float(got.square().mean())
    if not abs(variance - 1) < 5 * (2 / n) ** 0.5:
        return f"started from exact samples of variance 1, after {num_steps} steps the variance is {variance:.2f}"
    if p.scores > num_steps + 1:
        return f"the samples are right, but the score was computed {p.scores} times in {num_steps} steps; keep it"
    return None


def _two_scores(p, x, delta, num_steps, generator):
    for _ in range(num_steps):
        p.score(x)
        x = _cached_mala(p, x, delta, 1, generator)
    return x


def _rows_copied(p, x, delta, num_steps, generator):
    score = p.score(x)
    for _ in range(num_steps):
        ahead = x + delta / 2 * score
        y = ahead + delta**0.5 * torch.randn(x.shape, dtype=x.dtype, generator=generator)
        there = p.score(y)
        log_ratio = _in_one_sum(p.log_prob(x), p.log_prob(y), x, y, ahead, y + delta / 2 * there, delta)
        yes = torch.rand(len(x), dtype=x.dtype, generator=generator).log() < log_ratio
        x[yes], score[yes] = y[yes], there[yes]
    return x


def _other_order(p, x, delta, num_steps, generator):
    u = torch.rand(num_steps, len(x), dtype=x.dtype, generator=generator)
    score = p.score(x)
    for k in range(num_steps):
        ahead = x + delta / 2 * score
        y = ahead + delta**0.5 * torch.randn(x.shape, dtype=x.dtype, generator=generator)
        there = p.score(y)
        ratio = _in_one_sum(p.log_prob(x), p.log_prob(y), x, y, ahead, y + delta / 2 * there, delta).exp()
        yes = (u[k] < ratio)[:, None]
        x, score = torch.where(yes, y, x), torch.where(yes, there, score)
    return x


mended_mala = Exercise(
    "debug",
    stars=3,
    minutes=15,
    judge=_judge_mala,
    praise="a refused proposal leaves no trace: neither its point nor its score is kept",
    hints=(
        "Follow one chain whose proposal is refused. What does the next step know of the refused point?",
        "x is kept where the proposal was refused. What else belongs to x and must be kept with it?",
        "The last line of the loop, with torch.where, as in the line before it.",
    ),
    right=(_cached_mala, _rows_copied, _other_order),
    slips={words: functools.partial(_cached_mala, **slip) for words, slip in MALA_SLIPS.items()}
    | {
        "no chain has moved": lambda p, x, delta, num_steps, generator: x,
        "the score was computed 90 times": _two_scores,
        "want the points after the last step": lambda p, x, delta, num_steps, generator: (x, x),
    },
)


def _islands(sigma):
    eye = torch.eye(2, dtype=torch.float64)
    means = torch.tensor([[-2.5, 0.0], [2.5, 0.0]], dtype=torch.float64)
    return GaussianMixture(
        torch.tensor([0.8, 0.2], dtype=torch.float64), means, (0.3 + sigma**2) * torch.stack([eye, eye])
    )


def _annealed(
    score,
    x,
    sigmas,
    num_steps,
    generator,
    *,
    power=2.0,
    rising=False,
    half=0.5,
    kick=0.5,
    level=None,
    noise=1.0,
    last=False,
):
    """Annealed Langevin dynamics with steps delta = sigma^2 / 5; the keywords are the slips."""
    for sigma in reversed(sigmas) if rising else sigmas:
        delta = 0.2 * (sigma if level is None else sigmas[level]) ** power / (sigmas[-1] ** 2 if last else 1)
        for _ in range(num_steps):
            eps = torch.randn(x.shape, dtype=x.dtype, generator=generator)
            x = x + half * delta * score(x, sigma) + noise * delta**kick * eps
    return x


ANNEALED_SLIPS: dict[str, dict[str, Any]] = {
    "the step is the same at every level: delta must follow sigma^2": dict(power=0.0),
    "the step follows sigma, want sigma^2": dict(power=1.0),
    "the step of every level is that of the largest sigma": dict(level=0),
    "the step of every level is that of the smallest sigma": dict(level=-1),
    "the step is divided by the last sigma squared; asked is sigma^2 / 5": dict(last=True),
    "the levels are taken in rising order; begin at the largest sigma": dict(rising=True),
    "the drift lacks its factor 1/2": dict(half=1.0),
    "the drift has the wrong sign": dict(half=-0.5),
    "the kick is scaled with delta, want sqrt(delta)": dict(kick=1.0),
    "the kick is missing": dict(noise=0.0),
}


def _judge_annealed(answer):
    def linear(x, sigma):
        return -x / (1 + sigma**2)

    def seeded():
        return torch.Generator().manual_seed(3)

    x = torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    got = answer(linear, x.clone(), [2.0, 1.0, 0.5], 4, seeded())
    if not isinstance(got, torch.Tensor) or got.shape != x.shape:
        return f"want the points after the last step, a tensor of shape {tuple(x.shape)}; got {shown(got)}"
    for words, slip in ANNEALED_SLIPS.items():
        if torch.allclose(got, _annealed(linear, x, [2.0, 1.0, 0.5], 4, seeded(), **slip)):
            return words
    return _behaves(answer)


def _behaves(answer):
    """Which levels it visits, and whether 500 chains that start on the small island end on both as they should."""
    asked: list[float] = []

    def score(x, sigma):
        asked.append(float(sigma))
        return _islands(float(sigma)).score(x)

    sigmas, num_steps = [4.0, 2.8, 1.9, 1.3, 0.9, 0.65, 0.45, 0.3], 60
    x = _islands(0.0).component(1).sample(500, torch.Generator().manual_seed(4))
    x = answer(score, x, sigmas, num_steps, torch.Generator().manual_seed(5))
    for sigma in sigmas:
        if asked.count(sigma) != num_steps:
            return (
                f"at sigma = {sigma:g} the score was asked {asked.count(sigma)} times; want {num_steps} steps a level"
            )
    if asked != sorted(asked, reverse=True):
        return "the levels must come in falling order, each with all its steps"
    share = float((x[:, 0] < 0).double().mean())
    width = float((x - _islands(0.0).means[(x[:, 0] > 0).long()]).square().mean())
    if not abs(share - 0.8) < 0.1:
        return f"at the end {share:.2f} of the chains are on the large island; want 0.80"
    return None if 0.25 < width < 0.6 else f"on the islands the variance is {width:.2f}; want 0.39"


def _flat_loop(score, x, sigmas, num_steps, generator):
    for k in range(len(sigmas) * num_steps):
        sigma = sigmas[k // num_steps]
        drift = 0.1 * sigma**2 * score(x, sigma)
        x = x + drift + math.sqrt(0.2) * sigma * torch.randn(x.shape, dtype=x.dtype, generator=generator)
    return x


def _by_the_package(score, x, sigmas, num_steps, generator):
    steps = annealed_langevin(score, x, sigmas, 0.2 * sigmas[-1] ** 2, num_steps, generator=generator)
    return list(steps)[-1]


annealed_walk = Exercise(
    "build",
    stars=3,
    minutes=20,
    judge=_judge_annealed,
    praise="from the largest noise to the smallest, steps in proportion to sigma^2, and both islands get their share",
    hints=(
        "Two loops: over the levels, and over the steps of a level. The step size changes between levels only.",
        "At level sigma: delta = sigma^2 / 5, and x <- x + delta/2 score(x, sigma) + sqrt(delta) eps.",
        "for sigma in sigmas: delta = sigma**2 / 5, and inside, num_steps times: draw eps, make a step.",
    ),
    right=(_annealed, _flat_loop, _by_the_package),
    slips={words: functools.partial(_annealed, **slip) for words, slip in ANNEALED_SLIPS.items()}
    | {
        "the score was asked 1 times": lambda score, x, sigmas, num_steps, generator: _annealed(
            score, x, sigmas, 1, generator
        ),
    },
)
