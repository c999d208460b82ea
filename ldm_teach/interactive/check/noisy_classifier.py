"""The exercises of notebook 08: a classifier that knows noise."""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Case, Guess, Law, Number, as_number, near, shown
from ldm_teach.theory.mixture import GaussianMixture
from ldm_teach.theory.schedule import NoiseSchedule


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


two_garments = Exercise(
    "derive",
    stars=2,
    minutes=10,
    judge=Number(
        _sigmoid(1.5),
        {
            "that is q(A|z_t); asked is B": _sigmoid(-1.5),
            "that is log q(B|z_t)/q(A|z_t); asked is the probability": 1.5,
            "that is the ratio q(B|z_t)/q(A|z_t); asked is the probability": math.exp(1.5),
            "the variance of the noise is 1 - alpha_bar; its root is the amplitude": _sigmoid(1.2),
            "the amplitude of the signal is sqrt(alpha_bar)": _sigmoid(0.9),
            "the squares differ by 4 sqrt(alpha_bar) z_t, and 2 (1 - alpha_bar) divides: a factor 2 is left": _sigmoid(
                0.75
            ),
            "the variance of the noise does not divide": _sigmoid(0.96),
            "that is what a classifier of clean points says: it takes z_t for a clean point near 1": 1.0,
            "that is z_t itself; asked is a probability": 0.8,
            "z_t does say something: it is nearer to 0.6 than to -0.6": 0.5,
        },
        tolerance=0.008,
    ),
    praise="the log-ratio is 2 * 0.6 * 0.8 / 0.64 = 1.5, and q(B|z_t) = 1 / (1 + exp(-1.5)) = 0.818",
    hints=(
        "Given the class, z_t is a Gaussian: around +sqrt(alpha_bar) or -sqrt(alpha_bar), both of the same variance.",
        "log q(B|z_t)/q(A|z_t) = [(z_t + sqrt(alpha_bar))^2 - (z_t - sqrt(alpha_bar))^2] / (2 (1 - alpha_bar))",
        "The log-ratio is 2 sqrt(alpha_bar) z_t / (1 - alpha_bar) = l, and q(B|z_t) = 1 / (1 + exp(-l)).",
    ),
    right=(0.8176, torch.tensor(0.8176), _sigmoid(1.5), 0.82),
)


CONFIDENCE_SLIPS = {
    "that is how often it is right; it does not know that it guesses": 0.1,
    "as on clean latents? noise looks like no garment, and it is less sure than that, if not enough": 0.92,
    "no input makes it fully sure of one class on average": 1.0,
}


def _judge_confidence(answer, measured=None):
    got = as_number(answer)
    if not 0 <= got <= 1:
        return f"{got:.3g} is no confidence: a probability lies between 0 and 1"
    wrong = Guess(0.64, 1.2)(got, measured)
    if wrong is None:
        return None
    if got < 0.1:
        return "of ten classes the most probable one has at least 0.1"
    named = [words for words, value in CONFIDENCE_SLIPS.items() if abs(got - value) < 0.015]
    return f"{named[0]} (measured {as_number(0.64 if measured is None else measured):.2f})" if named else wrong


confidence_in_noise = Exercise(
    "predict",
    stars=1,
    minutes=4,
    judge=_judge_confidence,
    praise="right one time in ten, and far surer than that: it was never asked about what is no garment",
    hints=(
        "An honest classifier would say 0.1. What in its training taught the clean one to say so?",
        "Nothing did: on clean latents it was rewarded for being sure, and there its confidence is 0.92 on average.",
        "It lies between the two, and nearer to 0.92.",
    ),
    right=(0.64, 0.6, 0.7, torch.tensor(0.65)),
    slips={"is no confidence": 64.0, "at least 0.1": 0.0} | CONFIDENCE_SLIPS,
)


