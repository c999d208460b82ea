import pytest
import torch

from ldm_teach.interactive.figures import diffusion as figures
from ldm_teach.interactive.plots import figure_png

POINTS = torch.tensor([[0.0, 1.0], [1.0, -1.0], [0.5, 0.5]], dtype=torch.float64)
LEVELS = torch.tensor([0.9, 0.5, 0.1], dtype=torch.float64)
LINE = ([1, 2], [0.5, 1.0])


def log_prob(x):
    return -x.square().sum(1) / 2


def minus(x):
    return -x


@pytest.mark.parametrize(
    "figure, title, label",
    [
        (figures.schematic(), "Forward: fixed", None),
        (figures.schedules({"a": LEVELS, "b": LEVELS}, "powers"), "powers", "index t"),
        (figures.noised({"t = 0": log_prob}, [minus], "one"), "one", "$x_1$"),
        (figures.noised({"t = 0": log_prob, "t = 9": log_prob}, [minus, minus], "two"), "two", "$x_1$"),
        (figures.by_index({"a": LINE, "b": LINE}, ["weight", "loss"], "curves"), "curves", "index t"),
        (figures.clouds(log_prob, {"a": POINTS, "b": POINTS}, "clouds"), "clouds", "$x_1$"),
        (figures.learning(log_prob, POINTS, [1.0] * 60, 0.2), "After 60 training steps", ""),
        (figures.widths([5, 20], {"a": [0.5, 1.0]}, {"a": [0.4, 0.9]}, "narrow"), "narrow", "number of steps"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_figure_says_its_finding_and_what_its_axes_are(figure, title, label):
    assert figure_png(figure).startswith(b"\x89PNG")
    titles = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
    assert any(title in words for words in titles)
    if label is not None:
        assert all(label in axes.get_xlabel() and axes.get_ylabel() for axes in figure.axes)


def test_the_loss_is_drawn_as_means_of_fifty_steps():
    figure = figures.learning(log_prob, POINTS, [1.0] * 50 + [3.0] * 10, 0.2)
    assert list(figure.axes[1].lines[0].get_ydata()) == [1.0, 3.0]
