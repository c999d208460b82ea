"""The exercises of notebook 01: perceptual compression."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Guess, Law, Number, agree, as_number, cases, copies, shown

# Build: an encoder with f = 8.


def judge_encoder(answer: Any) -> str | None:
    """An encoder of f = 8 by what it does: shapes at two sizes, parameters, gradients, and which pixels it looks at."""
    encoder = answer if isinstance(answer, nn.Module) else answer()
    if not isinstance(encoder, nn.Module):
        return f"want a torch.nn.Module, got {shown(encoder)}"
    if isinstance(encoder, nn.Sequential) and not len(encoder):
        return "the Sequential is empty"
    x = torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(0)).requires_grad_()
    latent = encoder(x)
    if not isinstance(latent, Tensor):
        return (
            f"the encoder returns {shown(latent)}; want one tensor, means and log standard deviations one after another"
        )
    got = tuple(latent.shape)
    if got == (4, 8, 4, 4):
        return "8 channels are the means alone: 8 log standard deviations must follow"
    if got != (4, 16, 4, 4):
        return f"images (4, 1, 32, 32) become {got}; want (4, 16, 4, 4): f = 8 = 2^3 takes three halvings"
    if latent.min() >= 0:
        return "no number is negative: end without an activation, a mean and a log standard deviation have both signs"
    try:
        larger = tuple(encoder(torch.zeros(1, 1, 64, 64)).shape)
    except RuntimeError:
        larger = None
    if larger != (1, 16, 8, 8):
        return "images of 64x64 do not become (16, 8, 8): use convolutions, which fit every size"
    if (count := sum(parameter.numel() for parameter in encoder.parameters())) > 200_000:
        return f"{count:,} parameters; want at most 200,000: fewer channels, or kernels of 3"
    (seen,) = torch.autograd.grad(latent.square().sum(), x, retain_graph=True)
    if (blind := float((seen.abs().amax(0) == 0).double().mean())) > 0:
        return f"{blind:.0%} of the pixels change nothing: a kernel smaller than its stride steps over them"
    latent.square().sum().backward()
    if any(parameter.grad is None for parameter in encoder.parameters()):
        return "a parameter gets no gradient: is there a layer that forward does not use, or a detach?"
    return None


def _strided():
    return nn.Sequential(
        nn.Conv2d(1, 24, 3, stride=2, padding=1), nn.SiLU(), nn.Conv2d(24, 48, 3, stride=2, padding=1), nn.SiLU(),
        nn.Conv2d(48, 48, 3, stride=2, padding=1), nn.SiLU(), nn.Conv2d(48, 16, 1),
    )  # fmt: skip


def _unshuffled():
    return nn.Sequential(nn.PixelUnshuffle(8), nn.Conv2d(64, 64, 3, padding=1), nn.SiLU(), nn.Conv2d(64, 16, 1))


class _Pooled(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 32, 3, padding=1), nn.Conv2d(32, 16, 3, padding=1)

    def forward(self, x):
        return self.second(nn.functional.avg_pool2d(nn.functional.silu(self.first(x)), 8))


class _Forgotten(_Pooled):
    def __init__(self):
        super().__init__()
        self.third = nn.Conv2d(16, 16, 1)


def _then(*layers: nn.Module):
    return lambda: nn.Sequential(*layers)


eightfold = Exercise(
    "build",
    stars=2,
    minutes=15,
    judge=judge_encoder,
    praise="f = 8: sixteen numbers for each of 4 x 4 places, and every pixel is looked at",
    hints=(
        "f = 8 = 2^3: halve the side three times, and let the last layer make 2c = 16 channels.",
        "A convolution of stride 2, kernel 3 and padding 1 halves the side and looks at every pixel.",
        "nn.Sequential of nn.Conv2d(1, 24, 3, stride=2, padding=1), nn.SiLU(), two more such pairs, a 1x1 convolution.",
    ),
    right=(_strided, _unshuffled, _Pooled),
    slips={
        "8 channels are the means alone": _then(_unshuffled(), nn.Conv2d(16, 8, 1)),
        "takes three halvings": lambda: nn.Sequential(*list(_strided())[:4], nn.Conv2d(48, 16, 1)),
        "no number is negative": _then(_unshuffled(), nn.ReLU()),
        "which fit every size": _then(nn.Flatten(), nn.Linear(1024, 256, bias=False), nn.Unflatten(1, (16, 4, 4))),
        "want at most 200,000": _then(
            _unshuffled(), nn.Conv2d(16, 512, 3, padding=1), nn.Conv2d(512, 16, 5, padding=2)
        ),
        "of the pixels change nothing": _then(nn.Conv2d(1, 16, 3, stride=8, padding=1)),
        "a parameter gets no gradient": _Forgotten,
        "want a torch.nn.Module": lambda: lambda x: x,
    },
)

# Implement: the divergence in the logarithm of the variance.


def _gaussian_kl(
    mean, log_variance, *, half=0.5, sign=-1.0, log_scale=1.0, power=1.0, one=1.0, means=1.0, turned=False, over=None
):
    if turned:
        return (log_variance + (1 + mean**2) / log_variance.exp() - 1) / 2
    value = half * (means * mean**2 + (power * log_variance).exp() - one + sign * log_scale * log_variance)
    return value if over is None else over(value)


TAKEN_FOR = {  # what gives no finite number where log_variance is negative
    "log_variance is taken for sigma": lambda mean, s: (mean**2 + s**2 - 1) / 2 - s.log(),
    "log_variance is taken for the variance": lambda mean, v: (mean**2 + v - 1 - v.log()) / 2,
}


@dataclass(frozen=True)
class LawOfLogarithms(Law):
    """A law whose last argument may be taken for the root or the variance itself: then some numbers are not finite."""

    def __call__(self, answer: Any) -> str | None:
        wrong = super().__call__(answer)
        if wrong is None or "not finite" not in wrong:
            return wrong
        positive = [case | {"log_variance": case["log_variance"].abs() + 0.1} for case in self.cases]
        got = [answer(*copies(case)) for case in positive]
        for words, law in TAKEN_FOR.items():
            if agree(got, [law(*copies(case)) for case in positive]):
                return words
        return wrong


gaussian_kl = Exercise(
    "implement",
    stars=2,
    minutes=8,
    judge=LawOfLogarithms(
        _gaussian_kl,
        cases("mean log_variance"),
        {
            "the factor 1/2 is missing": dict(half=1.0),
            "the sign of the logarithm is wrong: a thin density is dear": dict(sign=1.0),
            "the logarithm is that of the variance: log sigma = log_variance / 2": dict(log_scale=2.0),
            "exp(log_variance / 2) is sigma, want the variance": dict(power=0.5),
            "exp(2 log_variance) is the variance squared": dict(power=2.0),
            "the -1 is missing: the divergence of N(0, 1) from itself must be 0": dict(one=0.0),
            "it is -1, not +1: the divergence of N(0, 1) from itself must be 0": dict(one=-1.0),
            "the whole has the wrong sign": dict(half=-0.5),
            "the term of the mean is missing": dict(means=0.0),
            "the logarithm is missing": dict(log_scale=0.0),
            "this is KL(p || q), the two densities exchanged": dict(turned=True),
            "element by element, please: it is summed": dict(over=torch.sum),
            "element by element, please: it is averaged": dict(over=torch.mean),
        },
    ),
    praise="(mean^2 + exp(log_variance) - 1 - log_variance) / 2",
    hints=(
        "Integrate q log(q / p): both are Gaussian, so only a mean and a variance of z are needed.",
        "KL = E_q[(z^2 - (z - m)^2 / v - log v) / 2], and E_q[z^2] = m^2 + v.",
        "Half of mean squared plus the variance minus one minus the log variance; the variance is exp of it.",
    ),
    right=(
        lambda mean, log_variance: (mean**2 + log_variance.exp() - 1 - log_variance) / 2,
        lambda mean, log_variance: torch.distributions.kl_divergence(
            torch.distributions.Normal(mean, (log_variance / 2).exp()), torch.distributions.Normal(0.0, 1.0)
        ),
        lambda mean, log_variance: mean.pow_(2).add_(log_variance.expm1()).sub_(log_variance).mul_(0.5),
    ),
    slips=TAKEN_FOR,
)

# Debug: the reparameterized sample.


def _draw(mean, log_std, eps, *, power=1.0, kept=1.0, at=1.0, raw=False, rescaled=False):
    std = log_std if raw else (power * log_std).exp()
    return (mean + eps) * std if rescaled else at * mean + kept * std * eps


latent_sample = Exercise(
    "debug",
    stars=1,
    minutes=8,
    judge=Law(
        _draw,
        cases("mean log_std eps"),
        {
            "the noise is multiplied by the variance; sigma is its root": dict(power=2.0),
            "exp(log_std / 2) would be right for a log variance": dict(power=0.5),
            "log_std multiplies the noise as it is: take its exponential": dict(raw=True),
            "the noise is not scaled": dict(power=0.0),
            "the noise is missing: this is the mean": dict(kept=0.0),
            "the mean is missing": dict(at=0.0),
            "the mean is multiplied by sigma, too": dict(rescaled=True),
            "the noise is subtracted: the same distribution, but add it, so that one noise gives one sample": dict(
                kept=-1.0
            ),
        },
    ),
    praise="mean + exp(log_std) * eps",
    hints=(
        "(z - mean) / std must have the standard deviation 1. What power of std is it now?",
        "z = mu + sigma eps: sigma, not its square, multiplies the noise.",
        "The network returns log sigma, so sigma is log_std.exp().",
    ),
    right=(
        lambda mean, log_std, eps: mean + log_std.exp() * eps,
        lambda mean, log_std, eps: mean.addcmul_(eps, (2 * log_std).exp().sqrt()),
        lambda mean, log_std, eps: torch.addcmul(mean, torch.exp(log_std), eps),
    ),
    slips={
        "the result changes from call to call": lambda mean, log_std, eps: torch.normal(mean, log_std.exp()),
    },
)

# Derive: the weight at which the latent collapses.


def _collapse(largest, num_pixels, num_latents, *, two=2.0, latents=1.0, pixels=1.0, root=1.0, turned=1.0):
    return (two * num_latents**latents * largest**root / num_pixels**pixels) ** turned


collapse_weight = Exercise(
    "derive",
    stars=2,
    minutes=10,
    judge=Law(
        _collapse,
        cases(
            "largest num_pixels num_latents",
            shapes=((),) * 3,
            largest=(5.0, 90.0),
            num_pixels=(500.0, 3000.0),
            num_latents=(20.0, 300.0),
        ),
        {
            "the factor 2 is missing: nu = n beta / (2 d)": dict(two=1.0),
            "1/2 in the place of 2: solve nu = n beta / (2 d) for beta": dict(two=0.5),
            "this is the weight per image; per element it is d times as large": dict(latents=0.0),
            "the root of the eigenvalue is a standard deviation; nu is a variance": dict(root=0.5),
            "this is 1 / beta": dict(turned=-1.0),
            "pixels and elements of the latent are exchanged": dict(latents=-1.0, pixels=-1.0),
            "this is the accepted nu itself, want the weight": dict(two=1.0, latents=0.0, pixels=0.0),
        },
    ),
    praise="beta = 2 d lambda / n",
    hints=(
        "The last direction that is worth its rate is the one of the largest eigenvalue.",
        "Collapse is at nu = lambda, and a weight beta per element means nu = n beta / (2 d).",
        "Solve n beta / (2 d) = largest for beta.",
    ),
    right=(
        lambda largest, num_pixels, num_latents: 2 * num_latents * largest / num_pixels,
        lambda largest, num_pixels, num_latents: largest / (num_pixels / (2 * num_latents)),
        lambda largest, num_pixels, num_latents: torch.exp(
            math.log(2) + num_latents.log() + largest.log() - num_pixels.log()
        ),
    ),
)

# Predict: the bits at a weight of 10.


def judge_bits(answer: Any, measured: Any = None) -> str | None:
    """A prediction of the rate at a weight of 10, from the eigenvalues 79.6, 49.4, 16.3, 13.6, 10.5."""
    got = as_number(answer)
    wrong = Guess(usual=1.6, factor=1.5)(answer, measured)
    if wrong is None:
        return None
    if got < 0:
        return f"{wrong}; a direction with an eigenvalue below nu gets no rate, not a negative one"
    if got == 0:
        return f"{wrong}; three eigenvalues are above nu = 15.3, so something is sent"
    for low, high, words in (
        (3.9, 4.4, "is the factor 1/2 missing? A direction costs log2(lambda / nu) / 2"),
        (3.1, 3.4, "is the eigenvalue divided by beta? The accepted error is nu = 1.53 beta"),
        (9.0, 10.0, "these are ratios of variances; bits are half their logarithm"),
    ):
        if low <= got <= high:
            return f"{wrong}; {words}"
    return wrong


bits_at_ten = Exercise(
    "predict",
    stars=2,
    minutes=6,
    judge=judge_bits,
    praise="within a factor of 1.5",
    hints=(
        "A weight of 10 accepts nu = 15.3. Which of the eigenvalues are larger?",
        "Each of these directions costs log2(lambda / nu) / 2 bits, the others nothing.",
        "Half of log2(79.6 / 15.3) + log2(49.4 / 15.3) + log2(16.3 / 15.3).",
    ),
    right=(1.6, 2.08, torch.tensor(1.2)),
    slips={
        "is the factor 1/2 missing?": 4.14,
        "is the eigenvalue divided by beta?": 3.25,
        "these are ratios of variances": 9.4,
        "not a negative one": -30.0,
        "so something is sent": 0.0,
        "times too large": 256,
    },
)

# Derive: what a forgotten scale does to the signal-to-noise ratio.

scale_decibels = Exercise(
    "derive",
    stars=1,
    minutes=5,
    judge=Number(
        20 * math.log10(5.49),
        {
            "the SNR grows with the variance, c^2, not with c": 10 * math.log10(5.49),
            "this is the factor c^2 itself; in decibels it is 10 times its decimal logarithm": 5.49**2,
            "this is the factor of the signal, c; the SNR has c^2, and decibels a logarithm": 5.49,
            "this is a natural logarithm; decibels take the decimal one, times 10": 2 * math.log(5.49),
            "ten times the natural logarithm; decibels take the decimal one": 20 * math.log(5.49),
            "c is above 1, so the SNR is larger, not smaller": -20 * math.log10(5.49),
            "the logarithm is to the base 10, not 2": 20 * math.log2(5.49),
        },
    ),
    praise="20 log10(5.49) = 14.8 dB",
    hints=(
        "c enters the SNR as a factor that is the same at every t.",
        "The factor is c^2, and a factor F is 10 log10(F) decibels.",
        "10 times the decimal logarithm of 5.49 squared.",
    ),
    right=(14.79, 20 * math.log10(5.49), torch.tensor(10.0) * torch.tensor(5.49**2).log10()),
)

# Experiment: how much noise in the latent a decoder bears.

TOLERANCE = 0.07, 0.165  # measured: noise that costs a decibel at the weights 1e-6 and 1e-2


def judge_tolerance(answer: Any) -> str | None:
    """Two standard deviations of noise, each of which costs one decibel: at the weight 1e-6 and at 1e-2."""
    if not isinstance(answer, Sequence | Tensor) or len(answer) != 2:
        return f"want two numbers, for the weights 1e-6 and 1e-2; got {shown(answer)}"
    got = [as_number(value) for value in answer]
    if all(within(a, b) for a, b in zip(got, TOLERANCE, strict=True)):
        return None
    if all(within(a, b) for a, b in zip(got, reversed(TOLERANCE), strict=True)):
        return "the two are exchanged: first 1e-6, then 1e-2"
    if all(within(a, b**2) for a, b in zip(got, TOLERANCE, strict=True)):
        return "these are variances of the noise; want standard deviations"
    if all(within(a, b, 1.1) for a, b in zip(got, (0.0035, 0.547), strict=True)):
        return "these are the encoder's own sigma; want the noise that costs a decibel"
    if min(got) > 3:
        return "these look like decibels; want standard deviations of noise"
    if got[0] >= got[1]:
        return "the decoder of the larger weight should bear more: is the noise added to the mean of each?"
    weight, value = ("1e-6", got[0]) if not within(got[0], TOLERANCE[0]) else ("1e-2", got[1])
    return f"at {weight}, {value:.3g} does not cost one decibel: compare with the PSNR without noise"


def within(a: float, b: float, factor: float = 1.2) -> bool:
    return b / factor <= a <= b * factor


noise_tolerance = Exercise(
    "experiment",
    stars=3,
    minutes=15,
    judge=judge_tolerance,
    praise="about 0.07 and 0.17: a larger KL weight makes a decoder that bears more noise",
    hints=(
        "Encode, add noise of standard deviation r to the mean, decode, and compare the PSNR with that at r = 0.",
        "PSNR is 10 log10(4 / error) for pixels in [-1, 1]; try r from 0.02 to 0.3.",
        "For r in torch.arange(0.02, 0.3, 0.01): z = mean + r * noise; print r and psnr(x) - psnr(r) until it is 1.",
    ),
    right=((0.07, 0.17), [0.065, 0.16], torch.tensor([0.075, 0.17])),
    slips={
        "the two are exchanged": (0.165, 0.07),
        "these are variances": (0.0049, 0.027),
        "the encoder's own sigma": (0.0035, 0.547),
        "these look like decibels": (25.4, 24.3),
        "should bear more": (0.1, 0.1),
        "at 1e-2, 0.3 does not cost one decibel": (0.07, 0.3),
        "want two numbers": 0.07,
    },
)