def _calibration(
    confidence, right, *, weights=True, signed=False, squared=False, bins=10, centre=False, largest=False, total=False,
    each=False,
):  # fmt: skip
    found = torch.zeros((), dtype=confidence.dtype)
    if each:
        return (right - confidence).abs().mean()
    gaps, shares = [], []
    place = (bins * confidence).long().clamp(max=bins - 1)
    for k in range(bins):
        inside = place == k
        if not inside.any():
            continue
        sure = torch.as_tensor((k + 0.5) / bins, dtype=confidence.dtype) if centre else confidence[inside].mean()
        gap = right[inside].mean() - sure
        gaps.append(gap if signed else gap.abs())
        shares.append(inside.double().mean())
    gaps, shares = torch.stack(gaps), torch.stack(shares)
    gaps = gaps.square() if squared else gaps
    if largest:
        return gaps.max()
    if total:
        return gaps.sum()
    return found + ((shares * gaps).sum() if weights else gaps.mean())


def _verdicts() -> list[Case]:
    """Cases of (confidence, right): too sure in some bins, not sure enough in others, and with empty bins."""
    generator, made = torch.Generator().manual_seed(0), []
    for number, low in ((400, 0.1), (301, 0.3), (57, 0.55)):
        confidence = low + (0.999 - low) * torch.rand(number, dtype=torch.float64, generator=generator)
        draws = torch.rand(number, dtype=torch.float64, generator=generator)
        share = 0.3 + 0.4 * confidence + 0.2 * (20 * confidence).sin()
        made.append(dict(confidence=confidence, right=(draws < share).double()))
    return made


def _by_sums(confidence, right):
    place = (10 * confidence).floor().clamp(max=9).long()
    sums = torch.zeros(10, dtype=confidence.dtype).index_add(0, place, right - confidence)
    return sums.abs().sum() / len(confidence)


def _by_one_hot(confidence, right):
    member = F.one_hot((10 * confidence).long().clamp(max=9), 10).to(confidence.dtype)  # (N, 10)
    return ((right - confidence) @ member).abs().sum() / confidence.numel()


calibration_error = Exercise(
    "implement",
    stars=2,
    minutes=12,
    judge=Law(
        _calibration,
        _verdicts(),
        {
            "every bin counts alike; want each weighted by its share of the answers": dict(weights=False),
            "the gaps have signs and cancel: want their absolute values": dict(signed=True),
            "the gaps are squared; want their absolute values": dict(squared=True),
            "this is one bin: mean confidence against accuracy, where bins can cancel": dict(bins=1),
            "there are five bins, want ten": dict(bins=5),
            "there are twenty bins, want ten": dict(bins=20),
            "the confidence of a bin is the mean of its answers, not its middle": dict(centre=True),
            "this is the largest gap of a bin; want their weighted mean": dict(largest=True),
            "each answer is compared with its own confidence; want the means of a bin": dict(each=True),
            "the gaps are summed; want their weighted mean": dict(total=True),
        },
    ),
    praise="sum over bins of (share of the answers) times |share that is right - mean confidence|",
    hints=(
        "Give each answer a bin by its confidence; compare in each bin how many are right with how sure they were.",
        "Answer i is in bin floor(10 confidence_i). In bin k the gap is |mean of right - mean of confidence|.",
        "For each bin that is not empty, add inside.double().mean() * (right[inside].mean() - ...).abs().",
    ),
    right=(_calibration, _by_sums, _by_one_hot),
)


TIMES = (0, 500, 700, 900)
FOUND = dict(zip(TIMES, (1.07, 1.26, 2.04, 7.76), strict=True))
TEMPERATURE_SLIPS: dict[str, dict[int, float]] = {
    "these are the reciprocals: logits are divided by the temperature": {t: 1 / tau for t, tau in FOUND.items()},
    "these are the logarithms of the temperatures": {t: math.log(tau) for t, tau in FOUND.items()},
    "these are the temperatures of the shipped classifier; want those of the clean one": dict(
        zip(TIMES, (1.15, 1.0, 0.955, 0.933), strict=True)
    ),
    "the clean classifier was told the true t; it is always told t = 0": dict(
        zip(TIMES, (1.07, 0.813, 0.871, 1.23), strict=True)
    ),
    "these make the mean confidence equal to the accuracy; want the lowest cross-entropy": dict(
        zip(TIMES, (1.12, 1.29, 2.19, 11.2), strict=True)
    ),
    "one temperature for all t: find one for each": dict.fromkeys(TIMES, 1.07),
    "these are the cross-entropies; want the temperatures at which they are lowest": dict(
        zip(TIMES, (0.25, 0.79, 1.755, 2.276), strict=True)
    ),
}


