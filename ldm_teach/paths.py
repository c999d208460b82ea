"""Where things lie: the data and the checkpoints that the package reads, the tables that it keeps."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]  # of a clone
DATA = ROOT / "data"
CHECKPOINTS = DATA / "checkpoints"
MEASURED = DATA / "measured"
