"""The blocks that the autoencoder, the U-Net, the classifiers and the condition encoders are built from."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldm_teach import checks


def normalize(channels: int) -> nn.GroupNorm:
    """Group normalization in groups of 16 channels, or of all where 16 does not divide them (Wu & He 2018)."""
    return nn.GroupNorm(channels // 16 if channels % 16 == 0 else 1, channels)


def zeroed(module: nn.Module) -> nn.Module:
    """The same module with its parameters at zero, so that a residual branch starts as the identity."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def grid_positions(height: int, width: int, channels: int, like: Tensor) -> Tensor:
    """Where each cell of a grid lies, row by row: (height * width, channels), of the dtype and device of `like`.

    A quarter of the channels each holds cos(pi k u), sin(pi k u), cos(pi k v), sin(pi k v) for the centre (u, v) of the
    cell in the unit square, k up to 8: an eighth of the side away the inner product has fallen to about zero, and
    a grid of another resolution sees the same place alike. Source: Vaswani et al. 2017, sec. 3.5, in two dimensions.
    """
    k = torch.pi * torch.arange(1, channels // 4 + 1, device=like.device) * 8 / (channels // 4)
    rows, columns = (((torch.arange(n, device=like.device) + 0.5) / n)[:, None] * k for n in (height, width))
    rows = torch.cat([rows.cos(), rows.sin()], dim=1)[:, None].expand(-1, width, -1)  # (h, w, C/2)
    columns = torch.cat([columns.cos(), columns.sin()], dim=1)[None].expand(height, -1, -1)
    return torch.cat([rows, columns], dim=2).flatten(0, 1).to(like.dtype)


class ResidualBlock(nn.Module):
    """x + conv(act(norm(conv(act(norm(x)))))), optionally modulated by an embedding (He et al. 2016; Ho et al. 2020).

    With `embedding` > 0 the second normalization is scaled and shifted by a linear map of an embedding
    (B, embedding), as in Dhariwal & Nichol 2021, sec. 3. x: (B, in_channels, H, W) -> (B, out_channels, H, W).
    """

    def __init__(self, in_channels: int, out_channels: int, embedding: int = 0):
        super().__init__()
        checks.counts(in_channels=in_channels, out_channels=out_channels)
        checks.count("embedding", embedding, low=0)
        self.norm_in = normalize(in_channels)
        self.conv_in = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm_out = normalize(out_channels)
        self.conv_out = zeroed(nn.Conv2d(out_channels, out_channels, 3, padding=1))
        self.modulate = nn.Linear(embedding, 2 * out_channels) if embedding else None
        self.skip = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor | None = None) -> Tensor:
        h = self.norm_out(self.conv_in(F.silu(self.norm_in(x))))
        if self.modulate is not None:
            scale, shift = self.modulate(embedding)[:, :, None, None].chunk(2, dim=1)  # (B, C, 1, 1) each
            h = h * (1 + scale) + shift
        return self.skip(x) + self.conv_out(F.silu(h))


def sinusoidal_embedding(t: Tensor, width: int, longest: float = 10_000.0) -> Tensor:
    """cos and sin of t at width/2 frequencies, 1 to 1/longest: (B,) -> (B, width). Source: Vaswani et al. 2017, 3.5."""
    exponents = torch.arange(width // 2, device=t.device) / (width // 2)
    angles = t[:, None] * torch.exp(-math.log(longest) * exponents)  # (B, width/2)
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class TimeEmbedding(nn.Sequential):
    """The timestep as a vector that residual blocks read: t (B,) -> (B, embedding). Source: Ho et al. 2020, app. B."""

    def __init__(self, width: int, embedding: int):
        super().__init__(nn.Linear(width, embedding), nn.SiLU(), nn.Linear(embedding, embedding), nn.SiLU())
        self.width = width

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(sinusoidal_embedding(input, self.width).to(next(self.parameters()).dtype))