def _judge_temperatures(measured):
    if not isinstance(measured, Mapping):
        return f"want a dictionary t -> temperature, got {shown(measured)}"
    missing = [t for t in TIMES if t not in measured]
    if missing:
        return f"there is no entry for t = {missing[0]}"
    got = [as_number(measured[t]) for t in TIMES]
    far = [max(abs(a - b) / max(abs(b), 0.1) for a, b in zip(got, want.values(), strict=True)) for want in SETS]
    best = min(range(len(SETS)), key=far.__getitem__)
    if far[best] > 0.13:
        off = next(t for t, a in zip(TIMES, got, strict=True) if not near(a, FOUND[t], 0.13))
        return f"t = {off}: {measured[off]:.3g} is not where the cross-entropy is lowest; is the grid fine enough?"
    return ["", *TEMPERATURE_SLIPS][best] or None


SETS = [FOUND, *TEMPERATURE_SLIPS.values()]

temperatures = Exercise(
    "experiment",
    stars=2,
    minutes=12,
    judge=_judge_temperatures,
    praise="it rises from 1.07 to about 8: at t = 900 its logits are eight times too large",
    hints=(
        "said['clean', t] holds the logits (1000, 10), and y the classes. Try many temperatures, keep the likeliest.",
        "The loss of a temperature tau is cross_entropy(said['clean', t] / tau, y).",
        "With grid = torch.logspace(-1, 2, 301): cross_entropy of said['clean', t] / tau for each tau; its argmin.",
    ),
    right=(
        FOUND,
        {t: torch.tensor(1.02 * tau) for t, tau in FOUND.items()},
        FOUND | {300: 1.12},
    ),
    slips=dict(TEMPERATURE_SLIPS)
    | {"there is no entry for t = 900": {t: 1.0 for t in TIMES[:-1]}, "want a dictionary": [1.07, 1.26, 2.04, 7.8]},
)


class _Unfit(Exception):
    """What a learner's function returns is not of the kind that is asked for; its text is the verdict."""


# Debug: guidance whose gradient is divided by the size of the batch.


def _toy() -> tuple[NoiseSchedule, Callable, Callable]:
    """A schedule, a denoiser, and a classifier of latents (B, 4, 2, 2) into 3 classes that knows t."""
    weight = torch.randn(16, 3, generator=torch.Generator().manual_seed(0))

    def classifier(z, t):
        return (2 - t[:, None] / 1000) * torch.tanh(z.flatten(1)) @ weight  # (B, 3)

    return NoiseSchedule.linear(), lambda z, t: 0.3 * z + t.view(-1, 1, 1, 1) / 1000, classifier


def _guided(
    denoiser, classifier, schedule, labels, s, *,
    mean=False, sign=-1.0, root=0.5, probability=False, logit=False, first=False, best=False, clean=False, kept=1.0,
):  # fmt: skip
    def denoise(z_t, t):
        z = z_t.detach().clone().requires_grad_()
        wanted = labels[:1].expand(len(labels)) if first else labels
        with torch.enable_grad():
            logits = classifier(z, torch.zeros_like(t) if clean else t)
            wanted = logits.argmax(dim=1) if best else wanted
            log_f = logits if logit else logits.log_softmax(dim=1)
            value = log_f.gather(1, wanted[:, None])[:, 0]
            value = value.exp() if probability else value
            (slope,) = torch.autograd.grad(value.mean() if mean else value.sum(), z)
        noise = (1 - schedule.at(t, z_t)).to(z_t.dtype) ** root
        return kept * denoiser(z_t, t) + sign * s * noise * slope

    return denoise


GUIDED_SLIPS: dict[str, dict[str, Any]] = {
    "the gradient is still divided by the number of rows: cross_entropy takes the mean over the batch": dict(mean=True),
    "the sign is wrong: it leads away from the class": dict(sign=1.0),
    "the factor sqrt(1 - alpha_bar) is missing": dict(root=0.0),
    "the factor is 1 - alpha_bar, want its root": dict(root=1.0),
    "this is the gradient of the probability; want that of its logarithm": dict(probability=True),
    "this is the gradient of the logit; want that of log f: the other classes belong to it": dict(logit=True),
    "every row is led to the class of the first": dict(first=True),
    "every row is led to the class that is most probable anyway": dict(best=True),
    "the classifier is told t = 0, not the noise level of its input": dict(clean=True),
    "the denoiser's own noise is missing": dict(kept=0.0),
}


