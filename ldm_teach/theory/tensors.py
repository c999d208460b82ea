"""What every law does with tensors: draw numbers where the generator lives, and let one value a row meet its row."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def draw(kind: Callable[..., Tensor], shape: Sequence[int], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Random numbers in the dtype and on the device of `like`, drawn where the generator lives and then moved.

    kind: torch.randn for standard normal ones, torch.rand for uniform ones. generator = None is torch's default one.
    Raises ValueError for what is no generator.
    """
    if generator is not None and not isinstance(generator, torch.Generator):
        raise ValueError(f"generator is {generator!r}; want a torch.Generator or None")
    device = like.device if generator is None else generator.device
    return kind(shape, dtype=like.dtype, device=device, generator=generator).to(like.device)


def draw_like(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard normal noise of x's shape, dtype and device."""
    return draw(torch.randn, x.shape, x, generator)


def per_row(values: Tensor, x: Tensor) -> Tensor:
    """One value a row, shaped to broadcast against the rows: values (B,), x (B, *D) -> (B, 1, ..., 1)."""
    return values.reshape(-1, *(1,) * (x.ndim - 1))
