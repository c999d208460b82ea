"""python -m ldm_teach train NAME --images FOLDER, NAME no recipe: one's own images in, a whole model out."""

import os
import re
import sys
import textwrap
import time
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from ldm_teach.cli.watch import watch
from ldm_teach.data.image_folder import ImageFolder
from ldm_teach.files import whole
from ldm_teach.interactive.conditions import requested
from ldm_teach.interactive.pictures import labelled_grid
from ldm_teach.interactive.plots import figure_png
from ldm_teach.measuring.metrics import peak_signal_to_noise
from ldm_teach.models import checkpoint
from ldm_teach.models.autoencoder import KLAutoencoder, weight_of
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.progress import say
from ldm_teach.training.device import choose_device
from ldm_teach.training.recipes.own_images import (
    Asked,
    Chosen,
    autoencoder_training,
    check_side,
    choose,
    conditions_of,
    diffusion_training,
    divided,
    kept_folder,
    kept_moments,
    plan_of,
    usual_side,
)
from ldm_teach.training.recipes.recipe import Training, run_folder
from ldm_teach.training.state import only_training

MINUTES = 30.0
QUICK_MINUTES, FEW_IMAGES = 1.0, 256  # with --quick
SHOWN = 8  # images of a sheet of reconstructions, and rows of one of samples
SHEET_W = 2.0  # guidance of its samples: what suits a finished model is too much for one that has just begun
MOST_MEASURED = 256  # held-out images
SAVES = 20  # of the state, in each stage
# What a folder may be called on every system: Windows keeps some words for its devices, and drops a dot at the end.
NEW_NAME = r"(?!(?i:con|prn|aux|nul|com\d|lpt\d)(\.|$))[\w-]([\w.-]*[\w-])?"


def train_own(
    name: str,
    images: Path,
    minutes: float | None,
    side: int | None,
    quick: bool,
    resume: bool,
    batch_size: int | None,
    out: Path | None,
    keep: bool,
    **how: Any,
) -> None:
    """Train both stages on the images of a folder and save the whole model in `out`, by default runs/NAME.

    What is known, chosen and reached is kept in runs/NAME, from which `resume` goes on in the stage that it finds.
    how: device, workers and accumulate, as `fit` takes them.
    """
    if not re.fullmatch(NEW_NAME, name) or name in checkpoint.shipped():
        raise ValueError(f"name is {name!r}; want a new one of letters, digits, '-', '_' and '.', for a folder")
    if not images.is_dir():
        raise ValueError(f"images is {images}, and no folder; want one with images")
    if keep:
        raise ValueError("keep is for the models of the course; yours is found by its name as it is")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError("a model of your own images is trained by one process: leave out torchrun")
    if quick and minutes is not None:
        raise ValueError(f"minutes is {minutes:g}, and --quick is {QUICK_MINUTES:g}; want one of the two")
    run, began = run_folder(name, quick), time.perf_counter()
    asked_for = dict(minutes=minutes, side=None if side is None else check_side(side), batch_size=batch_size)
    with only_training(run):
        chosen = settled(run, resume, asked_for)
        side = side or (chosen.side if chosen else usual_side(images))
        most = chosen.most if chosen else FEW_IMAGES if quick else None
        folder = kept_folder(images, side, most, run)
        asked = conditions_of(folder)
        left_out = told(folder, run)
        say(f"{name}: {len(folder):,} images of {side}x{side} pixels, {asked.words}; {left_out}")
        if chosen is None:
            wish = dict(minutes=QUICK_MINUTES if quick else MINUTES if minutes is None else minutes, most=most)
            chosen = choose(folder, asked, **wish, **how, **({} if batch_size is None else dict(batch_size=batch_size)))
            chosen.save(run / "plan.json")
        autoencoder = trained_autoencoder(chosen, folder, run, **how)
        model = trained_model(chosen, folder, asked, autoencoder, run, **how)
        model.save(out or run)
    say(f"saved {out or run} after {(time.perf_counter() - began) / 60:.1f} minutes by the clock")
    say(f"next: `python -m ldm_teach sample {out or run}`")


def settled(run: Path, resume: bool, asked_for: dict[str, Any]) -> Chosen | None:
    """What was chosen when the training began, None where it begins now.

    Raises ValueError for a run that is there without `resume`, and for another wish than that of its beginning, and
    FileNotFoundError where there is nothing to go on from.
    """
    path = run / "plan.json"
    if not resume:
        if path.is_file():
            raise ValueError(f"{run} holds a training; go on with it (--resume), remove it, or take another name")
        return None
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: there is nothing to go on from; leave out --resume")
    chosen = Chosen.load(path)
    for key, value in asked_for.items():
        if value not in (None, getattr(chosen, key)):
            was = f"was {getattr(chosen, key)} when the training in {run} began"
            raise ValueError(f"{key} is {value}, and {was}; leave it out, or take another name")
    return chosen


