"""Where things lie: the data, checkpoints and tables that the package reads, and the runs that it writes."""

import os
from pathlib import Path

CLONE = Path(__file__).resolve().parents[1]  # of the repository, or where the package was installed without one
DATA = Path(os.environ.get("LDM_TEACH_DATA") or CLONE / "data")
CHECKPOINTS = DATA / "checkpoints"
MEASURED = DATA / "measured"
RUNS = Path("runs")  # below the working directory


def looked_for() -> str:
    """Where data is looked for, in one sentence: the end of each message about data that is not there."""
    return f"data is looked for in {DATA}; set LDM_TEACH_DATA to the data folder of a clone of the repository"
