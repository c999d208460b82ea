from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ldm_teach.cli import estimate
from ldm_teach.cli import main as cli
from ldm_teach.measuring.footprint import footprint
from ldm_teach.training.recipes.larger import CIFAR10, FOLDER_256

pytestmark = pytest.mark.slow


def test_every_larger_training_is_counted_and_of_a_size_that_the_literature_has(capsys):
    rows = {row.name: row for row in estimate.counted()}
    assert list(rows) == ["cifar10-autoencoder", "cifar10-class", "folder-256-autoencoder", "folder-256-class"]
    millions = {name: row.step.parameters / 1e6 for name, row in rows.items()}
    assert 30 < millions["cifar10-class"] < 60  # Ho et al. 2020: 36
    assert 300 < millions["folder-256-class"] < 450  # Rombach et al. 2022, LDM-8: 395
    cli.main(["estimate"])
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 5 and f"{millions['folder-256-class']:.1f} million" in printed[-1]


def test_hours_are_images_times_multiplications_over_the_rate():
    _, batch_size, num_steps, step = estimate.counted()[-1]
    seconds = batch_size * num_steps * (step.multiplications / batch_size) / estimate.RATE
    assert estimate.lines()[-1][-1] == f"{seconds / 3600:.1f}" and estimate.lines()[-1][-2] == "400,000 x 64"


def test_activations_and_work_grow_with_the_batch_and_the_state_does_not():
    one, two = ([*estimate.stages(replace(CIFAR10, batch_size=size))][1].step for size in (8, 16))
    assert one[:2] == two[:2]
    assert two.activations == pytest.approx(2 * one.activations, rel=1e-2)
    assert two.multiplications == pytest.approx(2 * one.multiplications, rel=1e-3)


@pytest.mark.parametrize("plan", [CIFAR10, FOLDER_256], ids=lambda plan: plan.name)
def test_a_step_of_the_unet_multiplies_about_three_times_as_often_as_a_call(plan):
    with torch.device("meta"):
        model = plan.new_model(plan.new_autoencoder(), num_classes=10)
        z, t = torch.zeros(2, *model.autoencoder.latent_shape), torch.zeros(2, dtype=torch.int64)
    step = footprint(model, lambda model: model(z, t, t).mean())
    with FlopCounterMode(display=False) as counter:
        model(z, t, t)
    assert step.multiplications == pytest.approx(3 * counter.get_total_flops() / 2, rel=0.1)
