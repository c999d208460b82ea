"""The figures of notebook 11: attention, a reader of captions, pictures with their captions, and what words do."""

from collections.abc import Callable, Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ldm_teach.interactive.figures.schematic import arrow, box, diagram
from ldm_teach.interactive.plots import INK, PALETTE, new_figure, panels
from ldm_teach.models.latent_diffusion import LatentDiffusion

Curve = tuple[Sequence[float], Sequence[float]]  # values, and their errors
MARKERS = "os^Dvp"
FRAMES = {
    "as asked": INK,
    "wrong items": PALETTE[1],
    "wrong relation": PALETTE[0],
    "a near tie": PALETTE[2],
    "wrong size": PALETTE[3],
}


def schematic() -> Figure:
    """Where a caption enters: encoder, tokens, keys and values; the positions of the U-Net ask with queries."""
    title = "Cross-attention: each position of the U-Net asks, the tokens of the caption answer"
    figure, axes = diagram(9.4, 3.6, (-0.7, 12.9), (-1.35, 3.5), title)
    blue, orange, green = PALETTE[0], PALETTE[1], PALETTE[2]
    box(axes, 0.6, 3.0, "caption $y$\n7 words", INK)
    box(axes, 3.6, 3.0, "encoder $\\tau_\\theta$", orange)
    box(axes, 6.6, 3.0, "tokens\n14 vectors", orange)
    box(axes, 6.6, 1.85, "keys $K$", orange)
    box(axes, 9.7, 3.0, "values $V$", orange)
    box(axes, 0.6, 0.0, "feature map\n64 positions", INK)
    box(axes, 3.6, 0.0, "queries $Q$", blue)
    box(axes, 6.6, 0.5, "weights\nsoftmax($QK^T/\\sqrt{d}$)", green)
    box(axes, 9.7, 0.0, "mean of values\nfor each position", green)
    box(axes, 12.4, 0.0, "+", INK)
    arrow(axes, (1.3, 3.0), (2.75, 3.0), orange)
    arrow(axes, (4.4, 3.0), (5.8, 3.0), orange)
    arrow(axes, (7.35, 3.0), (8.95, 3.0), orange)
    arrow(axes, (6.6, 2.6), (6.6, 2.15), orange)
    arrow(axes, (6.6, 1.55), (6.6, 0.95), orange)
    arrow(axes, (9.7, 2.7), (9.7, 0.45), orange)
    arrow(axes, (1.45, 0.0), (2.85, 0.0), blue)
    arrow(axes, (4.35, 0.1), (5.45, 0.4), blue)
    arrow(axes, (7.75, 0.4), (8.65, 0.15), green)
    arrow(axes, (10.75, 0.0), (12.15, 0.0), green)
    arrow(axes, (0.6, -0.4), (12.35, -0.25), INK, bend=0.07)
    axes.text(6.4, -0.95, "residual: what was there is kept", ha="center", fontsize=9)
    return figure


def sharpness(widths: Sequence[int], curves: Mapping[str, Curve], title: str) -> Figure:
    """The largest weight against the width d of the keys, on a logarithmic axis, a line a rule with its errors."""
    figure = new_figure(6.4, 3.4)
    axes = figure.subplots()
    for number, (name, (values, errors)) in enumerate(curves.items()):
        color, marker = PALETTE[number], MARKERS[number]
        axes.errorbar(widths, values, errors, color=color, marker=marker, markersize=5, capsize=3, label=name)
    axes.axhline(1 / 7, color=INK, linestyle=":", label="all seven alike")
    axes.set(xlabel="width d of a key", ylabel="largest of seven weights (mean)", xscale="log", ylim=(0, 1.04))
    axes.set_xticks(widths, [str(width) for width in widths])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    axes.set_title(title, fontsize=10)
    return figure


def learning(curves: Mapping[str, tuple[Sequence[int], Sequence[float]]], title: str) -> Figure:
    """The share of captions read rightly against the training step, a line a reader, and the most a bag allows."""
    figure = new_figure(6.8, 3.4)
    axes = figure.subplots()
    for number, (name, (steps, shares)) in enumerate(curves.items()):
        style = dict(color=PALETTE[number], marker=MARKERS[number], markersize=4, linewidth=1.4)
        axes.plot(steps, shares, label=name, **style)
    axes.axhline(0.25, color=INK, linestyle=":", label="most for a bag of words: 1/4")
    axes.set(xlabel="training step", ylabel="share of new captions read rightly", ylim=(-0.03, 1.05))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8, loc="center right")
    axes.set_title(title, fontsize=10)
    return figure


