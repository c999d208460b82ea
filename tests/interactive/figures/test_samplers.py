import pytest
import torch

from ldm_teach.interactive.figures import samplers as figures
from tests.interactive.figures import says

POINTS = torch.tensor([[0.0, 1.0], [1.0, -1.0], [0.5, 0.5]], dtype=torch.float64)
SIGMAS = torch.logspace(3, 0, 20)
ROW = [(0.1, 0.01), (-0.001, 0.01)]
SLIPS = {"nowhere": (0.0, 0.01), "early": (0.2, 0.01)}


def log_prob(x):
    return -x.square().sum(1) / 2


@pytest.mark.parametrize(
    "figure, title, label",
    [
        (figures.step_schematic(), "One step", None),
        (figures.path_schematic([0.25, 0.5]), "Two paths", "amplitude of $x_0$"),
        (figures.paths([999, 500, -1], {"a": POINTS, "b": POINTS}, "they move", POINTS), "they move", "timestep"),
        (figures.clouds(log_prob, {"a": POINTS, "b": POINTS}, "clouds"), "clouds", "$x_1$"),
        (figures.orders({"p": {"a": ([5, 10], [0.1, 0.01])}}, "order two"), "order two", "network calls"),
        (figures.first_step(SIGMAS, 1 - 1 / SIGMAS, 1 / SIGMAS, (900.0, 6.0), "late"), "late", "σ"),
        (figures.where_errors_count({"DDIM": SLIPS, "DDPM": SLIPS}, "early"), "early", "errs"),
        (figures.comparison([5, 9], {"a": ROW, "b": ROW}, (0.0, 0.001), "best"), "best", "network calls"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_figure_says_its_finding_and_what_its_axes_are(figure, title, label):
    says(figure, title, label)


def test_garments_name_their_rows_and_classes():
    figure = figures.garments({"few": torch.zeros(2, 1, 28, 28), "many": torch.ones(2, 1, 28, 28)}, [0, 7], "two")
    names = [label.get_text() for label in [*figure.axes[0].get_yticklabels(), *figure.axes[0].get_xticklabels()]]
    assert "few" in names and "many" in names and len(names) == 4
