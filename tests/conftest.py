import pytest
import torch

from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.conditioning import ClassEncoder
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.unet import UNet
from ldm_teach.theory.schedule import NoiseSchedule


def make_tiny_model(seed: int = 0) -> LatentDiffusion:
    """A whole model of a few thousand parameters, none of them at zero: 12x12 images, 4x4x2 latents, three classes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LatentDiffusion(
            KLAutoencoder(image_size=(12, 12), latent_channels=2, widths=(16, 16), depths=(1, 2)),
            UNet(channels=2, widths=(16, 32), heads=(0, 2), token_width=8),
            ClassEncoder(num_classes=3, token_width=8, num_tokens=2),
            NoiseSchedule.cosine(),
        )
        for parameter in model.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
        model.latent_mean += 0.1
        model.latent_std *= 1.5
    return model.eval()


@pytest.fixture
def tiny_model() -> LatentDiffusion:
    return make_tiny_model()
