"""Condition encoders tau_theta: each turns one kind of condition into tokens for the cross-attention of the U-Net.

An encoder is a module with `check(condition)`, which validates what a user hands in before it moves to the device,
`forward(condition) -> tokens (B, L, token_width)`, and `null` (L, token_width), the learned tokens of "no condition".
Source: Rombach et al. 2022, sec. 3.3; the null condition, Ho & Salimans 2022, sec. 3.2.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ldm_teach.theory import checks


def check_labels(labels: Tensor | Sequence[int], num_classes: int) -> Tensor:
    """The labels as an int64 tensor (B,). Raises ValueError for another shape, dtype or, read on the CPU, value."""
    labels = torch.as_tensor(labels)
    if labels.ndim != 1 or labels.dtype != torch.int64:
        raise ValueError(f"condition is {checks.describe(labels)}; want class labels, int64 of shape (B,)")
    if labels.device.type == "cpu" and not all(0 <= label < num_classes for label in labels.tolist()):
        raise ValueError(
            f"condition holds labels {sorted(set(labels.tolist()))}; want classes from 0 to {num_classes - 1}"
        )
    return labels


class ClassEncoder(nn.Module):
    """A class label as `num_tokens` learned tokens: y (B,) int64 -> (B, num_tokens, token_width)."""

    def __init__(self, num_classes: int = 10, token_width: int = 128, num_tokens: int = 4):
        super().__init__()
        self.config = dict(num_classes=num_classes, token_width=token_width, num_tokens=num_tokens)
        self.table = nn.Embedding(num_classes, num_tokens * token_width)
        self.null = nn.Parameter(torch.randn(num_tokens, token_width))

    def check(self, labels: Tensor | Sequence[int]) -> Tensor:
        """What `check_labels` returns and raises."""
        return check_labels(labels, self.config["num_classes"])

    def forward(self, labels: Tensor) -> Tensor:
        return self.table(labels).unflatten(1, self.null.shape)  # (B, L*C) -> (B, L, C)


ENCODERS = {encoder.__name__: encoder for encoder in (ClassEncoder,)}
