import pytest
import torch

from ldm_teach.interactive.figures import classifier_guidance as figures
from ldm_teach.interactive.plots import figure_png
from ldm_teach.theory.mixture import GaussianMixture
from tests.interactive.figures import says

ONE = torch.ones(1, dtype=torch.float64)
ROUND = GaussianMixture(ONE, torch.zeros(1, 2, dtype=torch.float64), torch.eye(2, dtype=torch.float64)[None])
POINTS = torch.tensor([[0.0, 1.0], [1.0, -1.0], [0.5, 0.5]], dtype=torch.float64)
LINE = torch.linspace(-1, 1, 5)
FIELD = (lambda x, t: ROUND.log_prob(x), lambda x, t: ROUND.score(x), lambda x, t: torch.sigmoid(x[:, 0]))


@pytest.mark.parametrize(
    "figure, title, label",
    [
        (figures.schematic(), "gradient is subtracted", None),
        (figures.fields({20: "little noise", 500: "much"}, *FIELD, "in doubt"), "in doubt", "$x_1$"),
        (figures.two_densities(LINE, {"s = 3": (LINE**2, LINE**4)}, "apart"), "apart", "$x_t$"),
        (figures.apart([10, 20], {"large": [0.2, 0.1]}, "order one"), "order one", "steps of DDPM"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_figure_says_its_finding_and_what_its_axes_are(figure, title, label):
    says(figure, title, label)


def test_clouds_name_each_panel_and_label_the_outer_axes():
    figure = figures.clouds([(f"s = {k}", ROUND, POINTS) for k in range(4)], "beyond", columns=2)
    assert figure_png(figure).startswith(b"\x89PNG") and figure.get_suptitle() == "beyond"
    assert [axes.get_title() for axes in figure.axes] == ["s = 0", "s = 1", "s = 2", "s = 3"]
    assert figure.axes[0].get_ylabel() == "$x_2$" and figure.axes[2].get_xlabel() == "$x_1$"
    assert not figure.axes[1].get_ylabel() and not figure.axes[0].get_xlabel()
