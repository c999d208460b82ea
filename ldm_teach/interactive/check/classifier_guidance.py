"""The exercises of notebook 07: classifier guidance."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Guess, Law, Number, as_number, cases, far, shown
from ldm_teach.theory.guidance import classifier_guidance
from ldm_teach.theory.mixture import GaussianMixture
from ldm_teach.theory.samplers import ddim, ddpm, final
from ldm_teach.theory.schedule import Denoiser, NoiseSchedule

LINEAR = NoiseSchedule.linear()


def _guided_v(
    v, gradient, alpha_bar, scale, *,
    sign=-1.0, root=0.5, signal=1.0, noise=1.0, power=1.0, kept=1.0, x0=False, more=0.0, times=0.0,
):  # fmt: skip
    if x0:
        return v + scale * (1 - alpha_bar) / alpha_bar**0.5 * gradient
    factor = ((1 - alpha_bar) ** noise / alpha_bar**signal) ** root
    return alpha_bar**times * (kept * v + sign * (scale + more) ** power * factor * gradient)


guided_v = Exercise(
    "implement",
    stars=2,
    minutes=8,
    judge=Law(
        _guided_v,
        cases("v gradient alpha_bar scale", alpha_bar=(0.2, 0.8), scale=(1.5, 4.0)),
        {
            "the sign is wrong: v rises with eps, and eps is lowered along the gradient": dict(sign=1.0),
            "this is the shift of eps; that of v is the same divided by sqrt(alpha_bar)": dict(signal=0.0),
            "the shift of eps is multiplied by sqrt(alpha_bar), want divided": dict(signal=-1.0),
            "the factor sqrt(1 - alpha_bar) is missing: a gradient is a score, not yet a noise": dict(noise=0.0),
            "the fraction is upside down: it is noise above signal": dict(signal=-1.0, noise=-1.0),
            "the square root is missing: alpha_bar is a power, its root an amplitude": dict(root=1.0),
            "this is the shift of the predicted x_0, want that of v": dict(x0=True),
            "the scale is forgotten": dict(power=0.0),
            "only the shift is returned, want v with it": dict(kept=0.0),
            "the scale is s itself: s = 1 is the class, so nothing is taken from it": dict(more=-1.0),
            "the scale is s itself: s = 0 is no guidance, so nothing is added to it": dict(more=1.0),
            "this is sqrt(alpha_bar) times the guided v": dict(times=0.5),
        },
    ),
    praise="v - scale sqrt((1 - alpha_bar) / alpha_bar) gradient",
    hints=(
        "x_t stays what it is; eps changes by a known amount. By how much must v change?",
        "eps = sqrt(1 - alpha_bar) x_t + sqrt(alpha_bar) v, so a change of eps is sqrt(alpha_bar) times that of v.",
        "v minus scale times sqrt(1 - alpha_bar) / sqrt(alpha_bar) times gradient",
    ),
    right=(
        lambda v, gradient, alpha_bar, scale: v - scale * (1 - alpha_bar).sqrt() * gradient / alpha_bar.sqrt(),
        lambda v, gradient, alpha_bar, scale: v.sub_((1 / alpha_bar - 1) ** 0.5 * gradient * scale),
        lambda v, g, a, s: (a**0.5 * v - s * (1 - a) ** 0.5 * g) / a**0.5,
    ),
)


slope_between = Exercise(
    "derive",
    stars=1,
    minutes=8,
    judge=Number(
        0.8 * 2 * 0.6 * 1.5 / 0.73,
        {
            "the doubt is forgotten: the difference of the pulls has the factor 1 - q(y|x_t)": 2 * 0.9 / 0.73,
            "the factor is the doubt 1 - q(y|x_t), not q(y|x_t)": 0.2 * 2 * 0.9 / 0.73,
            "this is the score of the wanted bump alone, or the gradient for equal weights: the doubt is 0.8, "
            "and the other bump has a score, too": 0.9 / 0.73,
            "the pull of the other bump is missing; it is subtracted, and adds here": 0.8 * 0.9 / 0.73,
            "the sign is wrong: the gradient points to the wanted bump": -0.8 * 2 * 0.9 / 0.73,
            "the means are shrunk, too: sqrt(alpha_bar) times 1.5": 0.8 * 2 * 1.5 / 0.73,
            "the means are shrunk by sqrt(alpha_bar), not by alpha_bar": 0.8 * 2 * 0.36 * 1.5 / 0.73,
            "1/4 is the variance of the clean bumps; want that of the noised ones": 0.8 * 2 * 0.9 / 0.25,
            "the variance is not that of the noise alone: what is left of the bump is added": 0.8 * 2 * 0.9 / 0.64,
            "the noise is missing in the variance": 0.8 * 2 * 0.9 / 0.09,
            "the variance of the bumps shrinks by alpha_bar before the noise is added": 0.8 * 2 * 0.9 / 0.89,
            "a score is divided by the variance, not by the deviation": 0.8 * 2 * 0.9 / 0.73**0.5,
        },
    ),
    praise="0.8 times the difference of the two scores, 1.233 and -1.233",
    hints=(
        "You need the two scores at 0, and how sure the classifier is there.",
        "Noised, the bumps have the means -0.9 and 0.9 and the variance 0.36 / 4 + 0.64. At 0 they are equal.",
        "(1 - 0.2) * (0.9 / 0.73 - (-0.9 / 0.73))",
    ),
    right=(1.973, torch.tensor(1.9726), 0.8 * 1.8 / 0.73),
)


def _judge_outside(answer, measured=None):
    got = as_number(answer)
    if not 0 <= got <= 1:
        return f"{got:.3g} is no share: it lies between 0 and 1"
    for words, (low, high) in OUTSIDE_SLIPS.items():
        if low <= got <= high:
            return words
    return Guess(0.48, 1.35)(got, measured)


OUTSIDE_SLIPS = {
    "none would be outside if large scales only chose the surest points of the class": (0.0, 0.001),
    "that holds for exact samples of the class, and for s = 1": (0.009, 0.02),
    "that is too few: guidance does not stop where the class is": (0.002, 0.0089),
    "not all: the spread of the cloud is larger than its distance from the edge": (0.95, 1.0),
}

outside = Exercise(
    "predict",
    stars=1,
    minutes=3,
    judge=_judge_outside,
    praise="about half of the samples lie outside of the ellipse that holds 99 % of the class",
    hints=(
        "At s = 1 the share is 0.01, by definition. What does a gradient eight times as long do at noisy levels?",
        "The predicted x_0 is moved eight times the way from the mean of all data to the mean of the class.",
        "Many are carried past the class, but not all: between a third and two thirds.",
    ),
    right=(0.48, 0.5, 0.4, torch.tensor(0.55)),
    slips={"no share": 48.0, "too small": 0.1, "too large": 0.9}
    | {words: (low + high) / 2 for words, (low, high) in OUTSIDE_SLIPS.items()},
)


SHARES = {  # for each interval of timesteps the share outside, as the notebook measures it: right, and with a slip
    "right": {"500 to 999": 0.2135, "200 to 499": 0.0205, "0 to 199": 0.003},
    "unguided": {"500 to 999": 0.1905, "200 to 499": 0.0095, "0 to 199": 0.0005},
    "swapped": {"500 to 999": 0.0205, "200 to 499": 0.2135, "0 to 199": 0.4865},
    "three": {"500 to 999": 0.0125, "200 to 499": 0.005, "0 to 199": 0.003},
    "ddpm": {"500 to 999": 0.009, "200 to 499": 0.0205, "0 to 199": 0.0025},
}
RIGHT = SHARES["right"]

INTERVAL_SLIPS = {
    "outside of the interval the scale is 0 here; want s = 1, the class itself": "unguided",
    "it is turned round: s = 8 inside of the interval, s = 1 outside": "swapped",
    "these are the shares at s = 3; want 8": "three",
    "these are samples of DDPM; want the flow, dpm_solver with 50 steps": "ddpm",
}


def _judge_intervals(measured):
    if not isinstance(measured, Mapping):
        return f"want a dictionary from the name of an interval to a share, got {shown(measured)}"
    missing = [name for name in RIGHT if name not in measured]
    if missing:
        return f"there is no entry for {missing[0]!r}"
    got = [as_number(measured[name]) for name in RIGHT]
    if max(got) > 1 or min(got) < 0:
        return "these are no shares: they lie between 0 and 1"
    right = list(RIGHT.values())
    if all(abs(a - b) < 0.002 for a, b in zip(got, right, strict=True)):
        return None
    if all(abs(1 - a - b) < 0.002 for a, b in zip(got, right, strict=True)):
        return "these are the shares inside of the ellipse, want outside"
    for words, kind in INTERVAL_SLIPS.items():
        if all(abs(a - b) < 0.002 for a, b in zip(got, SHARES[kind].values(), strict=True)):
            return words
    for name, a, b in zip(RIGHT, got, right, strict=True):
        if abs(a - b) > 0.003 + 5 * (b * (1 - b) / 2000) ** 0.5:  # other noise is allowed
            return f"{name}: {a:.3g} is {far(a, b)}"
    return None


push_by_level = Exercise(
    "experiment",
    stars=2,
    minutes=10,
    judge=_judge_intervals,
    praise="most of what is pushed out is pushed out at the noisy levels",
    hints=(
        "`on_interval(strong, plain, first, last)` is a denoiser: draw samples with it, as with any other.",
        "strong is guided with s = 8, plain with s = 1, which is `conditional`. Three intervals, three clouds.",
        "share_outside(final(dpm_solver(on_interval(strong, conditional, first, last), linear, x_T, 50)))",
    ),
    right=(
        RIGHT,
        RIGHT | {"nowhere": 0.01},
        {name: torch.tensor(share) for name, share in RIGHT.items()},
    ),
    slips={words: SHARES[kind] for words, kind in INTERVAL_SLIPS.items()}
    | {
        "want outside": {name: 1 - share for name, share in RIGHT.items()},
        "no shares": {name: 100 * share for name, share in RIGHT.items()},
        "there is no entry for '0 to 199'": {"500 to 999": 0.2, "200 to 499": 0.02},
        "want a dictionary": [0.2, 0.02, 0.0],
        "500 to 999: 0.48 is": dict.fromkeys(RIGHT, 0.48),
    },
)


def _equal_scale(scale, alpha_bar, alpha_bar_r, *, root=0.5, kept=1.0, power=1.0, swapped=False, beta=False, bar=False):
    if swapped:
        alpha_bar, alpha_bar_r = alpha_bar_r, alpha_bar
    alpha = alpha_bar if bar else alpha_bar / alpha_bar_r
    shift = (1 - alpha) if beta else 1.0
    return shift * scale**power * alpha**root * ((1 - alpha_bar_r) / (1 - alpha_bar)) ** kept


equal_scale = Exercise(
    "implement",
    stars=2,
    minutes=10,
    judge=Law(
        _equal_scale,
        cases("scale alpha_bar alpha_bar_r", scale=(1.5, 4.0), alpha_bar=(0.2, 0.5), alpha_bar_r=(0.6, 0.9)),
        {
            "that holds for the large variance; the small one has the factor (1 - alpha_bar_r) / (1 - alpha_bar)": dict(
                kept=0.0
            ),
            "the fraction of the two noises is upside down": dict(kept=-1.0),
            "the standard deviation stands where the variance should: the fraction has no root": dict(kept=0.5),
            "the factor is sqrt(alpha), not alpha": dict(root=1.0),
            "sqrt(alpha) is missing: Algorithm 2's shift is beta / sqrt(alpha) g": dict(root=0.0),
            "it is divided by sqrt(alpha), want multiplied": dict(root=-0.5),
            "the scale of Algorithm 1 is forgotten": dict(power=0.0),
            "the two levels are exchanged: the step goes from alpha_bar to alpha_bar_r": dict(swapped=True),
            "beta stands in both shifts and cancels": dict(beta=True),
            "alpha is alpha_bar / alpha_bar_r, of one step, not alpha_bar": dict(bar=True),
        },
    ),
    praise="scale sqrt(alpha) (1 - alpha_bar_r) / (1 - alpha_bar), with alpha = alpha_bar / alpha_bar_r",
    hints=(
        "Write down both shifts of the mean, and ask for which scale of Algorithm 2 they are the same vector.",
        "Algorithm 1 shifts by scale sigma^2 g, Algorithm 2 by its scale times beta / sqrt(alpha) g.",
        "sigma^2 / beta = (1 - alpha_bar_r) / (1 - alpha_bar); times sqrt(alpha), times scale",
    ),
    right=(
        lambda scale, alpha_bar, alpha_bar_r: (
            scale * (alpha_bar / alpha_bar_r).sqrt() * (1 - alpha_bar_r) / (1 - alpha_bar)
        ),
        lambda s, a, b: s * ((1 - a / b) * (1 - b) / (1 - a)) / ((1 - a / b) / (a / b) ** 0.5),
        lambda s, a, b: torch.exp(torch.log(s) + (a / b).log() / 2 + torch.log1p(-b) - torch.log1p(-a)),
    ),
)


LogPosterior = Callable[[Tensor, float], Tensor]  # (x_t (B, d), alpha_bar) -> log q(k|x_t) (B, K)


def _slope(value: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    x = x.detach().clone().requires_grad_()
    return torch.autograd.grad(value(x).sum(), x)[0]


def _for_labels(
    denoiser,
    log_posterior,
    schedule,
    labels,
    s,
    *,
    pick="rows",
    mean=False,
    sign=-1.0,
    root=0.5,
    clean=False,
    signal=False,
) -> Denoiser:
    """Guidance of each row to its own label; the keywords are the slips."""

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        alpha_bar = float(schedule.alpha_bar[t[0]])

        def chosen(x: Tensor) -> Tensor:
            log_q = log_posterior(x, 1.0 if clean else alpha_bar)
            picked = {
                "rows": lambda: log_q[torch.arange(len(x)), labels],
                "columns": lambda: log_q[:, labels],
                "first": lambda: log_q[:, labels[0]],
                "most likely": lambda: log_q.max(dim=1).values,
                "probability": lambda: log_q.exp()[torch.arange(len(x)), labels],
                "tempered": lambda: (s * log_q).log_softmax(dim=1)[torch.arange(len(x)), labels] / s,
            }[pick]()
            return picked / len(x) if mean else picked

        power = alpha_bar if signal else 1 - alpha_bar
        return denoiser(x_t, t) + sign * s * power**root * _slope(chosen, x_t)

    return denoise


LABEL_SLIPS: dict[str, dict[str, Any]] = {
    "the gradient is still divided by the size of the batch": dict(mean=True),
    "[:, labels] takes every label for every row, (B, B): want one entry a row": dict(pick="columns"),
    "all rows are led to the label of the first": dict(pick="first"),
    "each row is led to where it is already likeliest; want its label": dict(pick="most likely"),
    "the gradient is that of q, want that of log q": dict(pick="probability"),
    "q^s is normalized over the labels again: this is a classifier at another temperature": dict(pick="tempered"),
    "the sign is lost, which was right: the gradient is subtracted from the noise": dict(sign=1.0),
    "the factor sqrt(1 - alpha_bar) is lost, which was right": dict(root=0.0),
    "the root of 1 - alpha_bar is lost, which was right": dict(root=1.0),
    "the classifier is asked at the clean level, want that of x_t": dict(clean=True),
    "the factor was right: sqrt(1 - alpha_bar), of the noise, not of the signal": dict(signal=True),
    "nothing is added to the denoiser": dict(sign=0.0),
}


def _four_bumps() -> GaussianMixture:
    generator = torch.Generator().manual_seed(7)
    means = torch.tensor([[1.5, 0.0], [-1.0, 1.0], [-0.5, -1.5], [2.0, 2.0]], dtype=torch.float64)
    roots = torch.eye(2) + 0.3 * torch.randn(4, 2, 2, generator=generator, dtype=torch.float64)
    weights = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    return GaussianMixture(weights, means, 0.3 * roots @ roots.mT)


def _posterior_of(mixture: GaussianMixture) -> LogPosterior:
    return lambda x, alpha_bar: mixture.diffuse(float(alpha_bar)).log_posterior(x)


def _label_case() -> tuple[tuple, Tensor, Tensor]:
    """What the answer is given, the labels of nine points, and the points."""
    mixture, labels = _four_bumps(), torch.tensor([0, 1, 2, 3, 3, 1, 0, 2, 2])
    x = 1.5 * torch.randn(len(labels), 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return (mixture.denoiser(LINEAR), _posterior_of(mixture), LINEAR), labels, x


def _label_results(make: Callable[..., Any]) -> list[Any]:
    """The guided noise at three levels. Raises ValueError for what is no denoiser."""
    given, labels, x = _label_case()
    denoise = make(*given, labels, 2.5)
    if not callable(denoise):
        raise ValueError(f"want a denoiser, a function of (x_t, t); got {shown(denoise)}")
    return [denoise(x.clone(), torch.full((len(x),), t)) for t in (20, 400, 900)]


@functools.cache
def _known_labels() -> dict[str, list[Any]]:
    """The results of the right answer, under no words, and of each slip."""
    slips = {words: _label_results(functools.partial(_for_labels, **slip)) for words, slip in LABEL_SLIPS.items()}
    return {"": _label_results(_for_labels)} | slips


def _judge_labels(answer):
    got, shape = _label_results(answer), tuple(_label_case()[2].shape)
    for result in got:
        if not isinstance(result, Tensor) or result.shape != shape:
            return f"the denoiser returns {shown(result)}; want a tensor of shape {shape}"
    for words, known in _known_labels().items():
        if all(torch.allclose(a.detach(), b, rtol=1e-4, atol=1e-6) for a, b in zip(got, known, strict=True)):
            return words or None
    return "the noise is not that of guidance to each row's label, and no known slip explains it"


def _labels_by_gather(denoiser, log_posterior, schedule, labels, s):
    def denoise(x_t, t):
        alpha_bar = schedule.alpha_bar[t[0]]
        x = x_t.clone().requires_grad_(True)
        log_posterior(x, alpha_bar.item()).gather(1, labels[:, None]).sum().backward()
        return denoiser(x_t, t) - s * (1 - alpha_bar).sqrt() * x.grad

    return denoise


def _labels_by_package(denoiser, log_posterior, schedule, labels, s):
    def log_prob(x, t):
        return log_posterior(x, schedule.alpha_bar[t[0]].item())[:, labels].diagonal()

    return classifier_guidance(denoiser, log_prob, schedule, s)


def _labels_one_by_one(denoiser, log_posterior, schedule, labels, s):
    def denoise(x_t, t):
        rows = []
        for k in range(len(x_t)):
            one = _for_labels(denoiser, log_posterior, schedule, labels[k : k + 1], s)
            rows.append(one(x_t[k : k + 1], t[k : k + 1]))
        return torch.cat(rows)

    return denoise


guided_for_labels = Exercise(
    "debug",
    stars=2,
    minutes=10,
    judge=_judge_labels,
    praise="each row's gradient is its own, whatever the size of the batch",
    hints=(
        "Ask for the guided noise of one point alone, then of the same point in a batch of ten. What changes?",
        "The mean of the batch is a sum divided by B, and so is its gradient. Which gradient does each row need?",
        "The gradient of the sum of the picked log q: a row's log q depends on no other row.",
    ),
    right=(_for_labels, _labels_by_gather, _labels_by_package, _labels_one_by_one),
    slips={words: functools.partial(_for_labels, **slip) for words, slip in LABEL_SLIPS.items()}
    | {"want a denoiser": lambda denoiser, log_posterior, schedule, labels, s: torch.zeros(3)},
)


def _others(
    denoiser,
    log_posterior,
    schedule,
    x_T,
    num_steps,
    *,
    event="others",
    sign=-1.0,
    root=0.5,
    clean=False,
    mean=False,
    divide=0.5,
):
    """Guidance to every component but the first, with steps of DDIM; the keywords are the slips."""
    x = x_T
    for t, a, _, b in schedule.walk(num_steps):

        def log_event(x: Tensor, a: float = a) -> Tensor:
            log_q = log_posterior(x, 1.0 if clean else a)
            log_p = {
                "others": lambda: log_q[:, 1:].logsumexp(dim=1),
                "first": lambda: log_q[:, 0],
                "flight": lambda: -log_q[:, 0],
                "all at once": lambda: log_q[:, 1:].sum(dim=1),
                "average": lambda: log_q[:, 1:].mean(dim=1),
                "likeliest": lambda: log_q[:, 1:].max(dim=1).values,
                "probability": lambda: log_q[:, 1:].exp().sum(dim=1),
                "anything": lambda: log_q.logsumexp(dim=1),
            }[event]()
            return log_p / len(x) if mean else log_p

        eps = denoiser(x, torch.full((len(x),), t)) + sign * (1 - a) ** root * _slope(log_event, x)
        x = b**0.5 * (x - (1 - a) ** 0.5 * eps) / a**divide + (1 - b) ** 0.5 * eps
    return x


OTHERS_SLIPS: dict[str, dict[str, Any]] = {
    "the samples are led to the first component, want away from it": dict(event="first"),
    "a sum of logarithms asks for all of the components at once: log q_1 q_2; want log(q_1 + q_2 + ...)": dict(
        event="all at once"
    ),
    "a mean of logarithms is no probability of an event; want log(q_1 + q_2 + ...)": dict(event="average"),
    "this leads to the likeliest of the others; want the sum of their probabilities": dict(event="likeliest"),
    "the gradient is that of the probability, want that of its logarithm": dict(event="probability"),
    "nothing is guided: if all components are summed, the event is certain and its gradient zero": dict(
        event="anything"
    ),
    "minus log q_0 flees the first component; the event has the probability 1 - q_0": dict(event="flight"),
    "in the step of DDIM x_0 is divided by alpha_bar, want its root": dict(divide=1.0),
    "the sign is wrong: the gradient is subtracted from the noise": dict(sign=1.0),
    "the factor sqrt(1 - alpha_bar) is missing": dict(root=0.0),
    "the factor is sqrt(1 - alpha_bar), not 1 - alpha_bar": dict(root=1.0),
    "the posterior is asked at the clean level; want that of x_t": dict(clean=True),
    "the gradient is divided by the size of the batch: sum over the rows, do not average": dict(mean=True),
}


OTHERS_STEPS = 8


def _others_case() -> tuple[GaussianMixture, Tensor]:
    return _four_bumps(), torch.randn(40, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def _draw(draw: Callable[..., Any]) -> Any:
    """The samples that an answer draws."""
    mixture, x_T = _others_case()
    return draw(mixture.denoiser(LINEAR), _posterior_of(mixture), LINEAR, x_T, OTHERS_STEPS)


@functools.cache
def _known_others() -> dict[str, Tensor]:
    """The samples of DDIM on the other components, under no words, and of each slip."""
    mixture, x_T = _others_case()
    others = GaussianMixture(mixture.weights[1:] / 0.6, mixture.means[1:], mixture.covariances[1:])
    right = final(ddim(others.denoiser(LINEAR), LINEAR, x_T, OTHERS_STEPS))
    return {"": right} | {words: _draw(functools.partial(_others, **slip)) for words, slip in OTHERS_SLIPS.items()}


def _judge_others(answer):
    got, shape = _draw(answer), tuple(_others_case()[1].shape)
    if not isinstance(got, Tensor) or got.shape != shape:
        return f"want the samples, a tensor of shape {shape}; got {shown(got)}"
    for words, known in _known_others().items():
        if torch.allclose(got.detach(), known, rtol=1e-4, atol=1e-4):
            return words or None
    if not torch.equal(got, _draw(answer)):
        return "it draws noise: the same start gives other samples; want DDIM with eta = 0"
    apart = float((got.detach() - _known_others()[""]).abs().max())
    return f"the samples are up to {apart:.2g} from those of DDIM on the other components"


def _others_by_package(denoiser, log_posterior, schedule, x_T, num_steps):
    def log_prob(x, t):
        return torch.log1p(-log_posterior(x, schedule.alpha_bar[t[0]].item())[:, 0].exp())

    return final(ddim(classifier_guidance(denoiser, log_prob, schedule, 1.0), schedule, x_T, num_steps))


def _others_in_x0(denoiser, log_posterior, schedule, x_T, num_steps):
    x = x_T
    for t, a, s, b in schedule.walk(num_steps):
        at_x = x.clone().requires_grad_()
        q = log_posterior(at_x, a).exp()
        q[:, 1:].sum(1).log().sum().backward()
        clean = (x - (1 - a) ** 0.5 * denoiser(x, torch.full((len(x),), t)) + (1 - a) * at_x.grad) / a**0.5
        eps = (x - a**0.5 * clean) / (1 - a) ** 0.5
        x = b**0.5 * clean + (1 - b) ** 0.5 * eps
    return x


draw_others = Exercise(
    "build",
    stars=3,
    minutes=20,
    judge=_judge_others,
    praise="point for point the samples of DDIM on the other components alone",
    hints=(
        "`Not the first` is an event like any other: write log of its probability given x_t, and differentiate that.",
        "log(q_1 + q_2 + ...) = log_posterior(x, alpha_bar)[:, 1:].logsumexp(dim=1). Then the box with s = 1.",
        "For (t, a, r, b) of schedule.walk: the gradient at level a, eps minus sqrt(1 - a) times it, a step of DDIM.",
    ),
    right=(_others, _others_by_package, _others_in_x0),
    slips={words: functools.partial(_others, **slip) for words, slip in OTHERS_SLIPS.items()}
    | {
        "want the samples": lambda denoiser, log_posterior, schedule, x_T, num_steps: ddim(
            denoiser, schedule, x_T, num_steps
        ),
        "it draws noise": lambda denoiser, log_posterior, schedule, x_T, num_steps: final(
            ddpm(denoiser, schedule, x_T, num_steps)
        ),
        "from those of DDIM": lambda denoiser, log_posterior, schedule, x_T, num_steps: x_T,
    },
)
