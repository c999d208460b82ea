"""The exercises of notebook 07: classifier guidance."""

import torch

from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Law, cases


def _classifier_guidance_step(eps, gradient, alpha_bar, scale, *, sign=-1.0, root=0.5, level=None, power=1.0, kept=1.0):
    variance = (1 - alpha_bar) if level is None else alpha_bar
    return kept * eps + sign * scale**power * variance**root * gradient


classifier_guidance_step = Exercise(
    "implement",
    stars=1,
    minutes=6,
    judge=Law(
        _classifier_guidance_step,
        cases("eps gradient alpha_bar scale", alpha_bar=(0.2, 0.8), scale=(1.5, 4.0)),
        {
            "the sign is wrong: eps points away from the data, the gradient towards the class": dict(sign=1.0),
            "the factor sqrt(1 - alpha_bar) is missing: the gradient is a score, not yet a noise": dict(root=0.0),
            "the factor is 1 - alpha_bar, want its square root": dict(root=1.0),
            "the gradient is divided by sqrt(1 - alpha_bar), want multiplied": dict(root=-0.5),
            "the factor is sqrt(alpha_bar), the amplitude of the signal; want that of the noise": dict(level="signal"),
            "the scale is forgotten": dict(power=0.0),
            "only the shift is returned, want eps with it": dict(kept=0.0),
        },
    ),
    praise="eps - scale sqrt(1 - alpha_bar) gradient",
    hints=(
        "Add the scaled gradient to the score, then read the sum as a noise again.",
        "score = -eps / sqrt(1 - alpha_bar).",
        "eps minus scale times sqrt(1 - alpha_bar) times gradient",
    ),
    right=(
        lambda eps, gradient, alpha_bar, scale: eps - scale * (1 - alpha_bar).sqrt() * gradient,
        lambda eps, gradient, alpha_bar, scale: eps.sub_((1 - alpha_bar) ** 0.5 * gradient * scale),
        lambda eps, g, a, s: -((1 - a) ** 0.5) * (-eps / (1 - a) ** 0.5 + s * g),
    ),
)


def _shifted_mean(mean, gradient, variance, scale, *, sign=1.0, root=1.0, power=1.0, kept=1.0):
    return kept * mean + sign * scale**power * variance**root * gradient


shifted_mean = Exercise(
    "implement",
    stars=1,
    minutes=6,
    judge=Law(
        _shifted_mean,
        cases("mean gradient variance scale", variance=(0.05, 0.4), scale=(1.5, 4.0)),
        {
            "the sign is wrong: a mean is shifted along the gradient, eps against it": dict(sign=-1.0),
            "the gradient is multiplied by the standard deviation, want the variance": dict(root=0.5),
            "the variance is missing: a step with little room moves little": dict(root=0.0),
            "the gradient is divided by the variance, want multiplied": dict(root=-1.0),
            "the scale is forgotten": dict(power=0.0),
            "only the shift is returned, want the mean with it": dict(kept=0.0),
        },
    ),
    praise="mean + scale variance gradient",
    hints=(
        "Complete the square in log N(x; mean, variance) + scale gradient . x.",
        "A linear term moves the mean of a Gaussian by the variance times its slope.",
        "mean plus scale times variance times gradient",
    ),
    right=(
        lambda mean, gradient, variance, scale: mean + scale * variance * gradient,
        lambda mean, gradient, variance, scale: mean.add_(gradient.mul_(variance * scale)),
        lambda mean, gradient, variance, scale: torch.addcmul(mean, variance * scale, gradient),
    ),
)
