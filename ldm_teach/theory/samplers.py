"""Reverse processes: generators that consume a denoiser and yield ever cleaner samples.

Each takes the noise x_T (B, *D), walks down `num_steps` trailing timesteps and yields a Step after each; the last goes
to alpha_bar = 1 and adds no noise. Gradients are left to the caller. `generator` is one for the whole batch, a list of
one for each sample, which then is what it would be alone, or None, which is torch's default one. All raise ValueError
for an x_T that is not floating-point, a step count outside 1..T and a denoiser that returns another shape or dtype.

In the code t is the timestep of a step and s < t the one it goes to; alpha_bar and alpha_bar_s belong to them.
"""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ldm_teach import checks
from ldm_teach.theory.langevin import langevin
from ldm_teach.theory.parameterization import score_from_eps, sigma_from_alpha_bar, ve_from_vp, vp_from_ve, x0_from_eps
from ldm_teach.theory.schedule import Denoiser, NoiseSchedule
from ldm_teach.theory.tensors import Randomness, draw_like, randomness


class Step(NamedTuple):
    """One step of a sampler: x after the step at t, and the prediction of x_0 that was made there. x, x0: (B, *D)."""

    t: int
    x: Tensor
    x0: Tensor


class Sampler(Protocol):
    """The face of every reverse process: from a denoiser and noise x_T (B, *D) to a Step after each of `num_steps`."""

    __name__: str

    def __call__(
        self,
        denoiser: Denoiser,
        schedule: NoiseSchedule,
        x_T: Tensor,
        num_steps: int,
        *,
        generator: Randomness = None,
    ) -> Iterator[Step]: ...


def start(
    denoiser: Denoiser, schedule: NoiseSchedule, x_T: Tensor, num_steps: int, generator: Randomness
) -> tuple[Tensor, list[tuple[int, float, int, float]]]:
    """What every sampler checks at its door: x_T, where it starts, and the walk that it takes."""
    checks.function("denoiser", denoiser, "(x_t, t)")
    checks.instance("schedule", schedule, NoiseSchedule)
    randomness(generator, len(checks.batch("x_T", x_T)))
    return x_T, schedule.walk(num_steps)


def predict(denoiser: Denoiser, x: Tensor, t: int, alpha_bar: float, name: str = "denoiser") -> tuple[Tensor, Tensor]:
    """The predicted noise and the clean sample it stands for, both (B, *D), at one timestep for the whole batch."""
    eps = denoiser(x, torch.full(x.shape[:1], t, dtype=torch.int64, device=x.device))
    return checks.returned(name, eps, x), x0_from_eps(x, eps, alpha_bar)


def ddpm(
    denoiser: Denoiser,
    schedule: NoiseSchedule,
    x_T: Tensor,
    num_steps: int,
    *,
    variance: str = "small",
    resampling: int = 1,
    generator: Randomness = None,
) -> Iterator[Step]:
    """Ancestral sampling: x_s ~ N(posterior mean of q(x_s|x_t, x0), variance).

    With alpha = alpha_bar_t / alpha_bar_s and beta = 1 - alpha the mean is
    sqrt(alpha_bar_s) beta / (1 - alpha_bar_t) x0 + sqrt(alpha) (1 - alpha_bar_s) / (1 - alpha_bar_t) x_t.
    variance: "small" is beta (1 - alpha_bar_s) / (1 - alpha_bar_t), "large" is beta.
    resampling: how often each step but the last is made; before each time but the first x_s is noised back to t,
    sqrt(alpha) x_s + sqrt(beta) noise, so that the parts of x come to agree: what `inpainting` needs. Calls of the
    network: resampling (num_steps - 1) + 1.
    Source: Ho et al. 2020, eq. 7 and algorithm 2; fewer than T steps as Nichol & Dhariwal 2021, sec. 4; resampling,
    Lugmayr et al. 2022 (RePaint), algorithm 1.
    """
    checks.word("variance", variance, ("small", "large"))
    checks.count("resampling", resampling)
    x, walk = start(denoiser, schedule, x_T, num_steps, generator)
    for t, alpha_bar, _, alpha_bar_s in walk:
        alpha = alpha_bar / alpha_bar_s
        beta, kept = 1 - alpha, (1 - alpha_bar_s) / (1 - alpha_bar)
        times = resampling if alpha_bar_s < 1 else 1
        for time in range(times):
            if time > 0:
                x = alpha**0.5 * x + beta**0.5 * draw_like(x, generator)
            _, x0 = predict(denoiser, x, t, alpha_bar)
            x = alpha_bar_s**0.5 * beta / (1 - alpha_bar) * x0 + alpha**0.5 * kept * x
            if alpha_bar_s < 1:
                x = x + (beta * kept if variance == "small" else beta) ** 0.5 * draw_like(x, generator)
            if time == times - 1:
                yield Step(t, x, x0)


