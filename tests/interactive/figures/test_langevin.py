import pytest
import torch

from ldm_teach.interactive.figures import langevin as figures
from tests.interactive.figures import says

POINTS = torch.tensor([[0.0, 1.0], [1.0, -1.0], [0.5, 0.5]], dtype=torch.float64)
ROW = torch.tensor([0.5, 1.0])


def log_prob(x):
    return -x.square().sum(1) / 2


@pytest.mark.parametrize(
    "figure, title, label",
    [
        (figures.step_schematic(), "One step", None),
        (figures.score_field(log_prob, lambda x: -x, "arrows"), "arrows", "$x_1$"),
        (figures.walks(log_prob, {"a": POINTS, "b": POINTS}, "walks"), "walks", "$x_1$"),
        (figures.end_points(log_prob, {"a": POINTS, "b": POINTS}, "clouds"), "clouds", "$x_1$"),
        (figures.kl_fall([(ROW, ROW), (ROW, ROW, ROW), (ROW, ROW, ROW)], 0.1, "it falls"), "it falls", "time"),
        (figures.bias([0.5, 1.0], ROW, ROW, "too wide"), "too wide", "step size"),
        (figures.step_rules({"fixed": [1.0, -0.5], "falling": [1.0, 0.1]}, "rules"), "rules", "number of steps"),
        (figures.price_of_exactness([0.5, 1], [0.9, 0.8], [3, 2], "price"), "price", "step size"),
        (figures.against_normal({"a": ROW, "b": ROW}, "two"), "two", "$x$"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_figure_says_its_finding_and_what_its_axes_are(figure, title, label):
    says(figure, title, label)


def test_the_acceptance_in_one_dimension_is_all_at_a_small_step_and_none_at_a_large_one():
    assert figures.one_dimension(1e-6) == pytest.approx(1, abs=1e-3)
    assert figures.one_dimension(1e6) == pytest.approx(0, abs=1e-2)
