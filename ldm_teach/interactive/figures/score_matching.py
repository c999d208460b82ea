"""The figures of notebook 04: how a score is learned, what is wrong in it, and where chains end."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch import Tensor

from ldm_teach.interactive.plots import INK, PALETTE, density, grid_points, heatmap, new_figure, panels
from ldm_teach.interactive.plots import clouds as clouds  # handed on to the notebook

Field = Callable[[Tensor], Tensor]
Score = Callable[[Tensor, float], Tensor]  # of x (B, 2) and sigma: (B, 2)
EXTENT = 4.0


def schematic() -> Figure:
    """How the noise of a point becomes the target of a regression, and where the network scales."""
    figure = new_figure(10, 3.6)
    axes = figure.subplots()
    axes.set(xlim=(0, 100), ylim=(0, 36))
    axes.axis("off")
    data = _box(axes, 1, 21, 17, 9, "$x_0$\na sample of the data", PALETTE[0])
    noise = _box(axes, 1, 2, 17, 9, "$\\epsilon \\sim N(0, I)$\nthe noise drawn", PALETTE[1])
    noised = _box(axes, 26, 21, 15, 9, "$x = x_0 + \\sigma \\epsilon$", INK)
    network = _box(axes, 49, 16, 25, 19, "", PALETTE[2])
    lines = ("score network $s_\\theta(x, \\sigma)$", "sees $x / (1 + \\sigma^2)^{1/2}$ and $\\log\\, \\sigma$")
    for height, line in zip(
        (31.5, 27.5, 23.5, 19.5), (*lines, "three hidden layers", "output divided by $\\sigma$"), strict=True
    ):
        axes.text(61.5, height, line, ha="center", va="center", fontsize=10)
    loss = _box(axes, 81, 2, 18, 9, "loss: mean of\n$(\\sigma s_\\theta + \\epsilon)^2$", PALETTE[3])
    _arrow(axes, data, noised)
    _arrow(axes, (18, 8.5), (30, 21), label="times $\\sigma$", at=(28.5, 13))
    _arrow(axes, noised, network)
    _arrow(axes, (74, 25.5), (90, 11), bend=-0.35, label="$s_\\theta$", at=(88, 23.5))
    _arrow(axes, noise, loss, label="the same noise, with its sign turned, is the target", at=(52, 7))
    return figure


def _box(axes, x: float, y: float, width: float, height: float, words: str, color: str) -> tuple[float, ...]:
    axes.add_patch(
        FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=1", fill=False, ec=color, lw=1.6)
    )
    axes.text(x + width / 2, y + height / 2, words, ha="center", va="center", fontsize=10, linespacing=1.35)
    return x, y, width, height


def _arrow(axes, start, end, label: str = "", at=(0.0, 0.0), bend: float = 0.0) -> None:
    """An arrow from the right edge of a box to the left edge of another, or from point to point."""
    if len(start) == 4:
        start = start[0] + start[2], start[1] + start[3] / 2
    if len(end) == 4:
        end = end[0], end[1] + end[3] / 2
    shape = dict(arrowstyle="-|>", mutation_scale=12, lw=1.2, color=INK, shrinkA=1, shrinkB=1)
    axes.add_patch(FancyArrowPatch(start, end, connectionstyle=f"arc3,rad={bend}", **shape))
    axes.text(*at, label, ha="center", va="bottom", fontsize=10)


def relative_error(score: Score, exact: Score, x: Tensor, sigma: float) -> Tensor:
    """|score - exact| / (1 + |exact|) at points x (B, d): (B,). The 1 keeps it finite where the exact arrow is zero."""
    want = exact(x, sigma)
    return (score(x, sigma) - want).norm(dim=1) / (1 + want.norm(dim=1))


def field_arrows(axes, score: Score, sigma: float, color: str) -> None:
    """Arrows sigma * score on a grid, shortened to a legible length; those near zero are short, not dots."""
    x = grid_points(0.92 * EXTENT, 15)
    v = sigma * score(x, sigma)
    v = v / (0.35 + v.norm(dim=1, keepdim=True))
    x, v = x.numpy(), v.numpy()
    scale = dict(angles="xy", scale_units="xy", scale=8 / EXTENT, width=0.006, minlength=0, headwidth=4)
    axes.quiver(x[:, 0], x[:, 1], v[:, 0], v[:, 1], color=color, **scale)


def compare_fields(learned: Score, exact: Score, log_prob: Field, sigma: float, title: str) -> Figure:
    """The exact arrows and the learned ones, each over the density, and a map of the relative error."""
    figure, axes = panels(3, title, width=3.6, height=4.0)
    for each, score, color, name in zip(axes, (exact, learned), PALETTE, ("exact", "learned"), strict=False):
        density(each, log_prob)
        field_arrows(each, score, sigma, color)
        each.set_title(f"{name} score, $\\sigma$ = {sigma:.3g}", fontsize=10)
    picture = error_map(axes[2], learned, exact, log_prob, sigma)
    bar = figure.colorbar(picture, ax=axes[2], shrink=0.72)
    bar.set_label("|learned - exact| / (1 + |exact|)", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    axes[2].set_title("relative error; in the line: the data", fontsize=10)
    return figure


def error_map(axes, learned: Score, exact: Score, log_prob: Field, sigma: float):
    """The relative error on the plane, with a contour that holds nearly all of the density: 4.6 nats below its top."""
    grid = grid_points(EXTENT)
    picture = heatmap(axes, relative_error(learned, exact, grid, sigma), EXTENT, vmin=0, vmax=1, cmap="cividis_r")
    depth = log_prob(grid) - log_prob(grid).max()
    side = np.linspace(-EXTENT, EXTENT, 81)
    axes.contour(
        side,
        side,
        depth.reshape(81, 81).numpy(),
        levels=[-4.6],
        colors=[PALETTE[1]],
        linestyles="solid",
        linewidths=1.6,
    )
    return picture


def loss_and_floor(
    curves: Mapping[str, Sequence[float]], floor: float, title: str, average: int = 20, top: float = 1.1
) -> Figure:
    """Losses against the step, each the mean over `average` steps, and the floor below which no network comes."""
    figure = new_figure(7, 3.4)
    axes = figure.subplots()
    for (name, values), color in zip(curves.items(), PALETTE, strict=False):
        means = torch.tensor(values).unfold(0, average, average).mean(1) if len(values) >= average else torch.empty(0)
        axes.plot((np.arange(len(means)) + 1) * average, means, color=color, label=name, linewidth=1.6)
    axes.axhline(floor, color=PALETTE[2], linestyle="--", linewidth=1.4, label=f"floor, exact score: {floor:.3f}")
    axes.set(xlabel="training step", ylabel="loss per dimension", title=title, ylim=(0, top))
    axes.title.set_fontsize(10)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=9)
    return figure


def by_level(sigmas: Sequence[float], curves: Mapping[str, Sequence[float]], ylabel: str, title: str) -> Figure:
    """Quantities of each noise level against sigma, both axes logarithmic, ticks at plain numbers."""
    figure = new_figure(7, 3.6)
    axes = figure.subplots()
    for (name, values), color, marker in zip(curves.items(), PALETTE, "os^Dv<", strict=False):
        axes.plot(list(sigmas), list(values), color=color, marker=marker, markersize=5, linewidth=1.4, label=name)
    axes.set(xscale="log", yscale="log", xlabel="noise level $\\sigma$ (units of x)", ylabel=ylabel, title=title)
    axes.title.set_fontsize(10)
    axes.set_xticks([0.05, 0.1, 0.2, 0.5, 1, 2, 5], minor=False)
    axes.set_xticks([], minor=True)
    axes.set_xlim(min(sigmas) / 1.15, max(sigmas) * 1.15)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=9)
    return figure


def ladder(score: Score, log_probs: Mapping[float, Field], title: str) -> Figure:
    """The noised density and the arrows sigma * score(x, sigma), a panel for each sigma."""
    figure, axes = panels(len(log_probs), title, width=2.9, height=3.4)
    for each, (sigma, log_prob) in zip(axes, log_probs.items(), strict=True):
        density(each, log_prob)
        field_arrows(each, score, sigma, PALETTE[0])
        each.set_title(f"$\\sigma$ = {sigma:.3g}", fontsize=10)
    return figure


def learning(score: Score, log_prob: Field, sigma: float, losses: Sequence[float], floor: float) -> Figure:
    """What a training has reached: the learned arrows at one level, and the loss so far."""
    figure = new_figure(9, 3.8)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.3))
    density(left, log_prob)
    field_arrows(left, score, sigma, PALETTE[0])
    left.set_title(f"learned score, $\\sigma$ = {sigma:.3g}", fontsize=10)
    right.plot(np.arange(len(losses)) + 1, losses, color=PALETTE[0], linewidth=0.6, label="loss of each batch")
    right.axhline(floor, color=PALETTE[1], linestyle="--", linewidth=1.4, label=f"floor, exact score: {floor:.3f}")
    right.set(xlabel="training step", ylabel="loss per dimension", ylim=(0, 1.1))
    recent = losses[-100:]
    right.set_title(f"step {len(losses)}: mean of the last {len(recent)} losses {np.mean(recent):.2f}", fontsize=10)
    right.grid(alpha=0.3)
    right.legend(frameon=False, fontsize=9)
    return figure
