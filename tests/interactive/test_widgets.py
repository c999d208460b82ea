import io

import numpy as np
from PIL import Image

from ldm_teach.interactive.plots import panels
from ldm_teach.interactive.widgets import SliderFigure


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def test_a_slider_redraws_its_figure_with_the_value_it_has():
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
    assert pixels(sketch.image.value).ndim == 3
    data, metadata = sketch._repr_mimebundle_()
    assert "image/png" in data and metadata["image/png"]["alt"] == "a line"
