import pytest
import torch

from ldm_teach.interactive.figures import classifier_free as figures
from tests.interactive.figures import says

POINTS = torch.tensor([[0.0, 1.0], [1.0, -1.0], [0.5, 0.5]], dtype=torch.float64)
SHARE = {"label": (0.01, 0.001), "null": (0.02, 0.001), "distance": (0.1, 0.01)}
FOUND = {"accuracy": (0.9, 0.01), "frechet": (0.1, 0.01), "recall": (0.8, 0.01)}


def log_prob(x):
    return -x.square().sum(1) / 2


@pytest.mark.parametrize(
    "figure, title, label",
    [
        (figures.schematic(), "One network", None),
        (figures.learning(log_prob, {"a": POINTS, "b": POINTS}, [1.0] * 120, "learns"), "learns", None),
        (figures.learning(log_prob, {"a": POINTS, "b": POINTS}, [1.0], "begins"), "begins", None),
        (figures.clouds(log_prob, {"a": POINTS}, "clouds"), "clouds", "$x_1$"),
        (figures.fields({"a": log_prob}, [lambda x: x], "arrows"), "arrows", "$x_1$"),
        (figures.shares({0.0: SHARE, 0.5: SHARE}, "best"), "best", "dropped"),
        (figures.widths(torch.tensor([0.0, 1.0]), {"a": torch.ones(2)}, {"m": [(0.0, 1.0, 0.1)]}, "w"), "w", "weight"),
        (figures.equal_calls({"a": (0.1, 0.01), "b": (0.0, 0.01)}, (0.0, 0.001), "found"), "found", None),
        (figures.measured({("real", 0.0): FOUND, ("a", 1.0): FOUND}, ["a"], "both"), "both", "judge"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_figure_says_its_finding_and_what_its_axes_are(figure, title, label):
    says(figure, title, label)


def test_garments_name_their_rows_and_classes():
    figure = figures.garments(torch.zeros(4, 1, 28, 28), ["few", "many"], ["Bag", "Coat"], "two")
    names = [label.get_text() for label in [*figure.axes[0].get_yticklabels(), *figure.axes[0].get_xticklabels()]]
    assert names == ["few", "many", "Bag", "Coat"]
