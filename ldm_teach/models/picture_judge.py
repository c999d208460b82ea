"""A judge of pictures that have a name, a style and a group: one network, three heads, and an embedding."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldm_teach import checks
from ldm_teach.models import checkpoint
from ldm_teach.models.classifier import check_images, convolution


class Judgement(NamedTuple):
    """What a judge says of pictures: the logits of each name, style and group, (B, number of them)."""

    names: Tensor
    styles: Tensor
    groups: Tensor


@checkpoint.registered
class PictureJudge(nn.Module):
    """Tells the name, the style and the group of pictures x (B, image_channels, H, W).

    `widths` are the channels at a half, a quarter, an eighth and a sixteenth of the resolution. `embed` is a direction
    (B, width) of length 1 that depends on what is shown and little on its style: the logit of a name is `scale` times
    the cosine to a learned direction of it, so that pictures of one name in several styles come to lie together, also
    those of names that were never trained. Source: Wang et al. 2017 (NormFace), eq. 4, the scale fixed.
    """

    def __init__(
        self,
        num_names: int,
        num_styles: int,
        num_groups: int,
        image_channels: int = 3,
        widths: tuple[int, int, int, int] = (32, 64, 128, 128),
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
        self.layers = nn.Sequential(
            convolution(image_channels, half, stride=2),
            convolution(half, quarter, stride=2),
            convolution(quarter, quarter),
            convolution(quarter, eighth, stride=2),
            convolution(eighth, eighth),
            convolution(eighth, last, stride=2),
            convolution(last, last),
        )
        self.to_embedding = nn.Linear(last, width)
        self.names = nn.Linear(width, num_names, bias=False)
        self.styles, self.groups = nn.Linear(last, num_styles), nn.Linear(last, num_groups)
        self.to(memory_format=torch.channels_last)

    def _pooled(self, x: Tensor) -> Tensor:
        check_images("x", x, self.config["image_channels"], self.styles.weight)
        return self.layers(x).mean(dim=(2, 3))  # (B, widths[-1])

    def embed(self, x: Tensor) -> Tensor:
        """The direction of each picture, (B, width), of length 1: the cosine of two says how alike they are."""
        return F.normalize(self.to_embedding(self._pooled(x)), dim=1)

    def forward(self, x: Tensor) -> Judgement:
        h = self._pooled(x)
        embedding, names = F.normalize(self.to_embedding(h), dim=1), F.normalize(self.names.weight, dim=1)
        return Judgement(self.config["scale"] * embedding @ names.T, self.styles(h), self.groups(h))

    def save(self, directory: Path | str) -> None:
        """Write the judge to a directory, in half precision."""
        checkpoint.save(self, directory)

    @classmethod
    def load(cls, name_or_dir: Path | str) -> "PictureJudge":
        """The judge saved in a directory or shipped under a name, in evaluation mode."""
        return checkpoint.load(cls, name_or_dir)
