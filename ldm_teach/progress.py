"""Bars of what takes long, drawn where somebody watches."""

import contextlib
import os
import sys
import weakref
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

from tqdm import tqdm

T = TypeVar("T")
BARS: weakref.WeakSet[tqdm] = weakref.WeakSet()  # all that are in use


def progress(parts: Iterable[T] | None, words: str, unit: str, total: int | None = None) -> "tqdm[T]":
    """The parts themselves, behind a bar on stderr: how many are done, how fast they go, and the time that is left.

    parts: None where `update` tells of them.  total: their number, where they have no length.
    Nothing is drawn where stderr is no terminal (in a notebook, a test, a file), nor by any but the first of several
    processes. A bar inside another stands below it, and is gone when it is done.
    """
    watched = os.environ.get("RANK", "0") == "0"
    bar = tqdm(parts, desc=words, unit=unit, total=total, leave=False, disable=None if watched else True)
    BARS.add(bar)
    return bar


@contextlib.contextmanager
def cleared() -> Iterator[None]:
    """No bar is left standing when the block ends, however it ends."""
    try:
        yield
    finally:
        for bar in [*BARS]:
            bar.clear()
            bar.close()


def say(words: str, file: TextIO | None = None) -> None:
    """Print a line, at once, above the bars; by default on stdout."""
    file = sys.stdout if file is None else file
    tqdm.write(f"{words}\n", file, end="")  # at once, lest Ctrl-C come before the end of the line
    file.flush()