def ddim(
    denoiser: Denoiser,
    schedule: NoiseSchedule,
    x_T: Tensor,
    num_steps: int,
    *,
    eta: float = 0.0,
    generator: Randomness = None,
) -> Iterator[Step]:
    """DDIM: x_s = sqrt(alpha_bar_s) x0 + sqrt(1 - alpha_bar_s - sigma^2) eps + sigma noise.

    sigma^2 = eta^2 (1 - alpha_bar_s) / (1 - alpha_bar_t) (1 - alpha_bar_t / alpha_bar_s): eta = 0 is deterministic,
    eta = 1 is `ddpm` with the small variance. Source: Song et al. 2021 (DDIM), eq. 12 and 16.
    """
    checks.between("eta", eta, 0, 1)
    x, walk = start(denoiser, schedule, x_T, num_steps, generator)
    for t, alpha_bar, _, alpha_bar_s in walk:
        eps, x0 = predict(denoiser, x, t, alpha_bar)
        variance = eta**2 * (1 - alpha_bar_s) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_s)
        x = alpha_bar_s**0.5 * x0 + (1 - alpha_bar_s - variance) ** 0.5 * eps
        if variance > 0:
            x = x + variance**0.5 * draw_like(x, generator)
        yield Step(t, x, x0)


def heun(
    denoiser: Denoiser,
    schedule: NoiseSchedule,
    x_T: Tensor,
    num_steps: int,
    *,
    generator: Randomness = None,
) -> Iterator[Step]:
    """Heun's method for the probability flow d x_ve / d sigma = eps, with x_ve = x / sqrt(alpha_bar): second order.

    An Euler step in sigma (which is `ddim`), a second look at eps where it arrives, then the step again with the mean
    of both; the last step, to sigma = 0, has no second look. 2 num_steps - 1 network calls; draws nothing.
    Source: Karras et al. 2022, algorithm 1.
    """
    x, walk = start(denoiser, schedule, x_T, num_steps, generator)
    for t, alpha_bar, s, alpha_bar_s in walk:
        eps, x0 = predict(denoiser, x, t, alpha_bar)
        step = sigma_from_alpha_bar(alpha_bar_s) - sigma_from_alpha_bar(alpha_bar)
        x_ve = ve_from_vp(x, alpha_bar)
        x = vp_from_ve(x_ve + step * eps, alpha_bar_s)
        if alpha_bar_s < 1:
            eps_s, _ = predict(denoiser, x, s, alpha_bar_s)
            x = vp_from_ve(x_ve + step * (eps + eps_s) / 2, alpha_bar_s)
        yield Step(t, x, x0)


