import base64
import os
import signal
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ldm_teach.interactive import moving
from ldm_teach.interactive.live import complete, live
from ldm_teach.interactive.widgets import Screen
from ldm_teach.training.batches import Batches
from ldm_teach.training.loop import fit
from tests.helpers import training, weights


@pytest.fixture(autouse=True)
def interruptible():
    """Ctrl-C as in a terminal, also where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press_stop() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_all_steps_are_handed_on_and_their_number_is_said(capsys):
    assert list(live(range(3), 3, "walk")) == [0, 1, 2]
    assert capsys.readouterr().out.endswith("walk: 3 of 3 steps\n")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_stop_ends_a_training_after_a_step_and_it_goes_on_to_the_same_weights(capsys):
    _, whole, steps = training(num_steps=8)
    for _ in steps:
        pass
    (_, parts, steps), seen = training(num_steps=8), []
    for step in live(steps, 8, "training"):
        seen.append(step.step)
        if step.step == 3:
            press_stop()
    assert seen == [1, 2, 3] and not complete()
    assert "stopped after step 3; run the cell again to go on" in capsys.readouterr().out
    for step in live(steps, 8, "training"):
        seen.append(step.step)
    assert seen == [1, 2, 3, 4, 5, 6, 7, 8] and complete()
    assert "training: 8 of 8 steps" in capsys.readouterr().out
    assert torch.equal(weights(whole), weights(parts))


def test_stop_within_a_step_lets_the_step_end(capsys):
    def steps():
        for step in range(4):
            if step == 2:
                press_stop()
            yield step

    seen = list(live(steps(), 4, "walk"))
    assert seen == [0, 1, 2]
    assert "stopped after step 3; run the cell again to begin again" in capsys.readouterr().out  # nobody has kept it


def test_stop_within_a_step_of_fit_is_left_to_the_notebook(capsys):
    model = nn.Linear(1, 1)

    def loss(model, batch, generator):
        if len(seen) == 2:
            press_stop()
        return model(batch[0]).square().mean()

    seen, steps = [], fit(model, loss, Batches(torch.ones(4, 1), batch_size=2), num_steps=5, device="cpu")
    try:
        for _ in range(2):
            for step in live(steps, 5, "training"):
                seen.append(step.step)
    except KeyboardInterrupt as interrupt:
        pytest.fail(f"the training took it: {interrupt}")
    assert seen == [1, 2, 3, 4, 5] and "stopped after step 3; run the cell again to go on" in capsys.readouterr().out


def test_a_second_stop_interrupts_at_once():
    with pytest.raises(KeyboardInterrupt):
        for _ in live(range(3), 3, "walk"):
            press_stop()
            press_stop()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_can_only_begin_again_says_so(capsys):
    for _ in live(range(3), 3, "walk"):
        press_stop()
    assert "stopped after step 1; run the cell again to begin again" in capsys.readouterr().out


def test_a_cell_that_runs_again_shows_the_same_screen_and_a_new_bar(displayed, monkeypatch):
    """Its old bar is closed, the screen is not: it belongs to the cell that made it."""
    shell = SimpleNamespace(execution_count=1, get_parent=lambda: {"metadata": {"cellId": "a"}})
    monkeypatch.setattr(moving, "get_ipython", lambda: shell)
    monkeypatch.setattr(moving, "_held", {})
    screen, bars = Screen("garments"), []
    for shell.execution_count in (1, 2):
        list(live(range(2), 2, "walk", screen))
        bars.append(moving._held["a"][1][0][1][0])
    assert bars[0].comm is None and bars[1].comm is not None and screen.image.comm is not None


def test_the_last_picture_stays_in_the_notebook(displayed):
    screen = Screen("garments")
    for step in live(range(2), 2, "walk", screen):
        screen.image.value = b"picture %d" % step
    pictures = [output.data["image/png"] for output in displayed if "image/png" in output.data]
    assert [base64.b64decode(picture) for picture in pictures] == [b"picture 1"]
