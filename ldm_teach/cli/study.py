"""python -m ldm_teach sampling, compression, guidance, latent-against-pixel, ..., bench: a study, measured and kept.

Each is a module with one face: `Row`, `run(...)`, a generator of rows, `table(rows)`, the rows as text, and `PATH`,
where its table is kept for the notebooks and the report.
"""

import argparse
import inspect
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from ldm_teach.cli import bench
from ldm_teach.cli.options import SAMPLERS, add_command, add_interval, add_sampler, add_sampling
from ldm_teach.files import free, writable
from ldm_teach.measuring import tables
from ldm_teach.paths import RUNS
from ldm_teach.processes import joined
from ldm_teach.progress import say
from ldm_teach.studies import (
    classroom,
    colour_latents,
    comparison,
    compression,
    conditioning,
    guidance,
    latent_against_pixel,
    sampling,
    words_to_pictures,
)


class Study(Protocol):
    """The face of a study."""

    @property
    def PATH(self) -> Path: ...

    @property
    def Row(self) -> type[tables.Row]: ...

    @property
    def run(self) -> Callable[..., Iterator[Any]]: ...

    @property
    def table(self) -> Callable[[Sequence[Any]], str]: ...


STUDIES: dict[str, Study] = {
    study.PATH.stem: study
    for study in (
        sampling,
        compression,
        guidance,
        conditioning,
        comparison,
        latent_against_pixel,
        colour_latents,
        words_to_pictures,
        bench,
        classroom,
    )
}


def configure(commands: argparse._SubParsersAction) -> None:
    """Add a command for each study."""

    def command(study: Study, *aliases: str) -> argparse.ArgumentParser:
        def execute(**options: Any) -> None:
            with joined() as first:
                (conduct if first else take_part)(study, **options)

        parser = add_command(commands, study.PATH.stem, execute, inspect.getdoc(study), aliases)
        parser.add_argument("--keep", action="store_true", help=f"keep the table as {study.PATH.name} of data/measured")
        where = f"where the table is kept otherwise; by default a new file, {RUNS / 'measured' / study.PATH.stem}*.json"
        parser.add_argument("--out", type=Path, help=where)
        parser.add_argument(
            "--json", dest="as_json", action="store_true", help="print the rows as JSON in the place of a table"
        )
        return parser

    c = command(sampling, "evaluate")
    c.add_argument("models", nargs="*", default=argparse.SUPPRESS, help="shipped models or directories")
    c.add_argument("--judge", default="fashion-judge", help="the classifier that judges")
    c.add_argument("--w", dest="weights", type=float, nargs="+", default=[0.0, 0.5, 1.0, 2.0, 4.0], help="weights")
    c.add_argument("--device", help="cuda, mps or cpu; by default the first of these that is there")
    add_interval(c)
    add_sampling(c, steps=20, samples=10_000)
    add_sampler(c)

    c = command(compression)
    c.add_argument("models", nargs="*", default=argparse.SUPPRESS, help="shipped autoencoders or directories")
    c.add_argument("--judge", default="fashion-judge", help="the classifier that judges")
    c.add_argument("--images", dest="num_images", type=int, default=10_000, help="number of test images")

    c = command(guidance)
    add_sampling(c, steps=12, samples=1_500)
    c.add_argument("--seeds", dest="num_seeds", type=int, default=3, help="how many times, each from other noise")

    add_sampling(command(conditioning), steps=20, samples=1_000)
    add_sampling(command(comparison), steps=12, samples=500)

    c = command(latent_against_pixel)
    for name, marks in {"--minutes": [0.5, 1.0, 2.0, 4.0], "--long": [8.0, 15.0, 30.0, 60.0]}.items():
        whose = "every training" if name == "--minutes" else "the first of some, after that,"
        c.add_argument(name, type=float, nargs="*", default=marks, help=f"the minutes after which {whose} is judged")
    c.add_argument("--seeds", dest="num_seeds", type=int, default=3, help="how many trainings in each space")
    c.add_argument("--device", default="cpu", help="where the models are trained: cuda, mps or cpu")
    add_sampling(c, steps=20, samples=500)

    c = command(colour_latents)
    c.add_argument(
        "--weights", type=float, nargs="+", default=list(colour_latents.KL_WEIGHTS), help="of the KL divergence"
    )
    c.add_argument("--steps", dest="num_steps", type=int, default=1_000, help="of each training")
    c.add_argument("--device", help="cuda, mps or cpu; by default the first of these that is there")

    c = command(words_to_pictures)
    c.add_argument("--model", default="emoji", help="a shipped model or a directory")
    c.add_argument("--judge", default="emoji-judge", help="the PictureJudge that judges")
    add_sampling(c, steps=20, samples=500)

    c = command(bench)
    c.add_argument("--notebooks", action="store_true", help="what each notebook costs, too: minutes more")

    c = command(classroom)
    c.add_argument("--notebooks", dest="names", nargs="*", metavar="NAME", help="which are run; by default all sixteen")