def _judge_guided(answer):
    schedule, denoiser, classifier = _toy()
    generator = torch.Generator().manual_seed(1)
    cases = []
    for rows in (1, 6):
        z_t = 0.7 * torch.randn(rows, 4, 2, 2, generator=generator)
        cases.append((z_t, torch.tensor([700, 20, 300, 500, 900, 100])[:rows], torch.tensor([2, 0, 1, 1, 0, 2])[:rows]))

    def results(guide: Callable) -> list[Tensor]:
        found = []
        for z_t, t, labels in cases:
            denoise = guide(denoiser, classifier, schedule, labels, 3.0)
            if not callable(denoise):
                raise _Unfit(f"want a function (z_t, t) -> noise, got {shown(denoise)}")
            with torch.no_grad():
                found.append(denoise(z_t.clone(), t.clone()))
            if not isinstance(found[-1], Tensor) or found[-1].shape != z_t.shape:
                raise _Unfit(f"for z_t of shape {tuple(z_t.shape)} the guided noise is {shown(found[-1])}")
        return found

    try:
        got, want = results(answer), results(_guided)
    except _Unfit as unfit:
        return str(unfit)

    def same(other):
        return all(torch.allclose(a.float(), b, atol=1e-4) for a, b in zip(got, other, strict=True))

    if same(want):
        return None
    named = [words for words, slip in GUIDED_SLIPS.items() if same(results(functools.partial(_guided, **slip)))]
    return named[0] if named else "the guided noise of one row or of six is not what the law says"


def _row_by_row(denoiser, classifier, schedule, labels, s):
    def denoise(z_t, t):
        slopes = []
        for row in range(len(z_t)):
            z = z_t[row : row + 1].detach().requires_grad_()
            with torch.enable_grad():
                loss = F.cross_entropy(classifier(z, t[row : row + 1]), labels[row : row + 1])
            slopes.append(-torch.autograd.grad(loss, z)[0])
        return denoiser(z_t, t) - s * (1 - schedule.at(t, z_t)).sqrt().float() * torch.cat(slopes)

    return denoise


def _times_rows(denoiser, classifier, schedule, labels, s):
    return _guided(denoiser, classifier, schedule, labels, s * len(labels), mean=True)


mended_guidance = Exercise(
    "debug",
    stars=2,
    minutes=10,
    judge=_judge_guided,
    praise="a sum over the rows: each row's gradient is its own, however many share the batch",
    hints=(
        "One image alone is led, a hundred together are not. What in the function knows how many there are?",
        "The gradient of a mean over B rows is 1/B of the gradient of each row's own term.",
        "Sum in the place of the mean: cross_entropy(..., reduction='sum').",
    ),
    right=(_guided, _row_by_row, _times_rows),
    slips={words: functools.partial(_guided, **slip) for words, slip in GUIDED_SLIPS.items()}
    | {"want a function (z_t, t) -> noise": lambda denoiser, classifier, schedule, labels, s: torch.zeros(1)},
)


# Build: a clean classifier, asked about the guess of z_0.


def _on_guess(denoiser, log_prob, schedule, *, detach=False, told=0, root=0.5, divide=True, v=False, raw=False, sign=1):
    def asked(z_t, t):
        alpha_bar = schedule.at(t, z_t).to(z_t.dtype)
        eps = denoiser(z_t, t)
        eps = eps.detach() if detach else eps
        z_0 = z_t - sign * (1 - alpha_bar) ** root * eps
        z_0 = z_0 / alpha_bar**root if divide else z_0
        z_0 = eps if v else z_0
        z_0 = z_t if raw else z_0
        return log_prob(z_0, t if told else torch.zeros_like(t))

    return asked


