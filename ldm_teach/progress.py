"""Bars of what takes long, drawn where somebody watches."""

import os
import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(parts: Iterable[T] | None, words: str, unit: str, total: int | None = None) -> "tqdm[T]":
    """The parts themselves, behind a bar on stderr: how many are done, how fast they go, and the time that is left.

    parts: None where `update` tells of them.  total: their number, where they have no length.
    Nothing is drawn where stderr is no terminal (in a notebook, a test, a file), nor by any but the first of several
    processes. A bar inside another stands below it, and is gone when it is done.
    """
    watched = os.environ.get("RANK", "0") == "0"
    return tqdm(parts, desc=words, unit=unit, total=total, leave=False, disable=None if watched else True)


def say(words: str) -> None:
    """Print a line, at once, above the bars."""
    tqdm.write(words)
    sys.stdout.flush()
