"""Figures of notebook 10: two stages, a U-Net and its parts, what a training shows, scales, and nearest neighbours."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ldm_teach.interactive.figures.schematic import arrow, box, diagram
from ldm_teach.interactive.pictures import labelled_grid, tile
from ldm_teach.interactive.plots import INK, PALETTE, new_figure, panels, plain_ticks

BLUE, ORANGE, GREEN = PALETTE[:3]


def two_stages() -> Figure:
    """The frozen autoencoder around the diffusion of its latents, with the way of training and that of sampling."""
    figure, axes = diagram(
        9.2, 3.2, (-0.7, 12.3), (-2.3, 2.0), "Two stages: the autoencoder is frozen, the U-Net learns"
    )
    parts = {
        0.2: ("image $x$\n1 × 28 × 28", INK),
        2.4: ("encoder\n$\\mathcal{E}$", BLUE),
        4.8: ("latent $z_0$\n4 × 8 × 8", GREEN),
        7.6: ("noised $z_t$\n4 × 8 × 8", GREEN),
        10.8: ("U-Net\n$v_\\theta(z_t, t, y)$", ORANGE),
    }
    for x, (words, color) in parts.items():
        box(axes, x, 1.0, words, color)
    for tail, head in ((1.15, 1.7), (3.1, 3.85), (5.75, 6.65), (8.55, 9.55)):
        arrow(axes, (tail, 1.0), (head, 1.0), INK)
    axes.text(6.2, 1.55, "noise", ha="center", fontsize=9)
    axes.text(-0.7, 1.75, "training", fontsize=9, color=INK)
    lower = {
        10.8: ("noise $z_T$\n4 × 8 × 8", INK),
        7.6: ("U-Net,\n20 calls", ORANGE),
        4.8: ("latent $z_0$\n4 × 8 × 8", GREEN),
        2.4: ("decoder\n$\\mathcal{D}$", BLUE),
        0.2: ("image\n1 × 28 × 28", INK),
    }
    for x, (words, color) in lower.items():
        box(axes, x, -1.3, words, color)
    for tail, head in ((9.8, 8.45), (6.8, 5.75), (3.85, 3.1), (1.7, 1.15)):
        arrow(axes, (tail, -1.3), (head, -1.3), INK)
    axes.text(-0.7, -0.45, "sampling", fontsize=9, color=INK)
    return figure


def unet_schematic() -> Figure:
    """The U-Net of the notebook: two resolutions, the skip between them, and where time and condition enter."""
    figure, axes = diagram(
        8.8, 4.2, (-0.8, 12.4), (-2.6, 2.9), "A U-Net of two resolutions: down, up, and a skip across"
    )
    box(axes, 0.2, 1.2, "$z_t$\n4 × 8 × 8", INK)
    box(axes, 2.5, 1.2, "enter\n64 × 8 × 8", INK)
    box(axes, 4.9, 1.2, "residual\n64 × 8 × 8", BLUE)
    box(axes, 3.9, -1.4, "residual,\nattention\n128 × 4 × 4", BLUE)
    box(axes, 6.9, -1.4, "residual,\nattention\n128 × 4 × 4", BLUE)
    box(axes, 8.6, 1.2, "residual\n64 × 8 × 8", BLUE)
    box(axes, 11.4, 1.2, "leave: $v$\n4 × 8 × 8", INK)
    for tail, head in (((1.0, 1.2), (1.65, 1.2)), ((3.35, 1.2), (4.0, 1.2)), ((9.5, 1.2), (10.45, 1.2))):
        arrow(axes, tail, head, INK)
    arrow(axes, (5.8, 1.2), (7.6, 1.2), ORANGE)
    axes.text(6.7, 1.35, "skip: +", ha="center", fontsize=9, color=ORANGE)
    arrow(axes, (4.7, 0.65), (4.1, -0.5), INK)
    axes.text(4.15, 0.1, "shrink", ha="right", fontsize=9)
    arrow(axes, (7.1, -0.5), (8.3, 0.65), INK)
    axes.text(8.0, -0.05, "grow", fontsize=9)
    arrow(axes, (4.95, -1.4), (5.85, -1.4), INK)
    axes.text(6.7, 2.45, "time $t$: scale and shift in every residual block", ha="center", fontsize=9, color=GREEN)
    for x in (4.9, 8.6):
        arrow(axes, (x, 2.35), (x, 1.75), GREEN)
    axes.text(8.6, -1.4, "← condition $y$: tokens,\n    read by cross-attention", va="center", fontsize=9, color=GREEN)
    return figure


def cost(sides: Sequence[int], curves: Mapping[str, Sequence[float]], title: str) -> Figure:
    """Cost against the side of the input, each curve over its value at the first side, on logarithmic axes."""
    figure = new_figure(6.0, 3.4)
    axes = figure.subplots()
    for (name, values), color, style in zip(curves.items(), PALETTE, ("o-", "s--", "^:"), strict=False):
        axes.plot(sides, [value / values[0] for value in values], style, color=color, label=name)
    axes.set(xscale="log", yscale="log", xlabel="side of the input (pixels)", ylabel=f"cost, side {sides[0]} = 1")
    axes.set_xticks(sides, [str(side) for side in sides])
    axes.minorticks_off()
    plain_ticks(axes.yaxis, (1, 3))
    finish(axes, title)
    return figure


def finish(axes: Axes, title: str) -> None:
    """A grid, a legend, and the finding above."""
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    axes.set_title(title, fontsize=10)


def time_features(features: Tensor, products: Mapping[str, Tensor], title: str) -> Figure:
    """The embedding of every index (T, width) as a picture, and inner products against the distance in t."""
    figure, (left, right) = panels(2, title, width=4.6, height=3.4)
    picture = left.imshow(features.T.numpy(), aspect="auto", cmap="RdBu", vmin=-1, vmax=1, interpolation="nearest")
    left.set(xlabel="index t", ylabel="number in the embedding")
    figure.colorbar(picture, ax=left, label="value")
    for (name, values), color, style in zip(products.items(), PALETTE, ("-", "--"), strict=False):
        half = len(values) // 2
        right.plot(range(-half, half + 1), values.numpy(), style, color=color, label=name)
    right.set(xlabel="distance in t", ylabel="inner product")
    right.grid(alpha=0.3)
    right.legend(frameon=False, fontsize=8)
    return figure


def depth(counts: Sequence[int], curves: Mapping[str, Sequence[float]], title: str) -> Figure:
    """The size of what leaves a stack of blocks against its depth."""
    figure = new_figure(5.6, 3.0)
    axes = figure.subplots()
    for (name, values), color, style in zip(curves.items(), PALETTE, ("o-", "s--"), strict=False):
        axes.plot(counts, values, style, color=color, label=name)
    axes.set(xlabel="blocks in the stack", ylabel="standard deviation of the output", xscale="log")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    finish(axes, title)
    return figure


def by_timestep(
    middles: Sequence[float], curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], title: str
) -> Figure:
    """Loss against the index t, a line with error bars for each network: name -> (means, errors)."""
    figure = new_figure(6.6, 3.6)
    axes = figure.subplots()
    for (name, (means, errors)), color, marker in zip(curves.items(), PALETTE, "os^Dv<", strict=False):
        axes.errorbar(
            middles, means, errors, color=color, marker=marker, markersize=4, linewidth=1.2, capsize=2, label=name
        )
    axes.set(xlabel="index t", ylabel="loss of v", yscale="log")
    plain_ticks(axes.yaxis)
    finish(axes, title)
    return figure


def learning(samples: Tensor, losses: Sequence[float], columns: int = 10) -> Figure:
    """A training as it goes: a sample (B, 1, H, W) of each class so far, and the mean loss of every ten steps."""
    figure = new_figure(8.0, 3.4)
    above, below = figure.subplots(2, 1, height_ratios=(1, 1.7))
    above.imshow(tile(samples, columns), interpolation="nearest")
    above.set_axis_off()
    curve(below, losses)
    title = f"After {len(losses)} training steps: a sample of each class, and the loss"
    if len(losses) > 100:
        last = losses[-100:]
        jump = sum(abs(b - a) for a, b in pairwise(last)) / (len(last) - 1) / (sum(last) / len(last))
        title += f", which moves by {100 * jump:.0f} % from step to step"
    figure.suptitle(title, fontsize=10)
    return figure


def curve(axes: Axes, losses: Sequence[float]) -> None:
    """The loss of every step, thin, and the mean of ten, bold."""
    axes.plot(range(1, len(losses) + 1), losses, color=BLUE, linewidth=0.7, alpha=0.6, label="one step")
    means = [sum(losses[k : k + 10]) / len(losses[k : k + 10]) for k in range(0, len(losses), 10)]
    axes.plot([10 * k + 5.5 for k in range(len(means))], means, color=ORANGE, linewidth=1.8, label="mean of ten")
    axes.set(xlabel="training step", ylabel="loss of v", yscale="log")
    plain_ticks(axes.yaxis)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)


def two_loops(rates: Mapping[str, Sequence[float]], away: Mapping[str, Sequence[float]], title: str) -> Figure:
    """The learning rate, and how far the weights are from the true ones, against the step, for each loop."""
    figure, (left, right) = panels(2, title, width=4.4, height=3.2)
    styles = ("-", "--", ":")
    for axes, curves in ((left, rates), (right, away)):
        for number, (name, values) in enumerate(curves.items()):
            axes.plot(values, styles[number % 3], color=PALETTE[number], label=name)
        axes.set(xlabel="training step")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
    left.set(ylabel="learning rate")
    right.set(ylabel="distance to the true weights", yscale="log")
    plain_ticks(right.yaxis)
    return figure


def scales(factors: Sequence[float], errors: Mapping[str, Sequence[float]], accuracies: Mapping[str, Sequence[tuple]],
           title: str) -> Figure:  # fmt: skip
    """Squared error and the judge's accuracy against the factor by which latents are off: name -> a value for each."""
    figure, (left, right) = panels(2, title, width=4.5, height=3.5)
    for number, (name, values) in enumerate(errors.items()):
        left.plot(factors, values, "os^"[number] + "-", color=PALETTE[number], label=name)
        means, bars = zip(*accuracies[name], strict=True)
        right.errorbar(factors, means, bars, color=PALETTE[number], marker="os^"[number], capsize=2, label=name)
    for axes in (left, right):
        axes.set(xlabel="factor c on the latent", xscale="log")
        axes.set_xticks(factors, [f"{factor:.2g}" for factor in factors], fontsize=8)
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
    left.set(ylabel="squared error per pixel", yscale="log")
    plain_ticks(left.yaxis)
    right.set(ylabel="accuracy (judge)", ylim=(0, 1))
    return figure


