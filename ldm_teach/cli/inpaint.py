"""python -m ldm_teach inpaint: what a model draws where a mask says, the rest of the image as it was."""

import argparse
from pathlib import Path
from typing import Any

import torch

from ldm_teach import checks
from ldm_teach.cli.edit import add_image, generator_of, prepared, write
from ldm_teach.cli.options import add_command, add_device_and_out, add_sampling
from ldm_teach.cli.sample import picture_file
from ldm_teach.interactive.uploads import image_for


def configure(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    c = add_command(commands, "inpaint", inpaint)
    add_image(c)
    c.add_argument("--mask", type=Path, required=True, help="an image file of the same shape: white is drawn anew")
    c.add_argument("--resampling", type=int, default=5, help="how often each step is made, so that the parts agree")
    add_sampling(c, steps=20)
    c.add_argument("--seed", type=int, default=0, help="of the noise")
    c.add_argument("--count", type=int, default=4, help="samples for each condition")
    add_device_and_out(
        c, "the picture, a .png; by default inpainted.png, or inpainted-2.png, ... where that is there already"
    )


def inpaint(mask: Path, resampling: int, num_steps: int, seed: int, count: int, out: Path | None, **asked: Any) -> None:
    """Write a PNG: a row for each condition, with the image, what is known of it, and samples of the rest.

    asked: as `prepared` takes it.
    """
    out = picture_file(out, "inpainted.png", (".png",))
    model, rows, given, guidance = prepared(**asked)
    free = image_for(model, mask, "mask").mean(0) > 0  # (H, W)
    if not free.any():
        raise ValueError(f"mask is {str(mask)!r}, and has no white pixel; want white what shall be drawn anew")
    generator = generator_of(seed)
    drawn = [
        model.inpaint(given, free, resampling=resampling, num_steps=num_steps, generator=generator, **guidance)
        for _ in range(checks.count("count", count))
    ]
    known = torch.where(free.to(given.device), 0.0, given)  # grey where it is not
    columns = {"image": given, "known": known} | {f"{k}": x for k, x in enumerate(drawn, start=1)}
    write(out, rows, columns, "An image, what is known of it, and samples of the rest")
