"""python -m ldm_teach sample: a picture, or a moving one, of what a model draws for what is asked."""

import argparse
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ldm_teach import checks
from ldm_teach.cli.options import (
    SAMPLERS,
    add_command,
    add_device_and_out,
    add_interval,
    add_negative,
    add_sampler,
    add_sampling,
)
from ldm_teach.files import free, whole, writable
from ldm_teach.interactive import pictures
from ldm_teach.interactive.conditions import requested
from ldm_teach.interactive.plots import figure_png
from ldm_teach.models.guided import sample_all
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.processes import joined
from ldm_teach.progress import progress
from ldm_teach.theory.samplers import Step
from ldm_teach.theory.schedule import Denoiser
from ldm_teach.training.device import choose_device


def configure(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    c = add_command(commands, "sample", sample)
    c.add_argument("name", nargs="?", default="fashion-class", help="a shipped model or a directory")
    c.add_argument(
        "--condition",
        nargs="+",
        help="one row each, by default all classes or a few of the rest: numbers of classes, or their names; captions "
        'in quotes, for emoji with a style, words or both, as "noto: cat face"; for maps, numbers of test scenes or '
        "image files whose pixels are the classes; for blurred images, numbers of test images, which --sigma blurs, or "
        "files of blurred images",
    )
    c.add_argument("--sigma", type=float, default=2.0, help="blur of test images by number, in pixels")
    weights = "guidance weights, one column each; by default the weight and the interval recommended for the condition"
    c.add_argument("--w", type=float, nargs="+", help=weights)
    add_interval(c)
    add_negative(c)
    add_sampler(c)
    add_sampling(c, steps=20)
    c.add_argument("--count", type=int, default=8, help="samples for each condition and weight")
    add_device_and_out(
        c,
        "the picture, in the place of a file of this name; .gif: a frame for each weight; by default samples.png, "
        "or samples-2.png, ... where that is there already",
    )


def picture_file(out: Path | None, name: str = "samples.png", endings: tuple[str, ...] = (".png", ".gif")) -> Path:
    """The path of the picture, .png where it has no ending, in a folder that can be written; by default a new file.

    name: of that new file.  endings: those it may have.

    Raises ValueError for another ending, and OSError for a folder that cannot be written: before any work is done.
    """
    out = free(Path(name)) if out is None else out if out.suffix else out.with_suffix(".png")
    if out.suffix not in endings:
        raise ValueError(f"out is {out}; want a file that ends in {' or '.join(endings)}")
    return writable(out)


def sample(
    name: str,
    condition: list[str] | None,
    sigma: float,
    w: list[float] | None,
    interval: tuple[int, int] | None,
    negative: str | None,
    sampler: str,
    num_steps: int,
    count: int,
    seed: int,
    device: str | None,
    out: Path | None,
) -> None:
    """Write a PNG: a row for each condition, `count` samples of it at each guidance weight, all from the same noise.

    Maps and blurred images that are asked for stand in a first column. A GIF has a frame for each weight instead.
    """
    moving = picture_file(out).suffix == ".gif"
    model = LatentDiffusion.load(name).to(choose_device(device))
    if w is None:
        recommended = model.encoder.guidance
        w, interval = [recommended.w], interval or recommended.interval
    asked = requested(model.encoder, condition, sigma)
    away = None if negative is None else requested(model.encoder, [negative], sigma).condition
    shown = asked.pictures
    if shown is not None and shown.ndim == 3:
        shown = pictures.map_picture(shown)  # (rows, H, W) -> (rows, 3, H, W)
    repeated = asked.condition.repeat_interleave(checks.count("count", count), dim=0)

    def watched(*arguments: Any, **options: Any) -> Iterator[Step]:
        for step in SAMPLERS[sampler](*arguments, **options):
            bar.update()
            yield step

    def guided(model: LatentDiffusion, condition: Tensor, x: float) -> Denoiser:
        return model.denoiser(condition, w=x, interval=interval, negative=away)

    def drawn(x: float) -> Tensor:
        settings = dict(method=guided, sampler=watched, batch_size=len(repeated))
        images = sample_all(model, repeated, x, num_steps, seed, **settings)
        return images.cpu().unflatten(0, (-1, count))  # (rows, count, C, H, W)

    rows = [textwrap.fill(words, 32) for words in asked.names]  # the longest caption takes three lines, a row's height
    with joined() as first, progress(None, "sampling", "step", total=len(w) * num_steps) as bar:
        cells = torch.stack([drawn(x) for x in w], dim=1)  # (rows, w, count, C, H, W)
    if not first:
        return
    if moving:
        title = "One noise, and the guidance weight w"
        frames = [pictures.labelled_grid(x.flatten(0, 1), rows, [""], title, shown) for x in cells.unbind(1)]
        picture = pictures.film(frames, w)
    else:
        where = "" if interval is None else f" at t = {interval[0]} to {interval[1]}"
        title = (
            "The same noise under growing guidance"
            if len(w) > 1
            else f"Samples, w = {w[0]:g}{where}, {num_steps} steps"
        )
        columns = [f"w = {x:g}" for x in w]
        picture = figure_png(pictures.labelled_grid(cells.flatten(0, 2), rows, columns, title, shown))
    with whole(out := picture_file(out)) as part:
        part.write_bytes(picture)
    print(f"wrote {out}")