def conduct(study: Study, keep: bool, out: Path | None, as_json: bool = False, **options: Any) -> None:
    """Run a study, printing each row as soon as it is known; keep its table and print it.

    The table goes where it is asked for, else to a new file under runs/measured, as do the rows that were measured
    before Ctrl-C or an error.
    """
    out, otherwise = study.PATH if keep else out, RUNS / "measured" / study.PATH.name
    writable(out or free(otherwise))
    print(expected(study), file=sys.stderr)
    settings = {name.removeprefix("num_"): value for name, value in options.items() if value is not None}
    rows, start = [], time.perf_counter()
    try:
        for row in run(study, **options):
            rows.append(row)
            say(line(row), sys.stderr if as_json else sys.stdout)
        facts = getattr(study, "facts", None)  # what holds for all rows, where there is such a thing
        settings |= facts(**options) if facts else {}
    except BaseException:  # Ctrl-C, too
        if rows:
            part = free(otherwise.with_stem(f"{otherwise.stem}-unfinished"))
            tables.keep(rows, settings, part)
            say(f"wrote {part}: rows measured so far: {len(rows)}")
        raise
    settings.setdefault("minutes", round((time.perf_counter() - start) / 60, 1))  # of a study that went on: all of it
    out = out or free(otherwise)
    tables.keep(rows, settings, out)
    written = f"wrote {out} after {settings['minutes']} minutes"
    if as_json:
        print(written, file=sys.stderr)
        print(written_out(study, rows))
    else:
        print("", study.table(rows), f"\n{written}", sep="\n")


def written_out(study: Study, rows: Sequence[tables.Row]) -> str:
    """The rows of a study as JSON, after its summary where it has one."""
    summary = getattr(study, "summary", None)
    return json.dumps((summary(rows) if summary else {}) | dict(rows=[row._asdict() for row in rows]), indent=1)


def run(study: Study, **options: Any) -> Iterator[Any]:
    """The rows of a study, its sampler asked for by name."""
    if "sampler" in options:
        options["sampler"] = SAMPLERS[options["sampler"]]
    return study.run(**options)


def take_part(study: Study, keep: bool, out: Path | None, as_json: bool = False, **options: Any) -> None:
    """What another process than the first does of a study: its share of the samples."""
    for _ in run(study, **options):
        pass


def expected(study: Study) -> str:
    """What a study is about to do, in words, and how long that took when its table was kept."""
    try:
        rows, settings = tables.read(study.Row, study.PATH)
        return f"{study.PATH.stem}: the {len(rows)} rows that are kept took {settings['minutes']:g} minutes"
    except (OSError, ValueError, KeyError):  # none is kept, one of another version, or one without its minutes
        return study.PATH.stem


def line(row: tables.Row) -> str:
    """A row in words: its figures by name, those that are None left out."""
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in row._asdict().items()
        if value is not None
    )
