"""A time-conditioned U-Net whose cross-attention reads the tokens of a condition (Rombach et al. 2022, sec. 3.3)."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from ldm_teach import checks
from ldm_teach.models import checkpoint
from ldm_teach.models.attention import TransformerBlock
from ldm_teach.models.layers import ResidualBlock, TimeEmbedding, normalize, zeroed


class Stage(nn.Module):
    """A residual block that sees the time, and where wanted (heads > 0) a transformer block that sees the condition."""

    def __init__(self, width: int, embedding: int, token_width: int, heads: int, positions: bool):
        super().__init__()
        self.residual = ResidualBlock(width, width, embedding)
        self.transformer = TransformerBlock(width, token_width, heads, positions) if heads else None

    def forward(self, x: Tensor, embedding: Tensor, tokens: Tensor) -> Tensor:
        x = self.residual(x, embedding)
        return x if self.transformer is None else self.transformer(x, tokens)


@checkpoint.registered
class UNet(nn.Module):
    """Predicts an image-shaped quantity from x_t (B, channels, H, W), t (B,) and condition tokens (B, L, token_width).

    `widths` gives the channels from the finest resolution on, each half the one before, so H and W must be divisible by
    2^(len(widths) - 1); `heads` the attention heads at each, 0 for none; `depth` the stages at each on the way down
    and on the way up. A stage on the way up adds what its twin on the way down made: at half the multiplications of a
    concatenation. Source: Ho et al. 2020, appendix B; Rombach et al. 2022, sec. 3.3.

    positions: attention is told where on the map a position lies, which spatial conditions and relations need.
    concatenate: in the place of cross-attention the tokens, then one for each position of x (L = H W, row by row), are
    laid out as a map and concatenated to x, as the published code of Rombach et al. does with maps and images.
    """

    def __init__(
        self,
        channels: int = 4,
        widths: tuple[int, ...] = (64, 128),
        heads: tuple[int, ...] = (0, 4),
        depth: int = 1,
        token_width: int = 128,
        positions: bool = False,
        concatenate: bool = False,
    ):
        super().__init__()
        checks.counts(channels=channels, depth=depth, token_width=token_width)
        widths, heads = checks.sizes("widths", widths), checks.sizes("heads", heads, low=0)
        checks.flag("positions", positions)
        checks.flag("concatenate", concatenate)
        if not widths or len(widths) != len(heads):
            raise ValueError(f"widths {widths} and heads {heads} differ in length; want one entry for each resolution")
        multiple = 4 if positions else 2
        for width, number in zip(widths, heads, strict=True):
            if width % multiple or (number and width % number):
                want = f"multiples of {multiple}, and of the heads at the same resolution"
                raise ValueError(f"widths {widths} and heads {heads} do not fit; want widths that are {want}")
        self.config: dict[str, Any] = dict(
            channels=channels,
            widths=widths,
            heads=heads,
            depth=depth,
            token_width=token_width,
            positions=positions,
            concatenate=concatenate,
        )
        embedding = 2 * widths[-1]
        self.embed_time = TimeEmbedding(widths[0], embedding)
        self.enter = nn.Conv2d(channels + (token_width if concatenate else 0), widths[0], 3, padding=1)
        self.down, self.shrink, self.up, self.grow = (nn.ModuleList() for _ in range(4))
        for i, (width, h) in enumerate(zip(widths, heads, strict=True)):
            self.shrink.append(nn.Conv2d(widths[i - 1], width, 3, stride=2, padding=1) if i else nn.Identity())
            shape = width, embedding, 0 if concatenate else token_width, h, positions
            self.down.append(nn.ModuleList(Stage(*shape) for _ in range(depth)))
            self.up.append(nn.ModuleList(Stage(*shape) for _ in range(depth)))
            expand = nn.Sequential(nn.Conv2d(width, 4 * widths[i - 1], 1), nn.PixelShuffle(2))
            self.grow.append(expand if i else nn.Identity())
        self.leave = nn.Sequential(
            normalize(widths[0]), nn.SiLU(), zeroed(nn.Conv2d(widths[0], channels, 3, padding=1))
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, t: Tensor, tokens: Tensor) -> Tensor:
        self._check(x, t, tokens)
        dtype = x.dtype
        embedding = self.embed_time(t)  # (B, embedding)
        if self.config["concatenate"]:
            x = torch.cat([x, tokens.transpose(1, 2).unflatten(2, x.shape[2:])], dim=1)  # (B, C + token_width, H, W)
        x = self.enter(x.contiguous(memory_format=torch.channels_last))
        skips = []
        for shrink, stages in zip(self.shrink, self.down, strict=True):
            x = shrink(x)
            for stage in cast(nn.ModuleList, stages):
                x = stage(x, embedding, tokens)
                skips.append(x)
        for grow, stages in zip(reversed(self.grow), reversed(self.up), strict=True):
            for stage in cast(nn.ModuleList, stages):
                x = stage(x + skips.pop(), embedding, tokens)
            x = grow(x)
        return self.leave(x).to(dtype)  # full precision also under autocast

    def _check(self, x: Tensor, t: Tensor, tokens: Tensor) -> None:
        channels, multiple = self.config["channels"], 2 ** (len(self.config["widths"]) - 1)
        checks.shaped("x", x, "B", channels, "H", "W", like=self.enter.weight)
        if x.shape[2] % multiple or x.shape[3] % multiple or not x.numel():
            raise ValueError(f"x has shape {tuple(x.shape)}; want H and W divisible by {multiple}, and above 0")
        checks.timesteps(t, x)
        checks.same_device("t", t, x)
        length = x.shape[2] * x.shape[3] if self.config["concatenate"] else "L"  # to be concatenated, one a position
        checks.shaped("tokens", tokens, x.shape[0], length, self.config["token_width"], like=self.enter.weight)
