"""What the weight of the KL divergence does to the latents of the emoji, in short trainings of their autoencoder.

For each weight: the bits of the divergence and the decibels of held-out pictures, the standard deviations of the
channels before they are scaled to 1, and the decibels that are left where noise stands on the scaled latents, as a
diffusion model's own errors would.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor

from ldm_teach.data.emoji import as_images, emoji
from ldm_teach.measuring import tables
from ldm_teach.measuring.metrics import peak_signal_to_noise
from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.paths import MEASURED
from ldm_teach.progress import progress
from ldm_teach.training.recipes.emoji import emoji_autoencoder

PATH = MEASURED / "colour-latents.json"
KL_WEIGHTS = (1e-6, 1e-4, 1e-2, 1.0)
LATENT_NOISE = 0.3  # standard deviation of the noise on latents that are scaled to 1


class Row(NamedTuple):
    """An autoencoder trained with this weight of the KL divergence, averaged over the elements of the latent.

    bits: of an image, the mean of KL(q(z|x) || N(0, I)).  psnr: of held-out pictures, in decibels; noisy: with noise on
    their latents.  least, most: the standard deviations of the channels of z, the smallest and the largest.
    """

    weight: float
    bits: float
    psnr: float
    noisy: float
    least: float
    most: float


def run(
    weights: Sequence[float] = KL_WEIGHTS, num_steps: int = 1_000, seed: int = 0, device: str | None = None
) -> Iterator[Row]:
    """Train the recipe's autoencoder at each weight for so many steps, all from one start on the same batches."""
    held = as_images(torch.cat([emoji(split).x for split in ("pairs", "names")]))
    for weight in progress(weights, "colour latents", "weight"):
        training = emoji_autoencoder(weight=weight, num_steps=num_steps)
        for _ in progress(training.fit(device=device), f"weight {weight:g}", "step", num_steps):
            pass
        yield measured_latents(weight, cast(KLAutoencoder, training.average.cpu()), held, seed)


@torch.inference_mode()
def measured_latents(weight: float, autoencoder: KLAutoencoder, x: Tensor, seed: int) -> Row:
    """The row of an autoencoder on pictures x (N, 3, H, W) in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    posteriors = [autoencoder.encode(chunk) for chunk in x.split(250)]
    mean, std = (torch.cat([getattr(posterior, part) for posterior in posteriors]) for part in ("mean", "std"))
    channels = (mean.var(dim=(0, 2, 3)) + std.square().mean(dim=(0, 2, 3))).sqrt()
    noise = LATENT_NOISE * channels[:, None, None] * torch.randn(mean.shape, generator=generator)
    clean, noisy = (
        torch.cat([autoencoder.decode(chunk) for chunk in z.split(250)]).clamp(-1, 1) for z in (mean, mean + noise)
    )
    nats = torch.cat([posterior.kl().flatten(1).sum(dim=1) for posterior in posteriors])
    return Row(
        weight,
        bits=float(nats.mean()) / math.log(2),
        psnr=peak_signal_to_noise(clean, x),
        noisy=peak_signal_to_noise(noisy, x),
        least=float(channels.min()),
        most=float(channels.max()),
    )


def table(rows: Sequence[Row]) -> str:
    """A line for each weight."""
    head = ("KL weight", "bits", "PSNR", "with noise", "std of channels")
    lines = [
        (
            f"{row.weight:g}",
            f"{row.bits:.0f}",
            f"{row.psnr:.1f}",
            f"{row.noisy:.1f}",
            f"{row.least:.2f} to {row.most:.2f}",
        )
        for row in rows
    ]
    return tables.aligned([head, *lines])
