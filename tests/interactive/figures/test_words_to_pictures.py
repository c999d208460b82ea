import numpy as np
import pytest
import torch

from ldm_teach.interactive.figures import words_to_pictures as figures
from ldm_teach.interactive.plots import figure_png

RED, BLUE = torch.tensor([1.0, -1, -1])[:, None, None].expand(3, 8, 8), torch.zeros(3, 8, 8)
DRAWN = {
    "trained": {
        "top1": [(0.5, 0.05), (0.7, 0.04)],
        "style": [(0.6, 0.05), (0.6, 0.05)],
        "frechet": [(2.0, 0.0), (2.5, 0.0)],
        "copies": [(0.01, 0.01), (0.02, 0.01)],
    }
}
REAL = {"trained": dict(top1=0.9, style=0.8, frechet=1.5, copies=0.0)}
GUIDED = DRAWN, REAL, [0.0, 2.0], "guided"


@pytest.mark.parametrize(
    "figure, title",
    [
        (figures.schematic(), "One prompt, three calls, two weights"),
        (figures.by_style({"a": [RED, None], "b": [BLUE, RED]}, ["noto", "fluent"], "two names"), "two names"),
        (figures.guidance(*GUIDED), "guided"),
        (figures.neighbours({"a": torch.tensor([0.1, 0.3])}, {}, 0.2, "near"), "near"),
        (figures.side_by_side(torch.zeros(4, 3, 8, 8), ["0.1", "0.2"], "copies"), "copies"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_figure_says_its_finding(figure, title):
    assert figure_png(figure).startswith(b"\x89PNG")
    assert title in [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]


def test_what_a_designer_did_not_draw_is_white():
    (image,) = figures.by_style({"a": [RED, None]}, ["noto", "fluent"], "one name").axes[0].images
    picture = np.asarray(image.get_array())
    assert (picture[4, -4] == picture.max()).all() and not (picture[4, 4] == picture.max()).all()


def test_a_line_for_what_was_asked_and_the_real_pictures_dashed():
    first, *_, copies = figures.guidance(*GUIDED).axes
    line, dashed = first.lines[0], first.lines[-1]
    assert list(line.get_xdata()) == [0.0, 2.0] and list(line.get_ydata()) == pytest.approx([0.5, 0.7])
    assert dashed.get_linestyle() == "--" and list(dashed.get_ydata()) == [0.9, 0.9]
    assert list(copies.lines[0].get_ydata()) == [0.01, 0.02] and copies.get_ylim()[1] > 1


def test_the_distribution_rises_from_the_smallest_distance_to_all():
    distances = torch.tensor([0.3, 0.1])
    drawn, real, rule = figures.neighbours({"a": distances}, {"a": distances + 1}, 0.2, "near").axes[0].lines
    assert list(drawn.get_ydata()) == [0.5, 1.0] and list(drawn.get_xdata()) == pytest.approx([0.1, 0.3])
    assert real.get_linestyle() == "--" and real.get_color() == drawn.get_color()
    assert list(rule.get_xdata()) == [0.2, 0.2]
