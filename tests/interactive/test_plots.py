import io

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from ldm_teach.interactive import plots
from ldm_teach.interactive.plots import palette_png


def test_the_plane_is_drawn_the_right_way_round():
    """A density at (2, -1) is darkest there, and the arrows of a constant field point the same way."""
    _, (axes, other) = plots.panels(2, "a finding")
    plots.density(axes, lambda x: -(x - torch.tensor([2.0, -1.0])).square().sum(1), extent=3.0)
    picture = axes.images[0].get_array()
    row, column = divmod(int(picture.argmax()), 81)
    assert (column / 80 * 6 - 3, row / 80 * 6 - 3) == pytest.approx((2.0, -1.0), abs=0.04)
    assert axes.images[0].origin == "lower" and axes.get_xlabel() == "$x_1$"
    plots.arrows(other, lambda x: torch.tensor([[0.0, 5.0]]).expand_as(x))
    quiver = other.collections[0]
    assert (quiver.U == 0).all() and (quiver.V > 0).all() and len(quiver.U) == 169


def titled(kind: str, title: str) -> tuple[Figure, Text]:
    """A figure whose title is of the figure, or of axes at its left or its right; and the title."""
    figure = plots.new_figure(5, 4)
    left, right = figure.subplots(1, 2)
    return figure, figure.suptitle(title) if kind == "figure" else (left if kind == "left" else right).set_title(title)


@pytest.mark.parametrize("kind", ["figure", "left", "right"])
def test_a_title_that_an_edge_would_cut_is_made_to_fit_and_one_that_fits_is_left_as_it_is(kind):
    for words in ("of many words " * 15, "W" * 200, "longer than its axes, not its figure", "one\nunder " * 6):
        figure, title = titled(kind, words)
        plots.figure_png(figure)
        box = title.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width and box.y0 >= 0 and box.y1 <= figure.bbox.height
        assert title.get_text().split() == words.split() or words.startswith("W")
    figure, title = titled(kind, "short $a  b$")
    assert plots.figure_png(figure) == plots.drawn(figure) and title.get_text() == "short $a  b$"


def test_few_colours_are_kept_as_they_are_and_many_are_rounded_evenly():
    few = np.zeros((16, 16, 4), np.uint8)
    few[..., 0], few[..., 3] = np.arange(16) * 3, 255
    few[0] = (9, 9, 9, 0)  # clear, whatever its colour
    seen = np.asarray(Image.open(io.BytesIO(palette_png(few))).convert("RGBA"))
    assert (seen[1:] == few[1:]).all() and not seen[0].any()
    y, x = np.mgrid[:100, :100]
    smooth = np.stack([x + y, 255 - x, 0 * x + 90, 0 * x + 255], axis=-1).astype(np.uint8)  # 10,000 colours
    seen = np.asarray(Image.open(io.BytesIO(palette_png(smooth))).convert("RGBA")).astype(int)
    assert np.abs(seen - smooth).max() <= 8 and len(np.unique(seen.reshape(-1, 4), axis=0)) > 60


def test_noise_of_all_colours_is_still_a_picture():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 4), dtype=np.uint8)
    assert Image.open(io.BytesIO(palette_png(noise))).size == (64, 64)


def test_clouds_lie_on_a_density_each_under_its_name():
    x = torch.tensor([[1.0, 2.0], [-1.0, 0.0]])
    drawn = dict(extent=3.0, first=plots.PALETTE[0])
    figure = plots.clouds(lambda x: -x.square().sum(1), {"start": x, "end": x + 1, "exact": x}, "walks", **drawn)
    assert [axes.get_title() for axes in figure.axes] == ["start", "end", "exact"] and figure.axes[0].get_xlim() == (
        -3,
        3,
    )
    lines = [axes.lines[0] for axes in figure.axes]
    assert lines[1].get_xdata().tolist() == [2.0, 0.0] and lines[1].get_ydata().tolist() == [3.0, 1.0]
    assert [line.get_color() for line in lines] == [plots.PALETTE[0], plots.PALETTE[1], plots.PALETTE[1]]


def test_ticks_of_a_logarithmic_axis_are_plain_numbers():
    figure = plots.new_figure(4, 3)
    axes = figure.subplots()
    axes.loglog([0.02, 30], [1, 2])
    plots.plain_ticks(axes.xaxis)
    figure.canvas.draw()
    assert {"0.05", "0.1", "1", "2", "20"} <= {label.get_text() for label in axes.get_xticklabels()}
