import io

import numpy as np
import pytest
import torch
from PIL import Image

from ldm_teach.interactive import pictures
from ldm_teach.interactive.plots import PALETTE, loss_curves, show


def test_pixels_go_from_black_to_white():
    x = torch.tensor([-1.0, 0.0, 1.0, 7.0]).reshape(1, 1, 2, 2)
    assert pictures.to_pixels(x).ravel().tolist() == [0, 128, 255, 255]


def test_tile_puts_images_row_by_row_on_a_clear_ground():
    x = torch.stack([torch.full((1, 2, 3), v) for v in (-1.0, 0.0, -1.0)])
    canvas = pictures.tile(x, columns=2, gap=1)
    assert canvas.shape == (5, 7, 4)
    for rows, columns, grey in ((slice(2), slice(3), 0), (slice(2), slice(4, 7), 128), (slice(3, 5), slice(3), 0)):
        assert (canvas[rows, columns] == (grey, grey, grey, 255)).all()
    assert (canvas[2, :, 3] == 0).all() and (canvas[3:, 4:, 3] == 0).all()
    beside = pictures.tile(x[:2], columns=1, gap=1, asked=x[:2])
    assert beside.shape == (5, 3 + pictures.APART + 3, 4) and (beside[:, -3:] == beside[:, :3]).all()
    assert (beside[:, 3:-3, 3] == 0).all()
    apart = pictures.tile(torch.cat([x, x[:1]]), columns=4, gap=1, groups=2)
    assert apart.shape == (2, 2 * (3 + 1 + 3) + pictures.APART, 4) and (apart[:, 7:-7, 3] == 0).all()
    assert (apart[:, -3:, 3] == 255).all()


def test_maps_are_grey_where_empty_and_have_a_colour_of_the_palette_for_each_kind():
    picture = pictures.map_picture(torch.tensor([[[0, 1, 2], [3, 4, 0]]]))
    assert picture.shape == (1, 3, 2, 3)
    shown = ["#{:02X}{:02X}{:02X}".format(*pixel) for pixel in pictures.to_pixels(picture).reshape(6, 3)]
    assert shown[0] == shown[5] == "#808080"
    assert shown[1:5] == [*list(pictures.MAP_COLOURS.values())[:3], "#000000"] and set(shown[1:4]) < set(PALETTE)
    assert pictures.map_picture(torch.zeros(0, 4, 4, dtype=torch.int64)).shape == (0, 3, 4, 4)


@pytest.mark.parametrize("channels", [1, 3])
def test_png_can_be_read_back(channels):
    x = torch.rand(4, channels, 5, 5) * 2 - 1
    image = np.asarray(Image.open(io.BytesIO(pictures.png(x, columns=2, zoom=2))))
    assert image.shape == (24, 24, 4)


def test_words_stand_where_a_picture_is_still_to_come():
    image = np.asarray(Image.open(io.BytesIO(pictures.written("nothing drawn yet"))))
    assert image[..., 3].max() == 255 and image[:, [0, -1], 3].max() == 0  # legible, and nothing is cut


def test_figures_have_titles_labels_and_alternative_text():
    figure = pictures.labelled_grid(torch.zeros(12, 1, 4, 4), ["a", "b"], ["c", "d", "e"], "a finding")
    axes = figure.axes[0]
    assert axes.get_title() == "a finding"
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b"]
    assert axes.get_xticks().tolist() == [5, 5 + 10 + 8, 5 + 2 * (10 + 8)]  # the middles of two images of four pixels
    assert pictures.labelled_grid(torch.zeros(3, 1, 4, 4), ["a"], ["c", "d", "e"], "").axes[0].get_xticks()[2] == 14
    asked = pictures.labelled_grid(torch.zeros(4, 1, 4, 4), ["a", "b"], ["c"], "", torch.ones(2, 1, 4, 4)).axes[0]
    assert [t.get_text() for t in asked.get_xticklabels()] == ["asked", "c"]
    picture = asked.images[0].get_array()
    assert picture[0, [0, 11, 12], 3].tolist() == [255, 0, 255] and picture[0, [0, 12], 0].tolist() == [255, 128]
    curve = loss_curves({"one": [1.0, 0.5]}, "falls").axes[0]
    assert curve.get_xlabel() == "training step" and curve.get_ylabel() == "loss"
    shown = show(figure, alt="words")
    data, metadata = shown._repr_mimebundle_()
    assert "image/png" in data and metadata["image/png"]["alt"] == "words"


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: pictures.to_pixels(torch.zeros(2, 2, 4, 4)), r"want \(B, C, H, W\) with C = 1 or 3"),
        (
            lambda: pictures.labelled_grid(torch.zeros(5, 1, 4, 4), ["a", "b"], ["c"], ""),
            "want a multiple of 2 rows x 1 columns",
        ),
        (
            lambda: pictures.labelled_grid(torch.zeros(4, 1, 4, 4), ["a", "b"], ["c"], "", torch.zeros(3, 1, 4, 4)),
            "asked holds 3 pictures; want one for each of 2 rows",
        ),
        (
            lambda: pictures.map_picture(torch.zeros(4, 4, dtype=torch.int64)),
            r"\(4, 4\); want int64 of shape \(B, H, W\)",
        ),
        (lambda: pictures.map_picture(torch.zeros(1, 4, 4)), "maps is a float32 tensor"),
        (lambda: pictures.map_picture(torch.tensor([[[0, 5]]])), "maps hold classes from 0 to 5; want 0 to 4"),
        (lambda: pictures.map_picture(torch.tensor([[[-1, 0]]])), "maps hold classes from -1 to 0; want 0 to 4"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_film_goes_to_the_last_value_and_back_above_its_slider():
    x = torch.linspace(-1, 1, 2 * 12 * 12).reshape(2, 1, 12, 12)
    values = [0.0, 1.0, 3.0]
    frames = [pictures.labelled_grid(x * value / 3, ["a"], [""], "a finding") for value in values]
    film = Image.open(io.BytesIO(pictures.film(frames, values)))
    assert film.n_frames == 4 and film.info["loop"] == 0  # 0, 1, 3, 1
    shown = []
    for frame in range(4):
        film.seek(frame)
        shown.append(np.asarray(film.convert("RGB"), dtype=int))
    assert np.abs(shown[1] - shown[3]).max() < 40 and np.abs(shown[0] - shown[2]).max() > 100
    knob = [(np.abs(s[-44:] - [0, 114, 178]).sum(-1) < 60).any(0).nonzero()[0].max() for s in shown]  # PALETTE[0]
    assert knob[0] < knob[1] < knob[2]
