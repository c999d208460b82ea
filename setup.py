"""What pyproject.toml cannot say: a wheel brings the notebooks and the data, below share/ldm_teach."""

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent


def shared() -> list[str]:
    """The notebooks and the data that git tracks; of a download without git, all that a clone would have."""
    command = ["git", "ls-files", "-z", "--", "notebooks/*.ipynb", "data"]
    try:
        tracked = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8").stdout.split("\0")
    except OSError:  # no git
        tracked = []
    found = [ROOT / name for name in tracked if name] or [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("data/**/*")]
    files = (path.relative_to(ROOT) for path in found if path.is_file())
    return sorted(p.as_posix() for p in files if not any(part[0] in "._" or part == "runs" for part in p.parts))


def by_folder(names: list[str]) -> list[tuple[str, list[str]]]:
    """As `data_files` has it."""
    folders: dict[str, list[str]] = defaultdict(list)
    for name in names:
        folders[f"share/ldm_teach/{Path(name).parent.as_posix()}"].append(name)
    return sorted(folders.items())


# Not for `pip install -e .`, which would copy into the environment what lies in the clone.
building = not {"bdist_wheel", "sdist"}.isdisjoint(sys.argv)
setup(data_files=by_folder(shared()) if building else None)
