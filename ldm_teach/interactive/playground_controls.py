"""All controls of the playground, read and set as one object: `Settings`."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets

from ldm_teach.interactive.asking import Asking, ask_for, ask_image, ask_mask, ask_words
from ldm_teach.interactive.controls import WIDE
from ldm_teach.interactive.drawing import CLASSIFIER_OF_MODEL, diffusion_models, model_named, squares
from ldm_teach.interactive.settings import ALL_SAMPLERS, FILMS, TASKS, WAYS_OF_GUIDING, Settings
from ldm_teach.interactive.widgets import stacked
from ldm_teach.models.conditioning import ImageEncoder, WordsAndStyleEncoder

OWN = "one of my own"
PLAIN = ("guidance", "w_style", "sigma", "sampler", "steps", "seed", "count", "task", "strength", "resampling", "film")
PLAIN += ("to_seed", "frames")  # settings that are the value of one control
Slider = ipywidgets.IntSlider | ipywidgets.FloatSlider


class Controls:
    """Everything that can be chosen. `read` and `write` are the settings; `changed` is called when they are others.

    box: what is shown: of the model, the task and the film that are chosen, only what counts for them.
    """

    def __init__(self, changed: Callable[[Any], None]):
        self._changed, self._quiet = changed, 0
        start, models = Settings(), diffusion_models()
        choice = functools.partial(ipywidgets.Dropdown, **WIDE)
        whole, real = (functools.partial(kind, **WIDE) for kind in (ipywidgets.IntSlider, ipywidgets.FloatSlider))
        self.model = choice(options=[*models, OWN], value=start.model, description="model")
        self.folder = ask_words("folder", placeholder="the folder of a model, or the name of a run")
        self.guidance = choice(options=WAYS_OF_GUIDING, description="guidance")
        self.w = real(start.w, min=-1, max=8, step=0.1, description="w")
        self.apart = ipywidgets.Checkbox(description="a weight of its own for the style", indent=True, **WIDE)
        self.w_style = real(start.w, min=-1, max=8, step=0.1, description="w of style")
        self.interval = ipywidgets.IntRangeSlider(value=(0, 999), min=0, max=999, description="guided at t", **WIDE)
        self.negative = ask_words("negative", placeholder="what shall not be seen: as a condition")
        self.sigma = real(start.sigma, min=1, max=4, step=0.25, description="blur")
        self.sampler = choice(options=list(ALL_SAMPLERS), description="sampler")
        self.steps = whole(start.steps, min=2, max=50, description="steps")
        self.seed = whole(start.seed, min=0, max=99, description="seed")
        self.count = whole(start.count, min=1, max=8, description="pictures")
        self.task = choice(options=TASKS, description="task")
        self.image = ask_image("image")
        self.strength = real(start.strength, min=0.05, max=1, step=0.05, description="strength")
        self.resampling = whole(start.resampling, min=1, max=10, description="resampling")
        self.film = choice(options=FILMS, description="film")
        self.to = ask_words("to", placeholder="the condition at the end of the walk")
        self.other_noise = ipywidgets.Checkbox(True, description="to another noise", indent=True, **WIDE)
        self.to_seed = whole(1, min=0, max=99, description="its seed")
        self.frames = whole(start.frames, min=2, max=16, description="frames")
        self.condition: Asking = ask_words("condition")
        self.mask: Asking = ask_mask(3, 3)
        self._grid, self._name = (3, 3), ""
        self.headings = [_heading(words) for words in ("What is drawn", "Guidance", "How it is drawn")]
        self.box = stacked([])
        self._follow_model()
        for control in (self.model, *self.folder.controls):
            control.observe(self._follow_model, names="value")
        for control in (self.guidance, self.apart, self.task, self.sampler, self.film, self.other_noise):
            control.observe(self._arrange, names="value")
        plain = [self.model, self.w, self.apart, self.interval, self.other_noise, *(getattr(self, n) for n in PLAIN)]
        asked = [one for asking in (self.folder, self.negative, self.image, self.to) for one in asking.controls]
        for control in (*plain, *asked):
            control.observe(self._tell, names="value")

    def read(self) -> Settings:
        """The settings that the controls stand at; what does not count is left at its default."""
        first, last = self.interval.value
        whole = (first, last) == (self.interval.min, self.interval.max)
        found: dict[str, Any] = dict(model=self.name(), condition=self.condition.words())
        found |= dict(w=_read(self.w), interval=None if whole else (first, last))
        shown = self._shown()
        for name in ("negative", "image", "mask", "to"):
            if getattr(self, name).box in shown:
                found[name] = getattr(self, name).words()
        for name in PLAIN:
            if getattr(self, name) in shown:
                found[name] = _read(getattr(self, name))
        return Settings(**found)

    def write(self, settings: Settings) -> None:
        """Let the controls stand at settings, `beside` left aside. Raises what the settings' model or words raise."""
        model_named(settings.model)
        with self._held():
            shipped = settings.model in self.model.options
            self.folder.set_words("" if shipped else settings.model)
            self.model.value = settings.model if shipped else OWN
            self._follow_model()
            for name in ("w", *PLAIN):
                control, value = getattr(self, name), getattr(settings, name)
                if isinstance(control, ipywidgets.Dropdown):
                    control.value = value
                elif value is not None:
                    _reach(control, value)
            self.apart.value = settings.w_style is not None
            self.other_noise.value = settings.to_seed is not None or settings.film != "walk"  # a walk that comes later
            self.interval.value = settings.interval or (self.interval.min, self.interval.max)
            self._arrange()
            for name in ("condition", "negative", "to", *(("image",) if settings.task != "sample" else ())):
                getattr(self, name).set_words(getattr(settings, name))
            if settings.task == "inpaint":
                self.mask.set_words(settings.mask)

    def name(self) -> str:
        """The model that is chosen. Raises ValueError where a folder is still to be named."""
        if self.model.value != OWN:
            return self.model.value
        if not self.folder.words():
            raise ValueError("there is no folder yet; type the folder of a model, or the name of a run")
        return self.folder.words()

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """While several controls are set, nothing is drawn."""
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1

    def _tell(self, change: Any = None) -> None:
        if not self._quiet:
            self._changed(change)

    def _follow_model(self, change: Any = None) -> None:
        """Other controls for another kind of condition, and the weight that is recommended for it."""
        try:
            name = self.name()
            model = model_named(name)
        except (OSError, ValueError):  # which the drawing will say
            return self._arrange()
        if name == self._name:
            return self._arrange()
        with self._held():
            self._name, self.condition = name, self._observed(ask_for(model.encoder))
            if self._grid != (grid := squares(model)):
                self._grid, self.mask = grid, self._observed(ask_mask(*grid))
            advised, last = model.encoder.guidance, model.schedule.num_steps - 1
            self.interval.min, self.interval.max = 0, last
            self.w.value, self.interval.value = advised.w, advised.interval or (0, last)
            self.guidance.value, self.apart.value = WAYS_OF_GUIDING[0], False
            self.negative.set_words("")
            self.to.set_words("")
            self._arrange()

    def _observed(self, asking: Asking) -> Asking:
        for control in asking.controls:
            control.observe(self._tell, names="value")
        return asking

    def _arrange(self, change: Any = None) -> None:
        self.box.children = self._shown()

    def _shown(self) -> tuple[ipywidgets.Widget, ...]:
        """What counts for the present choice, in its order."""
        encoder = model_named(self._name).encoder
        free, walk, task = self.guidance.value == WAYS_OF_GUIDING[0], self.film.value == "walk", self.task.value
        styled = free and isinstance(encoder, WordsAndStyleEncoder)
        rows = {
            self.headings[0]: True,
            self.model: True,
            self.folder.box: self.model.value == OWN,
            self.condition.box: True,
            self.sigma: isinstance(encoder, ImageEncoder),
            self.task: True,
            self.image.box: task != "sample",
            self.strength: task == "edit",
            self.mask.box: task == "inpaint",
            self.headings[1]: True,
            self.guidance: self._name in CLASSIFIER_OF_MODEL,
            self.w: True,
            self.apart: styled,
            self.w_style: styled and self.apart.value,
            self.interval: True,
            self.negative.box: free and not (styled and self.apart.value),
            self.headings[2]: True,
            self.sampler: True,
            self.resampling: task == "inpaint" and self.sampler.value == "ddpm",
            self.steps: True,
            self.seed: True,
            self.count: True,
            self.film: True,
            self.to.box: walk,
            self.other_noise: walk,
            self.to_seed: walk and self.other_noise.value,
            self.frames: walk,
        }
        return tuple(control for control, counts in rows.items() if counts)


def _heading(words: str) -> ipywidgets.HTML:
    return ipywidgets.HTML(f"<h4 style='margin: 8px 0 0'>{words}</h4>")


def _read(control: Any) -> Any:
    """The value of a control; a browser adds up steps, so that a slider may stand at 2.5000000000000004."""
    return round(control.value, 6) if isinstance(control, ipywidgets.FloatSlider) else control.value


def _reach(slider: Slider, value: float) -> None:
    """Set a slider, and let it reach as far as that."""
    slider.min, slider.max = min(slider.min, value), max(slider.max, value)
    slider.value = value
