"""The figures of notebook 12: pictures as tokens, where attention looks, adherence with its errors."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ldm_teach.interactive.figures.schematic import arrow, box, diagram
from ldm_teach.interactive.pictures import labelled_grid
from ldm_teach.interactive.plots import INK, PALETTE, loss_curves, new_figure, plain_ticks

Measured = tuple[float, float]  # a value and its standard error


def schematic() -> Figure:
    """A picture is cut into tokens; two ways of reading them: cross-attention, and concatenation to z_t."""
    title = "One encoder, two ways to read its tokens"
    figure, axes = diagram(9.4, 3.4, (-0.6, 12.4), (-2.4, 2.2), title)
    blue, orange, green = PALETTE[0], PALETTE[1], PALETTE[2]
    for x, words in ((0.3, "map or\nimage"), (2.6, "squares of\n4 x 4 pixels"), (5.0, "64 tokens\nwith places")):
        box(axes, x, 0, words, INK)
    arrow(axes, (0.95, 0), (1.75, 0), INK)
    arrow(axes, (3.45, 0), (4.2, 0), INK, "$\\tau_\\theta$", (3.7, 0.2))
    box(axes, 8.0, 1.3, "keys, values", blue)
    box(axes, 10.9, 1.3, "cross-attention\nin the U-Net", blue)
    arrow(axes, (5.8, 0.25), (7.2, 1.15), blue)
    arrow(axes, (8.85, 1.3), (9.75, 1.3), blue)
    axes.text(5.1, 1.6, "each position looks\nthem up", color=blue, fontsize=9, ha="center")
    box(axes, 8.0, -1.3, "a map of\n8 x 8 vectors", orange)
    box(axes, 10.9, -1.3, "first convolution\nof the U-Net", orange)
    arrow(axes, (5.8, -0.25), (7.2, -1.1), orange)
    arrow(axes, (8.85, -1.3), (9.7, -1.3), orange)
    axes.text(5.1, -1.75, "each position is given\nits own", color=orange, fontsize=9, ha="center")
    box(axes, 10.9, 0, "$z_t$", green)
    arrow(axes, (10.9, 0.35), (10.9, 0.8), green)
    arrow(axes, (10.9, -0.35), (10.9, -0.8), green)
    return figure


def rows(pictures: Mapping[str, Tensor], columns: Sequence[str], title: str) -> Figure:
    """Pictures (N, C, H, W) in rows, a name each; the columns share their names evenly."""
    return labelled_grid(torch.cat([*pictures.values()]), [*pictures], columns, title)


def on_the_grid(picture: Tensor, values: Mapping[str, Tensor], title: str, label: str) -> Figure:
    """A picture (3, H, W) in [-1, 1] cut into squares, and beside it a number for each square, (h, w), a panel each."""
    figure = new_figure(2.5 + 2.4 * len(values), 2.9)
    left, *panels = figure.subplots(1, 1 + len(values))
    h, w = next(iter(values.values())).shape
    left.imshow((picture.movedim(0, 2).numpy() + 1) / 2, extent=(0, w, h, 0))
    for line in range(1, max(h, w)):
        left.axvline(line, color="white", linewidth=0.5)
        left.axhline(line, color="white", linewidth=0.5)
    left.set_title("a map in squares", fontsize=9)
    low = min(0.0, *(float(value.min()) for value in values.values()))
    high = max(float(value.max()) for value in values.values())
    for panel, (name, value) in zip(panels, values.items(), strict=True):
        drawn = panel.imshow(value.numpy(), extent=(0, w, h, 0), cmap="viridis", vmin=low, vmax=high)
        panel.set_title(name, fontsize=9)
    figure.colorbar(drawn, ax=panels, label=label, shrink=0.8)
    for panel in (left, *panels):
        panel.set(xlabel="column of the square", ylabel="row")
        panel.tick_params(labelsize=8)
    figure.suptitle(title, fontsize=10)
    return figure


def against(
    x: Sequence[float], curves: Mapping[str, Sequence[Measured]], title: str, xlabel: str, ylabel: str
) -> Figure:
    """Measured values against x, a curve each, with bars of one standard error."""
    figure = new_figure(6.4, 3.6)
    axes = figure.subplots()
    for (name, measured), color, marker in zip(curves.items(), PALETTE, "os^D", strict=False):
        means, errors = [value for value, _ in measured], [error for _, error in measured]
        axes.errorbar(x, means, errors, color=color, marker=marker, markersize=5, capsize=3, linewidth=1.2, label=name)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    axes.set_title(title, fontsize=10)
    return figure


def two_shares(measured: Mapping[str, tuple[Measured, Measured]], title: str, xlabel: str, ylabel: str) -> Figure:
    """Points in the plane of two figures of merit, a name each, with bars of one standard error in both."""
    figure = new_figure(6.4, 4.2)
    axes = figure.subplots()
    for (name, (across, up)), color, marker in zip(measured.items(), PALETTE[:7], "os^Dv<>", strict=False):
        style = dict(color=color, marker=marker, markersize=7, capsize=3, linestyle="none", label=name)
        axes.errorbar(across[0], up[0], up[1], across[1], **style)
    axes.set(xlabel=xlabel, ylabel=ylabel, xlim=(0, 1.04), ylim=(-0.06, 1.04))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.set_title(title, fontsize=10)
    return figure


def race(curves: Mapping[str, Sequence[float]], every: int) -> Figure:
    """The losses of trainings, each the mean of `every` steps, against the step."""
    figure = loss_curves(dict(curves), f"Loss of v, mean of {every} steps", every)
    plain_ticks(figure.axes[0].yaxis, subs=(1, 2, 3, 4, 5, 6, 8))
    return figure
