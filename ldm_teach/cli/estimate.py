"""python -m ldm_teach estimate: what the larger trainings would take, counted before anybody has run them."""

import argparse
import functools
from collections.abc import Iterator
from typing import NamedTuple

import torch

from ldm_teach.cli.options import add_command
from ldm_teach.measuring import tables
from ldm_teach.measuring.footprint import Footprint, footprint
from ldm_teach.models.vgg import VGGFeatures
from ldm_teach.training.recipes.larger import CIFAR10, FOLDER_256, Plan, first_loss, second_loss

RATE = 25e12  # multiplications a second that one GPU is assumed to sustain
NUM_CLASSES = {"cifar10": 10, "folder-256": 1000}  # of a folder: as many as ImageNet has


class Row(NamedTuple):
    """What one training would take; `step` is the footprint of a step of its whole batch."""

    name: str
    batch_size: int
    num_steps: int
    step: Footprint


def configure(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    add_command(commands, "estimate", estimate_larger)


def estimate_larger() -> None:
    """Print what the larger trainings would take, counted on the meta device; docs/training.md says what is what."""
    print(tables.aligned(lines()))


def stages(plan: Plan) -> Iterator[Row]:
    """The two trainings of a plan, each counted on the meta device."""
    with torch.device("meta"):
        x = torch.zeros(plan.batch_size, 3, plan.side, plan.side)
        labels = torch.zeros(plan.batch_size, dtype=torch.int64)
        autoencoder, reconstruct = plan.new_autoencoder(), first_loss(VGGFeatures(weights=None))
    step = footprint(autoencoder, lambda model: reconstruct(model, (x,), None))
    yield Row(f"{plan.name}-autoencoder", plan.batch_size, plan.first.num_steps, step)
    with torch.device("meta"):
        diffusion = plan.new_model(autoencoder, NUM_CLASSES[plan.name])
    step = footprint(diffusion, lambda model: second_loss()(model, (x, labels), None))
    yield Row(f"{plan.name}-class", plan.batch_size, plan.second.num_steps, step)


@functools.cache
def counted() -> tuple[Row, ...]:
    """Every larger training."""
    return tuple(row for plan in (CIFAR10, FOLDER_256) for row in stages(plan))


def lines() -> list[tuple[str, ...]]:
    """The rows of the table in words, and first what each column is. GB are 10^9 bytes."""
    head = "training", "parameters", "GB", "GB more an image", "billion multiplications an image", "images", "hours"
    return [head, *map(in_words, counted())]


def in_words(row: Row) -> tuple[str, ...]:
    """A line of the table."""
    return (
        row.name,
        f"{row.step.parameters / 1e6:.1f} million",
        f"{row.step.state / 1e9:.2f}",
        f"{row.step.activations / row.batch_size / 1e9:.3f}",
        f"{row.step.multiplications / row.batch_size / 1e9:.1f}",
        f"{row.num_steps:,} x {row.batch_size}",
        f"{row.num_steps * row.step.multiplications / RATE / 3600:.1f}",
    )
