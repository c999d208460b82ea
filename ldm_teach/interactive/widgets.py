"""Panels of sliders. Callbacks run in threads of their own: each has its own generator, a lock, and no pyplot."""

import base64
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import ipywidgets
import torch
from matplotlib.figure import Figure

from ldm_teach.interactive.plots import figure_png, png
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.practice.guidance_study import Method, classifier_free
from ldm_teach.theory.guidance import s_from_w, w_from_s
from ldm_teach.theory.samplers import dpm_solver

PREVIEW_STEPS, FULL_STEPS = 3, 12  # of DPM-Solver++(2M), while a slider moves and once it is released
PAUSE = 0.25  # seconds without a new value after which the slider counts as released


def with_fallback(widget: ipywidgets.Widget, words: str, png: bytes, alt: str) -> tuple[dict, dict]:
    """What a notebook shows of a widget, and for readers without widgets its present picture and a few words."""
    data = widget._repr_mimebundle_() | {"text/plain": words}
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


@dataclass
class Panel:
    """A guidance panel that a notebook shows as it is; its sliders and its picture can be read and set by code.

    Every change draws a preview at once; when no other has followed for `PAUSE` seconds, the slider counts as released
    and the same noise is denoised again at full quality, a drawing that the next change breaks off.
    """

    model: LatentDiffusion
    classes: Sequence[str]
    count: int = 8
    method: Method = classifier_free
    range: tuple[float, float] = (-1.0, 6.0)
    conventions: str = "w"
    weight: ipywidgets.FloatSlider = field(init=False)
    scale: ipywidgets.FloatSlider = field(init=False)
    label: ipywidgets.Dropdown = field(init=False)
    steps: ipywidgets.IntSlider = field(init=False)
    seed: ipywidgets.IntSlider = field(init=False)
    image: ipywidgets.Image = field(init=False)
    caption: ipywidgets.Label = field(init=False)
    box: ipywidgets.VBox = field(init=False)

    def __post_init__(self):
        wide = ipywidgets.Layout(width="460px")
        slider = dict(layout=wide, style=dict(description_width="80px"))
        low, high = self.range
        name = "guidance" if self.conventions == "w" else self.conventions[0]
        self.weight = ipywidgets.FloatSlider(1.0, min=low, max=high, step=0.1, description=name, **slider)
        self.scale = ipywidgets.FloatSlider(2.0, min=1 + low, max=1 + high, step=0.1, description="s", **slider)
        ipywidgets.link((self.weight, "value"), (self.scale, "value"), transform=(s_from_w, w_from_s))
        self.label = ipywidgets.Dropdown(options=list(self.classes), description="class", **slider)
        self.steps = ipywidgets.IntSlider(FULL_STEPS, min=2, max=50, description="steps", **slider)
        self.seed = ipywidgets.IntSlider(0, min=0, max=99, description="seed", **slider)
        self.image = ipywidgets.Image(format="png", layout=ipywidgets.Layout(width="720px"))
        self.caption = ipywidgets.Label()
        sliders = [self.weight, self.scale] if self.conventions == "ws" else [self.weight]
        self.box = ipywidgets.VBox([*sliders, self.label, self.steps, self.seed, self.image, self.caption])
        self._lock, self._version, self._release = threading.Lock(), 0, None
        for control in (self.weight, self.label, self.steps, self.seed):
            control.observe(self._changed, names="value")
        self._show(self.steps.value, self._version)

    def render(self, num_steps: int, version: int | None = None) -> bytes | None:
        """The samples for the present settings as a PNG, or None if a newer change (than `version`) came meanwhile."""
        with torch.inference_mode():  # thread-local: the caller's does not reach a callback
            labels = torch.full((self.count,), self.label.index)
            denoiser = self.method(self.model, labels, self.weight.value)
            generator = torch.Generator().manual_seed(self.seed.value)
            x_T = torch.randn(self.count, *self.model.autoencoder.latent_shape, generator=generator)
            for step in dpm_solver(denoiser, self.model.schedule, x_T.to(self.model.latent_mean), num_steps):
                if version is not None and version != self._version:
                    return None
            return png(self.model.decode(step.x), columns=self.count)

    def _repr_mimebundle_(self, **options) -> tuple[dict, dict]:
        alt = "samples of the chosen class at the chosen guidance weight"
        return with_fallback(self.box, "a panel of sliders, alive when the notebook runs", self.image.value, alt)

    def settle(self) -> None:
        """Wait until the picture is drawn at full quality: for tests, and for cells that set a slider."""
        release = self._release
        if release is not None:
            release.join()

    def _changed(self, change: dict) -> None:
        self._version += 1
        if self._release is not None:
            self._release.cancel()
        self._show(min(PREVIEW_STEPS, self.steps.value), self._version)
        self._release = threading.Timer(PAUSE, self._show, (self.steps.value, self._version))
        self._release.daemon = True
        self._release.start()

    def _show(self, num_steps: int, version: int) -> None:
        with self._lock:
            picture = self.render(num_steps, version)
            if picture is None:
                return
            self.image.value = picture
            quality = "full quality" if num_steps == self.steps.value else "preview"
            value = self.weight.value
            says = f"s = {value:.1f}" if self.conventions == "s" else f"w = {value:.1f} (s = {1 + value:.1f})"
            self.caption.value = f"{self.label.value}, {says}, {num_steps} steps: {quality}"


def guidance_panel(
    model: LatentDiffusion,
    classes: Sequence[str],
    count: int = 8,
    *,
    method: Method = classifier_free,
    range: tuple[float, float] = (-1.0, 6.0),
    conventions: str = "w",
) -> Panel:
    """Sliders for guidance, class, steps and seed over `count` samples of a class-conditional model.

    The noise depends on the seed alone, so that moving the slider morphs the same samples. method: (model, labels,
    value of the slider) -> denoiser.  range: of the slider.  conventions: "w", one slider for the weight; "ws", another
    one for s = 1 + w that moves with it; "s", one slider for the scale of a classifier's gradient. Raises ValueError
    for other conventions, and where `classes` does not name every class of the model.
    """
    want = model.encoder.config["num_classes"]
    if len(classes) != want:
        raise ValueError(f"classes has {len(classes)} names; the model wants {want}")
    if conventions not in ("w", "ws", "s"):
        raise ValueError(f"conventions is {conventions!r}; want 'w', 'ws' or 's'")
    return Panel(model, classes, count, method, range, conventions)
