"""What a recipe is: a model, its loss, its data and its settings, ready to be run."""

import copy
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from ldm_teach.paths import RUNS
from ldm_teach.training.batches import Batches
from ldm_teach.training.loop import FitSettings, Loss, TrainingStep, fit


@dataclass
class Training:
    """A model with its loss, its batches and the settings of `fit`; `average` is what is saved and used."""

    model: nn.Module
    loss: Loss
    batches: Batches
    settings: FitSettings
    average: nn.Module = field(init=False)

    def __post_init__(self):
        self.average = copy.deepcopy(self.model).eval()

    @property
    def num_steps(self) -> int:
        return self.settings.num_steps

    def save(self, directory: Path | str) -> None:
        """Write the average to a directory, as its class does."""
        cast(Any, self.average.cpu()).save(directory)

    def fit(self, **changes: Any) -> Generator[TrainingStep, None, None]:
        """Run the training; keyword arguments are those of `training.loop.fit`, changes of the settings among them."""
        return fit(self.model, self.loss, self.batches, self.settings, average=self.average, **changes)


# quick -> Training: about a minute on two cores, or the full run. Some take a folder of images besides.
Build = Callable[..., Training]


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: build(quick) -> Training, the family it is shipped with, its notebook ("": none has it).

    of_images: it is trained on a folder of one's own images, by build(quick, images).
    """

    build: Build
    family: str
    notebook: str
    of_images: bool = False

    def __call__(self, quick: bool = False, images: Path | None = None) -> Training:
        if self.of_images != (images is not None):
            want = "a folder of images (--images FOLDER)" if self.of_images else "none, for this training has its own"
            raise ValueError(f"images is {images}; want {want}")
        return self.build(quick) if images is None else self.build(quick, images)


def run_folder(name: str, quick: bool) -> Path:
    """Where a training of this name is kept, and its model, unless another place is asked for."""
    return RUNS / (f"{name}-quick" if quick else name)


def seeded(build: Callable[[], Any], seed: int) -> Any:
    """The module, or modules, that `build` makes with torch's default generator at `seed`, then put back as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()
