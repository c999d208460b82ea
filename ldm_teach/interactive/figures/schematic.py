"""What the schematics are drawn with: words in boxes, and arrows between them."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ldm_teach.interactive.plots import new_figure


def diagram(
    width: float, height: float, xlim: tuple[float, float], ylim: tuple[float, float], title: str
) -> tuple[Figure, Axes]:
    """An empty figure of this many inches, without ticks, whose coordinates have these limits."""
    figure = new_figure(width, height)
    axes = figure.subplots()
    axes.set(xlim=xlim, ylim=ylim)
    axes.axis("off")
    axes.set_title(title, fontsize=10)
    return figure, axes


def box(axes: Axes, x: float, y: float, words: str, color: str) -> None:
    """Words in a frame around (x, y)."""
    frame = dict(boxstyle="round,pad=0.4", facecolor="none", edgecolor=color, linewidth=1.5)
    axes.text(x, y, words, ha="center", va="center", fontsize=10, bbox=frame)


def arrow(
    axes: Axes,
    tail: tuple[float, float],
    head: tuple[float, float],
    color: str,
    words: str = "",
    at: tuple[float, float] = (0.0, 0.0),
    bend: float = 0.0,
) -> None:
    """An arrow from tail to head, straight or bent, and words that begin at a place."""
    style = dict(arrowstyle="-|>", color=color, linewidth=1.5, connectionstyle=f"arc3,rad={bend}")
    axes.annotate("", head, tail, arrowprops=style)
    if words:
        axes.text(*at, words, fontsize=9)