GUESS_SLIPS: dict[str, dict[str, Any]] = {
    "the guess is right, but no gradient flows through the denoiser: is it detached?": dict(detach=True),
    "the classifier is told t; the guess is a clean latent, t = 0": dict(told=1),
    "the square roots are missing: alpha_bar is a power, its root an amplitude": dict(root=1.0),
    "the guess is not divided by sqrt(alpha_bar)": dict(divide=False),
    "the noise is added, want taken away": dict(sign=-1),
    "the classifier is asked about z_t itself": dict(raw=True),
    "the classifier is asked about the noise, not about z_0": dict(v=True),
}


def _judge_guess(answer):
    schedule, one = NoiseSchedule.linear(), torch.ones(2, dtype=torch.float64)
    means = torch.tensor([[1.5, 0.0], [-1.0, 0.5]], dtype=torch.float64)
    p = GaussianMixture(one / 2, means, 0.2 * torch.eye(2, dtype=torch.float64).expand(2, 2, 2))
    z_t = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    t = torch.tensor([50, 200, 400, 600, 800])

    def log_prob(z, t):
        return p.log_posterior(z)[:, 1] - t / 500

    def value_and_slope(made: Callable) -> tuple[Tensor, Tensor]:
        asked = made(p.denoiser(schedule), log_prob, schedule)
        if not callable(asked):
            raise _Unfit(f"want a function (z_t, t) -> log f, got {shown(asked)}")
        z = z_t.clone().requires_grad_()
        value = asked(z, t.clone())
        if not isinstance(value, Tensor) or value.shape != (5,):
            raise _Unfit(f"for five rows it returns {shown(value)}; want a tensor of shape (5,)")
        if not value.requires_grad:
            raise _Unfit("no gradient reaches z_t at all")
        return value.detach(), torch.autograd.grad(value.sum(), z)[0]

    try:
        got, want = value_and_slope(answer), value_and_slope(_on_guess)
    except _Unfit as unfit:
        return str(unfit)

    def same(other):
        return all(torch.allclose(a.double(), b, rtol=1e-3, atol=1e-3) for a, b in zip(got, other, strict=True))

    if same(want):
        return None
    made = {words: value_and_slope(functools.partial(_on_guess, **slip)) for words, slip in GUESS_SLIPS.items()}
    named = [words for words, other in made.items() if same(other)]
    if named:
        return named[0]
    if torch.allclose(got[0].double(), want[0], rtol=1e-3, atol=1e-3):
        return "its values are right, its gradients are not: does something lose them on the way?"
    return "its values are not log f of the guess of z_0"


def _by_law(denoiser, log_prob, schedule):
    def asked(z_t, t):
        level = schedule.at(t, z_t)
        return log_prob(z_t / level.sqrt() - (1 / level - 1).sqrt() * denoiser(z_t, t), 0 * t)

    return asked


class _AsClass:
    def __init__(self, denoiser, log_prob, schedule):
        self.parts = denoiser, log_prob, schedule

    def __call__(self, z_t, t):
        denoiser, log_prob, schedule = self.parts
        a = schedule.alpha_bar[t].to(z_t).view(-1, *[1] * (z_t.ndim - 1))
        return log_prob((z_t - torch.sqrt(1 - a) * denoiser(z_t, t)) / torch.sqrt(a), torch.zeros_like(t))


ask_about_the_guess = Exercise(
    "build",
    stars=3,
    minutes=15,
    judge=_judge_guess,
    praise="the classifier sees what looks clean, and the gradient comes back through the denoiser",
    hints=(
        "The classifier knows clean latents only. Which clean latent does the denoiser see behind z_t?",
        "z_0 = (z_t - sqrt(1 - alpha_bar) eps) / sqrt(alpha_bar), with alpha_bar = schedule.at(t, z_t); t = 0 for it.",
        "def asked(z_t, t): compute that z_0 with denoiser(z_t, t), return log_prob(z_0, torch.zeros_like(t)).",
    ),
    right=(_on_guess, _by_law, _AsClass),
    slips={words: functools.partial(_on_guess, **slip) for words, slip in GUESS_SLIPS.items()}
    | {
        "want a function (z_t, t) -> log f": lambda denoiser, log_prob, schedule: torch.zeros(5),
        "want a tensor of shape (5,)": lambda denoiser, log_prob, schedule: lambda z_t, t: log_prob(z_t, t).sum(),
    },
)
