"""Where things lie: the data, checkpoints and tables that the package reads, and the runs that it writes."""

import os
import sysconfig
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
CLONE = PACKAGE.parent  # of the repository, or where the package was installed without one
MARKS = {"data": "checkpoints", "notebooks": "00_start_here.ipynb"}  # another package's folder may have that name, too


def places(name: str) -> list[Path]:
    """Where the folder `name` is looked for, in this order: LDM_TEACH_NAME alone, or the clone and the installation's.

    A wheel puts it below share/ldm_teach of the environment, or of the user's base.
    """
    if asked := os.environ.get(f"LDM_TEACH_{name.upper()}"):
        return [Path(asked)]
    bases = sysconfig.get_path("data"), sysconfig.get_path("data", sysconfig.get_preferred_scheme("user"))
    return [CLONE / name, *(Path(base) / "share" / "ldm_teach" / name for base in dict.fromkeys(bases))]


def first(name: str, looked: list[Path]) -> Path:
    """The first of the places where the folder `name` is, or the first of all where it is nowhere."""
    return next((place for place in looked if (place / MARKS[name]).exists()), looked[0])


DATA_PLACES = places("data")
DATA = first("data", DATA_PLACES)
NOTEBOOKS = first("notebooks", places("notebooks"))
CHECKPOINTS = DATA / "checkpoints"
MEASURED = DATA / "measured"
RUNS = Path("runs")  # below the working directory


def looked_for() -> str:
    """Where data is looked for, in one sentence: the end of each message about data that is not there."""
    places = [DATA] if CHECKPOINTS.exists() else DATA_PLACES
    where = " or ".join(map(str, places))
    return f"data is looked for in {where}; set LDM_TEACH_DATA to the data folder of a clone of the repository"
