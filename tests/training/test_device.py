import copy

import torch

from ldm_teach.training.batches import Batches
from ldm_teach.training.device import choose_device
from ldm_teach.training.loop import fit
from ldm_teach.training.losses import (
    diffusion_loss,
)
from tests.conftest import make_tiny_model


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


def test_a_second_training_may_want_another_precision():
    """Accelerate keeps one state a process, which must not outlive a training."""
    for mixed_precision in ("no", "bf16", "no"):
        model, _, steps = training(mixed_precision=mixed_precision, num_steps=2)
        assert all(step.loss.isfinite() and step.loss.dtype == torch.float32 for step in steps)
        assert all(p.dtype == torch.float32 for p in model.parameters())


def test_device_is_the_first_there_is():
    assert choose_device("cpu").type == "cpu"
    assert choose_device().type == (
        "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    )
