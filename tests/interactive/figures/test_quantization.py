import torch
from matplotlib.figure import Figure

from ldm_teach.interactive.figures import quantization
from ldm_teach.interactive.plots import figure_png

CODES, POINTS = torch.tensor([[0.0, 0.0], [2.0, 2.0], [9.0, 9.0]]), torch.tensor([[0.1, 0.2], [1.9, 2.1]])
IMAGES = torch.zeros(2, 1, 4, 4)


def title(figure: Figure) -> str:
    """The title of a figure, or of its first axes; the figure must be one that can be drawn."""
    assert figure_png(figure)[:4] == b"\x89PNG"
    return figure.get_suptitle() or figure.axes[0].get_title()


def test_cells_in_plane_has_an_arrow_for_each_latent_and_a_number_for_each_code():
    figure = quantization.cells_in_plane(CODES, POINTS, "cells")
    axes = figure.axes[0]
    assert title(figure) == "cells" and axes.get_xlabel() == "$z_1$"
    assert len(axes.patches) == len(POINTS) and [text.get_text() for text in axes.texts] == ["0", "1", "2"]


def test_the_schematic_names_its_boxes():
    figure = quantization.straight_through_copy()
    words = {text.get_text() for text in figure.axes[0].texts}
    assert "Forward" in title(figure) and {"encoder", "nearest\ncode", "decoder", "loss", "zero"} <= words


def test_gradients_of_mean_has_a_panel_for_each_name():
    mu = torch.linspace(-1, 1, 5)
    figure = quantization.gradients_of_mean(mu, {"a": (mu, mu), "b": (mu, -mu)}, "gradients")
    assert title(figure) == "gradients" and [axes.get_title() for axes in figure.axes] == ["a", "b"]
    assert "gradient" in figure.axes[0].get_ylabel() and r"\mu" in figure.axes[1].get_xlabel()


def test_code_maps_write_the_numbers_out():
    figure = quantization.code_maps(IMAGES, torch.arange(8).reshape(2, 2, 2), IMAGES, "maps")
    assert title(figure) == "maps" and [text.get_text() for text in figure.axes[4].texts] == ["4", "5", "6", "7"]


def test_codebooks_count_the_codes_in_use():
    figure = quantization.codebooks(POINTS, {"first": CODES, "second": CODES[:2]}, "codebooks")
    assert title(figure) == "codebooks"
    assert [axes.get_title() for axes in figure.axes] == ["first: 2 of 3 in use", "second: 2 of 2 in use"]


def test_curves_have_their_labels_and_plain_numbers():
    for log in (False, True):
        figure = quantization.curves({"a": ([1, 2], [0.1, 0.2])}, "curves", "step", "codes", log=log)
        axes = figure.axes[0]
        assert title(figure) == "curves" and (axes.get_xlabel(), axes.get_ylabel()) == ("step", "codes")
        assert axes.get_xscale() == ("log" if log else "linear")


def test_enlarged_images_stand_in_rows_with_their_names():
    figure = quantization.enlarged({"real": IMAGES, "drawn": IMAGES}, "rows", columns=("one", "two"))
    assert title(figure) == "rows" and [figure.axes[i].get_ylabel() for i in (0, 2)] == ["real", "drawn"]
    assert [axes.get_title() for axes in figure.axes[:2]] == ["one", "two"]
