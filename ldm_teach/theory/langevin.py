"""Langevin dynamics: sampling a density from its score alone.

Generators that yield x (B, *D) after each step: B chains side by side. `generator` is one for all, a list of one for
each chain, or None, which is torch's default one.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ldm_teach import checks
from ldm_teach.theory.tensors import Randomness, draw, draw_like, per_row, randomness


def langevin(
    score: Callable[[Tensor], Tensor],
    x: Tensor,
    step_size: float | Callable[[int], float],
    num_steps: int,
    *,
    generator: Randomness = None,
) -> Iterator[Tensor]:
    """Unadjusted Langevin: x <- x + delta/2 grad log p(x) + sqrt(delta) eps, eps ~ N(0, I).

    score: x (B, *D) -> grad log p(x) (B, *D).  step_size: delta, or a function k -> delta_k for k = 0, 1, ...: for a
    fixed delta the chain's stationary law is not p. With delta_k -> 0 and sum delta_k = inf the law of x tends to p,
    where p is regular enough; that also sum delta_k^2 < inf is sufficient, not needed. Raises ValueError for a step
    size that is not positive.
    Source: Welling & Teh 2011, eq. 1 and 2 (their epsilon is our delta); of the steps, Teh, Thiery & Vollmer 2016.
    """
    checks.function("score", score, "x")
    randomness(generator, len(checks.batch("x", x)))
    checks.count("num_steps", num_steps)
    for k in range(num_steps):
        delta = checks.positive("step_size", step_size(k) if callable(step_size) else step_size)
        drift = checks.returned("score", score(x), x)
        x = x + delta / 2 * drift + delta**0.5 * draw_like(x, generator)
        yield x


def mala(
    log_prob: Callable[[Tensor], Tensor],
    x: Tensor,
    step_size: float,
    num_steps: int,
    *,
    generator: Randomness = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Metropolis-adjusted Langevin: the step of `langevin` is a proposal y, accepted with probability

    min(1, p(y) q(x|y) / (p(x) q(y|x))),  q(y|x) = N(y; x + delta/2 grad log p(x), delta I),

    so that p is stationary at every step size. log_prob: x (B, *D) -> log p(x) up to a constant (B,), differentiable.
    Yields (x (B, *D), accepted (B,) bool). A proposal whose density is not a number is refused.
    Source: Besag 1994; Roberts & Tweedie 1996, sec. 1.4.2.
    """
    delta = checks.positive("step_size", step_size)
    checks.function("log_prob", log_prob, "x")
    randomness(generator, len(checks.batch("x", x)))
    checks.count("num_steps", num_steps)

    def value_and_mean(x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.inference_mode(False), torch.enable_grad():
            x = x.detach().clone().requires_grad_()
            value = checks.shaped("what log_prob returns", log_prob(x), len(x))
            (gradient,) = torch.autograd.grad(value.sum(), x)
        return value.detach(), x.detach() + delta / 2 * gradient

    def log_q(y: Tensor, mean: Tensor) -> Tensor:
        return -(y - mean).square()[..., None].flatten(1).sum(1) / (2 * delta)  # (B, *D) -> (B,), up to a constant

    log_p, mean = value_and_mean(x)
    for _ in range(num_steps):
        y = mean + delta**0.5 * draw_like(x, generator)
        log_p_y, mean_y = value_and_mean(y)
        log_ratio = log_p_y + log_q(x, mean_y) - log_p - log_q(y, mean)
        accepted = draw(torch.rand, x.shape[:1], x, generator).log() < log_ratio  # (B,)
        chosen = per_row(accepted, x)
        x, mean = torch.where(chosen, y, x), torch.where(chosen, mean_y, mean)
        log_p = torch.where(accepted, log_p_y, log_p)
        yield x, accepted


def annealed_langevin(
    score: Callable[[Tensor, float], Tensor],
    x: Tensor,
    sigmas: Sequence[float] | Tensor,
    step_size: float,
    steps_per_level: int,
    *,
    generator: Randomness = None,
) -> Iterator[Tensor]:
    """Langevin dynamics on ever less noised data: at level sigma the step is delta = step_size sigma^2 / sigma_last^2.

    score: (x (B, *D), sigma) -> grad log p_sigma(x), p_sigma the density of x0 + sigma eps.  sigmas: decreasing,
    numbers or a tensor (L,). Yields x after each of len(sigmas) * steps_per_level steps. Raises ValueError for sigmas
    that do not fall.
    Source: Song & Ermon 2019, algorithm 1.
    """
    checks.function("score", score, "(x, sigma)")
    checks.count("steps_per_level", steps_per_level)
    sigmas = checks.numbers("sigmas", sigmas)
    for sigma, lower in zip(sigmas, [*sigmas[1:], 0], strict=True):
        if not checks.positive("sigmas", sigma) > lower:
            raise ValueError(f"sigmas has {sigma:g} before {lower:g}; want numbers that decrease and stay above 0")
    for sigma in sigmas:
        delta = checks.positive("step_size", step_size) * (sigma / sigmas[-1]) ** 2
        level = langevin(lambda x, sigma=sigma: score(x, sigma), x, delta, steps_per_level, generator=generator)
        for x in level:
            yield x
