import io

import numpy as np
import pytest
import torch
from PIL import Image

from ldm_teach.interactive import plots


def test_pixels_go_from_black_to_white():
    x = torch.tensor([-1.0, 0.0, 1.0, 7.0]).reshape(1, 1, 2, 2)
    assert plots.to_pixels(x).ravel().tolist() == [0, 128, 255, 255]


def test_tile_puts_images_row_by_row_on_white():
    x = torch.stack([torch.full((1, 2, 3), v) for v in (-1.0, 0.0, -1.0)])
    canvas = plots.tile(x, columns=2, gap=1)[..., 0]
    assert canvas.shape == (5, 7)
    assert (canvas[:2, :3] == 0).all() and (canvas[:2, 4:] == 128).all() and (canvas[3:, :3] == 0).all()
    assert (canvas[2] == 255).all() and (canvas[3:, 4:] == 255).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_png_can_be_read_back(channels):
    x = torch.rand(4, channels, 5, 5) * 2 - 1
    image = np.asarray(Image.open(io.BytesIO(plots.png(x, columns=2, zoom=2))))
    assert image.shape[:2] == (24, 24) and image.ndim == (2 if channels == 1 else 3)


def test_figures_have_titles_labels_and_alternative_text():
    figure = plots.labelled_grid(torch.zeros(12, 1, 4, 4), ["a", "b"], ["c", "d", "e"], "a finding")
    axes = figure.axes[0]
    assert axes.get_title() == "a finding"
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b"]
    curve = plots.loss_curves({"one": [1.0, 0.5]}, "falls").axes[0]
    assert curve.get_xlabel() == "training step" and curve.get_ylabel() == "loss"
    shown = plots.show(figure, alt="words")
    data, metadata = shown._repr_mimebundle_()
    assert "image/png" in data and metadata["image/png"]["alt"] == "words"


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: plots.to_pixels(torch.zeros(2, 2, 4, 4)), r"want \(B, C, H, W\) with C = 1 or 3"),
        (
            lambda: plots.labelled_grid(torch.zeros(5, 1, 4, 4), ["a", "b"], ["c"], ""),
            "want a multiple of 2 rows x 1 columns",
        ),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_the_plane_is_drawn_the_right_way_round():
    """A density at (2, -1) is darkest there, and the arrows of a constant field point the same way."""
    _, (axes, other) = plots.panels(2, "a finding")
    plots.density(axes, lambda x: -(x - torch.tensor([2.0, -1.0])).square().sum(1), extent=3.0)
    picture = axes.images[0].get_array()
    row, column = divmod(int(picture.argmax()), 81)
    assert (column / 80 * 6 - 3, row / 80 * 6 - 3) == pytest.approx((2.0, -1.0), abs=0.04)
    assert axes.images[0].origin == "lower" and axes.get_xlabel() == "$x_1$"
    plots.arrows(other, lambda x: torch.tensor([[0.0, 5.0]]).expand_as(x))
    quiver = other.collections[0]
    assert (quiver.U == 0).all() and (quiver.V > 0).all() and len(quiver.U) == 169