def two_parts(rows: Mapping[str, Sequence[float]], parts: Sequence[str], title: str) -> Figure:
    """Horizontal bars, each made of parts side by side: name of a bar -> its parts."""
    figure = new_figure(7.4, 1.0 + 0.5 * len(rows))
    axes = figure.subplots()
    for number, (name, values) in enumerate(rows.items()):
        left = 0.0
        for value, color, part in zip(values, (INK, BLUE, ORANGE), parts, strict=True):
            axes.barh(number, value, left=left, color=color, height=0.6, label=None if number else part)
            left += value
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set(xlabel="Fréchet distance to the test images")
    axes.grid(alpha=0.3, axis="x")
    axes.legend(frameon=False, fontsize=8)
    axes.set_title(title, fontsize=10)
    return figure


def garments(x: Tensor, rows: Sequence[str], title: str, columns: Sequence[str] = ("",), zoom: int = 2) -> Figure:
    """A labelled grid of images (B, C, H, W), each pixel `zoom` pixels wide."""
    large = x.repeat_interleave(zoom, dim=2).repeat_interleave(zoom, dim=3)
    figure = labelled_grid(large, rows, columns, title)
    figure.set_figwidth(figure.get_figwidth() + 0.6)  # where the width is what limits it, names would be cut
    return figure


