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

    `widths` are the channels at a half, a quarter, an eighth and a sixteenth of the resolution. Style and group are
    read from the means of all layers over the picture: what tells names apart forgets the style on its way. `embed`
    reads the last layer, place by place: a direction (B, width) of length 1 that depends on what is shown and little on
    its style. The logit of a name is `scale` times the cosine to a learned direction of it, so that pictures of one
    name in several styles come to lie together, also those of names that were never trained.
    Source: Wang et al. 2017 (NormFace), eq. 4, the scale fixed.
    """

    def __init__(
        self,
        num_names: int,
        num_styles: int,
        num_groups: int,
        image_channels: int = 3,
        widths: tuple[int, int, int, int] = (32, 64, 128, 96),
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
        self.config: dict[str, Any] = dict(
            num_names=num_names,
            num_styles=num_styles,
            num_groups=num_groups,
            image_channels=image_channels,
            widths=tuple(widths),
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
        self.styles, self.groups = nn.Linear(every, num_styles), nn.Linear(every, num_groups)
        self.to(memory_format=torch.channels_last)

    def _features(self, x: Tensor) -> list[Tensor]:
        check_images("x", x, self.config["image_channels"], self.styles.weight)
        features = []
        for layer in self.layers:
            features.append(x := layer(x))
        return features

    def _direction(self, last: Tensor) -> Tensor:
        return F.normalize(self.to_embedding(F.adaptive_avg_pool2d(last, GRID).flatten(1)), dim=1)

    def embed(self, x: Tensor) -> Tensor:
        """The direction of each picture, (B, width), of length 1: the cosine of two says how alike they are."""
        return self._direction(self._features(x)[-1])

    def look(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What `embed` returns, the means of all layers over the picture (B, F), and the most probable style (B,)."""
        direction, means = self._seen(x)
        return direction, means, self.styles(means).argmax(dim=1)

    def _seen(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self._features(x)
        return self._direction(features[-1]), torch.cat([h.mean(dim=(2, 3)) for h in features], dim=1)

    def forward(self, x: Tensor) -> Judgement:
        direction, means = self._seen(x)
        names = direction @ F.normalize(self.names.weight, dim=1).T
        return Judgement(self.config["scale"] * names, self.styles(means), self.groups(means))

    def save(self, directory: Path | str) -> None:
        """Write the judge to a directory, in half precision."""
        checkpoint.save(self, directory)

    @classmethod
    def load(cls, name_or_dir: Path | str) -> "PictureJudge":
        """The judge saved in a directory or shipped under a name, in evaluation mode."""
        return checkpoint.load(cls, name_or_dir)
