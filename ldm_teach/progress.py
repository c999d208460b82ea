"""Bars of what takes long, drawn where somebody watches."""

import contextlib
import os
import signal
import sys
import threading
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


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C takes effect at the end of the block, which has to be short."""
    own = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not own or threading.current_thread() is not threading.main_thread():  # only the main thread handles signals
        yield
        return
    asked: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: asked.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if asked:
        raise KeyboardInterrupt


def say(words: str, file: TextIO | None = None) -> None:
    """Print a line, at once, above the bars; by default on stdout."""
    file = sys.stdout if file is None else file
    with uninterrupted():  # else a bar may be left in the line, half cleared or half drawn
        tqdm.write(f"{words}\n", file, end="")
        file.flush()
