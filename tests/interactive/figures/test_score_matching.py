import torch

from ldm_teach.interactive.figures import score_matching as figures
from ldm_teach.interactive.plots import figure_png


def log_prob(x):
    return -x.square().sum(1) / 2


def at_a_level(x, sigma):
    return -x / (1 + sigma**2)


def titles(figure):
    return [axes.get_title() for axes in figure.axes]


def test_the_relative_error_is_that_of_the_arrows_and_finite_where_the_exact_one_is_zero():
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0]], dtype=torch.float64)
    error = figures.relative_error(lambda x, sigma: at_a_level(x, 0) + torch.tensor([0.0, 1.0]), at_a_level, x, 0.0)
    torch.testing.assert_close(error, torch.tensor([1.0, 1 / 6], dtype=torch.float64))


def test_the_schematic_names_what_is_drawn():
    words = " ".join(text.get_text() for text in figures.schematic().axes[0].texts)
    assert all(part in words for part in ("x_0", "epsilon", "score network", "loss", "divided by"))
    assert figure_png(figures.schematic())


def test_fields_are_compared_in_three_panels():
    figure = figures.compare_fields(at_a_level, at_a_level, log_prob, 0.5, "a finding")
    exact, learned, error = titles(figure)[:3]
    assert exact.startswith("exact") and learned.startswith("learned") and error.startswith("relative error")
    assert figure.get_suptitle() == "a finding" and figure.axes[2].images[0].get_array().max() == 0
    assert figure.axes[3].get_ylabel().startswith("|learned - exact|") and figure_png(figure)


def test_losses_are_averaged_above_their_floor():
    figure = figures.loss_and_floor({"a": [1.0, 3.0, 5.0, 7.0]}, 0.5, "a finding", average=2)
    curve, floor = figure.axes[0].lines
    assert list(curve.get_ydata()) == [2, 6] and list(curve.get_xdata()) == [2, 4] and set(floor.get_ydata()) == {0.5}
    assert titles(figure) == ["a finding"] and "step" in figure.axes[0].get_xlabel()
    assert figure_png(figures.loss_and_floor({"too few": [1.0]}, 0.5, "a finding"))


def test_levels_have_plain_ticks():
    figure = figures.by_level([5.0, 0.5, 0.1], {"a": [1, 2, 3], "b": [3, 2, 1]}, "error", "a finding")
    (axes,) = figure.axes
    assert figure_png(figure) and axes.get_ylabel() == "error" and titles(figure) == ["a finding"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.05", "0.1", "0.2", "0.5", "1", "2", "5"]


def test_clouds_and_the_ladder_have_a_panel_for_each_name():
    x = torch.zeros(4, 2)
    assert titles(figures.clouds(log_prob, {"a": x, "b": x}, "a finding")) == ["a", "b"]
    assert titles(figures.ladder(at_a_level, {5.0: log_prob, 0.1: log_prob}, "a finding")) == [
        "$\\sigma$ = 5",
        "$\\sigma$ = 0.1",
    ]


def test_a_training_is_shown_from_its_first_step():
    figure = figures.learning(at_a_level, log_prob, 0.5, [1.0], 0.5)
    assert titles(figure) == [
        "learned score, $\\sigma$ = 0.5",
        "step 1: mean of the last 1 losses 1.00",
    ] and figure_png(figure)
