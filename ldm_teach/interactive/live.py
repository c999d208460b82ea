"""A training that is watched: a progress bar, a picture that follows it, and the Stop button as a way to end it."""

import contextlib
import signal
import threading
import weakref
from collections.abc import Iterable, Iterator
from types import FrameType, SimpleNamespace
from typing import Any, TypeVar

from tqdm.notebook import tqdm

from ldm_teach.interactive.moving import show_alive, show_still
from ldm_teach.interactive.widgets import Screen, stacked

StepLike = TypeVar("StepLike")
_done: "weakref.WeakKeyDictionary[Any, int]" = weakref.WeakKeyDictionary()  # by generator, the steps it has behind it
_unfinished: set[str] = set()  # the names of trainings that were stopped and have not gone on to their end


def complete() -> bool:
    """Has every training that `live` has shown come to its end? What is said of trained networks holds only then."""
    return not _unfinished


def live(steps: Iterable[StepLike], total: int, name: str, screen: Screen | None = None) -> Iterator[StepLike]:
    """`steps`, with a progress bar of `total`; Stop (or Ctrl-C) ends them after the present one, with one line.

    Where `steps` is a generator that an earlier cell has made, as `steps = training.fit()`, the cell that runs
    `for step in live(steps, ...)` goes on with it when it is run again. A second Stop breaks off the step itself.
    screen: shown below the bar; its last picture stays in the notebook.
    """
    resumable = iter(steps) is steps
    done = _done.get(steps, 0) if resumable else 0
    bar = tqdm(total=total, initial=done, desc=name, display=False)
    box = stacked([bar.container, *([screen.box] if screen else [])])
    show_alive(SimpleNamespace(box=box, screen=screen), bar.container)
    with bar, stop_button() as stopped:
        for step in steps:
            done += 1
            if resumable:
                _done[steps] = done
            bar.update()
            yield step
            if stopped:
                break
    _unfinished.discard(name)
    if stopped and done < total:
        _unfinished.add(name)
        kept = weakref.ref(steps) if resumable else None
        del steps  # of a generator that nobody else has, nothing is left now
        again = "go on" if kept is not None and kept() is not None else "begin again"
        print(f"stopped after step {done}; run the cell again to {again}")
    else:
        print(f"{name}: {done} of {total} steps")
    if screen:
        show_still(screen.image.value, screen.alt)


@contextlib.contextmanager
def stop_button() -> Iterator[list[int]]:
    """Collect the first Ctrl-C, which the Stop button sends, in a list; a second one interrupts as usual."""
    stopped: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield stopped
        return

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
