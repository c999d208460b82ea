"""What the panels are laid out with, and two that show any picture: one drawn by a later cell, one by a slider."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import ipywidgets
from matplotlib.figure import Figure

from ldm_teach.interactive.moving import free_with, show_moving, weakly
from ldm_teach.interactive.pictures import written
from ldm_teach.interactive.plots import figure_png


def sized(width: int, description: int = 80) -> dict:
    """A control of this many pixels, or as many as there are; so many of them for its description."""
    return dict(layout=fluid(width), style=dict(description_width=f"{description}px"))


def fluid(width: int) -> dict:
    """The layout of what is this many pixels wide, or as wide as there is room, its margin included."""
    return dict(width=f"{width}px", max_width="calc(100% - 4px)")


def stacked(children: Sequence[ipywidgets.Widget]) -> ipywidgets.VBox:
    """Widgets one below the other, without a scroll bar of their own."""
    return ipywidgets.VBox(children, layout=dict(align_items="flex-start", overflow="visible"))


def side_by_side(children: Sequence[ipywidgets.Widget]) -> ipywidgets.HBox:
    """Widgets in a row that is broken where it has no room, without a scroll bar of its own."""
    return ipywidgets.HBox(children, layout=dict(flex_flow="row wrap", overflow="visible"))


@dataclass
class Screen:
    """A picture that a later cell draws anew, again and again, while something runs: `screen.image.value = png`."""

    alt: str
    image: ipywidgets.Image = field(init=False)
    box: ipywidgets.VBox = field(init=False)

    def __post_init__(self):
        nothing = written("nothing drawn yet: a later cell draws here")
        self.image = ipywidgets.Image(value=nothing, format="png", layout=dict(max_width="calc(100% - 4px)"))
        self.box = stacked([self.image])
        free_with(self)

    def _ipython_display_(self) -> None:
        show_moving(self, self.image.value, self.alt)


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
    box: ipywidgets.VBox = field(init=False)

    def __post_init__(self):
        start = self.values[0] if self.value is None else self.value
        self.slider = ipywidgets.SelectionSlider(
            options=self.values, value=start, description=self.description, **sized(460)
        )
        self.image = ipywidgets.Image(format="png", layout=dict(max_width="calc(100% - 4px)"))
        self.box, self._lock = stacked([self.slider, self.image]), threading.Lock()
        self.slider.observe(weakly(self._show), names="value")
        free_with(self)
        self._show()

    def _show(self, change: Any = None) -> None:
        with self._lock:
            self.image.value = figure_png(self.draw(self.slider.value))

    def _ipython_display_(self) -> None:
        show_moving(self, self.image.value, self.alt)

    def frames(self) -> list[tuple[str, bytes]]:
        """The figure at each value, as PNG, with the value in words: (label, png)."""
        return [(f"{self.description} = {value_text(value)}", figure_png(self.draw(value))) for value in self.values]


def value_text(value: Any) -> str:
    """A value of a slider in words: a number with three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
