"""The figures of notebook 02: cells of codes, the straight-through copy, code maps, dead codes."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.colors import ListedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch import Tensor

from ldm_teach.interactive.pictures import to_pixels
from ldm_teach.interactive.plots import INK, PALETTE, grid_points, new_figure, panels, plain_ticks

BLUE, ORANGE, GREEN = PALETTE[:3]


def cells_in_plane(codebook: Tensor, z: Tensor, title: str, extent: float = 3.0) -> Figure:
    """The cells of codes (K, 2) in the plane, and latents z (N, 2), each with an arrow to its code."""
    figure = new_figure(5.2, 4.6)
    axes = figure.subplots()
    inside = torch.cdist(grid_points(extent, 301).to(codebook), codebook).argmin(1).reshape(301, 301)
    colours = ListedColormap([to_rgba(PALETTE[k % 6], 0.22) for k in range(len(codebook))])
    options: dict[str, Any] = dict(origin="lower", extent=(-extent, extent, -extent, extent), interpolation="nearest")
    axes.imshow(inside.numpy(), cmap=colours, vmin=-0.5, vmax=len(codebook) - 0.5, **options)
    borders = torch.zeros(301, 301)
    borders[1:] += inside.diff(dim=0) != 0
    borders[:, 1:] += inside.diff(dim=1) != 0
    axes.imshow((borders > 0).numpy(), cmap=ListedColormap([to_rgba(INK, 0), to_rgba(INK, 0.8)]), **options)
    ends = codebook[torch.cdist(z, codebook).argmin(1)]
    for start, end in zip(z.tolist(), ends.tolist(), strict=True):
        arrow = FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=10, color=INK, shrinkA=2, shrinkB=4)
        axes.add_patch(arrow)
    axes.scatter(*z.T.numpy(), s=18, color=INK, label="latent $z$")
    axes.scatter(*codebook.T.numpy(), s=60, color=ORANGE, marker="s", label="code $e_k$")
    for k, (x, y) in enumerate(codebook.tolist()):
        axes.annotate(str(k), (x, y), xytext=(6, 5), textcoords="offset points", color=ORANGE, fontsize=11)
    axes.set(xlim=(-extent, extent), ylim=(-extent, extent), xlabel="$z_1$", ylabel="$z_2$")
    axes.set_title(title, fontsize=10)
    axes.set_aspect("equal")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def straight_through_copy() -> Figure:
    """A schematic: forward the latent is rounded, backward the gradient is copied past the rounding."""
    figure = new_figure(8.6, 2.9)
    axes = figure.subplots()
    boxes = {0.0: "encoder", 2.6: "nearest\ncode", 5.2: "decoder", 7.5: "loss"}
    for left, words in boxes.items():
        style: dict[str, Any] = dict(boxstyle="round,pad=0.08", edgecolor=INK, facecolor="none", linewidth=1.4)
        axes.add_patch(FancyBboxPatch((left, 0.0), 1.1, 0.8, **style))
        axes.text(left + 0.55, 0.4, words, ha="center", va="center", fontsize=11)
    forward: dict[str, Any] = dict(arrowstyle="-|>", mutation_scale=14, color=BLUE, linewidth=1.8)
    backward: dict[str, Any] = forward | dict(color=ORANGE)
    for left, right, name in ((-1.1, -0.1, "$x$"), (1.2, 2.5, "$z$"), (3.8, 5.1, "$z_q$"), (6.4, 7.4, r"$\hat x$")):
        axes.add_patch(FancyArrowPatch((left, 0.58), (right, 0.58), **forward))
        axes.text((left + right) / 2, 0.7, name, ha="center", color=BLUE, fontsize=13)
    for right, left in ((7.4, 6.4), (5.1, 3.8), (2.5, 1.2)):
        dotted: dict[str, Any] = dict(linestyle=":", alpha=0.9) if right == 2.5 else {}
        axes.add_patch(FancyArrowPatch((right, 0.2), (left, 0.2), **backward | dotted))
    axes.text(1.85, -0.12, "zero", ha="center", color=ORANGE, fontsize=11)
    axes.text(4.45, -0.16, r"$\nabla_{z_q} L$", ha="center", color=ORANGE, fontsize=12)
    curve: dict[str, Any] = dict(connectionstyle="arc3,rad=-0.42", linewidth=2.4)
    axes.add_patch(FancyArrowPatch((4.45, -0.32), (1.85, -0.32), **backward | curve))
    axes.text(
        3.15, -1.22, r"copied unchanged, as if $\nabla_z L = \nabla_{z_q} L$", ha="center", color=ORANGE, fontsize=11
    )
    axes.set(xlim=(-1.2, 8.8), ylim=(-1.4, 1.15))
    axes.set_axis_off()
    axes.set_title("Forward (blue) the latent is rounded; backward (orange) the gradient goes past", fontsize=10)
    return figure


def gradients_of_mean(mu: Tensor, curves: Mapping[str, tuple[Tensor, Tensor]], title: str) -> Figure:
    """The exact gradient of the expected loss and its straight-through estimate against mu, a panel for each name."""
    figure, axes = panels(len(curves), title, width=6 if len(curves) == 1 else 3.3, height=3.0)
    for axis, (name, (exact, estimate)) in zip(axes, curves.items(), strict=True):
        axis.plot(mu.numpy(), exact.numpy(), color=BLUE, label="exact")
        axis.plot(mu.numpy(), estimate.numpy(), color=ORANGE, linestyle="--", label="straight-through")
        axis.set(ylim=(-16, 11), xlabel=r"mean of the latent, $\mu$ (cells)")
        axis.set_title(name, fontsize=9)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("gradient of the expected loss")
    axes[0].legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def code_maps(x: Tensor, indices: Tensor, decoded: Tensor, title: str) -> Figure:
    """Images x (N, 1, H, W), the numbers of their codes (N, h, w) as numbers, and what is decoded from them alone."""
    figure = new_figure(8.4, 2.85 * len(x) + 0.4)
    figure.suptitle(title, fontsize=10)
    rows = figure.subplots(len(x), 3, squeeze=False)
    for row, image, numbers, again in zip(rows, x, indices, decoded, strict=True):
        for axis, picture in ((row[0], image), (row[2], again)):
            axis.imshow(picture[0].numpy(), cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
        h, w = numbers.shape
        for i in range(h):
            for j in range(w):
                row[1].text(j, i, int(numbers[i, j]), ha="center", va="center", fontsize=6.5, color=INK)
        row[1].set(xlim=(-0.5, w - 0.5), ylim=(h - 0.5, -0.5), aspect="equal")
        row[1].set_xticks((torch.arange(w + 1) - 0.5).tolist())
        row[1].set_yticks((torch.arange(h + 1) - 0.5).tolist())
        row[1].grid(alpha=0.4)
        for axis in row:
            axis.tick_params(length=0, labelbottom=False, labelleft=False)
    for axis, name in zip(rows[0], ("image", "numbers of its codes", "decoded from the numbers"), strict=True):
        axis.set_title(name, fontsize=9)
    return figure


def codebooks(cloud: Tensor, runs: Mapping[str, Tensor], title: str, extent: float = 4.3) -> Figure:
    """Codebooks (K, 2) by name, over latents (N, 2): codes that are nearest to one of these, and those that are not."""
    figure, axes = panels(len(runs), title, width=3.6 if len(runs) > 1 else 4.6, height=4.2)
    for axis, (name, codebook) in zip(axes, runs.items(), strict=True):
        alive = torch.bincount(torch.cdist(cloud, codebook).argmin(1), minlength=len(codebook)) > 0
        axis.scatter(*cloud.T.numpy(), s=3, color=INK, alpha=0.35, linewidths=0)
        for chosen, marker, color, words in ((alive, "o", BLUE, "in use"), (~alive, "x", ORANGE, "dead")):
            axis.scatter(*codebook[chosen].T.numpy(), s=30, marker=marker, color=color, label=words)
        axis.set_title(f"{name}: {int(alive.sum())} of {len(codebook)} in use", fontsize=9)
        axis.set(xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal", xlabel="$z_1$")
    axes[0].set_ylabel("$z_2$")
    figure.set_layout_engine("constrained", h_pad=0.08)
    handles, words = axes[0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside lower center", ncols=2, frameon=False)
    return figure


def curves(
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    title: str,
    xlabel: str,
    ylabel: str,
    log: bool = False,
) -> Figure:
    """Lines (x, y) by name; on two logarithmic axes with plain numbers where `log`."""
    figure = new_figure(6.2, 3.2)
    axes = figure.subplots()
    for (name, (x, y)), color, style in zip(lines.items(), PALETTE, ("-", "--", "-.", ":"), strict=False):
        axes.plot(x, y, style, color=color, label=name, marker="o" if len(x) < 15 else None, markersize=4)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.set_title(title, fontsize=10)
    if log:
        axes.set(xscale="log", yscale="log")
        for axis in (axes.xaxis, axes.yaxis):
            plain_ticks(axis)
    else:
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=9, loc="best")
    return figure


def enlarged(rows: Mapping[str, Tensor], title: str, width: float = 1.25, columns: Sequence[str] = ()) -> Figure:
    """Rows of images (N, C, H, W) by name, each image `width` inches wide in a thin frame."""
    names, images = list(rows), [to_pixels(x) for x in rows.values()]
    margin = 0.25 + 0.085 * max(map(len, names))
    figure = new_figure(margin + width * len(images[0]), width * len(rows) + 0.5)
    figure.suptitle(title, fontsize=10)
    grid = figure.subplots(len(rows), len(images[0]), squeeze=False)
    for axes, name, line in zip(grid, names, images, strict=True):
        for axis, pixels in zip(axes, line, strict=True):
            axis.imshow(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels, cmap="gray", vmin=0, vmax=255)
            axis.set_xticks([])
            axis.set_yticks([])
        axes[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    for axis, name in zip(grid[0], columns, strict=False):
        axis.set_title(name, fontsize=9)
    return figure
