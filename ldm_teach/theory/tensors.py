"""What every law does with tensors: draw numbers where the generator lives, and let one value a row meet its row."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ldm_teach import checks

# One for a whole batch, or a list with one for each row, or None, which is torch's default one.
Randomness = torch.Generator | Sequence[torch.Generator] | None


def randomness(generator: Randomness, rows: int) -> Randomness:
    """generator itself. Raises ValueError for what is none, and for a list that has not one for each row."""
    if isinstance(generator, list | tuple):
        checks.instances("generator", generator, torch.Generator)
        if len(generator) != rows:
            raise ValueError(f"generator is a list of {len(generator)}; want {rows}, one for each row, or a single one")
    elif generator is not None and not isinstance(generator, torch.Generator):
        raise ValueError(f"generator is {checks.describe(generator)}; want a torch.Generator or None")
    return generator


def draw(kind: Callable[..., Tensor], shape: Sequence[int], like: Tensor, generator: Randomness) -> Tensor:
    """Random numbers in the dtype and on the device of `like`, drawn where the generator lives and then moved.

    kind: torch.randn for standard normal ones, torch.rand for uniform ones.  generator: of a list each draws its row,
    as it would for a batch of that row alone. Raises ValueError as `randomness`.
    """
    randomness(generator, shape[0] if shape else 0)
    if isinstance(generator, list | tuple) and generator:
        return torch.cat([draw(kind, (1, *shape[1:]), like, one) for one in generator])
    one = generator if isinstance(generator, torch.Generator) else None
    device = like.device if one is None else one.device
    return kind(shape, dtype=like.dtype, device=device, generator=one).to(like.device)


def draw_like(x: Tensor, generator: Randomness) -> Tensor:
    """Standard normal noise of x's shape, dtype and device."""
    return draw(torch.randn, checks.floating("x", x).shape, x, generator)


def per_row(values: Tensor, x: Tensor) -> Tensor:
    """One value a row, shaped to broadcast against the rows: values (B,), x (B, *D) -> (B, 1, ..., 1)."""
    return values.reshape(-1, *(1,) * (x.ndim - 1))
