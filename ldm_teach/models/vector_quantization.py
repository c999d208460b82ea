"""An autoencoder whose latent is rounded to the nearest of a few learned codes (Rombach et al. 2022, "VQ-reg")."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldm_teach import checks
from ldm_teach.models import checkpoint
from ldm_teach.models.autoencoder import Architecture, DiagonalGaussian, KLAutoencoder
from ldm_teach.theory.tensors import Draws, Share


@dataclass(frozen=True)
class Codes:
    """What a VQ encoder returns: z (B, c, h, w), the code nearest to it at each position, and its number (B, h, w).

    `mean` and `std` let a latent diffusion model read it as a posterior that is certain of z: the diffusion runs on the
    continuous latent, and the decoder quantizes first (Rombach et al. 2022, sec. 3.1).
    """

    z: Tensor
    quantized: Tensor
    indices: Tensor

    @property
    def mean(self) -> Tensor:
        return self.z

    @property
    def std(self) -> Tensor:
        return torch.zeros_like(self.z)


def straight_through(z: Tensor, quantized: Tensor) -> Tensor:
    """`quantized` going forward, the gradient of z coming back. Source: van den Oord et al. 2017, sec. 3.2."""
    checks.same_shape(z=z, quantized=quantized)
    return z + (quantized - z).detach()


@checkpoint.registered
class VQAutoencoder(nn.Module):
    """A convolutional autoencoder whose decoder rounds the latent to the nearest of `num_codes` vectors ("VQ-reg").

    Keyword arguments are those of `Architecture`. In training mode `forward` keeps a running average of how often each
    code is used and moves a code that has fallen below `dead_below` of its share onto a random latent of the batch.
    Source: van den Oord et al. 2017; Rombach et al. 2022, sec. 3.1; revival, Dhariwal et al. 2020 (Jukebox), sec. 3.1.
    """

    def __init__(self, num_codes: int = 1024, dead_below: float = 0.03, **architecture):
        super().__init__()
        self.architecture = Architecture(**architecture)
        self.config: dict[str, Any] = dict(num_codes=num_codes, dead_below=dead_below, **asdict(self.architecture))
        checks.count("num_codes", num_codes)
        checks.between("dead_below", dead_below, 0, 1)
        channels = self.architecture.latent_channels
        self.encoder, self.decoder = self.architecture.encoder(channels), self.architecture.decoder()
        self.codebook = nn.Parameter(torch.randn(num_codes, channels))
        self.register_buffer("share", torch.ones(num_codes))  # of use, in units of 1 / num_codes
        self.to(memory_format=torch.channels_last)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(c, h, w) of the latent of one image."""
        return self.architecture.latent_shape

    @property
    def downsampling(self) -> int:
        """f, the number of pixels on the side of a latent's square."""
        return self.architecture.downsampling

    def quantize(self, z: Tensor) -> Codes:
        """The nearest codes to latents z (B, c, h, w): argmin_k |z - e_k|^2 at each position."""
        checks.shaped("z", z, "B", self.architecture.latent_channels, "h", "w", like=self.codebook)
        with torch.no_grad():
            points = z.movedim(1, -1).flatten(0, 2)  # (B*h*w, c)
            nearest = [torch.cdist(chunk, self.codebook).argmin(dim=1) for chunk in points.split(4096)]  # bounds memory
            indices = torch.cat(nearest).unflatten(0, (len(z), *z.shape[2:]))
        return Codes(z, F.embedding(indices, self.codebook).movedim(-1, 1), indices)

    def encode(self, x: Tensor) -> Codes:
        """The codes of images x (B, C, H, W) in [-1, 1]."""
        return self.quantize(self.encoder(self.architecture.pad(x, self.codebook)).to(x.dtype))

    def decode(self, z: Tensor) -> Tensor:
        """Images (B, C, H, W), near [-1, 1], from continuous latents z (B, c, h, w), which are quantized first."""
        return self._draw(self.quantize(self.architecture.check_latent(z, self.codebook)).quantized)

    def _draw(self, quantized: Tensor) -> Tensor:
        return self.architecture.crop(self.decoder(quantized).to(quantized.dtype))

    def forward(self, x: Tensor, generator: Draws = None) -> tuple[Tensor, Codes]:
        """The reconstruction of x, with straight-through gradients, and its codes: what the loss needs in one call."""
        checks.instance("generator", generator, torch.Generator, Share, type(None))
        z = self.encoder(self.architecture.pad(x, self.codebook)).to(x.dtype)
        if self.training:
            self._revive(z.detach(), generator.generator if isinstance(generator, Share) else generator)
        codes = self.quantize(z)
        if self.training:
            self._count(codes.indices)
        return self._draw(straight_through(codes.z, codes.quantized)), codes

    @torch.no_grad()
    def _revive(self, z: Tensor, generator: torch.Generator | None) -> None:
        points = z.movedim(1, -1).flatten(0, 2)  # (B*h*w, c)
        chosen = torch.randint(len(points), self.share.shape, generator=generator, device=z.device)
        dead = self.share < self.config["dead_below"]
        self.codebook.copy_(torch.where(dead[:, None], points[chosen], self.codebook))
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.broadcast(self.codebook, src=0)  # every process chose among its own latents
        self.share.masked_fill_(dead, 1.0)

    @torch.no_grad()
    def _count(self, indices: Tensor, decay: float = 0.99) -> None:
        used = torch.full((indices.numel(),), len(self.share) / indices.numel(), device=self.share.device)
        self.share.mul_(decay).index_add_(0, indices.flatten(), used, alpha=1 - decay)

    def save(self, directory: Path | str) -> None:
        """Write the autoencoder to a directory, in half precision."""
        checkpoint.save(self, directory)

    @classmethod
    def load(cls, name_or_dir: Path | str) -> "VQAutoencoder":
        """The autoencoder saved in a directory or shipped under a name, in evaluation mode."""
        return checkpoint.load(cls, name_or_dir)


Autoencoder = KLAutoencoder | VQAutoencoder
Latent = DiagonalGaussian | Codes  # what they encode to


def load_autoencoder(name_or_dir: Path | str) -> Autoencoder:
    """The autoencoder saved in a directory or shipped under a name, whichever kind it is, in evaluation mode."""
    kind = checkpoint.header(checkpoint.locate(name_or_dir))["kind"]
    for cls in (KLAutoencoder, VQAutoencoder):
        if kind == cls.__name__:
            return cls.load(name_or_dir)
    raise ValueError(f"{name_or_dir} is a {kind}; want one of KLAutoencoder, VQAutoencoder")
