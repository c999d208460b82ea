"""python -m ldm_teach edit: what a model makes of an image that is given, noised partway."""

import argparse
import textwrap
from collections.abc import Sequence
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
from ldm_teach.cli.sample import picture_file
from ldm_teach.files import whole
from ldm_teach.interactive import pictures
from ldm_teach.interactive.conditions import requested
from ldm_teach.interactive.plots import figure_png
from ldm_teach.interactive.uploads import image_for
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.training.device import choose_device


def configure(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    c = add_command(commands, "edit", edit)
    add_image(c)
    share = "how far the image is noised, from 0 to 1, a column each: little survives above 0.8, all below 0.1"
    c.add_argument("--strength", type=float, nargs="+", default=[0.4, 0.6, 0.8], help=share)
    add_sampler(c)
    add_sampling(c, steps=20)
    add_device_and_out(c, "the picture, .png; by default edited.png, or edited-2.png, ... where that is there already")


def add_image(parser: argparse.ArgumentParser) -> None:
    """What is edited, and what it shall become."""
    parser.add_argument("name", help="a shipped model or a directory")
    parser.add_argument("image", type=Path, help="an image file; its middle, as large a square as it has, is taken")
    wanted = "what the image shall become, one row each, as for `sample`; by default all classes or a few of the rest"
    parser.add_argument("--condition", nargs="+", help=wanted)
    add_negative(parser)
    parser.add_argument("--w", type=float, help="guidance weight; by default the one recommended for the condition")
    add_interval(parser)


def edit(strength: list[float], sampler: str, num_steps: int, seed: int, out: Path | None, **asked: Any) -> None:
    """Write a PNG: a row for each condition, with the image and what becomes of it at each strength, from one noise.

    asked: as `prepared` takes it.
    """
    out = picture_file(out, "edited.png", (".png",))
    model, rows, given, guidance = prepared(**asked)

    def edited(share: float) -> Tensor:
        settings: dict[str, Any] = dict(num_steps=num_steps, generator=generator_of(seed)) | guidance
        return model.edit(given, strength=share, sampler=SAMPLERS[sampler], **settings)

    columns = {"image": given} | {f"{share:g}": edited(share) for share in strength}
    write(out, rows, columns, "An image, noised as far as each strength and drawn anew")


def prepared(
    name: str,
    image: Path,
    condition: list[str] | None,
    negative: str | None,
    w: float | None,
    interval: tuple[int, int] | None,
    device: str | None,
) -> tuple[LatentDiffusion, list[str], Tensor, dict[str, Any]]:
    """The model, a name for each row, its image (rows, C, H, W), and condition and guidance as `edit` takes them."""
    model = LatentDiffusion.load(name).to(choose_device(device))
    asked = requested(model.encoder, condition)
    away = None if negative is None else requested(model.encoder, [negative]).condition
    given = image_for(model, image)[None].repeat(len(asked.names), 1, 1, 1).to(model.latent_mean)
    return model, asked.names, given, dict(condition=asked.condition, negative=away, w=w, interval=interval)


def generator_of(seed: int) -> torch.Generator:
    """A generator at its beginning."""
    return torch.Generator().manual_seed(checks.seed(seed))


def write(out: Path, rows: Sequence[str], columns: dict[str, Tensor], title: str) -> None:
    """The picture of images (rows, C, H, W), a column of each, with its name."""
    cells = torch.stack([x.cpu() for x in columns.values()], dim=1)  # (rows, columns, C, H, W)
    names = [textwrap.fill(row, 32) for row in rows]
    with whole(out) as part:
        part.write_bytes(figure_png(pictures.labelled_grid(cells.flatten(0, 1), names, list(columns), title)))
    print(f"wrote {out}")
