"""Flow matching on the straight path: its velocity is one more name of the same arrow, its path the same process.

The straight path from data to noise is x_tau = (1 - tau) x0 + tau eps, tau in [0, 1]; its velocity d x_tau / d tau is
u = eps - x0. It is x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps divided by the sum of both amplitudes, so that a
network trained on the one can be used on the other. Shapes, levels and errors as in `parameterization`.
Source: Lipman et al. 2023, sec. 4.1 (there with time turned round); Liu et al. 2023 (rectified flow), eq. 1.
"""

from torch import Tensor

from ldm_teach import checks
from ldm_teach.theory.parameterization import amplitudes, level


def velocity_from_eps(x_t: Tensor, eps: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """u = eps - x0 = ((sqrt(alpha_bar) + sqrt(1 - alpha_bar)) eps - x_t) / sqrt(alpha_bar)."""
    checks.same_shape(x_t=x_t, eps=eps)
    signal, noise = amplitudes(alpha_bar, x_t)
    return ((signal + noise) * eps - x_t) / signal


def eps_from_velocity(x_t: Tensor, u: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """eps = (x_t + sqrt(alpha_bar) u) / (sqrt(alpha_bar) + sqrt(1 - alpha_bar)). Divides by zero nowhere."""
    checks.same_shape(x_t=x_t, u=u)
    signal, noise = amplitudes(alpha_bar, x_t)
    return (x_t + signal * u) / (signal + noise)


def velocity_from_x0(x_t: Tensor, x0: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """u = (x_t - (sqrt(alpha_bar) + sqrt(1 - alpha_bar)) x0) / sqrt(1 - alpha_bar)."""
    checks.same_shape(x_t=x_t, x0=x0)
    signal, noise = amplitudes(alpha_bar, x_t)
    return (x_t - (signal + noise) * x0) / noise


def x0_from_velocity(x_t: Tensor, u: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """x0 = (x_t - sqrt(1 - alpha_bar) u) / (sqrt(alpha_bar) + sqrt(1 - alpha_bar)). Divides by zero nowhere."""
    checks.same_shape(x_t=x_t, u=u)
    signal, noise = amplitudes(alpha_bar, x_t)
    return (x_t - noise * u) / (signal + noise)


def velocity_from_v(x_t: Tensor, v: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """u = (sqrt(alpha_bar) + sqrt(1 - alpha_bar)) v + (sqrt(1 - alpha_bar) - sqrt(alpha_bar)) x_t."""
    checks.same_shape(x_t=x_t, v=v)
    signal, noise = amplitudes(alpha_bar, x_t)
    return (signal + noise) * v + (noise - signal) * x_t


def v_from_velocity(x_t: Tensor, u: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """The inverse of `velocity_from_v`. Divides by zero nowhere."""
    checks.same_shape(x_t=x_t, u=u)
    signal, noise = amplitudes(alpha_bar, x_t)
    return (u - (noise - signal) * x_t) / (signal + noise)


def velocity_from_score(x_t: Tensor, score: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """`eps_from_score`, then `velocity_from_eps`."""
    checks.same_shape(x_t=x_t, score=score)
    signal, noise = amplitudes(alpha_bar, x_t)
    return -((signal + noise) * (noise * score) + x_t) / signal


def score_from_velocity(x_t: Tensor, u: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """`eps_from_velocity`, then `score_from_eps`."""
    checks.same_shape(x_t=x_t, u=u)
    signal, noise = amplitudes(alpha_bar, x_t)
    return -(x_t + signal * u) / (signal + noise) / noise


def tau_from_alpha_bar(alpha_bar: Tensor | float) -> Tensor | float:
    """The time on the straight path: tau = sqrt(1 - alpha_bar) / (sqrt(alpha_bar) + sqrt(1 - alpha_bar))."""
    level("alpha_bar", alpha_bar, 1)
    return (1 - alpha_bar) ** 0.5 / (alpha_bar**0.5 + (1 - alpha_bar) ** 0.5)


def alpha_bar_from_tau(tau: Tensor | float) -> Tensor | float:
    """alpha_bar = (1 - tau)^2 / ((1 - tau)^2 + tau^2). The inverse of `tau_from_alpha_bar`; tau: in [0, 1]."""
    level("tau", tau, 1)
    return (1 - tau) ** 2 / ((1 - tau) ** 2 + tau**2)


def straight_from_vp(x_t: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """x_tau = x_t / (sqrt(alpha_bar) + sqrt(1 - alpha_bar)) = (1 - tau) x0 + tau eps. eps and x0 are the same there."""
    signal, noise = amplitudes(alpha_bar, checks.floating("x_t", x_t))
    return x_t / (signal + noise)


def vp_from_straight(x_tau: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """x_t = (sqrt(alpha_bar) + sqrt(1 - alpha_bar)) x_tau. The inverse of `straight_from_vp`."""
    signal, noise = amplitudes(alpha_bar, checks.floating("x_tau", x_tau))
    return (signal + noise) * x_tau
