"""Perceptual compression: an encoder E and a decoder D around a small latent (Rombach et al. 2022, sec. 3.1)."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldm_teach.models import checkpoint
from ldm_teach.models.layers import ResidualBlock, normalize


@dataclass(frozen=True)
class DiagonalGaussian:
    """The posterior q(z|x) = N(mean, diag(std^2)) that a KL encoder returns. mean, std: (B, c, h, w)."""

    mean: Tensor
    std: Tensor

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """mean + std * noise, the reparameterization of Kingma & Welling 2014, eq. 4. Returns (B, c, h, w)."""
        device = generator.device if generator else self.mean.device
        noise = torch.randn(self.mean.shape, dtype=self.mean.dtype, device=device, generator=generator)
        return self.mean + self.std * noise.to(self.mean.device)

    def kl(self) -> Tensor:
        """KL(q(z|x) || N(0, I)) in nats, elementwise: (mean^2 + std^2 - 1)/2 - log std. Returns (B, c, h, w).

        Source: Kingma & Welling 2014, appendix B. Sum it for nats an image; average it for nats an element.
        """
        return (self.mean.square() + self.std.square() - 1) / 2 - self.std.log()


def stage(width: int, depth: int) -> nn.Sequential:
    """`depth` residual blocks at one resolution."""
    return nn.Sequential(*(ResidualBlock(width, width) for _ in range(depth)))


class KLAutoencoder(nn.Module):
    """A convolutional autoencoder whose latent is a Gaussian (Rombach et al. 2022, "KL-reg").

    An image (B, image_channels, H, W) is padded to a multiple of max(8, 2f) (28 -> 32), so that a U-Net can halve the
    latent again, and becomes (B, latent_channels, h, w), smaller by `downsampling` f = 2^m with m = 0..3. The first
    halving is a pixel unshuffle and the last doubling a pixel shuffle (Shi et al. 2016): no convolution of any width
    runs at full resolution, where it costs most and buys least. `widths` and `depths` give the channels and the
    decoder's residual blocks at each resolution from the finest on, max(1, m) entries each; the encoder has one block
    fewer at each, for seeing is easier than drawing.
    Raises ValueError for a factor other than 1, 2, 4, 8, or widths and depths of another length.
    """

    def __init__(
        self,
        image_size: tuple[int, int] = (28, 28),
        image_channels: int = 1,
        downsampling: int = 4,
        latent_channels: int = 4,
        widths: tuple[int, ...] = (48, 96),
        depths: tuple[int, ...] = (1, 3),
    ):
        super().__init__()
        if downsampling not in (1, 2, 4, 8):
            raise ValueError(f"downsampling is {downsampling!r}; want 1, 2, 4 or 8")
        resolutions = max(1, downsampling.bit_length() - 1)
        if not len(widths) == len(depths) == resolutions:
            raise ValueError(
                f"widths {widths} and depths {depths} have {len(widths)} and {len(depths)} entries; "
                f"downsampling {downsampling} wants {resolutions} each"
            )
        self.config = dict(
            image_size=tuple(image_size),
            image_channels=image_channels,
            downsampling=downsampling,
            latent_channels=latent_channels,
            widths=tuple(widths),
            depths=tuple(depths),
        )
        shuffle = min(downsampling, 2)
        pixels = image_channels * shuffle**2
        encoder = [
            nn.PixelUnshuffle(shuffle),
            nn.Conv2d(pixels, widths[0], 3, padding=1),
            stage(widths[0], depths[0] - 1),
        ]
        for fine, coarse, depth in zip(widths, widths[1:], depths[1:], strict=False):
            encoder += [nn.Conv2d(fine, coarse, 3, stride=2, padding=1), stage(coarse, depth - 1)]
        encoder += [normalize(widths[-1]), nn.SiLU(), nn.Conv2d(widths[-1], 2 * latent_channels, 1)]

        decoder = [nn.Conv2d(latent_channels, widths[-1], 3, padding=1), stage(widths[-1], depths[-1])]
        for coarse, fine, depth in zip(widths[:0:-1], widths[-2::-1], depths[-2::-1], strict=True):
            decoder += [nn.Conv2d(coarse, 4 * fine, 1), nn.PixelShuffle(2), stage(fine, depth)]
        decoder += [
            normalize(widths[0]),
            nn.SiLU(),
            nn.Conv2d(widths[0], pixels, 3, padding=1),
            nn.PixelShuffle(shuffle),
        ]

        self.encoder, self.decoder = nn.Sequential(*encoder), nn.Sequential(*decoder)
        self.to(memory_format=torch.channels_last)  # what convolutions on a CPU, and on tensor cores, read fastest

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(c, h, w) of the latent of one image."""
        f = self.config["downsampling"]
        h, w = (-(-size // self._multiple) * self._multiple // f for size in self.config["image_size"])
        return self.config["latent_channels"], h, w

    @property
    def _multiple(self) -> int:
        return max(8, 2 * self.config["downsampling"])

    def encode(self, x: Tensor) -> DiagonalGaussian:
        """The posterior q(z|x) of images x (B, C, H, W) in [-1, 1]; its tensors are (B, c, h, w)."""
        want = (self.config["image_channels"], *self.config["image_size"])
        if x.ndim != 4 or tuple(x.shape[1:]) != want:
            raise ValueError(f"x has shape {tuple(x.shape)}; want (B, {want[0]}, {want[1]}, {want[2]})")
        bottom, right = (-size % self._multiple for size in want[1:])
        x = F.pad(x, (0, right, 0, bottom), mode="replicate")
        moments = self.encoder(x.contiguous(memory_format=torch.channels_last)).to(x.dtype)  # also under autocast
        mean, log_std = moments.chunk(2, dim=1)
        return DiagonalGaussian(mean, log_std.clamp(-10, 5).exp())

    def decode(self, z: Tensor) -> Tensor:
        """Images (B, C, H, W), near [-1, 1], from latents z (B, c, h, w)."""
        if z.ndim != 4 or tuple(z.shape[1:]) != self.latent_shape:
            c, h, w = self.latent_shape
            raise ValueError(f"z has shape {tuple(z.shape)}; want (B, {c}, {h}, {w})")
        height, width = self.config["image_size"]
        x = self.decoder(z.contiguous(memory_format=torch.channels_last)).to(z.dtype)
        return x[..., :height, :width]

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, DiagonalGaussian]:
        """The reconstruction D(z) of x from a sample z of q(z|x), and q(z|x): what the loss needs in one call."""
        posterior = self.encode(x)
        return self.decode(posterior.sample(generator)), posterior

    def save(self, directory: Path | str) -> None:
        """Write the autoencoder to a directory, in half precision."""
        checkpoint.write(directory, "KLAutoencoder", self.config, checkpoint.to_half(self.state_dict()))

    @classmethod
    def load(cls, name_or_dir: Path | str) -> "KLAutoencoder":
        """The autoencoder saved in a directory or shipped under a name, in evaluation mode."""
        directory = checkpoint.locate(name_or_dir)
        config, tensors = checkpoint.read(directory, "KLAutoencoder")
        autoencoder = cls(**config)
        checkpoint.fill(autoencoder, tensors, directory)
        return autoencoder.eval()
