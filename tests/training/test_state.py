import contextlib
import copy
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from ldm_teach.models import checkpoint
from ldm_teach.training.batches import Batches
from ldm_teach.training.loop import cosine_decay, fit
from ldm_teach.training.losses import diffusion_loss
from ldm_teach.training.state import check_settings
from tests.helpers import latents, make_tiny_model, training, weights

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("stop", [5, 6])  # in the middle of an epoch of 8 batches
def test_resume_gives_the_very_weights_of_an_uninterrupted_run(tmp_path, stop):
    whole, whole_average, steps = training()
    losses = [float(step.loss) for step in steps]
    _, _, steps = training(directory=tmp_path, save_every=stop)
    for step in steps:
        if step.step == stop + 1:
            steps.close()  # which keeps the step past the last state, too
            break
    resumed, resumed_average, steps = training(directory=tmp_path, resume=True)
    assert [float(step.loss) for step in steps] == losses[stop + 1 :]
    assert torch.equal(weights(resumed), weights(whole))
    assert torch.equal(weights(resumed_average), weights(whole_average))
    assert len(list(tmp_path.glob("*.safetensors"))) == 1


@pytest.fixture(scope="module")
def uninterrupted() -> torch.Tensor:
    model, average, steps = training(num_steps=100)
    list(steps)
    return torch.cat([weights(model), weights(average)])


SCRIPT = """
import signal, sys
from tests.helpers import training
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs us in the background has it ignored
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
    assert 20 <= saved < 100 and (saved >= 23 or number != signal.SIGINT)  # between two steps SIGTERM kills as ever
    assert (
        process.returncode in {signal.SIGKILL: (-9,), signal.SIGTERM: (143, -15), signal.SIGINT: (1, 130, -2)}[number]
    )
    model, average, steps = training(num_steps=100, directory=tmp_path, resume=True)
    assert len(list(steps)) == 100 - saved
    assert torch.equal(torch.cat([weights(model), weights(average)]), uninterrupted)


def finished(directory, **settings) -> None:
    list(training(directory=directory, **settings)[2])


def test_resume_refuses_an_empty_directory_and_a_directory_with_a_state_wants_resume(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint in"):
        finished(tmp_path / "b", resume=True)
    finished(tmp_path / "a", num_steps=2)
    with pytest.raises(ValueError, match=r"holds the state of a training; go on from it \(resume=True"):
        finished(tmp_path / "a", num_steps=4)
    assert checkpoint.header(tmp_path / "a")["config"]["step"] == 2
    finished(tmp_path / "a", num_steps=4, resume=True)  # num_steps may grow


@pytest.mark.parametrize(
    "changes, words",
    [
        (dict(learning_rate=2e-3), "learning_rate was 0.001, is 0.002"),
        (dict(seed=1, average_decay=0.9), "average_decay was 0.999, is 0.9; seed was 0, is 1"),
        (dict(decay=cosine_decay), "decay was 'linear_decay', is 'cosine_decay'"),
        (dict(mixed_precision="bf16"), "mixed_precision was 'no', is 'bf16'"),
        (dict(num_steps=1), "num_steps was 2, is 1"),
    ],
)
def test_resume_lists_in_what_another_training_differs(tmp_path, changes, words):
    finished(tmp_path, num_steps=2)
    with pytest.raises(ValueError, match=f"holds the state of another training: {words}"):
        finished(tmp_path, **dict(num_steps=2) | changes, resume=True)


def test_resume_refuses_other_data_another_batch_size_a_dropped_average_and_another_model(tmp_path):
    model, columns = make_tiny_model(), latents()
    loss = diffusion_loss(model.schedule, drop=0.2)
    common = dict(num_steps=3, device="cpu", directory=tmp_path)
    list(fit(model, loss, Batches(*columns, batch_size=8), average=copy.deepcopy(model), **common))
    other = Batches(columns[0] + 1, *columns[1:], batch_size=4, seed=2)
    with pytest.raises(ValueError, match="batch_size was 8, is 4; batches_seed was 0, is 2; data was .*averaged"):
        list(fit(make_tiny_model(), loss, other, resume=True, **common))
    another = nn.Linear(3, 3)
    with pytest.raises(ValueError, match="do not fit: weight is missing"):
        checkpoint_settings = dict(average=copy.deepcopy(another), resume=True, **common)
        list(fit(another, loss, Batches(*columns, batch_size=8), **checkpoint_settings))


def test_the_second_training_in_a_directory_is_refused(tmp_path):
    first = training(directory=tmp_path)[2]
    next(first)
    with pytest.raises(ValueError, match="where another training is at work"):
        finished(tmp_path)
    first.close()
    finished(tmp_path, resume=True)


def test_between_two_steps_a_signal_is_the_consumers_own(tmp_path, request):
    """A suspended training has no handler; closing it, as an exception does, keeps its last step."""
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # ignored, where a shell runs us in the background
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    steps = training(directory=tmp_path)[2]
    with pytest.raises(KeyboardInterrupt), contextlib.closing(steps):
        next(steps)
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
        signal.raise_signal(signal.SIGINT)
    assert checkpoint.header(tmp_path)["config"]["step"] == 1


def test_the_second_ctrl_c_ends_a_hung_step_at_once(tmp_path):
    def hung(model, batch, generator):
        signal.raise_signal(signal.SIGINT)
        hung.reached = True
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second one was swallowed")

    model = make_tiny_model()
    with pytest.raises(KeyboardInterrupt, match="at once"):
        list(fit(model, hung, Batches(*latents(), batch_size=8), num_steps=2, device="cpu"))
    assert hung.reached


@pytest.mark.parametrize("processes, refused", [(1, False), (2, True)])
def test_a_state_of_an_earlier_version_goes_on_where_it_is_the_same_training(tmp_path, processes, refused):
    config = dict(step=3, settings=dict(batch_size=8, processes=processes))
    if not refused:
        return check_settings(tmp_path, config, dict(batch_size=8))
    with pytest.raises(ValueError, match="each of 2 processes had a batch_size of its own"):
        check_settings(tmp_path, config, dict(batch_size=8))
