"""The laws of notebook 15's exercises are those of the package, and the cost of a walk is counted."""

import torch

from ldm_teach.interactive import check
from ldm_teach.interactive.drawing import draw_settings, model_named
from ldm_teach.interactive.settings import Settings
from ldm_teach.theory.guidance import blend


def test_a_blended_prediction_is_that_of_the_package():
    first, second = torch.randn(2, 5, 2, generator=torch.Generator().manual_seed(0))
    mixed = blend(lambda x, t: first, lambda x, t: second, 0.3)(torch.zeros(5, 2), torch.zeros(5, dtype=torch.int64))
    torch.testing.assert_close(mixed, check.blended_noise.judge.law(first, second, torch.tensor(0.3)))


def test_a_walk_costs_what_the_exercise_says():
    unet, rows = model_named("fashion-class").unet, []
    counted = unet.register_forward_hook(lambda module, inputs, output: rows.append(len(inputs[0])))
    walk = Settings(condition="bag", to="sandal", film="walk", frames=8, count=4, steps=2)
    draw_settings(walk)
    counted.remove()
    assert sum(rows) * 12 / 2 == check.rows_of_a_walk.judge.value
