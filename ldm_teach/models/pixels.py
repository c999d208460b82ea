"""No compression: pixels in the place of latents, which is what latent diffusion is held against."""

from typing import Any

import torch
from torch import Tensor, nn

from ldm_teach import checks
from ldm_teach.models import checkpoint
from ldm_teach.models.autoencoder import DiagonalGaussian


@checkpoint.registered
class Pixels(nn.Module):
    """The autoencoder that leaves images as they are: with it a `LatentDiffusion` is a diffusion model of pixels.

    f = 1, nothing is padded, and there is nothing to train. Images are (B, image_channels, H, W).
    """

    downsampling = 1

    def __init__(self, image_size: tuple[int, int] = (28, 28), image_channels: int = 1):
        super().__init__()
        checks.count("image_channels", image_channels)
        size = checks.sizes("image_size", image_size, 2)
        self.config: dict[str, Any] = dict(image_size=size, image_channels=image_channels)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        return self.config["image_channels"], *self.config["image_size"]

    def encode(self, x: Tensor) -> DiagonalGaussian:
        """The posterior that is certain of the images x (B, C, H, W) themselves."""
        checks.shaped("x", x, "B", *self.latent_shape)
        return DiagonalGaussian(x, torch.zeros_like(x))

    def decode(self, z: Tensor) -> Tensor:
        """z (B, C, H, W) as it is."""
        return checks.shaped("z", z, "B", *self.latent_shape)
