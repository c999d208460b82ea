"""Panels of sliders over samples; a callback runs in a thread, with its own generator, a lock and no pyplot."""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import ipywidgets
import torch
from torch import Tensor, nn

from ldm_teach import checks
from ldm_teach.interactive.controls import (
    WIDE,
    ConditionControls,
    blur_controls,
    class_controls,
    class_names,
    map_controls,
    prompt_controls,
    text_controls,
)
from ldm_teach.interactive.moving import free_with, show_moving, weakly
from ldm_teach.interactive.pictures import png
from ldm_teach.interactive.redraw import Redraw
from ldm_teach.interactive.widgets import fluid, stacked
from ldm_teach.models.conditioning import ImageEncoder, MapEncoder, TextEncoder, WordsAndStyleEncoder
from ldm_teach.models.guided import Method, free_on, style_and_words
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.theory.guidance import s_from_w, w_from_s
from ldm_teach.theory.samplers import dpm_solver
from ldm_teach.theory.schedule import Denoiser

PREVIEW_STEPS, FULL_STEPS = 3, 12  # of DPM-Solver++(2M), while a slider moves and once it is released


@dataclass
class Panel:
    """Sliders over samples that a notebook shows as it is; its controls and its picture can be read and set by code.

    Every change draws a preview at once; when no other follows, the slider counts as released (`Redraw`), and
    the same noise is denoised again at full quality, a drawing that the next change breaks off. What the model does
    not take, the caption says, and the last picture stays. The controls of the condition are attributes of the panel,
    which they do not keep: the cell that shows a panel does, until it runs again.

    method: (model, condition, value of the slider) -> denoiser, by default classifier-free guidance at the timesteps
    between the ends of `interval`, a slider that is there for it alone.
    symbol: what the weight is called, by default the first of the conventions.
    samples: the (count, C, H, W) images in [-1, 1] drawn last.  Raises ValueError, when made, for a condition that the
    model does not take, and for a control that is named as an attribute of the panel.
    """

    model: LatentDiffusion
    asking: ConditionControls
    count: int = 8
    method: Method | None = None
    range: tuple[float, float] = (-1.0, 6.0)
    conventions: str = "w"
    symbol: str = ""
    weight: ipywidgets.FloatSlider = field(init=False)
    scale: ipywidgets.FloatSlider = field(init=False)
    interval: ipywidgets.IntRangeSlider = field(init=False)
    steps: ipywidgets.IntSlider = field(init=False)
    seed: ipywidgets.IntSlider = field(init=False)
    image: ipywidgets.Image = field(init=False)
    caption: ipywidgets.HTML = field(init=False)
    box: ipywidgets.VBox = field(init=False)
    samples: Tensor | None = field(default=None, init=False, repr=False)

    def __post_init__(self):
        checks.count("count", self.count)
        low, high = self.range
        self.symbol = self.symbol or self.conventions[0]
        name = "guidance" if self.conventions == self.symbol == "w" else self.symbol
        self.weight = ipywidgets.FloatSlider(1.0, min=low, max=high, step=0.1, description=name, **WIDE)
        self.scale = ipywidgets.FloatSlider(2.0, min=1 + low, max=1 + high, step=0.1, description="s", **WIDE)
        ipywidgets.link((self.weight, "value"), (self.scale, "value"), transform=(s_from_w, w_from_s))
        last = self.model.schedule.num_steps - 1
        self.interval = ipywidgets.IntRangeSlider(value=(0, last), min=0, max=last, description="guided at t", **WIDE)
        self.steps = ipywidgets.IntSlider(FULL_STEPS, min=2, max=50, description="steps", **WIDE)
        self.seed = ipywidgets.IntSlider(0, min=0, max=99, description="seed", **WIDE)
        self.image = ipywidgets.Image(format="png", layout=fluid(720))
        self.caption = ipywidgets.HTML()  # a Label cuts what is wider
        controls = self.asking.controls
        sliders = [self.weight, self.scale] if self.conventions == "ws" else [self.weight]
        sliders = [*sliders, self.interval] if self.method is None else sliders
        asking = self.asking.rows or controls.values()
        self.box = stacked([*sliders, *asking, self.steps, self.seed, self.image, self.caption])
        self._redraw = Redraw(self._draw, self._failed)
        for name, control in controls.items():
            if hasattr(self, name):
                raise ValueError(f"asking has a control {name!r}; want a name that the panel has not taken")
            setattr(self, name, control)
        for control in (self.weight, self.interval, self.steps, self.seed, *controls.values()):
            control.observe(weakly(self._changed), names="value")
        free_with(self, self.scale, self.interval)
        self._draw(True, lambda: True)

    def render(
        self, num_steps: int, going: Callable[[], bool] = lambda: True, weight: float | None = None
    ) -> bytes | None:
        """The samples for the present settings as a PNG, or None if a newer change came meanwhile: `going` is False.

        weight: in the place of that of the slider. Raises ValueError for a condition that the model does not take.
        """
        with torch.inference_mode():  # thread-local: the caller's does not reach a callback
            method = free_on(self.interval.value) if self.method is None else self.method
            scale = self.weight.value if weight is None else weight
            denoiser = method(self.model, self.asking.condition(self.count), scale)
            generator = torch.Generator().manual_seed(self.seed.value)
            x_T = self.model.noise(self.count, generator)
            for step in dpm_solver(denoiser, self.model.schedule, x_T, num_steps):
                if not going():
                    return None
            self.samples = self.model.decode(step.x).cpu()
            asked = None if self.asking.picture is None else self.asking.picture()
            return png(self.samples, columns=self.count, asked=asked)

    def _ipython_display_(self) -> None:
        alt = f"samples of {self.asking.subject} at the chosen guidance weight"
        show_moving(self, self.image.value, alt)

    def frames(self, count: int = 9) -> list[tuple[str, bytes]]:
        """The samples at full quality while the guidance goes from end to end: (label, png) of each."""
        shown = []
        for weight in torch.linspace(*self.range, count).tolist():
            shown.append((f"{self.symbol} = {weight:.2g}", cast(bytes, self.render(FULL_STEPS, weight=weight))))
        return shown

    def settle(self) -> None:
        """Wait until the picture is drawn at full quality: for tests, and for cells that set a slider."""
        self._redraw.settle()

    def _changed(self, change: dict) -> None:
        self._redraw.overtake()
        self._say(self._line("drawing"))  # it may take a while, where another cell is at work
        self._redraw.changed()

    def _failed(self, error: Exception) -> None:
        self._say(f"not drawn: {error if isinstance(error, ValueError) else repr(error)}")

    def _draw(self, full: bool, going: Callable[[], bool]) -> None:
        num_steps = self.steps.value if full else min(PREVIEW_STEPS, self.steps.value)
        picture = self.render(num_steps, going)
        if picture is None:
            return
        line = self._line(f"{num_steps} steps: preview")
        if num_steps == self.steps.value:
            line = self._line(f"{num_steps} steps: full quality")
            if self.asking.verdict is not None and self.samples is not None:
                line += f"; {self.asking.verdict(self.samples)}"
        if going():  # else the controls that it speaks of have moved on
            self.image.value = picture
            self._say(line)

    def _line(self, how: str) -> str:
        """What is asked, and how it is drawn."""
        value = self.weight.value
        guided = f"s = {value:.1f}" if self.conventions == "s" else f"{self.symbol} = {value:.1f} (s = {1 + value:.1f})"
        first, last = self.interval.value
        if last - first < self.interval.max:
            guided += f" at t = {first} to {last}"
        return f"{self.asking.describe()}, {guided}, {how}"

    def _say(self, line: str) -> None:
        self.caption.value = html.escape(line, quote=False)


