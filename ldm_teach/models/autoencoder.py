"""Perceptual compression: an encoder E and a decoder D around a small latent (Rombach et al. 2022, sec. 3.1)."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldm_teach import checks
from ldm_teach.models import checkpoint
from ldm_teach.models.layers import ResidualBlock, normalize
from ldm_teach.theory.tensors import Randomness, draw_like


@dataclass(frozen=True)
class DiagonalGaussian:
    """The posterior q(z|x) = N(mean, diag(std^2)) that a KL encoder returns. mean, std: (B, c, h, w)."""

    mean: Tensor
    std: Tensor

    def sample(self, generator: Randomness = None) -> Tensor:
        """mean + std * noise, the reparameterization of Kingma & Welling 2014, eq. 4. Returns (B, c, h, w)."""
        return self.mean + self.std * draw_like(self.mean, generator)

    def kl(self) -> Tensor:
        """KL(q(z|x) || N(0, I)) in nats, elementwise: (mean^2 + std^2 - 1)/2 - log std. Returns (B, c, h, w).

        Source: Kingma & Welling 2014, appendix B. Sum it for nats an image; average it for nats an element.
        """
        return (self.mean.square() + self.std.square() - 1) / 2 - self.std.log()


def weight_of(network: nn.Module) -> Tensor:
    """One of a network's parameters: of the dtype and on the device that its inputs must have."""
    return next(network.parameters())


def stage(width: int, depth: int) -> nn.Sequential:
    """`depth` residual blocks at one resolution."""
    return nn.Sequential(*(ResidualBlock(width, width) for _ in range(depth)))


@dataclass(frozen=True)
class Architecture:
    """The shape that encoder and decoder share, whatever regularizes the latent between them.

    An image (B, image_channels, H, W) is padded to a multiple of max(8, 2f) (28 -> 32), so that a U-Net can halve the
    latent again, and becomes (B, latent_channels, h, w), smaller by `downsampling` f = 2^m with m = 0..3. The first
    halving is a pixel unshuffle and the last doubling a pixel shuffle (Shi et al. 2016): no convolution of any width
    runs at full resolution, where it costs most and buys least. `widths` and `depths` give the channels and the
    decoder's residual blocks at each resolution from the finest on, max(1, m) entries each; the encoder has one block
    fewer at each.
    Raises ValueError for a factor other than 1, 2, 4, 8, or widths and depths of another length.
    """

    image_size: tuple[int, int] = (28, 28)
    image_channels: int = 1
    downsampling: int = 4
    latent_channels: int = 4
    widths: tuple[int, ...] = (48, 96)
    depths: tuple[int, ...] = (1, 3)

    def __post_init__(self):
        checks.counts(image_channels=self.image_channels, latent_channels=self.latent_channels)
        checks.sizes("image_size", self.image_size, 2)
        if checks.count("downsampling", self.downsampling) not in (1, 2, 4, 8):
            raise ValueError(f"downsampling is {self.downsampling!r}; want 1, 2, 4 or 8")
        checks.sizes("widths", self.widths)
        checks.sizes("depths", self.depths)
        resolutions = max(1, self.downsampling.bit_length() - 1)
        if not len(self.widths) == len(self.depths) == resolutions:
            raise ValueError(
                f"widths {self.widths} and depths {self.depths} have {len(self.widths)} and {len(self.depths)} "
                f"entries; downsampling {self.downsampling} wants {resolutions} each"
            )

    @property
    def multiple(self) -> int:
        """What the height and the width of an image are padded to a multiple of."""
        return max(8, 2 * self.downsampling)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(c, h, w) of the latent of one image."""
        h, w = (-(-size // self.multiple) * self.multiple // self.downsampling for size in self.image_size)
        return self.latent_channels, h, w

    def encoder(self, channels: int) -> nn.Sequential:
        """From padded images to (B, channels, h, w)."""
        shuffle, widths, depths = min(self.downsampling, 2), self.widths, self.depths
        layers = [
            nn.PixelUnshuffle(shuffle),
            nn.Conv2d(self.image_channels * shuffle**2, widths[0], 3, padding=1),
            stage(widths[0], depths[0] - 1),
        ]
        for fine, coarse, depth in zip(widths, widths[1:], depths[1:], strict=False):
            layers += [nn.Conv2d(fine, coarse, 3, stride=2, padding=1), stage(coarse, depth - 1)]
        return nn.Sequential(*layers, normalize(widths[-1]), nn.SiLU(), nn.Conv2d(widths[-1], channels, 1))

    def decoder(self) -> nn.Sequential:
        """From latents (B, latent_channels, h, w) to padded images."""
        shuffle, widths, depths = min(self.downsampling, 2), self.widths, self.depths
        layers = [nn.Conv2d(self.latent_channels, widths[-1], 3, padding=1), stage(widths[-1], depths[-1])]
        for coarse, fine, depth in zip(widths[:0:-1], widths[-2::-1], depths[-2::-1], strict=True):
            layers += [nn.Conv2d(coarse, 4 * fine, 1), nn.PixelShuffle(2), stage(fine, depth)]
        pixels = nn.Conv2d(widths[0], self.image_channels * shuffle**2, 3, padding=1)
        return nn.Sequential(*layers, normalize(widths[0]), nn.SiLU(), pixels, nn.PixelShuffle(shuffle))

    def pad(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W) grown at the bottom and on the right.

        Raises ValueError for images of another shape, and of another dtype or device than `like`.
        """
        checks.shaped("x", x, "B", self.image_channels, *self.image_size, like=like)
        if not len(x):
            raise ValueError(f"x has shape {tuple(x.shape)}; want one image or more")
        bottom, right = (-size % self.multiple for size in self.image_size)
        return F.pad(x, (0, right, 0, bottom), mode="replicate").contiguous(memory_format=torch.channels_last)

    def crop(self, x: Tensor) -> Tensor:
        """The inverse of `pad`."""
        height, width = self.image_size
        return x[..., :height, :width]

    def check_latent(self, z: Tensor, like: Tensor | None = None) -> Tensor:
        """z itself, channels last. Raises ValueError unless it is (B, c, h, w), of the dtype and device of `like`."""
        return checks.shaped("z", z, "B", *self.latent_shape, like=like).contiguous(memory_format=torch.channels_last)


