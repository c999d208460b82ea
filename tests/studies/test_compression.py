import math

import pytest
import torch

from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.classifier import ImageClassifier
from ldm_teach.models.vector_quantization import VQAutoencoder
from ldm_teach.studies.compression import measure, run, table

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def judge() -> ImageClassifier:
    return ImageClassifier.load("fashion-judge")


@pytest.fixture(scope="module")
def images():
    test = fashion_mnist(train=False)
    return test.x[:500], test.y[:500]


class Perfect(KLAutoencoder):
    """Keeps the image itself as its latent, a Gaussian of mean x and standard deviation 1/2."""

    def __init__(self):
        super().__init__(downsampling=1, latent_channels=1, image_size=(32, 32), widths=(8,), depths=(1,))

    def encode(self, x):
        posterior = super().encode(torch.zeros(len(x), 1, 32, 32))
        return type(posterior)(x, torch.full_like(x, 0.5))

    def decode(self, z):
        return z


def test_a_perfect_autoencoder(judge, images):
    x, y = images
    row = measure("perfect", Perfect(), judge, x, y)
    assert row.psnr == math.inf and row.ssim == pytest.approx(1) and row.frechet == pytest.approx(0, abs=1e-6)
    nats = ((x.square() + 0.25 - 1) / 2 - math.log(0.5)).flatten(1).sum(1).mean()
    assert row.bits == pytest.approx(float(nats) / math.log(2), rel=1e-5)
    assert row.mean == pytest.approx(float(x.mean()), rel=1e-4)
    assert row.std == pytest.approx(float((x.var() + 0.25).sqrt()), rel=1e-4)
    assert row.use is None and row.images_per_second > 0


def test_codes_are_counted_in_bits(judge, images):
    vq = VQAutoencoder(num_codes=64, widths=(8, 16), depths=(1, 1)).eval()
    row = measure("vq", vq, judge, *images)
    assert row.bits == 64 * 6 and row.latent == (4, 8, 8) and row.compression == pytest.approx(28 * 28 / 256)
    assert 0 < row.use <= 1 <= row.perplexity <= 64


def test_real_images_stand_above_the_autoencoders_and_what_is_none_is_refused():
    rows = list(run(["fashion-autoencoder", "fashion-vq-f4"], num_images=300))
    head, real, kl, vq = table(rows).splitlines()
    assert head.split()[:4] == ["latent", "x", "bits", "PSNR"] and real.startswith("real images")
    assert kl.split()[:3] == ["fashion-autoencoder", "4x8x8", "3.06"] and 28 < float(kl.split()[4]) < 31
    assert vq.split()[3] == "832" and "%" in vq.split()[10]
    with pytest.raises(ValueError, match="fashion-judge is a ImageClassifier; want one of KLAutoencoder"):
        next(run(["fashion-judge"], num_images=300))
