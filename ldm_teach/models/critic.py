"""A patch discriminator, which learns to tell reconstructions from images so that the decoder may learn to fool it."""

from pathlib import Path
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from ldm_teach import checks
from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.layers import normalize
from ldm_teach.models.vector_quantization import Autoencoder, Latent, VQAutoencoder
from ldm_teach.theory.tensors import Draws


class PatchCritic(nn.Module):
    """A score for each patch of 19 pixels: images (B, C, H, W) -> (B, 1, h, w), high where they look real.

    Source: Isola et al. 2017 (PatchGAN), appendix 6.1.2, one size smaller and with group normalization.
    """

    def __init__(self, image_channels: int = 1, width: int = 32):
        super().__init__()
        checks.counts(image_channels=image_channels, width=width)
        self.layers = nn.Sequential(
            nn.Conv2d(image_channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            normalize(2 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 4, padding=1),
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        first = cast(nn.Conv2d, self.layers[0])
        if min(checks.shaped("x", x, "B", first.in_channels, "H", "W", like=first.weight).shape[2:]) < 8:
            raise ValueError(f"x has shape {tuple(x.shape)}; want H and W of at least 8")
        return self.layers(x)


class Criticism(NamedTuple):
    """What an adversarial loss needs of one batch of images x.

    reconstruction (B, C, H, W) and latent: as the autoencoder's `forward` returns them. fooled: the critic's scores of
    the reconstruction, whose gradient reaches the autoencoder alone. fake, real: its scores of the reconstruction and
    of x, whose gradient reaches the critic alone. steps: the training steps taken before this one, a 0-dim tensor.
    """

    reconstruction: Tensor
    latent: Latent
    fooled: Tensor
    fake: Tensor
    real: Tensor
    steps: Tensor


class CriticizedAutoencoder(nn.Module):
    """An autoencoder and its critic as one module, so that one optimizer trains both on the sum of their losses.

    The sum is right because no gradient of one loss reaches the parameters of the other. `save` keeps the autoencoder
    alone: the critic has done its work.
    """

    def __init__(self, autoencoder: Autoencoder, critic: PatchCritic):
        super().__init__()
        self.autoencoder = checks.instance("autoencoder", autoencoder, KLAutoencoder, VQAutoencoder)
        self.critic = checks.instance("critic", critic, PatchCritic)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @property
    def last_layer(self) -> Tensor:
        """The weight of the decoder's last convolution, where the adaptive weight compares gradients."""
        return [m for m in self.autoencoder.decoder if isinstance(m, nn.Conv2d)][-1].weight

    def forward(self, x: Tensor, generator: Draws = None) -> Criticism:
        reconstruction, latent = self.autoencoder(x, generator)
        frozen = {name: parameter.detach() for name, parameter in self.critic.named_parameters()}
        fooled = torch.func.functional_call(self.critic, frozen, (reconstruction,))
        fake, real = self.critic(torch.cat([reconstruction.detach(), x])).chunk(2)
        steps = self.steps.clone()
        if self.training:
            self.steps += 1
        return Criticism(reconstruction, latent, fooled, fake, real, steps)

    def save(self, directory: Path | str) -> None:
        """Write the autoencoder to a directory, as its own `save` does."""
        self.autoencoder.save(directory)
