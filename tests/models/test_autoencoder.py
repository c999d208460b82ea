import pytest
import torch
from torch.distributions import Normal, kl_divergence

from ldm_teach.models.autoencoder import DiagonalGaussian, KLAutoencoder
from tests.helpers import seeded


@pytest.mark.parametrize(
    "factor, widths, latent",
    [(1, (8,), (4, 32, 32)), (2, (8,), (4, 16, 16)), (4, (8, 16), (4, 8, 8)), (8, (8, 16, 16), (4, 4, 4))],
)
def test_shapes_at_every_factor(factor, widths, latent):
    autoencoder = KLAutoencoder(downsampling=factor, widths=widths, depths=(1,) * len(widths))
    x = torch.randn(3, 1, 28, 28)
    posterior = autoencoder.encode(x)
    assert autoencoder.latent_shape == latent
    assert posterior.mean.shape == posterior.std.shape == posterior.sample().shape == (3, *latent)
    assert (posterior.std > 0).all()
    assert autoencoder.decode(posterior.mean).shape == x.shape


@pytest.mark.parametrize("size, padded", [((28, 28), 8), ((32, 32), 8), ((30, 20), 8)])
def test_padding_and_colours(size, padded):
    autoencoder = KLAutoencoder(image_size=size, image_channels=3, widths=(8, 16), depths=(1, 1))
    _, h, w = autoencoder.latent_shape
    assert 4 * h % padded == 0 and 4 * w % padded == 0 and 4 * h >= size[0] and 4 * w >= size[1]
    assert autoencoder(torch.randn(2, 3, *size))[0].shape == (2, 3, *size)


def test_kl_equals_torch_distributions():
    mean, std = torch.randn(2, 4, 3, 3, generator=seeded()), torch.rand(2, 4, 3, 3, generator=seeded()) + 0.1
    want = kl_divergence(Normal(mean, std), Normal(torch.zeros_like(mean), torch.ones_like(std)))
    torch.testing.assert_close(DiagonalGaussian(mean, std).kl(), want, rtol=1e-5, atol=1e-6)


def test_samples_have_the_mean_and_std_of_the_posterior():
    n = 100_000
    posterior = DiagonalGaussian(torch.full((n,), 2.0), torch.full((n,), 0.3))
    z = posterior.sample(seeded())
    assert abs(float(z.mean()) - 2) < 4 * 0.3 / n**0.5
    assert abs(float(z.std()) - 0.3) < 4 * 0.3 / (2 * n) ** 0.5
    assert torch.equal(z, posterior.sample(seeded()))


def test_save_and_load_keep_the_function_to_half_precision(tmp_path):
    autoencoder = KLAutoencoder(widths=(8, 16), depths=(1, 1)).eval()
    autoencoder.save(tmp_path)
    x = torch.randn(2, 1, 28, 28, generator=seeded())
    with torch.no_grad():
        torch.testing.assert_close(
            KLAutoencoder.load(tmp_path).encode(x).mean, autoencoder.encode(x).mean, rtol=0, atol=1e-2
        )


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda a: KLAutoencoder(downsampling=3), "downsampling is 3; want 1, 2, 4 or 8"),
        (lambda a: KLAutoencoder(downsampling=8), "downsampling 8 wants 3 each"),
        (
            lambda a: a.encode(torch.zeros(2, 3, 28, 28)),
            r"\(2, 3, 28, 28\); want floating-point of shape \(B, 1, 28, 28\)",
        ),
        (lambda a: a.decode(torch.zeros(2, 4, 7, 7)), r"\(2, 4, 7, 7\); want floating-point of shape \(B, 4, 8, 8\)"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call(KLAutoencoder(widths=(8, 16), depths=(1, 1)))
