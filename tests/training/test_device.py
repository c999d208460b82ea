import torch

from ldm_teach.training.device import choose_device
from tests.helpers import training


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
