"""Figures of notebook 01: an autoencoder as boxes, rate and distortion, garments large enough to compare."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ldm_teach.interactive.pictures import labelled_grid
from ldm_teach.interactive.plots import INK, PALETTE, new_figure, panels, plain_ticks


def autoencoder_schematic(image: str, latent: str, title: str) -> Figure:
    """Encoder, sample, decoder as boxes and arrows, with the two terms of the loss where they arise.

    image, latent: the shapes that are written below x and below z.
    """
    figure = new_figure(9.2, 2.9)
    axes = figure.subplots()
    boxes = {
        0.7: (f"image $x$\n{image}", INK),
        2.9: ("encoder $\\mathcal{E}$", PALETTE[0]),
        5.0: ("$\\mu,\\ \\sigma$", INK),
        7.2: (f"latent $z$\n{latent}", PALETTE[2]),
        9.4: ("decoder $\\mathcal{D}$", PALETTE[0]),
        11.6: (f"image $\\hat x$\n{image}", INK),
    }
    for place, (words, color) in boxes.items():
        frame = dict(boxstyle="round,pad=0.45", facecolor="none", edgecolor=color, linewidth=1.6)
        axes.text(place, 1, words, ha="center", va="center", fontsize=9, bbox=frame)
    for start, end in ((1.6, 2.0), (3.75, 4.4), (5.6, 6.3), (8.1, 8.5), (10.3, 10.7)):
        axes.annotate("", (end, 1), (start, 1), arrowprops=dict(arrowstyle="->", color=INK, linewidth=1.4))
    axes.annotate("", (6.0, 1.08), (6.0, 1.85), arrowprops=dict(arrowstyle="->", color=PALETTE[1], linewidth=1.4))
    axes.text(6.0, 2.0, "noise $\\epsilon$:  $z = \\mu + \\sigma\\epsilon$", ha="center", fontsize=9, color=PALETTE[1])
    axes.plot((0.7, 0.7, 11.6, 11.6), (0.5, -0.35, -0.35, 0.5), color=PALETTE[1], linewidth=1.2)
    axes.text(6.1, -0.75, "distortion  $\\Vert x - \\hat x\\Vert^2 / n$", ha="center", fontsize=9, color=PALETTE[1])
    rate = "rate  KL( $\\mathcal{N}(\\mu, \\sigma^2)$ || $\\mathcal{N}(0, 1)$ )"
    axes.text(5.0, 0.1, rate, ha="center", fontsize=9, color=PALETTE[1])
    axes.set(xlim=(-0.4, 12.7), ylim=(-0.95, 2.3), title=title)
    axes.title.set_fontsize(10)
    axes.set_axis_off()
    return figure


def rate_distortion(
    weights: Sequence[str],
    bits: Sequence[float],
    errors: Sequence[float],
    accuracies: Sequence[float],
    real: float,
    linear: tuple[Tensor, Tensor],
    title: str,
) -> Figure:
    """Error per pixel, and accuracy, against bits per image, a point for each KL weight; and the linear theory.

    linear: bits (N,) and errors (N,) of the best linear autoencoder.  real: the accuracy on real images.
    Points of less than 0.1 bit are left out: a logarithmic axis has no place for them.
    """
    figure, (left, right) = panels(2, title, width=4.4, height=3.6)
    shown = [number for number, value in enumerate(bits) if value > 0.1]
    # Where the names stand, in points beside their dots: the first three are close together.
    apart = {left: [(14, 7), (2, -15), (-8, -13), (-14, -10)], right: [(14, 7), (6, -15), (-4, 8), (14, -11)]}
    for axes, values in ((left, errors), (right, accuracies)):
        axes.plot(
            [bits[n] for n in shown], [values[n] for n in shown], "o-", color=PALETTE[0], label="eight autoencoders"
        )
        for n in shown:
            place = dict(textcoords="offset points", xytext=apart[axes][min(n, 3)], fontsize=8, ha="center")
            axes.annotate(weights[n], (bits[n], values[n]), **place)
        axes.set(xscale="log", xlabel="rate (bits per image)")
        plain_ticks(axes.xaxis, (1,))
        axes.grid(alpha=0.3)
        axes.margins(x=0.16, y=0.12)
    kept = linear[0] > 0.5
    left.plot(linear[0][kept], linear[1][kept], "--", color=PALETTE[1], label="best linear autoencoder")
    left.set(yscale="log", ylabel="squared error per pixel")
    plain_ticks(left.yaxis)
    left.legend(frameon=False, fontsize=8)
    right.axhline(real, color=PALETTE[2], linewidth=1)
    right.annotate("on the real images", (bits[shown[-1]], real + 0.02), color=PALETTE[2], fontsize=8)
    right.axvline(3.32, color=PALETTE[1], linestyle="--", linewidth=1)
    right.annotate("$\\log_2 10$ = 3.3 bits:\nwhat a label is worth", (4.0, 0.03), color=PALETTE[1], fontsize=8)
    right.set(ylabel="accuracy on the reconstructions", ylim=(0, 1.09))
    return figure


def calibration(accepted: Sequence[float], measured: Sequence[float], largest: float, title: str) -> Figure:
    """The error measured against the error accepted, both per pixel, with the diagonal, and where the latent collapses.

    accepted, measured: a number for each autoencoder.  largest: the greatest eigenvalue of the pixels' covariance.
    """
    figure = new_figure(5.6, 3.4)
    axes = figure.subplots()
    axes.plot(accepted, measured, "o-", color=PALETTE[0], label="measured")
    axes.axline(
        (1e-2, 1e-2), (1e-1, 1e-1), color=PALETTE[1], linestyle="--", linewidth=1.2, label="measured = accepted"
    )
    axes.axvline(largest, color=PALETTE[2], linewidth=1.2, label="greatest eigenvalue: collapse")
    axes.set(xscale="log", yscale="log", xlim=(1e-6, 1e3), ylim=(5e-3, 1))
    axes.set(xlabel="accepted error $\\nu$ per pixel", ylabel="measured error per pixel")
    plain_ticks(axes.yaxis, (1,))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    axes.set_title(title, fontsize=10)
    return figure


def losses(values: Sequence[float], title: str) -> Figure:
    """The loss of a batch against the training step, on a logarithmic axis with plain numbers."""
    figure = new_figure(6, 3)
    axes = figure.subplots()
    axes.plot(range(1, len(values) + 1), values, color=PALETTE[0], linewidth=1.2)
    axes.set(xlabel="training step", ylabel="loss of a batch", yscale="log")
    plain_ticks(axes.yaxis)
    axes.grid(alpha=0.3)
    axes.set_title(title, fontsize=10)
    return figure


def garments(x: Tensor, rows: Sequence[str], columns: Sequence[str], title: str, zoom: int = 2) -> Figure:
    """A labelled grid of images (B, C, H, W), each pixel `zoom` pixels wide."""
    large = x.repeat_interleave(zoom, dim=2).repeat_interleave(zoom, dim=3)
    return labelled_grid(large, rows, columns, title)


def channel_histograms(latents: Mapping[str, Tensor], title: str) -> Figure:
    """Densities of all elements of the latents of each autoencoder, name -> (N, c, h, w), and that of N(0, 1)."""
    figure = new_figure(6.4, 2.9)
    axes = figure.subplots()
    line = torch.linspace(-5, 5, 81)
    for (name, z), color in zip(latents.items(), PALETTE, strict=False):
        counts = torch.histc(z, 80, -5, 5)
        axes.plot((line[1:] + line[:-1]) / 2, counts / counts.sum() * 8, color=color, label=name)
    axes.plot(line, torch.exp(-line.square() / 2) / (2 * torch.pi) ** 0.5, "--", color=INK, label="N(0, 1)")
    axes.set(xlabel="value of an element of the latent", ylabel="density")
    axes.legend(frameon=False, fontsize=8)
    axes.grid(alpha=0.3)
    axes.set_title(title, fontsize=10)
    return figure


def flat_inputs(pictures: Mapping[str, Tensor], title: str) -> Figure:
    """Grey pictures (H, W) side by side on one scale, a name above each: what enlarging makes of a flat input."""
    figure, every = panels(len(pictures), title, width=2.8, height=3.0)
    low = min(float(picture.min()) for picture in pictures.values())
    high = max(float(picture.max()) for picture in pictures.values())
    for axes, (name, picture) in zip(every, pictures.items(), strict=True):
        axes.imshow(picture.numpy(), cmap="gray", vmin=low - 0.1, vmax=high + 0.1)
        axes.set_title(name, fontsize=9)
        axes.set_axis_off()
    return figure
