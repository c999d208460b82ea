"""Everything that determines a picture, in one object, one line of text, and inside the picture itself."""

import dataclasses
import io
import json
from dataclasses import dataclass
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ldm_teach import checks
from ldm_teach.theory.samplers import Sampler, ddim, ddpm, dpm_solver, heun, predictor_corrector
from ldm_teach.words import did_you_mean

ALL_SAMPLERS: dict[str, Sampler] = {f.__name__: f for f in (dpm_solver, ddim, ddpm, heun, predictor_corrector)}
WAYS_OF_GUIDING = ("classifier-free", "classifier", "classifier alone")  # the last: of the unconditional model
TASKS = ("sample", "edit", "inpaint")
FILMS = ("none", "steps", "walk")
KEYWORD = "ldm_teach"  # of the line in a PNG


@dataclass(frozen=True)
class Settings:
    """What `drawing.draw_settings` makes a picture of: the same settings, the same picture.

    model: a shipped name, or a directory.  condition, negative: words as `conditions.requested` reads them; sigma: the
    blur of its numbered images.  guidance: one of WAYS_OF_GUIDING, w: its weight, or a classifier's scale; w_style: a
    weight of its own for the style of a prompt.  interval: the first and last timestep of guidance, or None for all.
    task: one of TASKS. "edit" draws `image` anew, noised as far as `strength`; "inpaint" what the `mask` marks, rows of
    `drawing.squares` as "..##/..##", and with ddpm makes each step `resampling` times.  image: as `uploads.image_for`.
    film: one of FILMS. "steps" shows the prediction of x_0 at each step; "walk" goes in `frames` pictures to the
    condition `to` and the noise of `to_seed`, where these are given.
    beside: settings that are drawn beside these, with the noise of these.
    Raises ValueError that names the setting. A default never changes, for a line leaves out what is at its default.
    """

    model: str = "fashion-class"
    condition: str = "0"
    sigma: float = 2.0
    negative: str = ""
    guidance: str = "classifier-free"
    w: float = 1.0
    w_style: float | None = None
    interval: tuple[int, int] | None = None
    sampler: str = "dpm_solver"
    steps: int = 12
    seed: int = 0
    count: int = 4
    task: str = "sample"
    image: str = "0"
    strength: float = 0.6
    mask: str = ""
    resampling: int = 5
    film: str = "none"
    to: str = ""
    to_seed: int | None = None
    frames: int = 8
    beside: "Settings | None" = None

    def __post_init__(self):
        for name in ("model", "condition", "negative", "image", "mask", "to"):
            checks.word(name, getattr(self, name))
        options = dict(guidance=WAYS_OF_GUIDING, sampler=ALL_SAMPLERS, task=TASKS, film=FILMS)
        for name, known in options.items():
            checks.word(name, getattr(self, name), known)
        checks.positive("sigma", self.sigma)
        checks.finite("w", self.w)
        checks.between("strength", self.strength, 0.01, 1)
        highest = dict(steps=200, count=16, frames=24, resampling=20)
        for name, high in highest.items():
            checks.count(name, getattr(self, name), high)
        checks.seed(self.seed)
        if self.w_style is not None:
            checks.finite("w_style", self.w_style)
        if self.to_seed is not None:
            checks.count("to_seed", self.to_seed, low=0)
        if self.interval is not None:
            object.__setattr__(self, "interval", checks.sizes("interval", self.interval, 2, 0))
        checks.instance("beside", self.beside, Settings, type(None))
        if self.beside is not None and self.beside.beside is not None:
            raise ValueError("beside has something beside it; want two settings side by side, no more")

    def to_line(self) -> str:
        """One line of JSON: the model, and what is not at its default."""
        return json.dumps(_changed(self), ensure_ascii=False)

    @classmethod
    def from_line(cls, line: str) -> "Settings":
        """The settings that `to_line` wrote. Raises ValueError that says what is wrong with the line."""
        try:
            found = json.loads(checks.word("line", line))
        except (ValueError, RecursionError) as error:
            if not isinstance(line, str):
                raise
            raise ValueError(f'line is no settings ({error}); want one such as {{"model": "fashion-class"}}') from error
        return _made(found)


def _changed(settings: Settings) -> dict[str, Any]:
    found = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.name == "model" or value != field.default:
            found[field.name] = _changed(value) if isinstance(value, Settings) else value
    return found


def _made(found: Any) -> Settings:
    if not isinstance(found, dict):
        raise ValueError(f"line holds {checks.describe(found)}; want an object, {{...}}")
    known = [field.name for field in dataclasses.fields(Settings)]
    for name in found:
        if name not in known:
            raise ValueError(f"line has the unknown setting {name!r}{did_you_mean(name, known)}")
    settings: dict[str, Any] = {**found}
    if settings.get("beside") is not None:
        settings["beside"] = _made(settings["beside"])
    return Settings(**settings)


def as_png(picture: Image.Image, settings: Settings) -> bytes:
    """A picture as an encoded PNG with the settings inside, which `settings_in` reads back."""
    checks.instance("picture", picture, Image.Image)
    info, buffer = PngInfo(), io.BytesIO()
    info.add_text(KEYWORD, checks.instance("settings", settings, Settings).to_line().encode().decode("latin-1"))
    picture.save(buffer, "PNG", pnginfo=info, compress_level=1)
    return buffer.getvalue()


def as_gif(frames: list[Image.Image], settings: Settings, milliseconds: int = 250) -> bytes:
    """Pictures of one size as an endless GIF on white, there and back, with the settings inside."""
    checks.instances("frames", frames, Image.Image)
    checks.count("milliseconds", milliseconds, 65_535)
    if not frames:
        raise ValueError("frames is empty; want one or more")
    shown = [_on_white(frame).quantize(128) for frame in frames]
    line = checks.instance("settings", settings, Settings).to_line().encode()
    rest = shown[1:] + shown[-2:0:-1]
    buffer = io.BytesIO()
    shown[0].save(buffer, "GIF", save_all=True, append_images=rest, duration=milliseconds, loop=0, comment=line)
    return buffer.getvalue()


def _on_white(frame: Image.Image) -> Image.Image:
    frame = frame.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", frame.size, "white"), frame).convert("RGB")


def settings_in(content: bytes) -> Settings:
    """The settings inside a picture, the content of a PNG or GIF file. Raises ValueError where it has none."""
    try:
        with Image.open(io.BytesIO(checks.instance("content", content, bytes)), formats=("PNG", "GIF")) as picture:
            kept = picture.info.get(KEYWORD, picture.info.get("comment", b""))
    except OSError as error:
        raise ValueError("content is no PNG or GIF; want a picture that was saved here") from error
    line = (kept.encode("latin-1") if isinstance(kept, str) else kept).decode(errors="replace")
    if not line:
        raise ValueError("content is a picture without settings; want one that was saved here")
    return Settings.from_line(line)
