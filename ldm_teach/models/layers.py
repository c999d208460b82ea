"""The two blocks that the autoencoder, the U-Net and the classifier are built from."""

from torch import Tensor, nn
from torch.nn import functional as F


def normalize(channels: int) -> nn.GroupNorm:
    """Group normalization in groups of 16 channels, or of all where 16 does not divide them (Wu & He 2018)."""
    return nn.GroupNorm(channels // 16 if channels % 16 == 0 else 1, channels)


def zeroed(module: nn.Module) -> nn.Module:
    """The same module with its parameters at zero, so that a residual branch starts as the identity."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


class ResidualBlock(nn.Module):
    """x + conv(act(norm(conv(act(norm(x)))))), optionally modulated by an embedding (He et al. 2016; Ho et al. 2020).

    With `embedding` > 0 the second normalization is scaled and shifted by a linear map of an embedding
    (B, embedding), as in Dhariwal & Nichol 2021, sec. 3. x: (B, in_channels, H, W) -> (B, out_channels, H, W).
    """

    def __init__(self, in_channels: int, out_channels: int, embedding: int = 0):
        super().__init__()
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