@checkpoint.registered
class KLAutoencoder(nn.Module):
    """A convolutional autoencoder whose latent is a Gaussian (Rombach et al. 2022, "KL-reg").

    Keyword arguments are those of `Architecture`, which see for shapes and errors.
    """

    def __init__(self, **architecture):
        super().__init__()
        self.architecture = Architecture(**architecture)
        self.config: dict[str, Any] = asdict(self.architecture)
        self.encoder = self.architecture.encoder(2 * self.architecture.latent_channels)
        self.decoder = self.architecture.decoder()
        self.to(memory_format=torch.channels_last)  # what convolutions on a CPU, and on tensor cores, read fastest

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(c, h, w) of the latent of one image."""
        return self.architecture.latent_shape

    @property
    def downsampling(self) -> int:
        """f, the number of pixels on the side of a latent's square."""
        return self.architecture.downsampling

    def encode(self, x: Tensor) -> DiagonalGaussian:
        """The posterior q(z|x) of images x (B, C, H, W) in [-1, 1]; its tensors are (B, c, h, w)."""
        padded = self.architecture.pad(x, weight_of(self))
        moments = self.encoder(padded).to(x.dtype)  # full precision also under autocast
        mean, log_std = moments.chunk(2, dim=1)
        return DiagonalGaussian(mean, log_std.clamp(-10, 5).exp())

    def decode(self, z: Tensor) -> Tensor:
        """Images (B, C, H, W), near [-1, 1], from latents z (B, c, h, w)."""
        return self.architecture.crop(self.decoder(self.architecture.check_latent(z, weight_of(self))).to(z.dtype))

    def forward(self, x: Tensor, generator: Randomness = None) -> tuple[Tensor, DiagonalGaussian]:
        """The reconstruction D(z) of x from a sample z of q(z|x), and q(z|x): what the loss needs in one call."""
        posterior = self.encode(x)
        return self.decode(posterior.sample(generator)), posterior

    def save(self, directory: Path | str) -> None:
        """Write the autoencoder to a directory, in half precision."""
        checkpoint.save(self, directory)

    @classmethod
    def load(cls, name_or_dir: Path | str) -> "KLAutoencoder":
        """The autoencoder saved in a directory or shipped under a name, in evaluation mode."""
        return checkpoint.load(cls, name_or_dir)
