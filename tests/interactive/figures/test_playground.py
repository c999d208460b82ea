import torch

from ldm_teach.interactive.figures import playground as figures
from ldm_teach.interactive.plots import figure_png


def test_a_strip_has_a_row_for_each_noise_and_a_name_for_each_frame():
    figure = figures.film_strip(torch.zeros(3, 2, 1, 4, 4), ["a", "b", "c"], "a film", "step")
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["noise 1", "noise 2"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "c"] and axes.get_title() == "a film"


def test_two_settings_stand_one_above_the_other():
    pair = {"A": torch.zeros(4, 3, 4, 4), "B": torch.ones(4, 3, 4, 4)}
    axes = figures.one_above_the_other(pair, "a pair").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["A", "B"] and len(axes.get_xticks()) == 4


def test_every_class_on_the_way_has_a_curve():
    figure = figures.seen_on_the_way({"boot": [1, 0], "bag": [0, 1], "another": [0, 0]}, [0, 1], "it jumps")
    assert len(figure.axes[0].lines) == 3 and figure_png(figure)
