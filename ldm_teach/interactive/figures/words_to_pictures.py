"""The figures of notebook 13: emoji in rows, guidance with two weights, what is found again, what is a copy."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ldm_teach.interactive.figures import pictures
from ldm_teach.interactive.figures.pictures import Measured
from ldm_teach.interactive.figures.schematic import arrow, box, diagram
from ldm_teach.interactive.pictures import labelled_grid, tile
from ldm_teach.interactive.plots import INK, PALETTE, new_figure

rows = pictures.rows


def schematic() -> Figure:
    """A prompt becomes tokens, and three calls of the U-Net become one prediction of the noise."""
    figure, axes = diagram(8.4, 2.7, (-0.4, 11.6), (-0.5, 3.4), "One prompt, three calls, two weights")
    box(axes, 0.9, 1.5, "noto: cat face", INK)
    box(axes, 3.4, 2.4, "token of the style", PALETTE[1])
    box(axes, 3.4, 0.6, "tokens of the words", PALETTE[0])
    for y, color in ((2.4, PALETTE[1]), (0.6, PALETTE[0])):
        arrow(axes, (1.6, 1.7 if y > 1.5 else 1.3), (2.3, y), color)
    calls = (
        (2.9, r"$\epsilon_\varnothing$", "nothing"),
        (1.5, r"$\epsilon_1$", "style"),
        (0.1, r"$\epsilon_{12}$", "both"),
    )
    for y, name, tokens in calls:
        box(axes, 6.6, y, f"U-Net, {tokens}: {name}", INK)
        arrow(axes, (7.8, y), (9.1, 1.5 + 0.12 * (y - 1.5)), INK)
    arrow(axes, (4.5, 2.3), (5.5, 1.6), PALETTE[1])
    arrow(axes, (4.5, 2.1), (5.5, 0.3), PALETTE[1])
    arrow(axes, (4.6, 0.5), (5.5, 0.15), PALETTE[0])
    box(axes, 10.2, 1.5, r"$w_1$, $w_2$: one $\tilde\epsilon$", PALETTE[2])
    return figure


def by_style(grid: Mapping[str, Sequence[Tensor | None]], styles: Sequence[str], title: str) -> Figure:
    """A row for each name, a column for each style; white where a designer has no picture (3, H, W) of it."""
    blank = torch.ones(next(x for row in grid.values() for x in row if x is not None).shape)
    every = torch.stack([blank if x is None else x for row in grid.values() for x in row])
    return labelled_grid(every, [*grid], styles, title)


PANELS = {"top1": "name first of 100", "style": "style right", "frechet": "Fréchet distance", "copies": "copies"}


def guidance(
    drawn: Mapping[str, Mapping[str, Sequence[Measured]]],
    real: Mapping[str, Mapping[str, float]],
    weights: Sequence[float],
    title: str,
) -> Figure:
    """The parts of PANELS against equal weights of style and words, a line for what was asked; dashed: real pictures.

    drawn: what was asked -> part -> value and standard error at each weight.  real: what was asked -> part -> value.
    """
    figure = new_figure(10, 2.9)
    panels = figure.subplots(1, len(PANELS))
    for (asked, parts), color, marker in zip(drawn.items(), PALETTE, "os^", strict=False):
        for axes, part in zip(panels, PANELS, strict=True):
            values, errors = zip(*parts[part], strict=True)
            axes.errorbar(weights, values, errors, color=color, marker=marker, markersize=4, linewidth=1.2, label=asked)
            axes.axhline(real[asked][part], color=color, linewidth=1, linestyle="--")
    for axes, (part, words) in zip(panels, PANELS.items(), strict=True):
        axes.set(xlabel="w of style and words")
        axes.set_title(words, fontsize=9)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
        if part != "frechet":
            axes.set_ylim(-0.03, 1.03)
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    figure.suptitle(title, fontsize=10)
    return figure


def neighbours(drawn: Mapping[str, Tensor], real: Mapping[str, Tensor], near: float, title: str) -> Figure:
    """Distances to the nearest training picture as distribution functions, a colour for what was asked.

    drawn, real: what was asked -> distances (N,) of samples, and of held-out pictures (dashed).  Dotted: `near`, within
    which a picture is a copy.
    """
    figure = new_figure(6.4, 3.2)
    axes = figure.subplots()
    colors = dict(zip(drawn, PALETTE, strict=False))
    for kind, style, sets in (("samples", "-", drawn), ("real", "--", real)):
        for name, values in sets.items():
            ordered = values.sort().values.numpy()
            shares = [(k + 1) / len(ordered) for k in range(len(ordered))]
            axes.step(ordered, shares, where="post", linestyle=style, color=colors[name], label=f"{kind}, {name}")
    axes.axvline(near, color="0.4", linestyle=":", label=f"a copy: at most {near:.3f}")
    axes.set(xlabel="distance to the nearest training picture", ylabel="share with at most this distance")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    axes.set_title(title, fontsize=10)
    return figure


def side_by_side(pairs: Tensor, names: Sequence[str], title: str) -> Figure:
    """Pictures (N, 3, H, W) and below each its nearest training picture, (2 N, 3, H, W) in all, under names."""
    columns = len(pairs) // 2
    figure = new_figure(0.9 * columns, 2.5)
    axes = figure.subplots()
    axes.imshow(tile(pairs, columns), interpolation="nearest")
    side = pairs.shape[-1]
    axes.set_yticks([side / 2, 1.5 * side + 2], ["picture", "nearest of\ntraining"])
    axes.set_xticks([(n + 0.5) * side + 2 * n for n in range(columns)], names, fontsize=7.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=10)
    return figure
