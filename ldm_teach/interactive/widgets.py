"""What a notebook shows that moves: a picture drawn again and again, a slider over figures."""

import base64
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import ipywidgets
from matplotlib.figure import Figure

from ldm_teach.interactive.plots import figure_png


def with_fallback(widget: ipywidgets.Widget, words: str, png: bytes, alt: str) -> tuple[dict, dict]:
    """What a notebook shows of a widget, and for readers without widgets its present picture and a few words."""
    data = (widget._repr_mimebundle_() or {}) | {"text/plain": words}
    if not png:
        return data, {}
    return data | {"image/png": base64.b64encode(png).decode()}, {"image/png": {"alt": alt}}


@dataclass
class Screen:
    """A picture that a later cell draws anew, again and again, while something runs: `screen.image.value = png`."""

    alt: str
    image: ipywidgets.Image = field(default_factory=lambda: ipywidgets.Image(format="png"))

    def _repr_mimebundle_(self, **options) -> tuple[dict, dict]:
        return with_fallback(self.image, f"a screen for the next cell: {self.alt}", self.image.value, self.alt)


@dataclass
class SliderFigure:
    """A slider over values and the figure that `draw(value)` makes of the present one, redrawn as it moves.

    draw: value -> Figure, without pyplot, for it runs in a thread of its own. The slider can be set by code.
    """

    draw: Callable[[Any], Figure]
    values: Sequence[Any]
    description: str
    alt: str
    value: Any = None
    slider: ipywidgets.SelectionSlider = field(init=False)
    image: ipywidgets.Image = field(init=False)

    def __post_init__(self):
        start = self.values[0] if self.value is None else self.value
        self.slider = ipywidgets.SelectionSlider(
            options=self.values, value=start, description=self.description, layout=ipywidgets.Layout(width="460px")
        )
        self.image, self._lock = ipywidgets.Image(format="png"), threading.Lock()
        self.slider.observe(self._show, names="value")
        self._show()

    def _show(self, change: dict | None = None) -> None:
        with self._lock:
            self.image.value = figure_png(self.draw(self.slider.value))

    def _repr_mimebundle_(self, **options) -> tuple[dict, dict]:
        box = ipywidgets.VBox([self.slider, self.image])
        return with_fallback(box, f"a slider, alive when the notebook runs: {self.alt}", self.image.value, self.alt)
