"""What the long commands measured, kept as JSON under data/measured, for the notebooks and the README to read."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


def write(rows: Sequence[NamedTuple], settings: dict, path: Path) -> None:
    """Keep what was measured, a line each, and with which settings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n  ".join(json.dumps(row._asdict()) for row in rows)
    path.write_text(f'{{"settings": {json.dumps(settings)},\n "rows": [\n  {lines}\n]}}\n')


def read(kind: type[NamedTuple], path: Path) -> tuple[list[NamedTuple], dict]:
    """The rows that `write` kept, as the tuples they were, and the settings.

    Raises FileNotFoundError that names the command, which the file is called after.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: measure it with `python -m ldm_teach {path.stem}`")
    found = json.loads(path.read_text())
    return [kind(**row) for row in found["rows"]], found["settings"]
