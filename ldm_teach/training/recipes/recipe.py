"""What a recipe is: a function (quick) -> Training."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from ldm_teach.training.batches import Batches
from ldm_teach.training.loop import Loss, Step, fit


@dataclass
class Training:
    """A model with its loss, its batches and the settings of `fit`; `average` is what is saved and used."""

    model: nn.Module
    loss: Loss
    batches: Batches
    settings: dict[str, Any]
    average: nn.Module = field(init=False)

    def __post_init__(self):
        self.average = copy.deepcopy(self.model).eval()

    @property
    def num_steps(self) -> int:
        return self.settings["num_steps"]

    def fit(self, **overrides) -> Iterator[Step]:
        """Run the training; keyword arguments replace the recipe's settings of `practice.training.fit`."""
        return fit(self.model, self.loss, self.batches, average=self.average, **self.settings | overrides)


Recipe = Callable[[bool], Training]


def seeded(build: Callable[[], Any], seed: int) -> Any:
    """The module, or modules, that `build` makes with torch's default generator at `seed`, then put back as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()
