"""What the long commands measured, kept as JSON under data/measured for the notebooks and the report, and as text."""

import datetime
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

from ldm_teach import checks, paths
from ldm_teach.files import whole


class Row(Protocol):
    """A line of a study: what was measured, under which settings, and what came out; a NamedTuple in each study."""

    def _asdict(self) -> dict[str, Any]: ...


R = TypeVar("R", bound=Row)


def machine() -> str:
    """The machine that measures, in a few words."""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores{gpu}, torch {torch.__version__}"


def keep(rows: Sequence[Row], settings: dict[str, Any], path: Path) -> None:
    """Keep what was measured, a line each, with its settings, this machine and today's date."""
    settings = settings | dict(machine=machine(), date=datetime.date.today().isoformat())
    lines = ",\n  ".join(json.dumps(row._asdict()) for row in rows)
    with whole(path) as part:
        part.write_text(f'{{"settings": {json.dumps(settings)},\n "rows": [\n  {lines}\n]}}\n', "utf-8")


def read(kind: type[R], path: Path) -> tuple[list[R], dict[str, Any]]:
    """The rows that `keep` kept, as the tuples they were, and the settings.

    Raises FileNotFoundError that names the command, which the file is called after, and ValueError where it is damaged
    or of another version.
    """
    measure = f"measure it with `python -m ldm_teach {path.stem} --keep`"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: {measure}; {paths.looked_for()}")
    try:
        found = json.loads(path.read_text("utf-8"))
        return [kind(**row) for row in found["rows"]], found["settings"]
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{path} is damaged, or of another version ({error!r}): {measure}, or restore it") from error


def worded(rows: Sequence[Sequence[str]]) -> None:
    """Raises ValueError unless they are rows of words, one or more, as many in each."""
    checks.instances("rows", rows, list, tuple)
    if not rows or len({len(checks.words("an entry of rows", row)) for row in rows}) > 1:
        raise ValueError(f"rows is {checks.describe(rows)}; want rows of one length")


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of words, heads of the columns first, as text: the first column set to the left, the others to the right."""
    worded(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(word.rjust(n) for word, n in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    )


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """The same as a table of Markdown."""
    worded(rows)
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])
