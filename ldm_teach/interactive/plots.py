"""Pictures: grids of images, film strips over the guidance weight, loss curves; one look for the whole course."""

import io
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from IPython.display import Image as DisplayImage
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import LogLocator, NullFormatter
from PIL import Image
from torch import Tensor

from ldm_teach.practice.scenes import KINDS
from ldm_teach.theory import checks

# Okabe & Ito 2008: eight colours that colour-blind readers can tell apart.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
# Of a semantic map, on grey: beside grey, the palette's green and pink are the ones that colour-blind readers lose.
MAP_COLOURS = dict(zip(KINDS, (PALETTE[5], PALETTE[1], PALETTE[7], PALETTE[6]), strict=True))


def to_pixels(x: Tensor) -> np.ndarray:
    """Images (B, C, H, W) in [-1, 1] as uint8 (B, H, W, C). Raises ValueError unless C is 1 or 3."""
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        raise ValueError(f"x has shape {tuple(x.shape)}; want (B, C, H, W) with C = 1 or 3")
    return ((x.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def tile(x: Tensor, columns: int, gap: int = 2) -> np.ndarray:
    """Images (B, C, H, W) in [-1, 1] side by side, row by row, on white: uint8 (rows*(H+gap)-gap, ..., C)."""
    pixels = to_pixels(x)
    count, height, width, channels = pixels.shape
    rows = -(-count // columns)
    canvas = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), 255, np.uint8)
    for i, image in enumerate(pixels):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        canvas[top : top + height, left : left + width] = image
    return canvas


def png(x: Tensor, columns: int, zoom: int = 3) -> bytes:
    """The tiled images as an encoded PNG, each pixel `zoom` pixels wide: what an `ipywidgets.Image` shows."""
    canvas = tile(x, columns)
    canvas = canvas.repeat(zoom, axis=0).repeat(zoom, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(canvas.squeeze(-1) if canvas.shape[-1] == 1 else canvas).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def map_picture(maps: Tensor) -> Tensor:
    """Semantic maps in colours: (B, H, W) int64 -> (B, 3, H, W) in [-1, 1], grey where 0, else MAP_COLOURS of a kind.

    Raises ValueError for another shape or dtype, and for classes other than 0 to len(KINDS), 1 + i that of KINDS[i].
    """
    if not isinstance(maps, Tensor) or maps.ndim != 3 or maps.dtype != torch.int64:
        raise ValueError(f"maps is {checks.describe(maps)}; want int64 of shape (B, H, W)")
    if maps.numel() and not 0 <= int(maps.min()) <= int(maps.max()) <= len(KINDS):
        raise ValueError(f"maps hold classes from {maps.min()} to {maps.max()}; want 0 to {len(KINDS)}")
    colours = torch.tensor([(0.5, 0.5, 0.5), *map(to_rgb, MAP_COLOURS.values())], device=maps.device) * 2 - 1
    return colours[maps].movedim(-1, 1)  # (B, H, W, 3) -> (B, 3, H, W)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in inches that needs no pyplot, and so may be drawn in any thread."""
    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def labelled_grid(
    x: Tensor, rows: Sequence[str], columns: Sequence[str], title: str, asked: Tensor | None = None
) -> Figure:
    """Images (B, C, H, W), row by row, with a name for each row and column and a title that says the finding.

    asked: one picture (C, H, W) a row of what its images were asked to show, for a first column of its own.
    Raises ValueError where the names do not fit the number of images, or the rows that of pictures asked for.
    """
    if len(x) % (len(rows) * len(columns)):
        raise ValueError(f"x holds {len(x)} images; want a multiple of {len(rows)} rows x {len(columns)} columns")
    if asked is not None and len(asked) != len(rows):
        raise ValueError(f"asked holds {len(asked)} pictures; want one for each of {len(rows)} rows")
    each = len(x) // (len(rows) * len(columns))  # images side by side in a cell of the grid
    canvas, first = tile(x, columns=each * len(columns)), 0
    height, width = canvas.shape[0] / len(rows), canvas.shape[1] / len(columns)
    ticks = {(i + 0.5) * width: name for i, name in enumerate(columns)}
    if asked is not None:
        beside = np.pad(tile(asked, columns=1), ((0, 0), (0, 8), (0, 0)), constant_values=255)
        canvas, first = np.concatenate([beside, canvas], axis=1), beside.shape[1]
        ticks = {asked.shape[-1] / 2: "asked"} | {first + place: name for place, name in ticks.items()}
    longest = max(len(line) for name in rows for line in name.split("\n"))
    margin = max(1.4, 0.5 + 0.09 * longest)  # inches for the names of the rows
    figure = new_figure(margin + canvas.shape[1] / 62, 0.55 + canvas.shape[0] / 62)
    axes = figure.subplots()
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_yticks([(i + 0.5) * height for i in range(len(rows))], rows)
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_anchor("E")  # what is to spare goes to the names of the rows
    axes.set_title(title, fontsize=10)
    return figure


def panels(columns: int, title: str, width: float = 3.3, height: float = 3.7) -> tuple[Figure, list]:
    """A figure with `columns` axes side by side, each `width` x `height` inches, under a title: the finding."""
    figure = new_figure(width * columns, height)
    figure.suptitle(title, fontsize=10)
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def grid_points(extent: float, resolution: int = 81) -> Tensor:
    """The points of a square grid on [-extent, extent]^2, row by row from the bottom: (resolution^2, 2) float64."""
    line = torch.linspace(-extent, extent, resolution, dtype=torch.float64)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1)


def heatmap(axes, values: Tensor, extent: float, **options) -> AxesImage:
    """A picture of values (resolution^2,) at `grid_points(extent, resolution)`; options go to matplotlib's imshow."""
    side = math.isqrt(len(values))
    box = (-extent, extent, -extent, extent)
    picture = axes.imshow(values.reshape(side, side).numpy(), origin="lower", extent=box, **{"cmap": "Greys"} | options)
    axes.set(xlabel="$x_1$", ylabel="$x_2$", xlim=(-extent, extent), ylim=(-extent, extent))
    axes.tick_params(labelsize=8)
    axes.set_aspect("equal", adjustable="box")
    return picture


def density(axes, log_prob: Callable[[Tensor], Tensor], extent: float = 4.0) -> None:
    """The density exp(log_prob(x)) over the plane, in grey: log_prob maps (N, 2) to (N,)."""
    values = log_prob(grid_points(extent)).exp()
    heatmap(axes, values, extent, vmin=0, vmax=1.6 * float(values.max()), interpolation="bilinear")


def arrows(
    axes, field: Callable[[Tensor], Tensor], extent: float = 4.0, color: str = PALETTE[0], label: str | None = None
) -> None:
    """A field of arrows over the plane, field: (N, 2) -> (N, 2), each shortened to a length that stays legible."""
    x = grid_points(0.92 * extent, 13)
    v = field(x)
    x, v = x.numpy(), (v / (1 + v.norm(dim=1, keepdim=True))).numpy()
    options = dict(color=color, angles="xy", scale_units="xy", scale=7 / extent, width=0.006, label=label)
    axes.quiver(x[:, 0], x[:, 1], v[:, 0], v[:, 1], **options)


def loss_curves(curves: dict[str, Sequence[float]], title: str, every: int = 1) -> Figure:
    """Loss against step on a logarithmic axis, one line a name; `every` is the number of steps between two values."""
    figure = new_figure(6, 3)
    axes = figure.subplots()
    for (name, values), color in zip(curves.items(), PALETTE, strict=False):
        axes.plot(np.arange(1, len(values) + 1) * every, values, color=color, label=name, linewidth=1.2)
    axes.set(xlabel="training step", ylabel="loss", yscale="log", title=title)
    axes.grid(alpha=0.3, which="both")
    axes.legend(frameon=False)
    return figure


def guidance_curves(table: dict, methods: Sequence[str] | None = None) -> Figure:
    """Five figures of merit against scale, and distance against accuracy, a line a method, bars of 95 % confidence.

    table: (method, scale) -> {figure: (mean, half-width)}, as `practice.guidance_study.summarize` makes it; its method
    "real" is drawn as the floor. methods: which to draw, by default all; each keeps its colour. Distance against
    accuracy begins at an accuracy of 0.85.
    """
    names = dict(
        frechet="Fréchet distance", accuracy="accuracy (judge)", precision="precision", recall="recall",
        diversity="distance within a class",
    )  # fmt: skip
    every = list(dict.fromkeys(method for method, _ in table if method != "real"))
    figure = new_figure(11, 6.6)
    axes = figure.subplots(2, 3).flatten()
    for method, color, marker in zip(every, PALETTE, "os^Dv<>p", strict=False):
        if methods is not None and method not in methods:
            continue
        scales = [scale for name, scale in table if name == method]
        rows = [table[method, scale] for scale in scales]
        for axis, name in zip(axes, names, strict=False):
            means, widths = zip(*(row[name] for row in rows), strict=True)
            axis.errorbar(scales, means, widths, color=color, marker=marker, markersize=4, linewidth=1.2, capsize=2)
        able = [(row["accuracy"][0], row["frechet"][0]) for row in rows if row["accuracy"][0] >= 0.85]
        accuracies, distances = zip(*able, strict=True) if able else ((), ())
        axes[5].plot(accuracies, distances, color=color, marker=marker, markersize=4, linewidth=1.2, label=method)
    for axis, (name, words) in zip(axes, names.items(), strict=False):
        axis.axhline(table["real", 0.0][name][0], color="0.5", linewidth=1, linestyle="--")
        axis.set(xlabel="scale (s without, w with the condition)", ylabel=words)
    axes[5].plot([], [], color="0.5", linewidth=1, linestyle="--", label="real images")
    axes[5].set(xlabel="accuracy (judge)", ylabel="Fréchet distance", yscale="log")
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.tick_params(labelsize=8, which="both")
    axes[0].set_yscale("log")
    for axis in (axes[0], axes[5]):  # plain numbers, three in a decade
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())
    figure.legend(loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    figure.suptitle("Guidance buys accuracy with variety; the distance is lowest at a modest scale", fontsize=11)
    return figure


def figure_png(figure: Figure) -> bytes:
    """A figure as an encoded PNG, for an `ipywidgets.Image` that is redrawn while something runs."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def show(figure: Figure, alt: str) -> DisplayImage:
    """A figure as the output of a notebook cell: a PNG with alternative text for those who cannot see it."""
    return DisplayImage(figure_png(figure), format="png", alt=alt, width=int(figure.get_figwidth() * 100))
