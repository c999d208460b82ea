"""The playground: everything at once, by hand."""

import html
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ipywidgets

from ldm_teach.interactive.drawing import Drawn, draw_settings, quick
from ldm_teach.interactive.moving import free_with, show_moving, weakly
from ldm_teach.interactive.playground_controls import Controls
from ldm_teach.interactive.redraw import Redraw
from ldm_teach.interactive.settings import Settings, as_gif, as_png, settings_in
from ldm_teach.interactive.showing import download, frame_picture, strip
from ldm_teach.interactive.widgets import fluid, side_by_side, stacked

OLD = "ldm-old"  # the class of a picture that is not of the present settings
STYLE_OF_OLD = f"<style>.{OLD} {{ opacity: 0.4; }}</style>"
FILE = "playground"


class Playground:
    """A panel with everything that can be asked of every model; its controls can be read and set by code.

    controls: all that is chosen.  line: the settings of the picture in one line of text; another line brings others
    back, and so does a picture that was saved here, handed to `opened`.  beside: keeps the present settings as A, drawn
    above all that follow, from their noise.  frame: of a film.  drawn: what is shown, A first where there is one.
    Every change draws a preview at once and the whole picture when no other follows (`Redraw`). What cannot be drawn is
    said below the picture, which stays, marked as an old one.
    """

    def __init__(self, settings: Settings | None = None):
        self.drawn: list[Drawn] = []
        self.pinned: Settings | None = None
        self.controls = Controls(weakly(self._changed))
        self.image = ipywidgets.Image(format="png", layout=dict(max_width="calc(100% - 4px)"))
        self.strip = ipywidgets.Image(format="png", layout=dict(max_width="calc(100% - 4px)", margin="8px 2px"))
        self.caption = ipywidgets.HTML()
        self.beside = ipywidgets.ToggleButton(description="keep as A, beside", tooltip="draw the present settings as A")
        self.frame = ipywidgets.IntSlider(description="frame", min=1, max=1, layout=fluid(380))
        self.play = ipywidgets.Play(description="play", tooltip="play the film", interval=300, min=1, max=1)
        self.film = side_by_side([self.play, self.frame])
        ipywidgets.link((self.play, "value"), (self.frame, "value"))
        self.line = ipywidgets.Text(description="settings", continuous_update=False, layout=fluid(560))
        self.links = ipywidgets.HTML()
        self.opened = ipywidgets.FileUpload(accept=".png,.gif", description="open a saved picture", layout=fluid(200))
        shown = [self.image, self.film, self.strip, self.caption, self.beside, self.links, self.line, self.opened]
        half = dict(flex="1 1 400px", min_width="0", max_width="620px", overflow="visible", padding="0 16px 0 0")
        halves = [stacked([ipywidgets.HTML(STYLE_OF_OLD), *shown]), stacked([self.controls.box])]
        for part in halves:
            part.layout = ipywidgets.Layout(align_items="flex-start", **half)
        self.box = side_by_side(halves)
        self._redraw, self._line, self._settings = Redraw(self._draw, self._failed), "", Settings()
        if settings is not None:
            self._show_settings(settings)
        for control, answer in (
            (self.beside, self._pin),
            (self.frame, self._show_frame),
            (self.line, self._read_line),
            (self.opened, self._open),
        ):
            control.observe(weakly(answer), names="value")
        free_with(self)
        self._draw(True, lambda: True)

    def settings(self) -> Settings:
        """All that is asked for, A included. Raises ValueError as `Controls.read`."""
        settings = self.controls.read()
        if self.pinned is None:
            return settings
        return replace(settings, beside=replace(self.pinned, seed=settings.seed, count=settings.count))

    def settle(self) -> None:
        """Wait until the picture is drawn at full quality: for tests, and for cells that set a control."""
        self._redraw.settle()

    def _ipython_display_(self) -> None:
        show_moving(self, self.image.value, f"samples: {self.caption.value}")

    def _changed(self, change: Any = None) -> None:
        self._redraw.overtake()
        self._say("drawing")  # it may take a while, where another cell is at work
        self._redraw.changed()

    def _draw(self, full: bool, going: Callable[[], bool]) -> None:
        settings = self.settings()
        made = settings if full else quick(settings)
        drawn = [draw_settings(one, going) for one in (made.beside, made) if one is not None]
        if not going() or None in drawn:
            return
        self.drawn = [one for one in drawn if one is not None]
        self._show(made, settings, full or made == settings)

    def _show(self, made: Settings, settings: Settings, full: bool) -> None:
        self._settings, frames = settings, max(len(one.frames) for one in self.drawn)
        stood_at_end = self.frame.value == self.frame.max
        self.play.max = self.frame.max = frames
        if stood_at_end and made.film == "steps":  # where a sampler ends
            self.frame.value = frames
        self.film.layout.display = self.strip.layout.display = "flex" if frames > 1 else "none"
        self.strip.value = as_png(strip(self.drawn), settings) if frames > 1 else b""
        self._show_frame()
        self.image.remove_class(OLD)
        self._line = self.line.value = settings.to_line()
        self._say(f"{summary_of(settings)}, {made.steps} steps: {'full quality' if full else 'preview'}")
        if full:
            self.links.value = self._saved(frames)

    def _saved(self, frames: int) -> str:
        """Links that save the picture, and the film where it is one, with the settings inside."""
        if frames == 1:
            return download(self.image.value, f"{FILE}.png", "save as PNG")
        film = as_gif([frame_picture(self.drawn, k) for k in range(frames)], self._settings)
        stills = download(self.strip.value, f"{FILE}.png", "save the strip as PNG")
        return f"{stills} &emsp; {download(film, f'{FILE}.gif', 'save the film as GIF')}"

    def _show_frame(self, change: Any = None) -> None:
        if self.drawn:
            self.image.value = as_png(frame_picture(self.drawn, self.frame.value - 1), self._settings)

    def _failed(self, error: Exception) -> None:
        self.image.add_class(OLD)
        words = str(error) if isinstance(error, ValueError | OSError) else repr(error)
        self._say(f"not drawn: {words}{'' if words.endswith('?') else '.'} The picture is an older one.")

    def _pin(self, change: dict) -> None:
        if self.beside.value == (self.pinned is not None):  # settings that came from elsewhere have set both
            return
        try:
            self.pinned = self.controls.read() if self.beside.value else None
        except ValueError as error:
            return self._failed(error)
        self._changed()

    def _read_line(self, change: dict) -> None:
        if self.line.value.strip() and self.line.value != self._line:
            self._take(lambda: Settings.from_line(self.line.value))

    def _open(self, change: dict) -> None:
        for file in self.opened.value:
            self._take(lambda file=file: settings_in(bytes(file["content"])))

    def _take(self, settings: Callable[[], Settings]) -> None:
        """Let the controls stand at settings that come from elsewhere, or say why they cannot."""
        self._redraw.overtake()
        try:
            self._show_settings(settings())
        except (ValueError, OSError) as error:
            return self._failed(error)
        self._redraw.changed()

    def _show_settings(self, settings: Settings) -> None:
        self.controls.write(settings)
        self.pinned = settings.beside
        self.beside.value = settings.beside is not None

    def _say(self, words: str) -> None:
        self.caption.value = html.escape(words, quote=False)


def summary_of(settings: Settings) -> str:
    """The settings in a few words, for the line below the picture."""
    said = [settings.model, settings.condition if len(settings.condition) < 80 else "an image"]
    said += [f"not {settings.negative}"] if settings.negative else []
    said += [f"w = {settings.w:g}" if settings.guidance == "classifier-free" else f"s = {settings.w:g}"]
    said += [f"w of style = {settings.w_style:g}"] if settings.w_style is not None else []
    said += ["t = {} to {}".format(*settings.interval)] if settings.interval else []
    said += [settings.sampler]
    words = ", ".join(said)
    return words if settings.beside is None else f"above A: {summary_of(settings.beside)}; below B: {words}"
