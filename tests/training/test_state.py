import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from ldm_teach.models import checkpoint
from ldm_teach.training.batches import Batches
from ldm_teach.training.loop import fit
from tests.helpers import training, weights

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("stop", [5, 6])  # in the middle of an epoch of 8 batches
def test_resume_gives_the_very_weights_of_an_uninterrupted_run(tmp_path, stop):
    whole, whole_average, steps = training()
    losses = [float(step.loss) for step in steps]
    _, _, steps = training(directory=tmp_path, save_every=stop)
    for step in steps:
        if step.step == stop + 1:  # one step past the checkpoint is lost, as by a kill
            steps.close()
            break
    resumed, resumed_average, steps = training(directory=tmp_path, resume=True)
    assert [float(step.loss) for step in steps] == losses[stop:]
    assert torch.equal(weights(resumed), weights(whole))
    assert torch.equal(weights(resumed_average), weights(whole_average))
    assert len(list(tmp_path.glob("*.safetensors"))) == 1


@pytest.fixture(scope="module")
def uninterrupted() -> torch.Tensor:
    model, average, steps = training(num_steps=100)
    list(steps)
    return torch.cat([weights(model), weights(average)])


SCRIPT = """
import sys
from tests.helpers import training
for step in training(num_steps=100, save_every=10, directory=sys.argv[1])[2]:
    print(step.step, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_a_killed_training_resumes_to_the_same_weights(tmp_path, number, uninterrupted):
    """SIGKILL loses what came after the last checkpoint; SIGTERM and Ctrl-C save first. All end at the same bits."""
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        if int(line) == 23:
            process.send_signal(number)
            break
    process.communicate()
    saved = checkpoint.header(tmp_path)["config"]["step"]
    assert 20 <= saved < 100 and (saved >= 23 or number == signal.SIGKILL)
    assert process.returncode in {signal.SIGKILL: (-9,), signal.SIGTERM: (143,), signal.SIGINT: (1, 130, -2)}[number]
    model, average, steps = training(num_steps=100, directory=tmp_path, resume=True)
    assert len(list(steps)) == 100 - saved
    assert torch.equal(torch.cat([weights(model), weights(average)]), uninterrupted)


def test_resume_refuses_another_model_and_an_empty_directory(tmp_path):
    _, _, steps = training(directory=tmp_path / "a", num_steps=1)
    list(steps)
    model = nn.Linear(3, 3)
    loss = lambda model, batch, generator: model(batch[0]).sum()
    batches = Batches(torch.zeros(4, 3), batch_size=2)
    with pytest.raises(ValueError, match="do not fit: weight is missing"):
        list(fit(model, loss, batches, num_steps=2, device="cpu", directory=tmp_path / "a", resume=True))
    with pytest.raises(FileNotFoundError, match="no checkpoint in"):
        list(fit(model, loss, batches, num_steps=2, device="cpu", directory=tmp_path / "b", resume=True))
