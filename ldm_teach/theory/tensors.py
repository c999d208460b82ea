"""What every law does with tensors: draw numbers where the generator lives, and let one value a row meet its row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ldm_teach import checks


@dataclass(frozen=True)
class Share:
    """One of `count` shares of a batch: it takes its rows of what one generator draws for the whole batch.

    So the shares draw together what the batch would draw at once, in one process or in several, each with a generator
    at the same state. index: from 0 to count - 1; the rows of a share lie together.  extra: how many of the first
    shares have a row more than the others, as torch.tensor_split divides.
    """

    generator: torch.Generator
    index: int
    count: int
    extra: int = 0

    def __post_init__(self):
        checks.instance("generator", self.generator, torch.Generator)
        checks.count("count", self.count)
        checks.count("index", self.index, self.count - 1, low=0)
        checks.count("extra", self.extra, self.count - 1, low=0)

    def of(self, whole: Callable[[int], Tensor], rows: int) -> Tensor:
        """Its `rows` rows of whole(N), where N is the number of rows of the batch."""
        even = rows - (self.index < self.extra)
        first = self.index * even + min(self.index, self.extra)
        return whole(self.count * even + self.extra)[first : first + rows]


Draws = torch.Generator | Share | None  # for a batch, or for a share of it; None is torch's default generator
Randomness = Draws | Sequence[torch.Generator]  # also a list with one for each row


def randomness(generator: Randomness, rows: int) -> Randomness:
    """generator itself. Raises ValueError for what is none, and for a list that has not one for each row."""
    if isinstance(generator, list | tuple):
        checks.instances("generator", generator, torch.Generator)
        if len(generator) != rows:
            raise ValueError(f"generator is a list of {len(generator)}; want {rows}, one for each row, or a single one")
    elif generator is not None and not isinstance(generator, torch.Generator | Share):
        raise ValueError(f"generator is {checks.describe(generator)}; want a torch.Generator or None")
    return generator


def shared(make: Callable[[int, torch.Generator | None], Tensor], rows: int, generator: Draws) -> Tensor:
    """make(rows, generator): something random for each row; for a Share, its rows of what is made for a whole batch."""
    if isinstance(generator, Share):
        return generator.of(lambda number: make(number, generator.generator), rows)
    return make(rows, generator)


def draw(kind: Callable[..., Tensor], shape: Sequence[int], like: Tensor, generator: Randomness) -> Tensor:
    """Random numbers in the dtype and on the device of `like`, drawn where the generator lives and then moved.

    kind: torch.randn for standard normal ones, torch.rand for uniform ones.  generator: of a list each draws its row,
    as it would for a batch of that row alone. Raises ValueError as `randomness`.
    """
    randomness(generator, shape[0] if shape else 0)
    if isinstance(generator, list | tuple) and generator:
        return torch.cat([draw(kind, (1, *shape[1:]), like, one) for one in generator])
    if isinstance(generator, Share):
        return shared(lambda rows, one: draw(kind, (rows, *shape[1:]), like, one), shape[0], generator)
    one = generator if isinstance(generator, torch.Generator) else None
    device = like.device if one is None else one.device
    return kind(shape, dtype=like.dtype, device=device, generator=one).to(like.device)


def draw_like(x: Tensor, generator: Randomness) -> Tensor:
    """Standard normal noise of x's shape, dtype and device."""
    return draw(torch.randn, checks.floating("x", x).shape, x, generator)


def per_row(values: Tensor, x: Tensor) -> Tensor:
    """One value a row, shaped to broadcast against the rows: values (B,), x (B, *D) -> (B, 1, ..., 1)."""
    return values.reshape(-1, *(1,) * (x.ndim - 1))
