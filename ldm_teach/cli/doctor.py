"""python -m ldm_teach doctor: is this machine ready for the course, and what to do where it is not."""

import importlib.metadata
import platform
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import torch

from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.models import checkpoint
from ldm_teach.models.classifier import ImageClassifier, NoisyClassifier
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.vector_quantization import AUTOENCODERS
from ldm_teach.paths import ROOT
from ldm_teach.training.device import choose_device

REQUIREMENTS = ROOT / "requirements.txt"
LOADERS = AUTOENCODERS | {loader.__name__: loader for loader in (ImageClassifier, NoisyClassifier, LatentDiffusion)}
NEEDED_GIB = 4.0


def python_version() -> str:
    if platform.python_version_tuple() < ("3", "11"):
        raise RuntimeError("the course needs Python 3.11 or newer: make the virtual environment with one")
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


def data() -> str:
    return f"{len(fashion_mnist(True).x):,} + {len(fashion_mnist(False).x):,} images, SHA-256 verified"


def loaded(directory: Path) -> str:
    kind = checkpoint.header(directory)["kind"]
    model = LOADERS[kind].load(directory)
    return f"{kind}, {sum(p.numel() for p in model.parameters()):,} parameters, SHA-256 verified"


def checks() -> Iterator[tuple[str, Callable[[], str]]]:
    """The checks, each a name and a function that returns what is right or raises what to do."""
    yield "Python", python_version
    for line in REQUIREMENTS.read_text().splitlines():
        name, _, version = line.split("#")[0].strip().partition("==")
        if version:
            yield name, lambda name=name, version=version: requirement(name, version)
    yield "device", device
    yield "memory", memory
    yield "Fashion-MNIST", data
    for name, directory in checkpoint.shipped().items():
        yield name, lambda directory=directory: loaded(directory)


def doctor() -> int:
    """Print a line for each check and return the number of those that failed."""
    failures = 0
    for name, check in checks():
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
