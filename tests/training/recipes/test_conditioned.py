"""The trainings of text, maps and blurred images: each takes a step, and both ways to read a map are of one size."""

import pytest
import torch

from ldm_teach.data.blur import blurred
from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.data.shapes import shapes
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.training.recipes.conditioned import COMPARISON, SPATIAL_TASKS, WAYS
from ldm_teach.training.recipes.table import RECIPES

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["shapes-text", *(name for name in COMPARISON if not name.endswith(("-2", "-3")))])
def test_every_recipe_takes_a_step(name):
    training = RECIPES[name](quick=True)
    before = [parameter.clone() for parameter in training.model.parameters()]
    step = next(training.fit(num_steps=1, device="cpu", warmup_steps=0))
    assert step.step == 1 and step.loss.isfinite()
    assert any(not torch.equal(a, b) for a, b in zip(before, training.model.parameters(), strict=True))


@pytest.mark.parametrize("task", SPATIAL_TASKS)
def test_attention_and_concatenation_are_of_one_size_within_5_percent(task):
    models = [SPATIAL_TASKS[task](concatenate, 1)(quick=True).model for concatenate in WAYS.values()]
    sizes = [sum(p.numel() for p in model.parameters() if p.requires_grad) for model in models]
    assert abs(sizes[1] / sizes[0] - 1) < 0.05
    for model in models:  # a token for each position of the latent
        assert len(model.encoder.null) == model.autoencoder.latent_shape[1] * model.autoencoder.latent_shape[2]


def test_the_comparison_is_of_two_tasks_two_ways_and_three_seeds():
    assert len(COMPARISON) == 12 and {"shapes-map", "fashion-blur", "shapes-map-concatenation-3"} < set(COMPARISON)


@pytest.mark.parametrize(
    "name, condition",
    [
        ("shapes-text", ["a red circle", "a small blue cross above a white square"]),
        ("shapes-map", shapes(2, 1, train=False).maps),
        ("fashion-blur", blurred(fashion_mnist(train=False).x[:2])),
    ],
)
def test_a_conditioned_model_samples_and_is_saved_with_its_encoder(name, condition, tmp_path):
    model = RECIPES[name](quick=True).average
    model.save(tmp_path)
    loaded = LatentDiffusion.load(tmp_path)
    x = loaded.sample(condition, w=1.0, num_steps=2, generator=torch.Generator().manual_seed(0))
    assert len(x) == 2 and tuple(x.shape[2:]) == tuple(model.autoencoder.architecture.image_size)
