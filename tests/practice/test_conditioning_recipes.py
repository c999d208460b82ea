"""The trainings of text, maps and blurred images: each takes a step, and both ways to read a map are of one size."""

import pytest
import torch

from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.practice.conditioning_recipes import CONDITIONING, fashion_blur, shapes_map
from ldm_teach.practice.data import blurred, fashion_mnist
from ldm_teach.practice.shapes import shapes


@pytest.mark.parametrize("name", CONDITIONING)
def test_every_recipe_takes_a_step(name):
    training = CONDITIONING[name](quick=True)
    before = [parameter.clone() for parameter in training.model.parameters()]
    step = next(training.fit(num_steps=1, device="cpu", warmup_steps=0))
    assert step.step == 1 and step.loss.isfinite()
    assert any(not torch.equal(a, b) for a, b in zip(before, training.model.parameters(), strict=True))


@pytest.mark.parametrize("recipe", [shapes_map, fashion_blur])
def test_attention_and_concatenation_are_of_one_size_within_5_percent(recipe):
    sizes = []
    for concatenate in (False, True):
        model = recipe(concatenate)(quick=True).model
        sizes.append(sum(p.numel() for p in model.parameters() if p.requires_grad))
    assert abs(sizes[1] / sizes[0] - 1) < 0.05


@pytest.mark.parametrize(
    "name, condition",
    [
        ("shapes-text", ["a red circle", "a small blue cross above a white square"]),
        ("shapes-map", shapes(2, 1, train=False).maps),
        ("fashion-blur", blurred(fashion_mnist(train=False).x[:2])),
    ],
)
def test_a_conditioned_model_samples_and_is_saved_with_its_encoder(name, condition, tmp_path):
    model = CONDITIONING[name](quick=True).average
    model.save(tmp_path)
    loaded = LatentDiffusion.load(tmp_path)
    x = loaded.sample(condition, w=1.0, num_steps=2, generator=torch.Generator().manual_seed(0))
    assert len(x) == 2 and tuple(x.shape[2:]) == tuple(model.autoencoder.architecture.image_size)
