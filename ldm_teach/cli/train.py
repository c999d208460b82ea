"""python -m ldm_teach train NAME: a recipe, run to its end, its model saved and its cost known."""

import argparse
import contextlib
import fnmatch
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ldm_teach.cli.options import add_command
from ldm_teach.measuring import tables
from ldm_teach.measuring.training_costs import PATH, TrainingCost
from ldm_teach.paths import CHECKPOINTS
from ldm_teach.progress import progress
from ldm_teach.training.batches import Batches
from ldm_teach.training.recipes.recipe import run_folder
from ldm_teach.training.recipes.table import RECIPES
from ldm_teach.words import did_you_mean


def configure(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    c = add_command(commands, "train", train)
    c.add_argument("name", help=f"what to train: {', '.join(RECIPES)}")
    c.add_argument("--images", type=Path, metavar="FOLDER", help="your own, classes by sub-folder, for folder-...")
    c.add_argument("--quick", action="store_true", help="about a minute on two cores, to see it work")
    c.add_argument("--resume", action="store_true", help="go on from the last checkpoint under runs/NAME/state")
    c.add_argument("--device", help="cuda, mps or cpu; by default the first of these that is there")
    c.add_argument("--workers", type=int, default=0, help="processes that prepare batches")
    c.add_argument("--batch-size", type=int, help="of all processes together; by default the recipe's")
    parts = "into how many parts a process divides its share of a batch, to need less memory"
    c.add_argument("--accumulate", type=int, default=1, help=parts)
    c.add_argument("--out", type=Path, help="where the trained model goes; by default runs/NAME")
    c.add_argument(
        "--keep", action="store_true", help="put the model among the shipped ones and its cost into the table of costs"
    )


def train(
    name: str,
    images: Path | None = None,
    quick: bool = False,
    resume: bool = False,
    device: str | None = None,
    workers: int = 0,
    batch_size: int | None = None,
    accumulate: int = 1,
    out: Path | None = None,
    keep: bool = False,
) -> None:
    """Train a recipe, checkpointing under runs/NAME/state, and save the averaged model in `out` (runs/NAME)."""
    if keep and (quick or resume or batch_size or out is not None):
        raise ValueError("keep is for a recipe from its start: leave out --quick, --resume, --batch-size and --out")
    if name not in RECIPES:
        near = did_you_mean(name, RECIPES, "; `python -m ldm_teach train --help` lists them")
        raise ValueError(f"name is {name!r}, and no recipe{near}")
    first = os.environ.get("RANK", "0") == "0"  # of several processes the first tells, draws and saves
    if first:
        print(f"{name}: {how_long(name, quick)}", file=sys.stderr)
    training = RECIPES[name](quick, images)
    if batch_size is not None:
        before = training.batches
        training.batches = Batches(*before.columns, batch_size=batch_size, seed=before.seed)
    run = run_folder(name, quick)
    out = CHECKPOINTS / RECIPES[name].family / name if keep else out or run
    cpu, clock = time.process_time(), time.perf_counter()
    how = dict(device=device, workers=workers, accumulate=accumulate)
    steps = training.fit(**how, directory=run / "state", resume=resume)
    with progress(None, run.name, "step", training.num_steps) as bar, contextlib.closing(steps):
        for step in steps:
            bar.update(step.step - bar.n)
            if step.step % 20 == 0:
                bar.set_postfix(loss=f"{float(step.loss):.4f}", images_per_s=f"{step.images_per_second:.0f}")
            if first and bar.disable and step.step % max(1, training.num_steps // 10) == 0:  # a line for the log
                print(f"{run.name}: step {step.step:,}, loss {float(step.loss):.4f}", file=sys.stderr)
    if not first:
        return
    training.save(out)
    minutes, clock = (time.process_time() - cpu) / 60, (time.perf_counter() - clock) / 60
    print(f"saved {out} after {minutes:.1f} CPU minutes, {clock:.1f} minutes by the clock")
    if hasattr(training.average, "sample"):
        print(f"next: `python -m ldm_teach sample {out}`")
    if keep:
        rows, settings = tables.read(TrainingCost, PATH)
        others = [row for row in rows if row.name != name]
        tables.keep([TrainingCost(name, round(minutes, 1)), *others], settings, PATH)


def how_long(name: str, quick: bool) -> str:
    """How long the training of a recipe takes, in words."""
    if quick:
        return "about a minute on two cores"
    minutes = cost(name, tables.read(TrainingCost, PATH)[0]) if PATH.is_file() else ""
    return f"{minutes} CPU minutes where it was measured" if minutes else "nobody has measured how long it takes"


def cost(name: str, rows: Sequence[TrainingCost]) -> str:
    """The CPU minutes of a recipe in words, "" where nobody has kept them."""
    found = next((row for row in rows if fnmatch.fnmatchcase(name, row.name)), None)
    if found is None:
        return ""
    span = f"{found.cpu_minutes:g}" if found.to is None else f"{found.cpu_minutes:g} to {found.to:g}"
    return span + (" (one thread)" if found.threads == 1 else "")
