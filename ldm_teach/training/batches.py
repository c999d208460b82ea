"""Shuffled batches that can be read from any step on: what makes a training resumable."""

import hashlib

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ldm_teach import checks
from ldm_teach.data.image_folder import ImageFolder


class Batches(Dataset):
    """An endless sequence of shuffled batches: `batches[i]` is a pure function of the columns, the seed and i.

    columns: tensors (N, ...) of equal N, or an ImageFolder of as many, which is read a batch at a time. Each epoch of
    N // batch_size batches sees a fresh permutation. Because batch i does not depend on what was read before, a
    training resumed at step i continues exactly, and process r of n reads batches r, r + n, ... Raises ValueError for
    columns of unequal length and a batch larger than they are.
    """

    def __init__(self, *columns: Tensor | ImageFolder, batch_size: int, seed: int = 0):
        for i, column in enumerate(columns):
            if isinstance(column, ImageFolder):
                continue
            if not checks.tensor(f"columns[{i}]", column).ndim or not len(checks.content(f"columns[{i}]", column)):
                raise ValueError(f"columns[{i}] is {checks.describe(column)}; want (N, ...) with N at least 1")
        lengths = [len(column) for column in columns]
        if len(set(lengths)) != 1:
            raise ValueError(f"columns have lengths {lengths}; want one length for all")
        self.batch_size = checks.count("batch_size", batch_size, lengths[0])  # at most the number of rows
        self.columns, self.seed = columns, checks.seed(seed)
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.long)

    def fingerprint(self) -> str:
        """What the columns are, in a word: their shapes and dtypes, and up to 64 of their rows, spread evenly."""
        digest = hashlib.sha256()
        for column in self.columns:
            rows = column[torch.arange(0, len(column), max(1, len(column) // 64))].detach().cpu().contiguous()
            digest.update(f"{tuple(column.shape)} {rows.dtype}".encode() + rows.view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        epoch, k = divmod(checks.count("index", index, low=0), len(self.columns[0]) // self.batch_size)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(1_000_003 * self.seed + epoch)
            self._epoch, self._order = epoch, torch.randperm(len(self.columns[0]), generator=generator)
        rows = self._order[k * self.batch_size : (k + 1) * self.batch_size]
        return tuple(column[rows] for column in self.columns)
