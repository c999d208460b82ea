"""The exercises of notebook 04: score matching."""

from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Law, cases


def _score_target(x_noisy, x0, sigma, *, sign=1.0, power=2):
    return sign * (x0 - x_noisy) / sigma**power


score_target = Exercise(
    "implement",
    stars=1,
    minutes=5,
    judge=Law(
        _score_target,
        cases("x_noisy x0 sigma", sigma=(0.4, 1.5)),
        {
            "the sign is wrong: the score points from the noisy sample back to the clean one": dict(sign=-1.0),
            "it is divided by sigma, want the variance sigma^2": dict(power=1),
            "it is not divided by the variance sigma^2": dict(power=0),
            "it is multiplied by sigma^2, want divided": dict(power=-2),
        },
    ),
    praise="grad log q(x_noisy|x0) = (x0 - x_noisy) / sigma^2",
    hints=(
        "Given x0, the noisy sample is a Gaussian around it; take the gradient of its log density.",
        "log q(x_noisy|x0) = -|x_noisy - x0|^2 / (2 sigma^2) + constant.",
        "(x0 - x_noisy) over the variance",
    ),
    right=(
        lambda x_noisy, x0, sigma: (x0 - x_noisy) / sigma**2,
        lambda x_noisy, x0, sigma: -(x_noisy - x0) / sigma.square(),
        lambda x_noisy, x0, sigma: x0.sub_(x_noisy).div_(sigma).div_(sigma),
    ),
)