def dpm_solver(
    denoiser: Denoiser,
    schedule: NoiseSchedule,
    x_T: Tensor,
    num_steps: int,
    *,
    generator: Randomness = None,
) -> Iterator[Step]:
    """DPM-Solver++(2M): second order at one network call a step, by remembering the last prediction of x0.

    With sigma = sqrt((1 - alpha_bar) / alpha_bar) and h = log(sigma_t / sigma_s), h_before that of the step before,
    x_s = sqrt((1 - alpha_bar_s) / (1 - alpha_bar_t)) x_t + sqrt(alpha_bar_s) (1 - e^-h) D,
    D = x0 + h / (2 h_before) (x0 - x0_before).
    The first step and the last (there h is infinite) take D = x0, which is a step of `ddim`. Draws nothing.
    Source: Lu et al. 2022 (DPM-Solver++), algorithm 2.
    """
    x, walk = start(denoiser, schedule, x_T, num_steps, generator)
    h_before, x0_before = math.nan, None
    for t, alpha_bar, _, alpha_bar_s in walk:
        sigma, sigma_s = sigma_from_alpha_bar(alpha_bar), sigma_from_alpha_bar(alpha_bar_s)
        h = math.log(sigma / sigma_s) if sigma_s > 0 else math.inf
        _, x0 = predict(denoiser, x, t, alpha_bar)
        D = x0
        if x0_before is not None and h < math.inf:
            D = x0 + h / (2 * h_before) * (x0 - x0_before)
        x = ((1 - alpha_bar_s) / (1 - alpha_bar)) ** 0.5 * x + alpha_bar_s**0.5 * (1 - sigma_s / sigma) * D
        h_before, x0_before = h, x0
        yield Step(t, x, x0)


def predictor_corrector(
    denoiser: Denoiser,
    schedule: NoiseSchedule,
    x_T: Tensor,
    num_steps: int,
    *,
    corrector: Denoiser | None = None,
    corrector_steps: int = 1,
    step_ratio: float | None = 0.1,
    generator: Randomness = None,
) -> Iterator[Step]:
    """A step of `ddim`, the predictor, then `corrector_steps` of `langevin` at the noise level where it arrived.

    corrector: the arrow whose score Langevin dynamics follows, by default the predictor's own. With a guided one this
    is predictor-corrector guidance: the conditional denoiser predicts, the density sharpened by `guide` corrects.
    step_ratio: the corrector's step size is step_ratio (1 - alpha_bar_s): q(x_s) is nowhere narrower than its noise, so
    that one ratio suits every level. None makes it 1 - alpha_bar_t / alpha_bar_s, the noise that the forward process
    adds on this step: then, as steps grow small, one corrector step of weight 2w is `ddpm` guided with weight w.
    The last step, to clean data, is not corrected. (1 + corrector_steps) num_steps - corrector_steps network calls.
    Source: Song et al. 2021 (score-based SDEs), algorithm 3, with a deterministic predictor; guidance, Bradley &
    Nakkiran 2024, algorithm 1 and sec. 4.
    """
    checks.count("corrector_steps", corrector_steps)
    if step_ratio is not None:
        checks.positive("step_ratio", step_ratio)
    corrector = denoiser if corrector is None else checks.function("corrector", corrector, "(x_t, t)")
    x, walk = start(denoiser, schedule, x_T, num_steps, generator)
    for t, alpha_bar, s, alpha_bar_s in walk:
        eps, x0 = predict(denoiser, x, t, alpha_bar)
        x = alpha_bar_s**0.5 * x0 + (1 - alpha_bar_s) ** 0.5 * eps
        if alpha_bar_s < 1:

            def score(x: Tensor, s=s, alpha_bar_s=alpha_bar_s) -> Tensor:
                return score_from_eps(predict(corrector, x, s, alpha_bar_s, "corrector")[0], alpha_bar_s)

            delta = 1 - alpha_bar / alpha_bar_s if step_ratio is None else step_ratio * (1 - alpha_bar_s)
            *_, x = langevin(score, x, delta, corrector_steps, generator=generator)
        yield Step(t, x, x0)


def final(steps: Iterable[Step]) -> Tensor:
    """Run a sampler to its end and return the last x (B, *D). Raises ValueError where there was no step."""
    step = None
    if not isinstance(steps, Iterable) or isinstance(steps, Tensor):
        raise ValueError(f"steps is {checks.describe(steps)}; want a sampler")
    for step in steps:
        checks.instance("an entry of steps", step, Step)
    if step is None:
        raise ValueError("steps is empty; want a sampler that has not been consumed")
    return step.x
