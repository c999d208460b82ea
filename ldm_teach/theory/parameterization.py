"""Score, eps, x0 and v: four names for one prediction, and the way from each to the others.

All hold for x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps. Tensors are (B, *D); alpha_bar is a number or a tensor
that broadcasts against them, inside (0, 1). At its ends a law divides by zero where the arrow has nothing left to say:
x0 from eps or the score at alpha_bar = 0 (no signal), eps from x0 at alpha_bar = 1 (no noise); v <-> x0, eps holds at
both on one side. The functions raise ValueError where shapes differ or a tensor is not floating-point.

The variance-exploding process x_ve = x0 + sigma eps is the same process, divided by sqrt(alpha_bar): `ve_from_vp`.
"""

import math

import torch
from torch import Tensor

from ldm_teach import checks


def level(name: str, value: Tensor | float, high: float, x: Tensor | None = None) -> None:
    """Raises ValueError unless the noise level is a floating-point tensor, or a number in [0, high].

    Where there is an x, a tensor must have no dimension more than x, and in each one entry or as many as x.
    """
    if not isinstance(value, Tensor):
        checks.between(name, value, 0, high)
        return
    checks.floating(name, value)
    if x is not None:
        sides = zip(reversed(value.shape), reversed(x.shape), strict=False)
        if value.ndim > x.ndim or any(a not in (1, b) for a, b in sides):
            raise ValueError(f"{name} is {checks.describe(value)}; want one that broadcasts to {tuple(x.shape)}")
        checks.movable(name, value, x)


def amplitudes(alpha_bar: Tensor | float, x: Tensor) -> tuple[Tensor, Tensor]:
    """sqrt(alpha_bar) and sqrt(1 - alpha_bar), the amplitudes of signal and noise, in x's dtype on x's device.

    The roots are taken in alpha_bar's own precision: in half precision 1 - alpha_bar would be 0 at the first steps.
    """
    level("alpha_bar", alpha_bar, 1, x)
    signal, noise = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
    return (
        torch.as_tensor(signal, dtype=x.dtype, device=x.device),
        torch.as_tensor(noise, dtype=x.dtype, device=x.device),
    )


