"""The figures of notebook 15: films as strips, two settings one above the other, what a judge sees on a walk."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ldm_teach.interactive.pictures import labelled_grid
from ldm_teach.interactive.plots import PALETTE, new_figure


def film_strip(frames: Tensor, names: Sequence[str], title: str, xlabel: str) -> Figure:
    """Frames (F, N, C, H, W) from left to right, a name each; a row for each of N noises."""
    rows = [f"noise {k}" for k in range(1, frames.shape[1] + 1)]
    return grid(frames.transpose(0, 1).flatten(0, 1), rows, names, title, xlabel)


def one_above_the_other(drawn: Mapping[str, Tensor], title: str) -> Figure:
    """Samples (N, C, H, W) of the same noises, a row for each name."""
    x = torch.cat([*drawn.values()])
    return grid(x, list(drawn), [f"{k}" for k in range(1, len(x) // len(drawn) + 1)], title, "noise")


def grid(x: Tensor, rows: Sequence[str], columns: Sequence[str], title: str, xlabel: str) -> Figure:
    """A labelled grid of images (B, C, H, W), each pixel two pixels wide, what the columns are below it."""
    figure = labelled_grid(x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3), rows, columns, title)
    figure.axes[0].set_xlabel(xlabel)
    return figure


def seen_on_the_way(shares: Mapping[str, Sequence[float]], where: Sequence[float], title: str) -> Figure:
    """The share of walks that show each of some classes, over the place u on the way."""
    figure = new_figure(5.6, 2.8)
    axes = figure.subplots()
    for (name, values), colour, mark in zip(shares.items(), PALETTE, "osd^v", strict=False):
        axes.plot(where, values, color=colour, marker=mark, label=name)
    axes.set(xlabel="u, from the first class to the second", ylabel="share of walks", ylim=(-0.03, 1.03))
    axes.legend(frameon=False)
    axes.set_title(title, fontsize=10)
    return figure
