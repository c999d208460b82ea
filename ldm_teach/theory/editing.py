"""Editing: what changes given data is an arrow or a start, which any sampler takes.

Inpainting is an arrow, which keeps the known part. Image-to-image is a start, from data noised partway, and so is the
noise that `ddim_inversion` finds for data, or that lies between two others on a sphere.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ldm_teach import checks
from ldm_teach.theory.guidance import denoisers, over_rows
from ldm_teach.theory.parameterization import eps_from_x0
from ldm_teach.theory.samplers import Step, predict, start
from ldm_teach.theory.schedule import Denoiser, NoiseSchedule


class Start(NamedTuple):
    """Where a sampler starts, in the order of its arguments: `ddim(denoiser, *start)`."""

    schedule: NoiseSchedule
    x_T: Tensor
    num_steps: int


def image_to_image(x0: Tensor, eps: Tensor, schedule: NoiseSchedule, strength: float, num_steps: int) -> Start:
    """The start from data x0 noised with eps as far as `strength`, in (0, 1], of the T steps of the forward process.

    x0, eps: (B, *D).  num_steps: of a whole walk; of these are left the share `strength`, at least one step.
    A sampler keeps what the noise has not hidden. At strength 1 that is next to nothing, and x_T next to eps.
    Source: Meng et al. 2022 (SDEdit), algorithm 1.
    """
    checks.instance("schedule", schedule, NoiseSchedule)
    if checks.between("strength", strength, 0, 1) == 0:
        raise ValueError(f"strength is {strength!r}; want a number above 0, at most 1")
    checks.count("num_steps", num_steps, schedule.num_steps)
    t, left = (max(1, round(strength * steps)) for steps in (schedule.num_steps, num_steps))
    until = schedule.until(t - 1)
    rows = torch.full(checks.batch("x0", x0).shape[:1], t - 1, dtype=torch.int64, device=x0.device)
    return Start(until, until.add_noise(x0, rows, eps), left)


def inpainting(denoiser: Denoiser, schedule: NoiseSchedule, known: Tensor, mask: Tensor) -> Denoiser:
    """The denoiser's prediction where the mask is True; elsewhere the eps that leads from x_t to the known x_0.

    known: (B, *D).  mask: bool, broadcastable to it, True where something new is wanted.
    With it every sampler keeps the known part at each step, noised as its level asks: `ddim` with one noise all along,
    `ddpm` with a fresh share of it, a sample of q(x_s|x_t, x_0 = known). The new part is drawn beside a known one that
    is still noisy, and so not from the exact conditional q(x_0|known): `ddpm` with `resampling` comes nearer to it.
    Source: Song et al. 2021 (score-based SDEs), appendix I.2; Lugmayr et al. 2022 (RePaint), eq. 8.
    """
    denoisers(denoiser=denoiser)
    checks.instance("schedule", schedule, NoiseSchedule)
    checks.batch("known", known)
    sides = zip(reversed(checks.tensor("mask", mask).shape), reversed(known.shape), strict=False)
    if mask.dtype != torch.bool or mask.ndim > known.ndim or any(a not in (1, b) for a, b in sides):
        raise ValueError(f"mask is {checks.describe(mask)}; want bool that broadcasts to {tuple(known.shape)}")
    checks.same_device("mask", mask, known)

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        eps = checks.returned("denoiser", denoiser(x_t, t), x_t)
        checks.same_shape(x_t=x_t, known=known)
        return torch.where(mask, eps, eps_from_x0(x_t, known, schedule.at(t, x_t)))

    return denoise


def ddim_inversion(
    denoiser: Denoiser, schedule: NoiseSchedule, x0: Tensor, num_steps: int, *, looks: int = 2
) -> Iterator[Step]:
    """From data x0 (B, *D) to the noise x_T from which `ddim` leads back to them: a Step after each step up to t.

    With v_s = sqrt(alpha_bar_s) eps - sqrt(1 - alpha_bar_s) x0 and phi = arccos sqrt(alpha_bar) a step of `ddim` from t
    to s is x_t = cos(phi_t - phi_s) x_s + sin(phi_t - phi_s) v_s, where v_s is predicted at x_t, which is wanted.
    looks: the network is called first at x_s in the place of x_t, which is the common inversion, then where the look
    before led: the error of what `ddim` reconstructs is of the order `looks` in the step. Draws nothing.
    Source: Song et al. 2021 (DDIM), sec. 4.3 and 5.4; more than one look, Pan et al. 2023 (AIDI).
    """
    checks.count("looks", looks)
    checks.batch("x0", x0)
    x, walk = start(denoiser, schedule, x0, num_steps, None)
    for t, alpha_bar, _, alpha_bar_s in reversed(walk):
        (signal, noise), (signal_s, noise_s) = ((level**0.5, (1 - level) ** 0.5) for level in (alpha_bar, alpha_bar_s))
        cos, sin = signal * signal_s + noise * noise_s, noise * signal_s - signal * noise_s
        x_s = clean = x
        for _ in range(looks):
            eps, clean = predict(denoiser, x, t, alpha_bar)
            x = cos * x_s + sin * (signal_s * eps - noise_s * clean)
        yield Step(t, x, clean)


def slerp(first: Tensor, second: Tensor, weight: float | Tensor) -> Tensor:
    """Between two noises on the sphere, row by row: the angle turned evenly, the norm changed evenly.

    sin((1 - u) theta) / sin(theta) a + sin(u theta) / sin(theta) b for unit vectors a, b at an angle theta, times the
    norm (1 - u) |first| + u |second|: on a straight line between two noises the norm would fall by up to sqrt(2), to
    where no noise lies. first, second: (B, *D).  weight: u, a number or (B,); 0 is first, 1 is second.
    Between opposite vectors, where no way is the shortest, the line through 0. Source: Shoemake 1985; Song et al. 2021
    (DDIM), sec. 5.3.
    """
    checks.same_shape(first=first, second=second)
    u = over_rows("weight", weight, checks.batch("first", first))
    over = tuple(range(1, first.ndim))
    norms = [torch.linalg.vector_norm(x, dim=over, keepdim=True) for x in (first, second)]  # (B, 1, ..., 1) each
    a, b = (x / norm.clamp(min=torch.finfo(x.dtype).tiny) for x, norm in zip((first, second), norms, strict=True))
    apart, together = (torch.linalg.vector_norm(x, dim=over, keepdim=True) for x in (a - b, a + b))
    turns = 2 / torch.pi * torch.atan2(apart, together)  # theta / pi, as exact for small angles as for large ones
    opposite = together < torch.finfo(first.dtype).eps ** 0.5
    sines = torch.where(opposite, 1.0, torch.sinc(turns))  # sin(theta) / theta
    ends = [part * torch.where(opposite, 1.0, torch.sinc(part * turns)) / sines for part in (1 - u, u)]
    return ((1 - u) * norms[0] + u * norms[1]) * (ends[0] * a + ends[1] * b)