def score_from_eps(eps: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """Score of q(x_t) from the predicted noise: grad log q(x_t) = -E[eps|x_t] / sqrt(1 - alpha_bar).

    Source: Tweedie's formula; Ho et al. 2020, sec. 3.2; Song & Ermon 2019, eq. 2.
    """
    _, noise = amplitudes(alpha_bar, checks.floating("eps", eps))
    return -eps / noise


def eps_from_score(score: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """The noise that a score stands for: eps = -sqrt(1 - alpha_bar) score. The inverse of `score_from_eps`."""
    _, noise = amplitudes(alpha_bar, checks.floating("score", score))
    return -noise * score


def score_from_x0(x_t: Tensor, x0: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """grad log q(x_t) = (sqrt(alpha_bar) E[x0|x_t] - x_t) / (1 - alpha_bar). Source: Tweedie's formula (Efron 2011)."""
    checks.same_shape(x_t=x_t, x0=x0)
    signal, noise = amplitudes(alpha_bar, x_t)
    return (signal * x0 - x_t) / noise / noise


def x0_from_score(x_t: Tensor, score: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """E[x0|x_t] = (x_t + (1 - alpha_bar) grad log q(x_t)) / sqrt(alpha_bar). Source: Tweedie's formula (Efron 2011)."""
    checks.same_shape(x_t=x_t, score=score)
    signal, noise = amplitudes(alpha_bar, x_t)
    return (x_t + noise * (noise * score)) / signal


def score_from_v(x_t: Tensor, v: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """grad log q(x_t) = -x_t - sqrt(alpha_bar / (1 - alpha_bar)) v: `eps_from_v`, then `score_from_eps`."""
    checks.same_shape(x_t=x_t, v=v)
    signal, noise = amplitudes(alpha_bar, x_t)
    return -x_t - signal / noise * v


def v_from_score(x_t: Tensor, score: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """v = -sqrt((1 - alpha_bar) / alpha_bar) (x_t + grad log q(x_t)). The inverse of `score_from_v`."""
    checks.same_shape(x_t=x_t, score=score)
    signal, noise = amplitudes(alpha_bar, x_t)
    return -noise / signal * (x_t + score)


def x0_from_eps(x_t: Tensor, eps: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """x0 = (x_t - sqrt(1 - alpha_bar) eps) / sqrt(alpha_bar). Source: Ho et al. 2020, eq. 15."""
    checks.same_shape(x_t=x_t, eps=eps)
    signal, noise = amplitudes(alpha_bar, x_t)
    return (x_t - noise * eps) / signal


def eps_from_x0(x_t: Tensor, x0: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """eps = (x_t - sqrt(alpha_bar) x0) / sqrt(1 - alpha_bar). The inverse of `x0_from_eps`."""
    checks.same_shape(x_t=x_t, x0=x0)
    signal, noise = amplitudes(alpha_bar, x_t)
    return (x_t - signal * x0) / noise


def v_from_eps(x_t: Tensor, eps: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x0 = (eps - sqrt(1 - alpha_bar) x_t) / sqrt(alpha_bar).

    Source: Salimans & Ho 2022, sec. 4 and appendix D.
    """
    checks.same_shape(x_t=x_t, eps=eps)
    signal, noise = amplitudes(alpha_bar, x_t)
    return (eps - noise * x_t) / signal


def eps_from_v(x_t: Tensor, v: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """eps = sqrt(alpha_bar) v + sqrt(1 - alpha_bar) x_t. Source: Salimans & Ho 2022, appendix D."""
    checks.same_shape(x_t=x_t, v=v)
    signal, noise = amplitudes(alpha_bar, x_t)
    return signal * v + noise * x_t


def v_from_x0(x_t: Tensor, x0: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """v = (sqrt(alpha_bar) x_t - x0) / sqrt(1 - alpha_bar). Source: Salimans & Ho 2022, appendix D, solved for v."""
    checks.same_shape(x_t=x_t, x0=x0)
    signal, noise = amplitudes(alpha_bar, x_t)
    return (signal * x_t - x0) / noise


def x0_from_v(x_t: Tensor, v: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """x0 = sqrt(alpha_bar) x_t - sqrt(1 - alpha_bar) v. Source: Salimans & Ho 2022, appendix D."""
    checks.same_shape(x_t=x_t, v=v)
    signal, noise = amplitudes(alpha_bar, x_t)
    return signal * x_t - noise * v


def sigma_from_alpha_bar(alpha_bar: Tensor | float) -> Tensor | float:
    """The noise level of the variance-exploding process: sigma = sqrt((1 - alpha_bar) / alpha_bar).

    alpha_bar: in (0, 1], a number or a tensor. Source: Song et al. 2021 (DDIM), sec. 4.3; Karras et al. 2022, table 1.
    """
    level("alpha_bar", alpha_bar, 1)
    if not isinstance(alpha_bar, Tensor):
        checks.positive("alpha_bar", alpha_bar)
    return ((1 - alpha_bar) / alpha_bar) ** 0.5


def alpha_bar_from_sigma(sigma: Tensor | float) -> Tensor | float:
    """alpha_bar = 1 / (1 + sigma^2). The inverse of `sigma_from_alpha_bar`; sigma: not negative."""
    level("sigma", sigma, math.inf)
    return 1 / (1 + sigma**2)


def ve_from_vp(x_t: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """x_ve = x_t / sqrt(alpha_bar) = x0 + sigma eps. eps and x0 are the same there; the score is sqrt(alpha_bar) times.

    Source: Song et al. 2021 (DDIM), eq. 13; Karras et al. 2022, eq. 1 with the scale s = sqrt(alpha_bar).
    """
    signal, _ = amplitudes(alpha_bar, checks.floating("x_t", x_t))
    return x_t / signal


def vp_from_ve(x_ve: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """x_t = sqrt(alpha_bar) x_ve. The inverse of `ve_from_vp`."""
    signal, _ = amplitudes(alpha_bar, checks.floating("x_ve", x_ve))
    return signal * x_ve