def put(axes: Axes, picture: Tensor, frame: str | None = None) -> None:
    """A picture (3, H, W) in [-1, 1] without ticks, in a frame of a colour."""
    axes.imshow(((picture.clamp(-1, 1) + 1) / 2).permute(1, 2, 0).numpy(), interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(color=frame or INK, linewidth=4 if frame else 0.8)


def broken(caption: str) -> str:
    """A caption in lines of one phrase each."""
    for word in (" above", " below", " left of", " right of", ","):
        caption = caption.replace(word, "\n" + word.strip() if word != "," else ",\n")
    return caption.replace("\n ", "\n")


def by_weight(pictures: Tensor, captions: Sequence[str], weights: Sequence[float], title: str) -> Figure:
    """Pictures (captions, weights, n, 3, H, W): a block a caption under its words, a row a guidance weight."""
    rows, columns, each = len(weights), len(captions), pictures.shape[2]
    figure = new_figure(10, 0.8 + 0.76 * rows)
    ratios = ([1.0] * each + [0.1]) * columns  # a narrow column after each block sets it apart
    grid = figure.subplots(rows, len(ratios), squeeze=False, width_ratios=ratios)
    for axes in grid[:, each :: each + 1].flatten():
        axes.axis("off")
    for column in range(columns):
        for row, weight in enumerate(weights):
            for n in range(each):
                axes = grid[row][column * (each + 1) + n]
                put(axes, pictures[column, row, n])
                if column == n == 0:
                    axes.set_ylabel(f"w = {weight:g}", fontsize=9)
        grid[0][column * (each + 1) + each // 2].set_title(broken(captions[column]), fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure


def asked(pictures: Tensor, captions: Sequence[str], verdicts: Sequence[str], title: str, columns: int = 6) -> Figure:
    """Pictures under their captions; the colour of a frame says the verdict, one of FRAMES."""
    rows = -(-len(captions) // columns)
    figure = new_figure(10, 0.6 + 2.05 * rows)
    figure.set_layout_engine("constrained", h_pad=0.07)
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes in grid[len(captions) :]:
        axes.axis("off")
    for axes, picture, caption, verdict in zip(grid, pictures, captions, verdicts, strict=False):
        put(axes, picture, None if verdict == "as asked" else FRAMES[verdict])
        axes.set_title(broken(caption), fontsize=7.5)
        axes.set_xlabel(verdict, fontsize=7.5, color=FRAMES[verdict])
    figure.suptitle(title, fontsize=10)
    return figure


def attention(picture: Tensor, names: Sequence[str], places: Tensor, title: str) -> Figure:
    """A guessed picture (3, 32, 32), and for each name the weight (n, h, w) that each position gives to it."""
    figure = new_figure(10, 1.75)
    axes = figure.subplots(1, 1 + len(names))
    put(axes[0], picture)
    axes[0].set_title("guess of $x_0$", fontsize=10)
    for panel, name, place in zip(axes[1:], names, places, strict=True):
        drawn = panel.imshow(place.numpy(), cmap="viridis", vmin=0, vmax=1)
        panel.set(xticks=[], yticks=[])
        panel.set_title(name, fontsize=10)
    bar = figure.colorbar(drawn, ax=list(axes), shrink=0.8, pad=0.01)
    bar.set_label("weight", fontsize=10)
    bar.ax.tick_params(labelsize=9)
    figure.suptitle(title, fontsize=11)
    return figure


def attention_steps(model: LatentDiffusion, caption: str, steps: Sequence) -> Callable[[int], Figure]:
    """What draws the n-th of some steps: (t, guess of x_0 in the latent, weights (B, L, h, w)) of the first of B."""
    names = caption.split()

    def at_step(n: int) -> Figure:
        t, z0, weights = steps[n]
        padding = weights[0, len(names) :].sum(0, keepdim=True)
        places = torch.cat([weights[0, : len(names)], padding])
        title = f"“{caption}”, t = {t}"
        return attention(model.decode(z0[:1])[0], [*names, "padding"], places, title)

    return at_step


def over_time(times: Sequence[float], curves: Mapping[str, Mapping[str, Curve]], labels: tuple[str, str], title: str):
    """Curves with error bars against a time that runs down to the clean end, a panel each under its name."""
    one = len(curves) == 1
    figure, axes = panels(len(curves), title, width=7.0 if one else 3.5, height=3.3)
    for number, (panel, (name, lines)) in enumerate(zip(axes, curves.items(), strict=True)):
        for k, (label, (values, errors)) in enumerate(lines.items()):
            style = dict(color=PALETTE[k], marker=MARKERS[k], markersize=4, linewidth=1.2, capsize=2)
            panel.errorbar(times, values, errors, label=label, **style)
        panel.set(xlabel=labels[0], ylabel="" if number else labels[1], ylim=(-0.04, 1.04))
        panel.invert_xaxis()
        panel.grid(alpha=0.3)
        panel.set_title(name, fontsize=9)
    axes[0].legend(frameon=False, fontsize=7.5, ncols=3 if one else 1)
    return figure


def lines(pictures: Tensor, rows: Sequence[str], captions: Sequence[str], title: str) -> Figure:
    """Pictures (rows, captions, 3, H, W): a column under each caption, and before each row what was done."""
    figure = new_figure(10, 0.95 + 1.25 * len(rows))
    grid = figure.subplots(len(rows), len(captions), squeeze=False)
    for row, (name, line) in enumerate(zip(rows, grid, strict=True)):
        for column, axes in enumerate(line):
            put(axes, pictures[row, column])
            if not row:
                axes.set_title(broken(captions[column]), fontsize=7.5)
        line[0].set_ylabel(name, fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure
