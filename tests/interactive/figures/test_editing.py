import pytest
import torch

from ldm_teach.interactive.figures import editing as figures
from ldm_teach.interactive.plots import figure_png
from ldm_teach.theory.mixture import GaussianMixture

LINE = GaussianMixture(torch.ones(1), torch.zeros(1, 1), torch.ones(1, 1, 1))
PLANE = GaussianMixture(torch.ones(1), torch.zeros(1, 2), torch.eye(2)[None])
DRAWN = {"a": torch.randn(50, generator=torch.Generator().manual_seed(0))}
CLOUD = {"a": torch.zeros(5, 2), "b": torch.ones(5, 2)}
SURVIVING = figures.survival([0.1, 0.9], {"law": [0.9, 0.4]}, {"found": [(0.8, 0.1), (0.4, 0.1)]}, "survives")


@pytest.mark.parametrize(
    "figure, title, label",
    [
        (figures.schematic(), "Three ways", None),
        (SURVIVING, "survives", "strength"),
        (figures.wanted_parts(LINE, DRAWN, "late"), "late", None),
        (figures.reconstruction([10, 100], {"one look": [(5, 1), (0.5, 0.1)]}, "orders"), "orders", "number of steps"),
        (figures.guided_clouds(PLANE.log_prob, CLOUD, torch.zeros(1, 2), "guides"), "guides", "$x_1$"),
        (figures.rows({"a": torch.zeros(1, 3, 8, 8)}, ["one"], "grid"), "grid", None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_figure_says_its_finding_and_what_its_axes_are(figure, title, label):
    assert figure_png(figure).startswith(b"\x89PNG")
    titles = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
    assert any(title in words for words in titles)
    if label is not None:
        assert all(label in axes.get_xlabel() and axes.get_ylabel() for axes in figure.axes)


def test_laws_are_lines_and_what_was_measured_has_bars_of_two_errors():
    (axes,) = SURVIVING.axes
    assert list(axes.lines[0].get_ydata()) == [0.9, 0.4]
    (line, _, (bars,)) = axes.containers[0]
    assert list(line.get_ydata()) == [0.8, 0.4]
    assert [segment[1][1] - segment[0][1] for segment in bars.get_segments()] == pytest.approx([0.4, 0.4])


def test_the_density_stands_above_the_histogram():
    panel = figures.wanted_parts(LINE, DRAWN, "late").axes[0]
    assert max(panel.lines[0].get_ydata()) == pytest.approx(0.3989, abs=1e-3)
    assert sum(bar.get_height() * bar.get_width() for bar in panel.patches) == pytest.approx(1)
