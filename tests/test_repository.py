"""The house itself: floors, lint, the lazy names of the package, the size of what is shipped."""

import subprocess
import sys
from pathlib import Path

import pytest

import ldm_teach
from ldm_teach.models import checkpoint

ROOT = Path(__file__).parents[1]


def run(*command: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)


def test_imports_go_down_the_four_floors_only():
    code = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    done = run("-c", code)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_ruff_finds_nothing(command):
    done = run("-m", "ruff", *command, ".")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ldm_teach.__all__)
def test_the_package_hands_on_its_names(name):
    assert getattr(ldm_teach, name) is not None
    assert name in dir(ldm_teach)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ldm_teach.nothing


def test_import_brings_in_nothing_slow():
    code = "import sys, ldm_teach; print(not {'torchvision', 'accelerate', 'ipywidgets', 'torch'} & set(sys.modules))"
    assert run("-c", code).stdout.strip() == "True"


def test_the_shipped_models_are_small():
    shipped = checkpoint.shipped()
    size = sum(f.stat().st_size for name in ("fashion-autoencoder", "fashion-class") for f in shipped[name].iterdir())
    assert size <= 12e6
