"""The figures of notebook 14: what survives, the wanted part beside the known one, reconstruction, edited pictures."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ldm_teach.interactive import plots
from ldm_teach.interactive.figures import pictures
from ldm_teach.interactive.figures.pictures import Measured
from ldm_teach.interactive.figures.schematic import arrow, box, diagram
from ldm_teach.interactive.plots import INK, PALETTE, new_figure, panels, plain_ticks
from ldm_teach.theory.mixture import GaussianMixture

_MARKERS = "os^Dv"
rows, against = pictures.rows, pictures.against
clouds = partial(plots.clouds, extent=3.5)


def schematic() -> Figure:
    """Three ways from given data back to data: from halfway, with the known part kept, and from the inverted noise."""
    title = "Three ways to edit: another start, or another arrow"
    figure, axes = diagram(8.4, 2.9, (-0.2, 11.4), (-0.5, 3.6), title)
    for y, color, name in zip((3.0, 1.6, 0.2), PALETTE, ("image-to-image", "inpainting", "inversion"), strict=False):
        axes.text(0, y, name, color=color, va="center", fontsize=10)
        box(axes, 10.6, y, "edited", color)
    for y, color in ((3.0, PALETTE[0]), (0.2, PALETTE[2])):
        box(axes, 3.2, y, "given $x_0$", INK)
        arrow(axes, (8.1, y), (9.95, y), color, "sampler", (8.5, y + 0.15))
    box(axes, 7.1, 3.0, "noised, $t < T$", PALETTE[0])
    arrow(axes, (3.95, 3.0), (6.05, 3.0), PALETTE[0], "add noise", (4.3, 3.15))
    box(axes, 3.2, 1.6, "noise $x_T$", INK)
    words = "sampler; the known part is put back at every step"
    arrow(axes, (3.95, 1.6), (9.95, 1.6), PALETTE[1], words, (4.5, 1.75))
    box(axes, 7.1, 0.2, "its noise $x_T$", PALETTE[2])
    arrow(axes, (3.95, 0.2), (6.15, 0.2), PALETTE[2], "DDIM, upwards", (4.1, 0.35))
    return figure


def survival(
    strengths: Sequence[float],
    laws: Mapping[str, Sequence[float]],
    measured: Mapping[str, Sequence[Measured]],
    title: str,
) -> Figure:
    """Shares against strength: laws as lines, and what was measured as points with bars of two standard errors."""
    figure = new_figure(6.4, 3.6)
    axes = figure.subplots()
    for (name, values), color, style in zip(laws.items(), PALETTE, ("-", "--"), strict=False):
        axes.plot(strengths, values, style, color=color, linewidth=1.2, label=name)
    for (name, points), color, marker in zip(measured.items(), PALETTE, _MARKERS, strict=False):
        values, errors = zip(*points, strict=True)
        bars = [2 * error for error in errors]
        axes.errorbar(strengths, values, bars, fmt=marker, color=color, markersize=5, capsize=3, label=name)
    axes.set(xlabel="strength (share of the forward process)", ylabel="share in the old bump (2 s.e.)", ylim=(0, 1.05))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    axes.set_title(title, fontsize=10)
    return figure


def wanted_parts(exact: GaussianMixture, drawn: Mapping[str, Tensor], title: str) -> Figure:
    """Drawn numbers (N,) as histograms, a panel each, below the exact density on the line."""
    figure, axes = panels(len(drawn), title, width=2.9, height=3.2)
    x = torch.linspace(-3.8, 3.2, 281, dtype=torch.float64)
    density = exact.log_prob(x[:, None]).exp()
    for panel, (name, values), color in zip(axes, drawn.items(), PALETTE, strict=False):
        panel.hist(values.numpy(), bins=60, range=(-3.8, 3.2), density=True, color=color, alpha=0.55, label="drawn")
        panel.plot(x.numpy(), density.numpy(), color=INK, linewidth=1.4, label="exact")
        panel.set_title(name, fontsize=9)
        panel.set_xlabel("wanted coordinate $x_2$")
        panel.grid(alpha=0.3)
    top = max(panel.get_ylim()[1] for panel in axes)
    for panel in axes:
        panel.set_ylim(0, top)
    axes[0].set_ylabel("density")
    axes[0].legend(frameon=False, fontsize=8)
    return figure


def reconstruction(steps: Sequence[int], curves: Mapping[str, Sequence[Measured]], title: str) -> Figure:
    """The error of what DDIM leads back to, in per cent, against steps, both axes logarithmic; bars of 2 s.e."""
    figure = new_figure(6.0, 3.4)
    axes = figure.subplots()
    for (name, errors), color, marker in zip(curves.items(), PALETTE, _MARKERS, strict=False):
        values, bars = [value for value, _ in errors], [2 * error for _, error in errors]
        axes.errorbar(steps, values, bars, fmt=f"{marker}-", color=color, capsize=3, linewidth=1.2, label=name)
    axes.set(xlabel="number of steps", ylabel="reconstruction error (%, 2 s.e.)", xscale="log", yscale="log")
    plain_ticks(axes.xaxis)
    plain_ticks(axes.yaxis)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    axes.set_title(title, fontsize=10)
    return figure


def guided_clouds(
    log_prob: Callable[[Tensor], Tensor], drawn: Mapping[str, Tensor], centres: Tensor, title: str
) -> Figure:
    """Points (N, 2) on a density of the plane, a panel each, with a cross at each centre (K, 2)."""
    figure = clouds(log_prob, drawn, title, first=PALETTE[0])
    for panel in figure.axes:
        panel.plot(centres[:, 0].numpy(), centres[:, 1].numpy(), "+", color=INK, markersize=10, markeredgewidth=2)
    return figure