def guidance_panel(
    model: LatentDiffusion,
    classes: Sequence[str] | None = None,
    count: int = 8,
    *,
    method: Method | None = None,
    range: tuple[float, float] = (-1.0, 6.0),
    conventions: str = "w",
) -> Panel:
    """Sliders for guidance, class, steps and seed over `count` samples of a class-conditional model.

    The noise depends on the seed alone, so that moving the slider morphs the same samples. The dropdown of the class is
    `panel.label`. classes: their names, by default those of `class_names`.
    method: (model, labels, value of the slider) -> denoiser, by default classifier-free guidance, whose timesteps
    `panel.interval` chooses.  range: of the slider of guidance.  conventions: "w",
    one slider for the weight; "ws", another one for s = 1 + w that moves with it; "s", one slider for the scale of a
    classifier's gradient. Raises ValueError for other conventions, and where `classes` does not name every class of the
    model.
    """
    want = model.encoder.config["num_classes"]
    classes = class_names(model.encoder) if classes is None else classes
    if len(classes) != want:
        raise ValueError(f"classes has {len(classes)} names; the model wants {want}")
    if conventions not in ("w", "ws", "s"):
        raise ValueError(f"conventions is {conventions!r}; want 'w', 'ws' or 's'")
    return Panel(model, class_controls(classes), count, method, range, conventions)


