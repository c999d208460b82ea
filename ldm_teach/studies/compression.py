"""What each autoencoder costs and what it keeps of the real test images: the table of notebooks 01 and 02.

Bits are the mean KL divergence to N(0, I) for KL and log2(codes) a position for VQ; the Fréchet distance and the
accuracy are the judge's on the reconstructions; mean and standard deviation are those of the latent.
"""

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.measuring import tables
from ldm_teach.measuring.judge import floor, judge_images, reference
from ldm_teach.measuring.metrics import (
    accuracy,
    codebook_use,
    frechet_distance,
    peak_signal_to_noise,
    structural_similarity,
)
from ldm_teach.models.autoencoder import DiagonalGaussian
from ldm_teach.models.classifier import ImageClassifier
from ldm_teach.models.vector_quantization import Autoencoder, Codes, Latent, load_autoencoder
from ldm_teach.paths import MEASURED
from ldm_teach.progress import progress

PATH = MEASURED / "compression.json"
AUTOENCODERS = (
    "fashion-autoencoder",
    *(f"fashion-kl-f{f}" for f in (1, 2, 4, 8)),
    *(f"fashion-vq-f{f}" for f in (4, 8)),
    "fashion-kl-f4-pixels",
    "fashion-kl-f4-critic",
)


class Row(NamedTuple):
    """One autoencoder, measured on real test images, or what "real images" reach: then only three figures are there.

    latent: (c, h, w).  compression: numbers in an image over numbers in its latent.  bits: of an image; for KL the mean
    of KL(q(z|x) || N(0, I)), what sending z costs on average with bits back; for VQ log2(codes) at each position.
    frechet: from the reconstructions to the test images, in the judge's features.  mean, std: of the latent, before any
    rescaling. use, perplexity: of the codebook, None for KL.  images_per_second: encoded and decoded, on this machine.
    """

    name: str
    ssim: float
    frechet: float
    accuracy: float
    latent: tuple[int, int, int] | None = None
    compression: float | None = None
    bits: float | None = None
    psnr: float | None = None
    mean: float | None = None
    std: float | None = None
    use: float | None = None
    perplexity: float | None = None
    images_per_second: float | None = None


def bits_and_use(latents: Sequence[Latent], autoencoder: Autoencoder) -> tuple[float, float | None, float | None]:
    """Bits an image, and for VQ the share of the codes in use and the perplexity of their use."""
    codes = [latent.indices.flatten() for latent in latents if isinstance(latent, Codes)]
    if codes:
        num_codes = autoencoder.config["num_codes"]
        bits = math.log2(num_codes) * math.prod(autoencoder.latent_shape[1:])
        return bits, *codebook_use(torch.cat(codes), num_codes)
    nats = [latent.kl().flatten(1).sum(1) for latent in latents if isinstance(latent, DiagonalGaussian)]
    return float(torch.cat(nats).mean()) / math.log(2), None, None


@torch.inference_mode()
def measure(name: str, autoencoder: Autoencoder, judge: ImageClassifier, x: Tensor, y: Tensor) -> Row:
    """The row of an autoencoder on images x (N, C, H, W) in [-1, 1] with labels y (N,), decoded from the mean of q."""
    start = time.perf_counter()
    latents = [autoencoder.encode(chunk) for chunk in progress(x.split(250), "encoding", "batch")]
    means = progress([latent.mean for latent in latents], "decoding", "batch")
    decoded = torch.cat([autoencoder.decode(mean) for mean in means]).clamp(-1, 1)
    seconds = time.perf_counter() - start

    bits, use, perplexity = bits_and_use(latents, autoencoder)
    features, predicted = judge_images(judge, decoded)
    mean = torch.cat([latent.mean for latent in latents])
    variance = mean.var() + torch.cat([latent.std for latent in latents]).square().mean()
    return Row(
        name,
        ssim=structural_similarity(decoded, x),
        frechet=frechet_distance(features, judge_images(judge, x)[0]),
        accuracy=accuracy(predicted, y)[0],
        latent=autoencoder.latent_shape,
        compression=x[0].numel() / math.prod(autoencoder.latent_shape),
        bits=bits,
        psnr=peak_signal_to_noise(decoded, x),
        mean=float(mean.mean()),
        std=float(variance.sqrt()),
        use=use,
        perplexity=perplexity,
        images_per_second=len(x) / seconds,
    )


def run(
    models: Sequence[str | Path] = AUTOENCODERS, num_images: int = 10_000, judge: str | Path = "fashion-judge"
) -> Iterator[Row]:
    """Measure real images, then each autoencoder on the first test images; yields each Row as soon as it is known."""
    loaded = {str(name): load_autoencoder(name) for name in models}  # a wrong name ends here, before any work
    seen, (x, y) = reference(judge), (column[:num_images] for column in fashion_mnist(train=False))
    share, _ = accuracy(seen.predicted[:num_images], y)
    yield Row("real images", ssim=1.0, frechet=floor(num_images, judge=judge), accuracy=share, compression=1.0)
    for name, autoencoder in progress(loaded.items(), "compression", "row"):
        yield measure(name, autoencoder, seen.judge, x, y)


# The columns of the table: the head, the figure, and how it is printed.
COLUMNS = {
    "x": ("compression", "{:.2f}"),
    "bits": ("bits", "{:.0f}"),
    "PSNR": ("psnr", "{:.2f}"),
    "SSIM": ("ssim", "{:.4f}"),
    "Fréchet": ("frechet", "{:.4f}"),
    "accuracy": ("accuracy", "{:.1%}"),
    "mean": ("mean", "{:.2f}"),
    "std": ("std", "{:.2f}"),
    "use": ("use", "{:.1%}"),
    "codes": ("perplexity", "{:.0f}"),
    "images/s": ("images_per_second", "{:.0f}"),
}


def table(rows: Sequence[Row]) -> str:
    """The rows as text, a figure that is None left out."""
    words = [("", "latent", *COLUMNS)]
    for row in rows:
        values = [(getattr(row, figure), form) for figure, form in COLUMNS.values()]
        figures = ["" if value is None else form.format(value) for value, form in values]
        words.append((row.name, "x".join(map(str, row.latent or ())), *figures))
    return tables.aligned(words)