def told(folder: ImageFolder, run: Path) -> str:
    """How many files were left out, in words; each, with the reason, is told, and listed in a file of the run."""
    found = [f"{path}: {reason}" for path, reason in folder.left_out.items()]
    lines = [line.encode(errors="backslashreplace").decode() for line in found]  # a name may be no text
    for line in lines:
        say(f"left out {line}", sys.stderr)
    if not lines:
        return "none left out"
    with whole(run / "left_out.txt") as part:
        part.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return f"{len(lines):,} files left out, listed in {run / 'left_out.txt'}"


def state_of(training: Training, directory: Path) -> dict[str, Any]:
    """Where `fit` keeps a stage, how often, and whether it goes on from there."""
    resume = (directory / "model.json").is_file()
    return dict(directory=directory, resume=resume, save_every=max(1, training.num_steps // SAVES))


def stage_in_words(what: str, training: Training, seconds: float) -> str:
    """A stage in a line."""
    size = sum(p.numel() for p in training.model.parameters() if p.requires_grad) / 1e6
    steps = f"{training.num_steps:,} steps of {training.batches.batch_size} images"
    minutes = training.num_steps * seconds / 60
    return f"{what}, {size:.1f} million parameters: {steps}, about {seconds:.2g} s each, {minutes:.1f} minutes in all"


def trained_autoencoder(chosen: Chosen, folder: ImageFolder, run: Path, **how: Any) -> KLAutoencoder:
    """The autoencoder, trained or gone on with, as it is saved in run/autoencoder for the second stage."""
    images, held_out = divided(folder)
    shown = held_out[torch.arange(min(SHOWN, len(held_out)))]
    if not (run / "autoencoder" / "model.json").is_file():
        training = autoencoder_training(plan_of(chosen), images)
        average = cast(KLAutoencoder, training.average)
        shape = "x".join(map(str, average.latent_shape))
        say(stage_in_words(f"first stage, an autoencoder to {shape}", training, chosen.first_seconds))

        def draw(step: int) -> None:
            rows = torch.cat([shown, reconstructed(average, shown)])
            title = f"Held-out images and their reconstructions, step {step:,}"
            sheet(run / "reconstructions.png", rows, ["image", "reconstruction"], title)

        watch(training, f"{run.name}, first stage", draw, **state_of(training, run / "first"), **how)
        training.save(run / "autoencoder")
    autoencoder = KLAutoencoder.load(run / "autoencoder").to(choose_device(how.get("device")))
    measured = held_out[torch.arange(min(MOST_MEASURED, len(held_out)))]
    psnr = peak_signal_to_noise(reconstructed(autoencoder, measured), measured)
    kind = "held-out" if held_out is not folder else "training"
    say(f"reconstruction: PSNR {psnr:.1f} dB on {len(measured)} {kind} images")
    return autoencoder.cpu()


@torch.no_grad()
def reconstructed(autoencoder: KLAutoencoder, x: Tensor) -> Tensor:
    """D(E(x)), from the mean of the posterior, in [-1, 1], on the CPU: (B, C, H, W) -> (B, C, H, W)."""
    place = weight_of(autoencoder).device
    parts = (autoencoder.decode(autoencoder.encode(some.to(place)).mean) for some in x.split(32))
    return torch.cat([part.clamp(-1, 1).cpu() for part in parts])


def trained_model(
    chosen: Chosen, folder: ImageFolder, asked: Asked, autoencoder: KLAutoencoder, run: Path, **how: Any
) -> LatentDiffusion:
    """The whole model, trained or gone on with."""
    moments = kept_moments(autoencoder, folder, run, how.get("device"))
    training = diffusion_training(plan_of(chosen), autoencoder, moments, folder, asked)
    average = cast(LatentDiffusion, training.average)
    say(stage_in_words("second stage, diffusion of its latents", training, chosen.second_seconds))
    names, condition = shown_of(average)

    def draw(step: int) -> None:
        asked, generator = condition.repeat_interleave(6, 0), torch.Generator().manual_seed(0)
        x = average.sample(asked, w=SHEET_W, num_steps=12, generator=generator).cpu()
        sheet(run / "samples.png", x, names, f"Samples at w = {SHEET_W:g}, step {step:,} of {training.num_steps:,}")

    watch(training, f"{run.name}, second stage", draw, **state_of(training, run / "second"), **how)
    return average.cpu()


def shown_of(model: LatentDiffusion) -> tuple[list[str], Tensor]:
    """At most SHOWN things to ask of a model, evenly spread: their names, and the condition."""
    asked = requested(model.encoder)
    rows = torch.arange(0, len(asked.names), -(-len(asked.names) // SHOWN))
    return [textwrap.fill(asked.names[row], 32) for row in rows.tolist()], asked.condition[rows]


def sheet(path: Path, x: Tensor, rows: list[str], title: str) -> None:
    """Write a picture of images, a named row each, in the place of the last one."""
    with whole(path) as part:
        part.write_bytes(figure_png(labelled_grid(x, rows, [""], title)))