WEIGHT_RANGE = (-1.0, 8.0)  # of the slider of the panels below


def conditioned(model: LatentDiffusion, encoder: type[nn.Module]) -> None:
    """Raises ValueError unless the model reads its condition with this kind of encoder."""
    if not isinstance(model.encoder, encoder):
        raise ValueError(f"model reads its condition with {type(model.encoder).__name__}; want {encoder.__name__}")


def text_panel(model: LatentDiffusion, caption: str | None = None, count: int = 8) -> Panel:
    """A caption to type, `panel.text`, and sliders for guidance, steps and seed over `count` samples of it.

    caption: at the start; by default the first of the examples that the model carries, or one of shapes. At full
    quality the line below says how many of the samples, (count, 3, 32, 32), read back as asked, or why the words cannot
    be read back: `adherence.matches`, `captions.parse`; not so of a model with examples of its own, which are no
    shapes. Where the model does not know a word, it says so and the last picture stays. Raises ValueError for a model
    without a TextEncoder, and for a `caption` that it does not take.
    """
    conditioned(model, TextEncoder)
    own = model.encoder.config.get("examples")
    start = (own or ["a red circle above a blue square"])[0] if caption is None else caption
    return Panel(model, text_controls(start, read_back=not own), count, range=WEIGHT_RANGE)


def prompt_panel(model: LatentDiffusion, prompt: str = "noto: cat face", count: int = 4) -> Panel:
    """A prompt to type, `panel.text`, and two sliders of guidance, `panel.w_style` and `panel.weight` for the words.

    With both at -1 the prompt is ignored. With equal weights a step takes two calls of the network, else three
    (`style_and_words`). A word that the model does not know is answered with the nearest that it knows, and the last
    picture stays. Raises ValueError for a model without a WordsAndStyleEncoder, and for a `prompt` it does not take.
    """
    conditioned(model, WordsAndStyleEncoder)
    asking = prompt_controls(prompt)
    w_style = cast(ipywidgets.FloatSlider, asking.controls["w_style"])

    def method(model: LatentDiffusion, prompts: Any, w_words: float) -> Denoiser:
        return style_and_words(model, prompts, w_style.value, w_words)

    return Panel(model, asking, count, method, WEIGHT_RANGE, symbol="w words")


def map_panel(model: LatentDiffusion, count: int = 8) -> Panel:
    """A semantic map of up to three items, with its kinds in colours to the left of `count` samples that fill it.

    Item i = 1, 2, 3 has `panel.kind_i`, `size_i` and, in pixels, `row_i` and `column_i` of its centre. At full quality
    the line below says the mean IoU of the maps read from the samples with the one asked for (`mean_iou`; 1 is best).
    Raises ValueError for a model without a MapEncoder, or of other images than the (3, 32, 32) of shapes.
    """
    conditioned(model, MapEncoder)
    return Panel(model, map_controls(), count, range=WEIGHT_RANGE)


def blur_panel(model: LatentDiffusion, images: Tensor, count: int = 8) -> Panel:
    """One of the sharp images, `panel.index`, blurred by `panel.sigma` pixels, and right of it `count` sharp samples.

    images: (N, C, H, W) in [-1, 1], of the size that the model reads. At full quality the line below says the PSNR in
    decibels of the samples, blurred again, against the blurred image. Raises ValueError for a model without an
    ImageEncoder, and for images of another shape or dtype, or none.
    """
    conditioned(model, ImageEncoder)
    want = (model.encoder.config["image_channels"], *model.encoder.config["image_size"])
    if checks.floating("images", images).ndim != 4 or images.shape[1:] != want or not len(images):
        raise ValueError(f"images is {checks.describe(images)}; want (N, {', '.join(map(str, want))}), N at least 1")
    return Panel(model, blur_controls(images.float().cpu()), count, range=WEIGHT_RANGE)
