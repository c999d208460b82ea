import pytest

from ldm_teach.training.recipes.autoencoders import LADDER, RATES, SHARPNESS

pytestmark = pytest.mark.slow

AUTOENCODER_RECIPES = LADDER | SHARPNESS | RATES


@pytest.mark.parametrize("name", AUTOENCODER_RECIPES)
def test_every_autoencoder_recipe_takes_a_step(name):
    training = AUTOENCODER_RECIPES[name](quick=True)
    step = next(training.fit(device="cpu"))
    assert step.loss.isfinite() and training.num_steps == 200
    assert training.batches.batch_size == 32
