import torch

from ldm_teach.interactive.figures import start
from ldm_teach.interactive.pictures import APART


def test_the_figures_say_what_they_show():
    x = torch.zeros(8, 1, 28, 28)
    figure = start.real_and_decoded(x, x, 28.06)
    assert figure.axes[0].get_title() == "Decoded from an 8×8×4 latent: 28.1 dB"
    figure = start.every_class(torch.zeros(40, 1, 28, 28), 1.0)
    assert figure.axes[0].get_title() == "4 samples of each class at w = 1" and len(figure.axes[0].get_yticks()) == 10


def test_the_strip_has_a_row_for_each_class_and_a_column_for_each_weight():
    rows = torch.tensor([-1.0, 0.0]).repeat_interleave(3).reshape(6, 1, 1, 1)
    samples = [(rows + w / 10).expand(6, 1, 4, 4) for w in (0.0, 1.0)]
    axes = start.film_strip(samples, [0, 8], [0.0, 1.0]).axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["T-shirt", "bag"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["w = 0", "w = 1"]
    shown = axes.images[0].get_array()
    assert [int(shown[y, x, 0]) for y in (0, 6) for x in (0, 16 + APART)] == [0, 13, 128, 140]
