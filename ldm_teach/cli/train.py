"""python -m ldm_teach train NAME: a recipe, run to its end, its model saved and its cost known."""

import argparse
import fnmatch
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ldm_teach.cli.options import add_command
from ldm_teach.cli.own_images import train_own
from ldm_teach.cli.watch import watch
from ldm_teach.measuring import tables
from ldm_teach.measuring.training_costs import PATH, TrainingCost
from ldm_teach.paths import CHECKPOINTS
from ldm_teach.training.batches import Batches
from ldm_teach.training.recipes.own_images import SIDES
from ldm_teach.training.recipes.recipe import run_folder
from ldm_teach.training.recipes.table import RECIPES
from ldm_teach.words import did_you_mean


def configure(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    c = add_command(commands, "train", train)
    own = "or, with --images, a new name: of a model of your own images"
    c.add_argument("name", help=f"what to train: {', '.join(RECIPES)}; {own}")
    captions = "captions in metadata.csv, metadata.jsonl or a .txt beside each"
    c.add_argument("--images", type=Path, metavar="FOLDER", help=f"your own, classes by sub-folder; {captions}")
    c.add_argument("--minutes", type=float, help="of training, for a model of your own images; by default 30")
    sides = f"of your own images, {SIDES.start} to {SIDES[-1]} in steps of {SIDES.step}; by default what suits them"
    c.add_argument("--side", type=int, metavar="PIXELS", help=sides)
    c.add_argument("--quick", action="store_true", help="about a minute on two cores, to see it work")
    c.add_argument("--resume", action="store_true", help="go on from the last checkpoint under runs/NAME/state")
    c.add_argument("--device", help="cuda, mps or cpu; by default the first of these that is there")
    c.add_argument("--workers", type=int, default=0, help="processes that prepare batches")
    c.add_argument("--batch-size", type=int, help="of all processes together; by default the recipe's")
    parts = "into how many parts a process divides its share of a batch, to need less memory"
    c.add_argument("--accumulate", type=int, default=1, help=parts)
    faster = "bf16 or fp16; by default bf16 on a GPU that has it and no on a CPU, where newer ones have it too"
    c.add_argument("--mixed-precision", choices=("no", "bf16", "fp16"), help=faster)
    c.add_argument("--out", type=Path, help="where the trained model goes; by default runs/NAME")
    c.add_argument(
        "--keep", action="store_true", help="put the model among the shipped ones and its cost into the table of costs"
    )


def train(
    name: str,
    images: Path | None = None,
    minutes: float | None = None,
    side: int | None = None,
    quick: bool = False,
    resume: bool = False,
    device: str | None = None,
    workers: int = 0,
    batch_size: int | None = None,
    accumulate: int = 1,
    mixed_precision: str | None = None,
    out: Path | None = None,
    keep: bool = False,
) -> None:
    """Train a recipe, checkpointing under runs/NAME/state, and save the averaged model in `out` (runs/NAME)."""
    if name not in RECIPES and images is not None:
        how = dict(device=device, workers=workers, accumulate=accumulate, mixed_precision=mixed_precision)
        train_own(name, images, minutes, side, quick, resume, batch_size, out, keep, **how)
        return
    if minutes is not None or side is not None:
        raise ValueError("minutes and side are for a new name with --images FOLDER; a recipe has its own")
    if keep and (quick or resume or batch_size or out is not None):
        raise ValueError("keep is for a recipe from its start: leave out --quick, --resume, --batch-size and --out")
    if name not in RECIPES:
        otherwise = "; `python -m ldm_teach train --help` lists them; a model of your own images wants --images FOLDER"
        raise ValueError(f"name is {name!r}, and no recipe{did_you_mean(name, RECIPES, otherwise)}")
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
    how = dict(device=device, workers=workers, accumulate=accumulate, mixed_precision=mixed_precision)
    watch(training, run.name, **how, directory=run / "state", resume=resume)
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
