import pytest
import torch

from ldm_teach.training.recipes.classifiers import CLASSIFIERS, fashion_judge, fashion_perceptual

pytestmark = pytest.mark.slow

RECIPES = {"judge": fashion_judge, "perceptual": fashion_perceptual, **CLASSIFIERS}


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_of_a_classifier_takes_a_step(name):
    training = RECIPES[name](quick=True)
    step = next(training.fit(device="cpu"))
    assert step.loss.isfinite() and float(step.loss) < 4


def test_the_judge_is_another_network_on_other_batches_than_the_perceptual_one():
    judge, perceptual = fashion_judge(quick=True), fashion_perceptual(quick=True)
    assert judge.model.config["widths"] != perceptual.model.config["widths"]
    assert not torch.equal(judge.batches[0][1], perceptual.batches[0][1])
