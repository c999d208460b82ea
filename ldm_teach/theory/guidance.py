"""Guidance: functions from denoisers to a denoiser."""

from collections.abc import Callable

from torch import Tensor

from ldm_teach.theory import checks
from ldm_teach.theory.schedule import Denoiser


def w_from_s(s: float) -> float:
    """The guidance weight w of Ho & Salimans 2022 from the scale s of the published code: w = s - 1."""
    return s - 1


def s_from_w(w: float) -> float:
    """The guidance scale s from the weight w: s = 1 + w, so that s = 1 (w = 0) is no guidance."""
    return 1 + w


def guide(eps_cond: Tensor, eps_uncond: Tensor, w: float | Tensor) -> Tensor:
    """Classifier-free guidance: (1 + w) eps_cond - w eps_uncond, which is eps_uncond + s (eps_cond - eps_uncond).

    eps_cond, eps_uncond: (B, *D).  w: a number, or (B,) for a weight of its own for each sample.  Returns (B, *D).
    w = 0 is the conditional prediction, w = -1 the unconditional one. Source: Ho & Salimans 2022, eq. 6.
    """
    checks.same_shape(eps_cond=eps_cond, eps_uncond=eps_uncond)
    if isinstance(w, Tensor):
        if w.shape != eps_cond.shape[:1]:
            raise ValueError(f"w is {checks.describe(w)}; want a number or a tensor of shape ({eps_cond.shape[0]},)")
        w = w.to(eps_cond).reshape(-1, *(1,) * (eps_cond.ndim - 1))  # (B,) -> (B, 1, ..., 1)
    return (1 + w) * eps_cond - w * eps_uncond


def classifier_free_guidance(conditional: Denoiser, unconditional: Denoiser, w: float | Tensor) -> Denoiser:
    """The denoiser that calls both and combines them by `guide`. Source: Ho & Salimans 2022, algorithm 2."""
    for name, denoiser in (("conditional", conditional), ("unconditional", unconditional)):
        if not isinstance(denoiser, Callable):
            raise ValueError(f"{name} is {checks.describe(denoiser)}; want a denoiser, a function (x_t, t) -> eps")
    return lambda x_t, t: guide(conditional(x_t, t), unconditional(x_t, t), w)
