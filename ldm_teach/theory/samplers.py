"""Reverse processes: generators that consume a denoiser and yield ever cleaner samples.

Each takes the noise x_T (B, *D), walks down `num_steps` trailing timesteps and yields a Step after each; the last goes
to alpha_bar = 1 and adds no noise. Gradients are left to the caller. All raise ValueError for an x_T that is not
floating-point or a step count outside 1..T.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ldm_teach.theory import checks
from ldm_teach.theory.parameterization import x0_from_eps
from ldm_teach.theory.schedule import Denoiser, NoiseSchedule


class Step(NamedTuple):
    """One step of a sampler: x after the step at t, and the prediction of x_0 that was made there. x, x0: (B, *D)."""

    t: int
    x: Tensor
    x0: Tensor


def draw_like(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard normal noise of x's shape and dtype, drawn where the generator lives and moved to x's device."""
    device = x.device if generator is None else generator.device
    return torch.randn(x.shape, dtype=x.dtype, device=device, generator=generator).to(x.device)


def predict(denoiser: Denoiser, x: Tensor, t: int, alpha_bar: float) -> tuple[Tensor, Tensor]:
    """The predicted noise and the clean sample it stands for, both (B, *D), at one timestep for the whole batch."""
    eps = denoiser(x, torch.full(x.shape[:1], t, dtype=torch.int64, device=x.device))
    return eps, x0_from_eps(x, eps, alpha_bar)


def ddpm(
    denoiser: Denoiser,
    schedule: NoiseSchedule,
    x_T: Tensor,
    num_steps: int,
    *,
    variance: str = "small",
    generator: torch.Generator | None = None,
) -> Iterator[Step]:
    """Ancestral sampling: x_s ~ N(posterior mean of q(x_s|x_t, x0), variance), s < t the next timestep.

    With alpha = alpha_bar_t / alpha_bar_s and beta = 1 - alpha the mean is
    sqrt(alpha_bar_s) beta / (1 - alpha_bar_t) x0 + sqrt(alpha) (1 - alpha_bar_s) / (1 - alpha_bar_t) x_t.
    variance: "small" is beta (1 - alpha_bar_s) / (1 - alpha_bar_t), "large" is beta.
    Source: Ho et al. 2020, eq. 7 and algorithm 2; fewer than T steps as Nichol & Dhariwal 2021, sec. 4.
    """
    if variance not in ("small", "large"):
        raise ValueError(f"variance is {variance!r}; want 'small' or 'large'")
    x = checks.floating("x_T", x_T)
    for t, alpha_bar, alpha_bar_next in schedule.walk(num_steps):
        _, x0 = predict(denoiser, x, t, alpha_bar)
        alpha = alpha_bar / alpha_bar_next
        beta, kept = 1 - alpha, (1 - alpha_bar_next) / (1 - alpha_bar)
        x = alpha_bar_next**0.5 * beta / (1 - alpha_bar) * x0 + alpha**0.5 * kept * x
        if alpha_bar_next < 1:
            x = x + (beta * kept if variance == "small" else beta) ** 0.5 * draw_like(x, generator)
        yield Step(t, x, x0)


def ddim(
    denoiser: Denoiser,
    schedule: NoiseSchedule,
    x_T: Tensor,
    num_steps: int,
    *,
    eta: float = 0.0,
    generator: torch.Generator | None = None,
) -> Iterator[Step]:
    """DDIM: x_s = sqrt(alpha_bar_s) x0 + sqrt(1 - alpha_bar_s - sigma^2) eps + sigma noise, s < t the next timestep.

    sigma^2 = eta^2 (1 - alpha_bar_s) / (1 - alpha_bar_t) (1 - alpha_bar_t / alpha_bar_s): eta = 0 is deterministic,
    eta = 1 is `ddpm` with the small variance. Source: Song et al. 2021 (DDIM), eq. 12 and 16.
    """
    checks.between("eta", eta, 0, 1)
    x = checks.floating("x_T", x_T)
    for t, alpha_bar, alpha_bar_next in schedule.walk(num_steps):
        eps, x0 = predict(denoiser, x, t, alpha_bar)
        variance = eta**2 * (1 - alpha_bar_next) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_next)
        x = alpha_bar_next**0.5 * x0 + (1 - alpha_bar_next - variance) ** 0.5 * eps
        if variance > 0:
            x = x + variance**0.5 * draw_like(x, generator)
        yield Step(t, x, x0)


def final(steps: Iterable[Step]) -> Tensor:
    """Run a sampler to its end and return the last x (B, *D). Raises ValueError where there was no step."""
    step = None
    for step in steps:
        pass
    if step is None:
        raise ValueError("steps is empty; want a sampler that has not been consumed")
    return step.x
