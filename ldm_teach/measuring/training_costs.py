"""What the full training of each model cost: the kept table, which `python -m ldm_teach train NAME --keep` adds to."""

from typing import NamedTuple

from ldm_teach.paths import MEASURED

PATH = MEASURED / "training.json"


class TrainingCost(NamedTuple):
    """What the full training of a model cost on two cores, in CPU minutes; `to`, where several cost from this to that.

    name: of a recipe, or a pattern of several.  threads: 1 where the training ran on one.
    """

    name: str
    cpu_minutes: float
    to: float | None = None
    threads: int = 2
