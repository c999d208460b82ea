import argparse
import signal
import subprocess
import sys
import time

import pytest

from ldm_teach.cli import main as cli
from ldm_teach.cli import report
from ldm_teach.paths import CLONE
from tests.helpers import COMMAND

PIPES = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as done:
        cli.main(["--version"])
    assert done.value.code == 0 and capsys.readouterr().out.startswith("ldm_teach 0.")


def test_without_a_command_all_are_shown_on_a_screen_a_line_each(capsys):
    cli.main([])
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 80
    with pytest.raises(SystemExit) as done:
        cli.main(["--help"])
    assert done.value.code == 0 and capsys.readouterr().out == out
    named = {name for group in cli.COMMANDS.values() for name in group}
    action = next(a for a in cli.parser()._actions if isinstance(a, argparse._SubParsersAction))
    assert named | {"sampling"} == set(action.choices) and all(f"  {name} " in out for name in named)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["smaple"], "argument COMMAND: 'smaple' is not known; did you mean 'sample'?"),
        (["xyz"], "argument COMMAND: 'xyz' is not known; `python -m ldm_teach --help` lists what is"),
        (["--versoin"], "'--versoin' is not known; did you mean '--version'?"),
        (["evaluate", "--sampler", "dim"], "argument --sampler: 'dim' is not known; did you mean 'ddim'?"),
        (["bench", "--notebok=1"], "'--notebok' is not known; did you mean '--notebooks'?"),
        (["sample", "a", "xyz"], "'xyz' is not known; `python -m ldm_teach sample --help` lists what is"),
    ],
)
def test_a_misspelt_word_is_answered_once_and_without_a_list(arguments, words, capsys):
    with pytest.raises(SystemExit) as done:
        cli.main(arguments)
    error = capsys.readouterr().err
    assert done.value.code == 2 and error.endswith(f"error: {words}\n")
    assert error.startswith("usage: python -m ldm_teach") and error.count("predictor_corrector") <= 1


def test_a_module_that_is_missing_is_named_with_what_brings_it(monkeypatch):
    def needs(root):
        import no_such_module  # noqa: F401

    monkeypatch.setattr(report, "report", needs)
    with pytest.raises(
        SystemExit, match="ldm_teach: No module named 'no_such_module': `pip install -r requirements.txt`"
    ):
        cli.main(["report"])


@pytest.mark.slow
def test_ctrl_c_while_torch_is_loaded_leaves_no_traceback():
    with subprocess.Popen([sys.executable, "-c", COMMAND, "sample"], cwd=CLONE, **PIPES) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.3)  # it is in `main` now, and loads torch, which takes longer
        process.send_signal(signal.SIGINT)
        out, error = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert error == "ldm_teach: interrupted: nothing was written but what is named above\n"


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["sample", "nowhere"], "ldm_teach: no checkpoint 'nowhere'"),
        (["sample", "--condition", "11"], "ldm_teach: condition is '11'; want a class, a number from 0 to 9"),
        (
            ["sample", "--condition", "trousers"],
            "ldm_teach: condition is 'trousers'; want a class.*mean 'trouser'",
        ),
        (["train", "fashion-clas"], "name is 'fashion-clas', and no recipe; did you mean 'fashion-class'"),
        (
            ["train", "xyz"],
            "name is 'xyz', and no recipe; `python -m ldm_teach train --help` lists them; a model of your own",
        ),
        (["sample", "shapes-txt"], r"30 shipped; did you mean 'shapes-text' or 'shapes-map'\?$"),
        (["evaluate", "--judge", "fashion-jugde"], r"30 shipped; did you mean 'fashion-judge'.*\?$"),
        (["compression", "fashion-qv-f4"], r"30 shipped; did you mean 'fashion-vq-f4'.*\?$"),
        (["sample", "--count", "0"], "ldm_teach: count is 0; want an int of at least 1"),
        (["sample", "--steps", "0"], "ldm_teach: num_steps is 0; want an int from 1 to 1000"),
        (["sample", "--w", "nan"], "ldm_teach: w is nan; want a finite number"),
        (["sample", "--out", "x.jpeg"], "ldm_teach: out is x.jpeg; want a file that ends in .png or .gif"),
        (["sample", "--out", "/proc/none/x.png"], "ldm_teach: /proc/none: "),
        (["guidance", "--out", "/proc/none/x.json"], "ldm_teach: /proc/none: "),
        (["sample", "--device", "tpu"], "ldm_teach: device is 'tpu'"),
    ],
)
def test_a_bad_argument_ends_with_its_message(arguments, words):
    with pytest.raises(SystemExit, match=words):
        cli.main(arguments)
