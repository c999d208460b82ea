import torch
from torch import nn

from ldm_teach.cli import watch as module
from ldm_teach.cli.watch import watch
from ldm_teach.training.batches import Batches
from ldm_teach.training.loop import FitSettings
from ldm_teach.training.recipes.recipe import Training


def training(num_steps: int) -> Training:
    loss = lambda model, batch, generator: model(batch[0]).square().mean()
    return Training(nn.Linear(3, 1), loss, Batches(torch.ones(8, 3), batch_size=4), FitSettings(num_steps))


def test_a_log_has_ten_lines_and_the_last_step_is_drawn(capsys):
    drawn = []
    watch(training(30), "tiny", drawn.append, device="cpu")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10 and lines[0].startswith("tiny: step 3, loss ") and drawn == [30]


def test_it_is_drawn_as_often_as_it_is_to_be(monkeypatch):
    monkeypatch.setattr(module, "SECONDS_APART", 0.0)
    drawn = []
    watch(training(3), "tiny", drawn.append, device="cpu")
    assert drawn == [1, 2, 3]