def neighbours(sets: Mapping[str, Tensor], pairs: Tensor, title: str) -> Figure:
    """Distances as distribution functions, and garments above their nearest training images (2 N, 1, H, W)."""
    figure = new_figure(9.4, 3.4)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    for (name, values), color, style in zip(sets.items(), PALETTE, ("-", "--", "-."), strict=False):
        ordered = values.sort().values
        left.step(
            ordered.numpy(), [(k + 1) / len(ordered) for k in range(len(ordered))], style, color=color, label=name
        )
    left.set(xlabel="distance to the nearest training image", ylabel="share with at most this distance")
    left.grid(alpha=0.3)
    left.legend(frameon=False, fontsize=8)
    columns = len(pairs) // 2
    right.imshow(tile(pairs, columns, groups=2), interpolation="nearest")
    size = pairs.shape[-1]
    right.set_yticks([size / 2, 1.5 * size + 2], ["image", "nearest in\ntraining set"])
    right.set_xticks([columns * size / 4, columns * size * 3 / 4 + 16], ["four samples", "four held-out images"])
    right.tick_params(length=0)
    right.spines[:].set_visible(False)
    figure.suptitle(title, fontsize=10)
    return figure


def ratios(values: Mapping[str, float], title: str) -> Figure:
    """How many times as much pixels cost as latents: a bar for each name."""
    figure = new_figure(7.4, 2.2)
    axes = figure.subplots()
    axes.barh(range(len(values)), list(values.values()), color=PALETTE[: len(values)], height=0.6)
    for place, value in enumerate(values.values()):
        axes.text(value, place, f" {value:.0f}", va="center", fontsize=9)
    axes.set_yticks(range(len(values)), list(values))
    axes.invert_yaxis()
    axes.set(xlabel="pixels / latent")
    axes.grid(alpha=0.3, axis="x")
    axes.set_title(title, fontsize=10)
    return figure
