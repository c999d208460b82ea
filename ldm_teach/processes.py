"""This process among those of one launch, by `torchrun` or `accelerate launch`: what they do together outside `fit`."""

import contextlib
import os
from collections.abc import Iterator

import torch
from torch import Tensor, distributed


@contextlib.contextmanager
def joined() -> Iterator[bool]:
    """The processes of a launch are one group for a block, each with a GPU of its own; True in the first of them."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield True
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("gloo")  # what they exchange are finished samples, on the CPU
    try:
        yield distributed.get_rank() == 0
    finally:
        distributed.destroy_process_group()


def position() -> tuple[int, int]:
    """The index of this process and the number of all in its group: (0, 1) where it is alone."""
    together = distributed.is_available() and distributed.is_initialized()
    return (distributed.get_rank(), distributed.get_world_size()) if together else (0, 1)


def gathered(rows: Tensor) -> Tensor:
    """The rows (n, ...) of all processes, in their order, in each of them; n may differ.

    All must call it together.
    """
    _, count = position()
    if count == 1:
        return rows
    parts: list[Tensor] = [torch.empty(0)] * count
    distributed.all_gather_object(parts, rows.cpu())
    return torch.cat(parts).to(rows.device)
