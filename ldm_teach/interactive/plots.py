"""Figures: densities and arrows in the plane, curves over steps and scales; one look for the whole course.

Figures have no ground of their own: their ink is legible on a white page and on that of a dark theme.
"""

import io
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence

import matplotlib
import numpy as np
import torch
from cycler import cycler
from IPython.display import Image as DisplayImage
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, NullFormatter
from matplotlib.transforms import blended_transform_factory
from PIL import Image
from torch import Tensor

from ldm_teach import checks

INK = "#757575"  # contrast 4.6 to a white page and 4.1 to that of JupyterLab's dark theme (WCAG 2.2, section 1.4.3)
# Okabe & Ito 2008: colours that colour-blind readers can tell apart; our ink in the place of their black.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", INK, "#F0E442")
GREYS = LinearSegmentedColormap.from_list("greys", [f"{INK}00", INK])  # from nothing to ink

matplotlib.rcParams.update(
    {
        **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
        **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
        "grid.color": INK,
        "axes.prop_cycle": cycler(color=PALETTE),
    }
)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in inches that needs no pyplot, and so may be drawn in any thread."""
    checks.between("width", width, 0.1, 1000)
    checks.between("height", height, 0.1, 1000)
    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def panels(columns: int, title: str, width: float = 3.3, height: float = 3.7) -> tuple[Figure, list]:
    """A figure with `columns` axes side by side, each `width` x `height` inches, under a title: the finding."""
    checks.word("title", title)
    figure = new_figure(checks.positive("width", width) * checks.count("columns", columns, 100), height)
    figure.suptitle(title, fontsize=10)
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def grid_points(extent: float, resolution: int = 81) -> Tensor:
    """The points of a square grid on [-extent, extent]^2, row by row from the bottom: (resolution^2, 2) float64."""
    extent = checks.positive("extent", extent)
    checks.count("resolution", resolution, 10_000)
    line = torch.linspace(-extent, extent, resolution, dtype=torch.float64)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1)


def heatmap(axes, values: Tensor, extent: float, **options) -> AxesImage:
    """A picture of values (resolution^2,) at `grid_points(extent, resolution)`; options go to matplotlib's imshow."""
    checks.instance("axes", axes, Axes)
    extent = checks.positive("extent", extent)
    side = math.isqrt(len(checks.shaped("values", values, "N", read=True)))
    if not side or side**2 != len(values) or values.dtype == torch.bfloat16:  # numpy has none
        raise ValueError(f"values is {checks.describe(values)}; want a square number of them, not in bfloat16")
    box = (-extent, extent, -extent, extent)
    square = values.detach().reshape(side, side).numpy()
    picture = axes.imshow(square, origin="lower", extent=box, **{"cmap": GREYS} | options)
    axes.set(xlabel="$x_1$", ylabel="$x_2$", xlim=(-extent, extent), ylim=(-extent, extent))
    axes.tick_params(labelsize=8)
    axes.set_aspect("equal", adjustable="box")
    return picture


def density(axes, log_prob: Callable[[Tensor], Tensor], extent: float = 4.0) -> None:
    """The density exp(log_prob(x)) over the plane, in grey: log_prob maps (N, 2) to (N,)."""
    checks.function("log_prob", log_prob, "x")
    points = grid_points(extent)
    values = checks.shaped("what log_prob returns", log_prob(points), len(points)).exp()
    heatmap(axes, values, extent, vmin=0, vmax=1.6 * float(values.max()), interpolation="bilinear")


def arrows(
    axes, field: Callable[[Tensor], Tensor], extent: float = 4.0, color: str = PALETTE[0], label: str | None = None
) -> None:
    """A field of arrows over the plane, field: (N, 2) -> (N, 2), each shortened to a length that stays legible."""
    checks.instance("axes", axes, Axes)
    checks.function("field", field, "x")
    x = grid_points(0.92 * checks.positive("extent", extent), 13)
    v = checks.shaped("what field returns", field(x), *x.shape)
    x, v = x.numpy(), (v / (1 + v.norm(dim=1, keepdim=True))).numpy()
    options = dict(color=color, angles="xy", scale_units="xy", scale=7 / extent, width=0.006, label=label)
    axes.quiver(x[:, 0], x[:, 1], v[:, 0], v[:, 1], **options)


def clouds(
    log_prob: Callable[[Tensor], Tensor],
    points: Mapping[str, Tensor],
    title: str,
    *,
    extent: float = 4.0,
    first: str = PALETTE[1],
) -> Figure:
    """Points (N, 2) on the density exp(log_prob) of the plane, a panel each under its name.

    first: the colour of the first cloud, where it is another than that of the rest.
    """
    width = 3.3 if len(points) < 4 else 2.7
    figure, axes = panels(len(points), title, width, width + 0.4)
    for number, (panel, (name, x)) in enumerate(zip(axes, points.items(), strict=True)):
        density(panel, log_prob, extent)
        color = PALETTE[1] if number else first
        panel.plot(x[:, 0].numpy(), x[:, 1].numpy(), ".", color=color, markersize=2, alpha=0.5)
        panel.set_title(name, fontsize=9)
    return figure


