"""A training as somebody watches it: a bar, or a line for the log, and what is drawn now and then."""

import contextlib
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from ldm_teach.progress import progress
from ldm_teach.training.recipes.recipe import Training

LINES = 10  # in the log of a training
SECONDS_APART = 30.0  # seconds, at least, between two drawings


def watch(training: Training, name: str, draw: Callable[[int], None] | None = None, **how: Any) -> None:
    """Run a training to its end.  draw: is called with the number of finished steps now and then, and after the last.

    how: the keyword arguments of `fit`.
    """
    first = os.environ.get("RANK", "0") == "0"  # of several processes the first tells
    tenth, drawn = max(1, training.num_steps // LINES), time.perf_counter()
    steps = training.fit(**how)
    with progress(None, name, "step", training.num_steps) as bar, contextlib.closing(steps):
        for step in steps:
            bar.update(step.step - bar.n)
            if step.step % 20 == 0:
                bar.set_postfix(loss=f"{float(step.loss):.4f}", images_per_s=f"{step.images_per_second:.0f}")
            if first and bar.disable and step.step % tenth == 0:  # a line for the log
                print(f"{name}: step {step.step:,}, loss {float(step.loss):.4f}", file=sys.stderr)
            if draw is not None and (time.perf_counter() - drawn > SECONDS_APART or step.step == training.num_steps):
                draw(step.step)
                drawn = time.perf_counter()
