"""What an autoencoder costs and what it keeps: the table of notebooks 01 and 02."""

import math
import time
from typing import NamedTuple

import torch
from torch import Tensor

from ldm_teach.measuring.judge import judge_images
from ldm_teach.measuring.metrics import (
    accuracy,
    codebook_use,
    frechet_distance,
    peak_signal_to_noise,
    structural_similarity,
)
from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.classifier import ImageClassifier
from ldm_teach.models.vector_quantization import VQAutoencoder


class Row(NamedTuple):
    """One autoencoder, measured on real test images.

    compression: numbers in an image over numbers in its latent. bits: of an image; for KL the mean of KL(q(z|x) || N(0,
    I)), what sending z costs on average with bits back; for VQ log2(codes) at each position. frechet: from the
    reconstructions to the test images, in the judge's features. mean, std: of the latent, before any rescaling. use,
    perplexity: of the codebook, None for KL. images_per_second: encoded and decoded, on this machine.
    """

    name: str
    latent: tuple[int, int, int]
    compression: float
    bits: float
    psnr: float
    ssim: float
    frechet: float
    accuracy: float
    mean: float
    std: float
    use: float | None
    perplexity: float | None
    images_per_second: float


@torch.inference_mode()
def measure(name: str, autoencoder: KLAutoencoder | VQAutoencoder, judge: ImageClassifier, x: Tensor, y: Tensor) -> Row:
    """The row of an autoencoder on images x (N, C, H, W) in [-1, 1] with labels y (N,), decoded from the mean of q."""
    start = time.perf_counter()
    latents = [autoencoder.encode(chunk) for chunk in x.split(250)]
    decoded = torch.cat([autoencoder.decode(latent.mean) for latent in latents]).clamp(-1, 1)
    seconds = time.perf_counter() - start

    if isinstance(autoencoder, VQAutoencoder):
        num_codes = autoencoder.config["num_codes"]
        use, perplexity = codebook_use(torch.cat([latent.indices.flatten() for latent in latents]), num_codes)
        bits = math.log2(num_codes) * math.prod(autoencoder.latent_shape[1:])
    else:
        use = perplexity = None
        bits = float(torch.cat([latent.kl().flatten(1).sum(1) for latent in latents]).mean()) / math.log(2)
    features, predicted = judge_images(judge, decoded)
    mean = torch.cat([latent.mean for latent in latents])
    variance = mean.var() + torch.cat([latent.std for latent in latents]).square().mean()
    return Row(
        name,
        autoencoder.latent_shape,
        x[0].numel() / math.prod(autoencoder.latent_shape),
        bits,
        peak_signal_to_noise(decoded, x),
        structural_similarity(decoded, x),
        frechet_distance(features, judge_images(judge, x)[0]),
        accuracy(predicted, y)[0],
        float(mean.mean()),
        float(variance.sqrt()),
        use,
        perplexity,
        len(x) / seconds,
    )