def plain_ticks(axis: Axis, subs: Sequence[float] = (1, 2, 5)) -> None:
    """Write the ticks of a logarithmic axis, at these multiples of the powers of ten, as plain numbers."""
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def loss_curves(curves: dict[str, Sequence[float]], title: str, every: int = 1) -> Figure:
    """Loss against step on a logarithmic axis, one line a name; `every` is the number of steps between two values."""
    checks.word("title", title)
    checks.count("every", every)
    if not isinstance(curves, dict):
        raise ValueError(f"curves is {checks.describe(curves)}; want a dict of numbers")
    for name, line in curves.items():
        checks.word("a name of curves", name)
        try:
            right = np.asarray(line, dtype=float).ndim == 1
        except (TypeError, ValueError, RuntimeError):  # what is no number
            right = False
        if not right:
            raise ValueError(f"curves[{name!r}] is {checks.describe(line)}; want a line of numbers")
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

    table: (method, scale) -> {figure: (mean, half-width)}, as `studies.guidance.summarize` makes it; its method
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
        accurate = [(row["accuracy"][0], row["frechet"][0]) for row in rows if row["accuracy"][0] >= 0.85]
        accuracies, distances = zip(*accurate, strict=True) if accurate else ((), ())
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
    for axis in (axes[0], axes[5]):
        plain_ticks(axis.yaxis)
    figure.legend(loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    figure.suptitle("Guidance buys accuracy with variety; the distance is lowest at a modest scale", fontsize=11)
    return figure


def distance_curves(time: dict, images: dict, floors: dict[str, float]) -> Figure:
    """Fréchet distance after minutes of training and after images seen, a line a space, both axes logarithmic.

    time, images: space -> points (mark, distance, half-width or nan), as `studies.latent_against_pixel.curves` makes
    them.  floors: the distance of real images that went through each space, a dotted line.
    """
    figure = new_figure(10, 4.4)
    axes = figure.subplots(1, 2, sharey=True)
    for space, color, marker in zip(time, PALETTE, "os^Dv", strict=False):
        for axis, points in zip(axes, (time[space], images[space]), strict=True):
            marks, means, widths = zip(*points, strict=True)
            axis.errorbar(marks, means, widths, color=color, marker=marker, markersize=4, linewidth=1.2, capsize=2)
            axis.axhline(floors[space], color=color, linewidth=1, linestyle=":")
        axes[0].plot([], [], color=color, marker=marker, markersize=4, linewidth=1.2, label=space)
    axes[0].plot([], [], color="0.5", linewidth=1, linestyle=":", label="real images through it")
    axes[0].set(xlabel="minutes of training, two cores", ylabel="Fréchet distance (judge)")
    axes[1].set(xlabel="images seen")
    for axis in axes:
        axis.set(xscale="log", yscale="log")
        axis.grid(alpha=0.3)
        axis.tick_params(labelsize=8, which="both")
    plain_ticks(axes[0].xaxis)
    plain_ticks(axes[0].yaxis)
    figure.legend(loc="outside lower center", ncols=6, fontsize=8, frameon=False)
    figure.suptitle("At equal time small latents win; at equal numbers of images they do not", fontsize=11)
    return figure


def figure_png(figure: Figure) -> bytes:
    """A figure as an encoded PNG of 256 colours, for an `ipywidgets.Image` that is redrawn while something runs.

    A title that an edge would cut is made to fit, and the figure drawn again: where all fit, nothing is touched.
    """
    png = drawn(checks.instance("figure", figure, Figure))
    titles = [*figure.texts, *(axes.title for axes in figure.axes)]
    boxes = [(title, title.get_window_extent()) for title in titles]
    cut = [title for title, box in boxes if box.x0 < 0 or box.x1 > figure.bbox.width]
    for title in cut:
        make_fit(title, figure)
    return drawn(figure) if cut else png


def drawn(figure: Figure) -> bytes:
    """A figure as it is, as an encoded PNG."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return palette_png(np.asarray(canvas.buffer_rgba()))


def palette_png(rgba: np.ndarray) -> bytes:
    """A picture, uint8 (H, W, 4), as a PNG of at most 256 colours, a third of the bytes of one of all colours.

    The colours are rounded no more than it takes: a palette that is chosen by clusters shows bands in what is smooth.
    """
    buffer, pixels = io.BytesIO(), np.ascontiguousarray(rgba).view(np.uint32)[..., 0]
    present = np.unique(pixels)  # each colour once: to round and to sort these is quick, all pixels slow
    for step in (1, 2, 4, 8, 16):
        each = present.view(np.uint8).reshape(-1, 4)
        rounded = (np.minimum((each + 0.5 * step) // step * step, 255)).astype(np.uint8)
        rounded[rounded[:, 3] == 0] = 0
        colours, numbers = np.unique(rounded.view(np.uint32), return_inverse=True)
        if len(colours) <= 256:
            numbers = numbers.ravel().astype(np.uint8)  # of each colour that is present
            picture = Image.fromarray(numbers[np.searchsorted(present, pixels)], "P")
            picture.putpalette(colours.view(np.uint8).tobytes(), "RGBA")
            break
    else:
        picture = Image.fromarray(rgba).quantize(256, dither=Image.Dither.NONE)
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def make_fit(text: Text, figure: Figure, margin: float = 3.0) -> None:
    """Break a text into lines no wider than the figure, and move it sideways to where it is `margin` pixels inside."""
    lines, characters = text.get_text().split("\n"), len(text.get_text())
    widest = figure.bbox.width - 2 * margin
    while (box := text.get_window_extent()).width > widest and characters > 1:
        characters = min(characters - 1, int(characters * widest / box.width))
        text.set_text("\n".join(textwrap.fill(line, max(1, characters)) for line in lines))
    left = min(max(box.x0, margin), margin + widest - box.width)
    anchor = text.get_transform().transform(text.get_position())[0] + left - box.x0
    text.set_transform(blended_transform_factory(figure.transFigure, text.get_transform()))
    text.set_x(anchor / figure.bbox.width)


def show(figure: Figure, alt: str) -> DisplayImage:
    """A figure as the output of a notebook cell: a PNG with alternative text for those who cannot see it."""
    return DisplayImage(
        figure_png(figure), format="png", alt=checks.word("alt", alt), width=int(figure.get_figwidth() * 100)
    )
