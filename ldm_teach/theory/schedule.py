"""The forward process: how much of the data and how much noise there is at each step."""

import functools
import itertools
import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ldm_teach import checks
from ldm_teach.theory.tensors import per_row

MOST_STEPS = 1_000_000  # of a forward process: with more the differences of alpha_bar are no longer above rounding


class Denoiser(Protocol):
    """The one arrow: the noise that is predicted in x_t (B, *D) at timesteps t (B,) int64, eps_hat (B, *D)."""

    def __call__(self, x_t: Tensor, t: Tensor, /) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """A variance-preserving forward process q(x_t|x_0) = N(sqrt(alpha_bar_t) x_0, (1 - alpha_bar_t) I), t = 0..T-1.

    alpha_bar: (T,) float64 on the CPU, strictly decreasing inside (0, 1); t = 0 is the least noisy step.
    Raises ValueError for anything else. Source: Ho et al. 2020, eq. 4.
    """

    alpha_bar: Tensor

    def __post_init__(self):
        alpha_bar = checks.floating("alpha_bar", self.alpha_bar)
        if alpha_bar.dtype != torch.float64 or alpha_bar.ndim != 1 or alpha_bar.device.type != "cpu":
            raise ValueError(f"alpha_bar is {checks.describe(alpha_bar)}; want float64 of shape (T,) on the CPU")
        if not all(a > b for a, b in itertools.pairwise([1.0, *self._values, 0.0])):
            raise ValueError("alpha_bar is not strictly decreasing inside (0, 1); an eps arrow needs signal and noise")

    @functools.cached_property
    def _values(self) -> list[float]:
        return self.alpha_bar.tolist()

    @classmethod
    def from_betas(cls, betas: Tensor) -> "NoiseSchedule":
        """alpha_bar_t = prod_{s <= t} (1 - beta_s) for betas (T,) inside (0, 1). Source: Ho et al. 2020, eq. 4."""
        betas = checks.shaped("betas", betas, "T", read=True).double().cpu()
        if not ((betas > 0) & (betas < 1)).all():
            raise ValueError(f"betas are from {betas.min():g} to {betas.max():g}; want numbers inside (0, 1)")
        return cls((1 - betas).cumprod(0))

    @classmethod
    def linear(
        cls, num_steps: int = 1000, beta_start: float | None = None, beta_end: float | None = None
    ) -> "NoiseSchedule":
        """beta rises linearly from beta_start to beta_end, by default 1e-4 and 2e-2 at T = 1000.

        The defaults follow T as 1000 / T, so that a walk of any length ends in noise: with those of T = 1000 a hundred
        steps would end at alpha_bar = 0.36. No beta is above 0.999.
        Source: Ho et al. 2020, sec. 4.
        """
        start, end = betas_for(num_steps, (1e-4, 2e-2), (beta_start, beta_end))
        return cls.from_betas(torch.linspace(start, end, num_steps, dtype=torch.float64).clamp(max=0.999))

    @classmethod
    def scaled_linear(
        cls, num_steps: int = 1000, beta_start: float | None = None, beta_end: float | None = None
    ) -> "NoiseSchedule":
        """sqrt(beta) rises linearly, by default from 8.5e-4 to 1.2e-2 at T = 1000.

        The defaults follow T as in `linear`. Source: the configuration of Stable Diffusion v1 (Rombach et al. 2022).
        """
        start, end = betas_for(num_steps, (8.5e-4, 1.2e-2), (beta_start, beta_end))
        roots = torch.linspace(start**0.5, end**0.5, num_steps, dtype=torch.float64)
        return cls.from_betas(roots.square().clamp(max=0.999))

    @classmethod
    def cosine(cls, num_steps: int = 1000) -> "NoiseSchedule":
        """alpha_bar falls as cos^2, each beta at most 0.999. Source: Nichol & Dhariwal 2021, eq. 17."""
        checks.count("num_steps", num_steps, MOST_STEPS)
        edges = torch.arange(num_steps + 1, dtype=torch.float64) / num_steps
        f = torch.cos((edges + 0.008) / 1.008 * math.pi / 2) ** 2
        return cls.from_betas((1 - f[1:] / f[:-1]).clamp(max=0.999))

    @property
    def num_steps(self) -> int:
        """T, the number of steps of the forward process."""
        return len(self._values)

    def until(self, t: int) -> "NoiseSchedule":
        """The same process stopped at timestep t: what starts from there, with any sampler, walks down this one."""
        return NoiseSchedule(self.alpha_bar[: checks.count("t", t, self.num_steps - 1, low=0) + 1])

    def at(self, t: Tensor, x: Tensor) -> Tensor:
        """alpha_bar_t, shaped to broadcast against x: t (B,) int64 and x (B, *D) -> (B, 1, ..., 1) on x's device.

        t = -1 is clean data, alpha_bar = 1, as in `walk`. It stays in float64, where the device has it, so that 1 -
        alpha_bar is exact; the conversions cast to x's dtype.
        """
        checks.timesteps(t, checks.tensor("x", x))
        dtype = torch.float32 if x.device.type == "mps" else torch.float64
        table = torch.cat([torch.ones(1, dtype=torch.float64), self.alpha_bar]).to(dtype).to(x.device)
        return per_row(table[t.to(x.device) + 1], x)

    def add_noise(self, x0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """A sample of q(x_t|x_0): sqrt(alpha_bar_t) x0 + sqrt(1 - alpha_bar_t) eps.

        x0, eps: (B, *D).  t: (B,) int64.  Returns (B, *D).  Source: Ho et al. 2020, eq. 4.
        """
        checks.same_shape(x0=x0, eps=eps)
        alpha_bar = self.at(t, x0)
        return alpha_bar.sqrt().to(x0.dtype) * x0 + (1 - alpha_bar).sqrt().to(x0.dtype) * eps

    def timesteps(self, n: int) -> Tensor:
        """n of the T timesteps, decreasing, "trailing": round(T - i T/n) - 1 for i = 0..n-1. Returns (n,) int64.

        Source: Lin et al. 2024, table 2. Raises ValueError unless 1 <= n <= T.
        """
        return torch.tensor(self._trailing(n))

    def _trailing(self, n: int) -> list[int]:
        checks.count("num_steps", n, self.num_steps)
        return [round(self.num_steps - i * self.num_steps / n) - 1 for i in range(n)]

    def walk(self, n: int) -> list[tuple[int, float, int, float]]:
        """The n steps of a sampler, as numbers: (t, alpha_bar_t, s, alpha_bar_s), s the next, less noisy, timestep.

        The last step goes to clean data: s = -1 and alpha_bar = 1. Numbers, not tensors: no sampler waits for a device.
        """
        steps = [(t, self._values[t]) for t in self._trailing(n)] + [(-1, 1.0)]
        return [(*here, *there) for here, there in itertools.pairwise(steps)]


def betas_for(
    num_steps: int, defaults: tuple[float, float], given: tuple[float | None, float | None]
) -> tuple[float, float]:
    """The first and the last beta of a schedule: those given, or defaults for T = 1000 times 1000 / T.

    Raises ValueError for a number of steps below 1 and betas that are not in (0, 1), which a default may exceed.
    """
    checks.count("num_steps", num_steps, MOST_STEPS)
    for name, beta in zip(("beta_start", "beta_end"), given, strict=True):
        if beta is not None and not 0 < checks.between(name, beta, 0, 1) < 1:
            raise ValueError(f"{name} is {beta}; want a number inside (0, 1)")
    follow = (1000 / num_steps * default for default in defaults)
    start, end = (default if beta is None else beta for beta, default in zip(given, follow, strict=True))
    return start, end
