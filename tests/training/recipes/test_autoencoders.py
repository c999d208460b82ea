import copy

import pytest
import torch

from ldm_teach.training.batches import Batches
from ldm_teach.training.loop import fit
from ldm_teach.training.losses import (
    diffusion_loss,
)
from ldm_teach.training.recipes.autoencoders import LADDER, RATES, SHARPNESS
from tests.conftest import make_tiny_model

AUTOENCODER_RECIPES = LADDER | SHARPNESS | RATES


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def latents(n: int = 64) -> tuple[torch.Tensor, ...]:
    return torch.randn(n, 2, 4, 4, generator=seeded()), torch.full((n, 2, 4, 4), 0.1), torch.arange(n) % 3


def training(**settings):
    """A tiny latent diffusion training: (model, average, generator of steps)."""
    model = make_tiny_model()
    average = copy.deepcopy(model)
    loss = diffusion_loss(model.schedule, drop=0.2)
    batches = Batches(*latents(), batch_size=8)
    return model, average, fit(model, loss, batches, average=average, device="cpu", **dict(num_steps=12) | settings)


@pytest.mark.parametrize("name", AUTOENCODER_RECIPES)
def test_every_autoencoder_recipe_takes_a_step(name):
    training = AUTOENCODER_RECIPES[name](quick=True)
    step = next(training.fit(device="cpu"))
    assert step.loss.isfinite() and training.num_steps == 200
    assert training.batches.batch_size == 32
