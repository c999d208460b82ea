import base64
import gc
import io
import itertools
import weakref

import ipywidgets
import numpy as np
import pytest
import torch
from PIL import Image

from ldm_teach.interactive import moving
from ldm_teach.interactive.pictures import png, short_film
from ldm_teach.interactive.plots import figure_png, panels
from ldm_teach.interactive.widgets import Screen, SliderFigure, side_by_side, sized, stacked


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def test_a_slider_redraws_its_figure_with_the_value_it_has(displayed):
    drawn = []

    def draw(value):
        drawn.append(value)
        figure, (axes,) = panels(1, f"value {value}")
        axes.plot([0, value])
        return figure

    sketch = SliderFigure(draw, [0.1, 1.0, 10.0], "delta", alt="a line", value=1.0)
    first = sketch.image.value
    sketch.slider.value = 10.0
    assert drawn == [1.0, 10.0] and sketch.image.value != first
    assert pixels(sketch.image.value).shape == (407, 363)  # of the numbers of 256 colours
    sketch._ipython_display_()
    assert base64.b64decode(displayed[0].data["image/png"]) == sketch.image.value
    assert displayed[0].metadata["image/png"]["alt"] == "a line"


def test_a_slider_that_is_dropped_is_freed():
    sketch = SliderFigure(lambda value: panels(1, "")[0], [1, 2], "n", alt="")
    watched = weakref.ref(sketch)
    del sketch
    gc.collect()
    assert watched() is None


def test_a_screen_is_legible_before_its_first_picture(displayed):
    screen = Screen("garments")
    assert pixels(screen.image.value)[..., 3].max() == 255
    screen._ipython_display_()
    assert displayed[0].metadata["image/png"]["alt"] == "garments"


def test_no_control_is_wider_than_its_page_and_no_row_scrolls():
    row = side_by_side([ipywidgets.IntSlider(**sized(230, 50))])
    assert row.children[0].layout.max_width == "calc(100% - 4px)" and row.children[0].layout.width == "230px"
    assert row.layout.overflow == stacked([row]).layout.overflow == "visible" and row.layout.flex_flow == "row wrap"


def test_a_slider_leaves_a_film_of_all_its_values_where_one_is_asked_for(displayed, tmp_path, monkeypatch):
    def draw(value):
        figure, (axes,) = panels(1, "a finding")
        axes.plot([0, value])
        return figure

    sketch = SliderFigure(draw, [0.5, 1.0, 2.0], "delta", alt="a line", value=1.0)
    labels, pictures = zip(*sketch.frames(), strict=True)
    assert labels == ("delta = 0.5", "delta = 1", "delta = 2")
    assert list(pictures) == [figure_png(draw(value)) for value in sketch.values] and sketch.slider.value == 1.0
    sketch._ipython_display_()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv(moving.FILM_PATH, str(tmp_path / "03"))
    monkeypatch.setattr(moving, "_stills", itertools.count(1))
    Screen("no slider")._ipython_display_()
    sketch._ipython_display_()
    (film,) = tmp_path.iterdir()
    assert film.name == "03-2.webp"  # the second still picture
    shown = Image.open(film)
    assert shown.n_frames == 3 and shown.info["loop"] == 0
    knobs = []
    for frame in range(3):
        shown.seek(frame)
        blue = np.abs(np.asarray(shown.convert("RGB"), dtype=int)[-44:] - [0, 114, 178]).sum(-1) < 90  # PALETTE[0]
        knobs.append(blue.any(0).nonzero()[0].max())
    assert knobs[0] < knobs[1] < knobs[2]


def test_a_film_of_nothing_is_refused():
    with pytest.raises(ValueError, match="frames are none"):
        short_film([])


def test_a_film_of_a_narrow_picture_has_room_for_the_longest_value():
    narrow = png(torch.zeros(1, 1, 28, 28), columns=1, zoom=1)
    shown = Image.open(io.BytesIO(short_film([("strength = 0.5", narrow), ("strength = 0.25", narrow)])))
    for frame in range(2):
        shown.seek(frame)
        below = np.asarray(shown.convert("L"))[-44:]
        assert below[:, -6:].min() > 200 and below.min() < 80  # the words end before the edge
