"""A judge of pictures that have a name, a style and a group: one network, three heads, and an embedding."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldm_teach import checks
from ldm_teach.models import checkpoint
from ldm_teach.models.classifier import check_images, convolution

GRID = 4  # places along each side, of which an embedding reads each by itself


class Judgement(NamedTuple):
    """What a judge says of pictures: the logits of each name, style and group, (B, number of them)."""

    names: Tensor
    styles: Tensor
    groups: Tensor


@checkpoint.registered
class PictureJudge(nn.Module):
    """Tells the name, the style and the group of pictures x (B, image_channels, H, W).

    `widths` are the channels at a half, a quarter, an eighth and a sixteenth of the resolution. `embed` reads the last
    layer, place by place: a direction (B, width) of length 1 that depends on what is shown and little on its style. The
    logit of a name is `scale` times the cosine to a learned direction of it, so that pictures of one name in several
    styles come to lie together, also those of names that were never trained. The group is read from the means of all
    layers over the picture. The style has layers of its own, `style_widths`, from the full resolution to an eighth, and
    is read from their means: a line, a shade or a colour tells it, wherever it is.
    Source: Wang et al. 2017 (NormFace), eq. 4, the scale fixed.
    """

    def __init__(
        self,
        num_names: int,
        num_styles: int,
        num_groups: int,
        image_channels: int = 3,
        widths: tuple[int, int, int, int] = (32, 64, 128, 96),
        style_widths: tuple[int, int, int, int] = (24, 40, 80, 80),
        width: int = 128,
        scale: float = 16.0,
    ):
        super().__init__()
        checks.counts(
            num_names=num_names,
            num_styles=num_styles,
            num_groups=num_groups,
            image_channels=image_channels,
            width=width,
        )
        half, quarter, eighth, last = checks.sizes("widths", widths, 4)
        whole, *coarser = checks.sizes("style_widths", style_widths, 4)
        self.config: dict[str, Any] = dict(
            num_names=num_names,
            num_styles=num_styles,
            num_groups=num_groups,
            image_channels=image_channels,
            widths=tuple(widths),
            style_widths=tuple(style_widths),
            width=width,
            scale=checks.positive("scale", scale),
        )
        self.layers = nn.ModuleList(
            [
                convolution(image_channels, half, stride=2),
                convolution(half, quarter, stride=2),
                convolution(quarter, quarter),
                convolution(quarter, eighth, stride=2),
                convolution(eighth, eighth),
                convolution(eighth, last, stride=2),
                convolution(last, last),
            ]
        )
        every = half + 2 * (quarter + eighth + last)
        self.to_embedding = nn.Linear(GRID**2 * last, width)
        self.names = nn.Linear(width, num_names, bias=False)
        self.groups = nn.Linear(every, num_groups)
        self.style_layers = nn.ModuleList(
            [
                convolution(image_channels, whole),
                convolution(whole, coarser[0], stride=2),
                convolution(coarser[0], coarser[0]),
                convolution(coarser[0], coarser[1], stride=2),
                convolution(coarser[1], coarser[1]),
                convolution(coarser[1], coarser[2], stride=2),
            ]
        )
        self.styles = nn.Linear(whole + 2 * (coarser[0] + coarser[1]) + coarser[2], num_styles)
        self.to(memory_format=torch.channels_last)

    def _direction(self, last: Tensor) -> Tensor:
        return F.normalize(self.to_embedding(F.adaptive_avg_pool2d(last, GRID).flatten(1)), dim=1)

    def embed(self, x: Tensor) -> Tensor:
        """The direction of each picture, (B, width), of length 1: the cosine of two says how alike they are."""
        return self._direction(self._through(self.layers, x)[-1])

    def look(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What `embed` returns, the means of its layers over the picture (B, F), and the most probable style (B,)."""
        features = self._through(self.layers, x)
        return self._direction(features[-1]), means(features), self._style(x).argmax(dim=1)

    def _through(self, layers: nn.ModuleList, x: Tensor) -> list[Tensor]:
        check_images("x", x, self.config["image_channels"], self.styles.weight)
        features = []
        for layer in layers:
            features.append(x := layer(x))
        return features

    def _style(self, x: Tensor) -> Tensor:
        return self.styles(means(self._through(self.style_layers, x)))

    def forward(self, x: Tensor, styled: Tensor | None = None) -> Judgement:
        """Logits of each name, style and group of x. styled: the pictures whose style is read, by default x itself."""
        features = self._through(self.layers, x)
        names = self._direction(features[-1]) @ F.normalize(self.names.weight, dim=1).T
        styles = self._style(x if styled is None else styled)
        return Judgement(self.config["scale"] * names, styles, self.groups(means(features)))

    def save(self, directory: Path | str) -> None:
        """Write the judge to a directory, in half precision."""
        checkpoint.save(self, directory)

    @classmethod
    def load(cls, name_or_dir: Path | str) -> "PictureJudge":
        """The judge saved in a directory or shipped under a name, in evaluation mode."""
        return checkpoint.load(cls, name_or_dir)


def means(features: list[Tensor]) -> Tensor:
    """The means of feature maps (B, C, H, W) over the picture, one after the other: (B, F)."""
    return torch.cat([h.mean(dim=(2, 3)) for h in features], dim=1)
