"""python -m ldm_teach doctor: is this machine ready for the course, and what to do where it is not."""

import argparse
import importlib.metadata
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import psutil
import torch

from ldm_teach.cli.options import add_command
from ldm_teach.data.emoji import EMOJI_SPLITS, emoji
from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.models import checkpoint, classifier, latent_diffusion  # noqa: F401  their classes are registered
from ldm_teach.paths import CLONE, looked_for
from ldm_teach.training.device import choose_device

REQUIREMENTS = CLONE / "requirements.txt"
NEEDED_GIB = 4.0


def python_version() -> str:
    return platform.python_version()


def requirement(name: str, version: str) -> str:
    found = importlib.metadata.version(name)
    if found.split("+")[0] != version:
        raise RuntimeError(f"found {found}, tested with {version}: `pip install {name}=={version}` if something fails")
    return found


def device() -> str:
    chosen = choose_device()
    name = torch.cuda.get_device_name() if chosen.type == "cuda" else f"{torch.get_num_threads()} threads"
    return f"{chosen} ({name})"


def memory() -> str:
    available = psutil.virtual_memory().available / 2**30
    if available < NEEDED_GIB:
        raise RuntimeError(f"{available:.1f} GiB free, a notebook may need {NEEDED_GIB:g}: close other programs")
    return f"{available:.1f} GiB free"


def fashion() -> str:
    return f"{len(fashion_mnist(True).x):,} + {len(fashion_mnist(False).x):,} images, SHA-256 verified"


def emoji_pictures() -> str:
    """The emoji set, read and verified."""
    return f"{' + '.join(f'{len(emoji(split).x):,}' for split in EMOJI_SPLITS)} pictures, SHA-256 verified"


def loaded(directory: Path) -> str:
    kind = checkpoint.header(directory)["kind"]
    model = cast(Any, checkpoint.CLASSES[kind]).load(directory)
    return f"{kind}, {sum(p.numel() for p in model.parameters()):,} parameters, SHA-256 verified"


def things_to_check() -> Iterator[tuple[str, Callable[[], str]]]:
    """The checks, each a name and a function that returns what is right or raises what to do."""
    yield "Python", python_version
    for line in REQUIREMENTS.read_text("utf-8").splitlines() if REQUIREMENTS.is_file() else ():
        name, _, version = line.split("#")[0].strip().partition("==")
        if version:
            yield name, lambda name=name, version=version: requirement(name, version)
    yield "device", device
    yield "memory", memory
    yield "data", looked_for
    yield "Fashion-MNIST", fashion
    yield "emoji", emoji_pictures
    for name, directory in checkpoint.shipped().items():
        yield name, lambda directory=directory: loaded(directory)


def configure(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    add_command(commands, "doctor", doctor)


def doctor() -> None:
    """Check versions, device, memory, data and checkpoints; exit with 1 where something must be mended."""
    sys.exit(1 if examine() else 0)


def examine() -> int:
    """Print a line for each check and return the number of those that failed."""
    failures = 0
    for name, check in things_to_check():
        try:
            print(f"ok    {name:22} {check()}")
        except importlib.metadata.PackageNotFoundError:
            failures += 1
            print(f"FAIL  {name:22} not installed: `pip install -r requirements.txt`")
        except (OSError, RuntimeError, ValueError) as error:
            failures += 1
            print(f"FAIL  {name:22} {error}")
    print("everything is ready" if not failures else f"{failures} to mend, see above")
    return failures
