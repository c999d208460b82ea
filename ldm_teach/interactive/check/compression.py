"""The exercises of notebook 01: perceptual compression."""

import torch

from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Law, cases


def _gaussian_kl(mean, log_variance, *, half=0.5, sign=-1.0, log_scale=1.0, power=1.0, one=1.0):
    return half * (mean**2 + (power * log_variance).exp() - one + sign * log_scale * log_variance)


gaussian_kl = Exercise(
    "implement",
    stars=2,
    minutes=8,
    judge=Law(
        _gaussian_kl,
        cases("mean log_variance"),
        {
            "the factor 1/2 is missing": dict(half=1.0),
            "the sign of the logarithm is wrong: a thin density is dear": dict(sign=1.0),
            "the logarithm is that of the variance: log sigma = log_variance / 2": dict(log_scale=2.0),
            "exp(log_variance / 2) is sigma, want the variance": dict(power=0.5),
            "exp(2 log_variance) is the variance squared": dict(power=2.0),
            "the -1 is missing: the divergence of N(0, 1) from itself must be 0": dict(one=0.0),
            "the whole has the wrong sign": dict(half=-0.5),
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
)
