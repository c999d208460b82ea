import pytest
import torch

from ldm_teach.interactive.figures import pictures as figures
from ldm_teach.interactive.plots import figure_png

SCENE = torch.zeros(3, 32, 32)
GRID = torch.rand(8, 8, generator=torch.Generator().manual_seed(0))
BARS = [(0.5, 0.1), (0.7, 0.05)]


@pytest.mark.parametrize(
    "figure, title, label",
    [
        (figures.schematic(), "One encoder", None),
        (figures.on_the_grid(SCENE, {"one": GRID}, "near", "weight"), "near", "column of the square"),
        (figures.on_the_grid(SCENE, {"one": GRID, "two": -GRID}, "two", "weight"), "two", "column of the square"),
        (figures.against([999, 0], {"a": BARS, "b": BARS}, "swap", "time", "share"), "swap", "time"),
        (figures.rows({"a": SCENE[None], "b": SCENE[None]}, ["one"], "grid"), "grid", None),
        (figures.race({"a": [0.9, 0.5]}, 25), "mean of 25 steps", "training step"),
        (figures.two_shares({"a": (BARS[0], BARS[1])}, "both", "IoU", "items"), "both", "IoU"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_figure_says_its_finding_and_what_its_axes_are(figure, title, label):
    assert figure_png(figure).startswith(b"\x89PNG")
    titles = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
    assert any(title in words for words in titles)
    if label is not None:
        assert any(label in axes.get_xlabel() and axes.get_ylabel() for axes in figure.axes)


def test_the_bars_are_the_errors():
    figure = figures.against([1, 0], {"a": BARS}, "swap", "time", "share")
    (line, _, (bars,)) = figure.axes[0].containers[0]
    assert list(line.get_ydata()) == [0.5, 0.7]
    assert [segment[1][1] - segment[0][1] for segment in bars.get_segments()] == pytest.approx([0.2, 0.1])
