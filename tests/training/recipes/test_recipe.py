from pathlib import Path

import pytest
import torch
from torch import nn

from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.critic import CriticizedAutoencoder, PatchCritic
from ldm_teach.training.batches import Batches
from ldm_teach.training.loop import FitSettings
from ldm_teach.training.recipes.recipe import Recipe, Training, seeded


def tiny(model: nn.Module) -> Training:
    loss = lambda model, batch, generator: model(batch[0]).square().mean()
    return Training(model, loss, Batches(torch.ones(8, 3), batch_size=4), FitSettings(num_steps=5))


def test_a_module_is_made_from_its_seed_and_leaves_the_default_generator_alone():
    state = torch.get_rng_state()
    a, b = seeded(lambda: nn.Linear(2, 2), 3), seeded(lambda: nn.Linear(2, 2), 3)
    assert torch.equal(a.weight, b.weight) and torch.equal(torch.get_rng_state(), state)


def test_the_settings_can_be_changed_for_one_run_and_the_average_follows():
    training = tiny(nn.Linear(3, 1))
    before = training.average.weight.clone()
    assert len(list(training.fit(num_steps=2, device="cpu"))) == 2 and training.num_steps == 5
    assert not torch.equal(training.average.weight, before)


def test_what_is_saved_is_the_average_as_its_class_saves_it(tmp_path):
    autoencoder = KLAutoencoder(image_size=(12, 12), latent_channels=2, widths=(8, 8), depths=(1, 1))
    tiny(CriticizedAutoencoder(autoencoder, PatchCritic(width=8))).save(tmp_path)
    KLAutoencoder.load(tmp_path)


def test_a_recipe_is_called_as_its_function():
    recipe = Recipe(lambda quick: tiny(nn.Linear(3, 1) if quick else nn.Linear(3, 2)), "latent", "00")
    assert recipe(True).model.out_features == 1 and recipe().model.out_features == 2


def test_a_recipe_is_given_images_if_and_only_if_it_takes_some():
    own = Recipe(lambda quick: tiny(nn.Linear(3, 1)), "latent", "00")
    given = Recipe(lambda quick, images: tiny(nn.Linear(3, len(images.name))), "latent", "", of_images=True)
    assert given(True, Path("abc")).model.out_features == 3
    with pytest.raises(ValueError, match=r"images is None; want a folder of images \(--images FOLDER\)"):
        given(True)
    with pytest.raises(ValueError, match="images is abc; want none, for this training has its own"):
        own(True, Path("abc"))
