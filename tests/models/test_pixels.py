import pytest
import torch

from ldm_teach.models.conditioning import ClassEncoder
from ldm_teach.models.guided import classifier_free, clipped_free, sample_all
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.pixels import Pixels
from ldm_teach.models.unet import UNet
from ldm_teach.theory.schedule import NoiseSchedule
from tests.helpers import make_tiny_model, seeded


@pytest.fixture
def model() -> LatentDiffusion:
    """A diffusion model of 12x12 pixels, its weights random, so that its samples leave the range of pixels."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        unet, encoder = UNet(1, (16, 32), (0, 2), token_width=8), ClassEncoder(num_classes=3, token_width=8)
        for parameter in unet.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    model = LatentDiffusion(Pixels((12, 12)), unet, encoder, NoiseSchedule.cosine()).eval()
    x = torch.rand(100, 1, 12, 12, generator=seeded()) * 2 - 1
    model.measure_latents(x, torch.zeros_like(x))
    return model


def test_pixels_pass_as_they_are():
    pixels, x = Pixels((12, 8), 3), torch.rand(2, 3, 12, 8, generator=seeded())
    assert pixels.latent_shape == (3, 12, 8) and not list(pixels.parameters())
    posterior = pixels.encode(x)
    assert torch.equal(posterior.mean, x) and torch.equal(posterior.sample(), x) and torch.equal(pixels.decode(x), x)


def test_a_model_of_pixels_is_a_latent_diffusion_model_saved_and_loaded_as_such(model, tmp_path):
    x = torch.rand(4, 1, 12, 12, generator=seeded(1)) * 2 - 1
    z = model.encode(x)
    torch.testing.assert_close(z, (x - model.latent_mean) / model.latent_std)
    torch.testing.assert_close(model.decode(z), x)
    model.save(tmp_path)
    loaded = LatentDiffusion.load(tmp_path)
    assert isinstance(loaded.autoencoder, Pixels) and loaded.autoencoder.config == model.autoencoder.config
    ours, theirs = (m.sample([0, 1], num_steps=3, generator=seeded()) for m in (model, loaded))
    assert (ours - theirs).abs().mean() < 0.02  # half precision on disk


def test_clipping_keeps_every_prediction_of_an_image_in_the_range_of_pixels(model):
    labels, z_t, t = (
        torch.tensor([0, 1, 2]),
        torch.randn(3, 1, 12, 12, generator=seeded(2)),
        torch.tensor([0, 500, 950]),
    )
    alpha_bar = model.schedule.at(t, z_t)

    def image(eps):  # the prediction of x_0 in the units of pixels
        x0 = (z_t - (1 - alpha_bar).sqrt() * eps) / alpha_bar.sqrt()
        return x0 * model.latent_std + model.latent_mean

    with torch.no_grad():
        free, clipped = (image(method(model, labels, 2.0)(z_t, t)) for method in (classifier_free, clipped_free))
    assert free.abs().max() > 1.1
    torch.testing.assert_close(clipped, free.clamp(-1, 1), rtol=0, atol=1e-3)
    assert sample_all(model, labels, 2.0, 3, 0, method=clipped_free).shape == (3, 1, 12, 12)


def test_latents_have_no_range_to_be_clipped_to():
    with pytest.raises(ValueError, match="model works on KLAutoencoder; want a model of pixels of one channel"):
        clipped_free(make_tiny_model(), torch.tensor([0]), 1.0)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: Pixels((0, 28)), "an entry of image_size is 0"),
        (lambda: Pixels(image_channels=0), "image_channels is 0"),
        (lambda: Pixels().encode(torch.zeros(2, 1, 32, 32)), r"x is a float32 tensor of shape \(2, 1, 32, 32\)"),
        (lambda: Pixels().decode(torch.zeros(2, 4, 8, 8)), r"z is a float32 tensor of shape \(2, 4, 8, 8\)"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()
