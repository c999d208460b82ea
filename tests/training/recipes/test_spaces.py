"""The spaces of latent against pixel: models of one size, and a training that is the same whatever its end."""

import pytest
import torch

from ldm_teach.models.pixels import Pixels
from ldm_teach.training.recipes.spaces import SPACES, in_space, untrained


def test_all_models_are_of_one_size_and_pixels_are_not_padded():
    models = {space: untrained(space) for space in SPACES}
    sizes = {space: sum(p.numel() for p in model.parameters() if p.requires_grad) for space, model in models.items()}
    assert max(sizes.values()) < 1.022 * min(sizes.values()), sizes
    shapes = {space: model.autoencoder.latent_shape for space, model in models.items()}
    assert shapes["pixels"] == shapes["pixels-deep"] == (1, 28, 28)
    assert [shapes[f"f{f}"] for f in (2, 4, 8)] == [(2, 16, 16), (4, 8, 8), (8, 4, 4)]
    assert isinstance(models["pixels"].autoencoder, Pixels)


@pytest.mark.slow
def test_a_shorter_training_is_the_beginning_of_a_longer_one():
    short, long = (in_space("f8", 1, num_steps) for num_steps in (2, 5))
    first = [float(step.loss) for step in short.fit(device="cpu")]
    second = [float(step.loss) for _, step in zip(range(2), long.fit(device="cpu"), strict=False)]
    assert first == second
    assert short.model.latent_std.shape == (8, 1, 1) and not torch.equal(short.model.latent_std, torch.ones(8, 1, 1))


def test_a_space_that_is_none_is_refused():
    with pytest.raises(ValueError, match="space is 'f3'; want 'pixels' or"):
        untrained("f3")
