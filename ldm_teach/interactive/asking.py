"""Controls that are read and set as words: one for each kind of condition, for images, and for a mask."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets
import traitlets

from ldm_teach.data.captions import Scene, layout_of, parse_layout
from ldm_teach.interactive.conditions import EXAMPLE_CAPTIONS, class_number
from ldm_teach.interactive.controls import WIDE, ItemControls, class_names
from ldm_teach.interactive.uploads import TEST_PICTURES, carried
from ldm_teach.interactive.widgets import side_by_side, sized, stacked
from ldm_teach.models.conditioning import (
    ClassEncoder,
    ConditionEncoder,
    ImageEncoder,
    MapEncoder,
    TextEncoder,
    WordsAndStyleEncoder,
)

ANY_STYLE = "(any)"
# A pressed button differs from others by a shade alone, in the dark theme by hardly one.
STYLE_OF_MASK = "<style>.ldm-mask .jupyter-button.mod-active { background: #0072B2; }</style>"
MAPS_FROM = ("composed", "a test scene")


class Words(traitlets.HasTraits):
    """Words that several controls say together."""

    value = traitlets.Unicode()


@dataclass(frozen=True)
class Asking:
    """Controls for what is asked in words.

    box: what is shown.  controls: those whose "value" changes what is asked.  words: -> what they say, or ValueError.
    set_words: lets them say it; raises ValueError for words that they cannot say.
    """

    box: ipywidgets.Widget
    controls: Sequence[traitlets.HasTraits]
    words: Callable[[], str]
    set_words: Callable[[str], None]


def ask_for(encoder: ConditionEncoder) -> Asking:
    """The controls for the condition of a model. Raises ValueError for an encoder that the course does not have."""
    if isinstance(encoder, ClassEncoder):
        return ask_class(class_names(encoder))
    if isinstance(encoder, TextEncoder):
        return ask_words("caption", (encoder.config.get("examples") or EXAMPLE_CAPTIONS)[0])
    if isinstance(encoder, WordsAndStyleEncoder):
        return ask_prompt(encoder.config["styles"], encoder.numbers)
    if isinstance(encoder, MapEncoder):
        return ask_map()
    if isinstance(encoder, ImageEncoder):
        return ask_image("blurred image")
    raise ValueError(f"encoder is a {type(encoder).__name__}; want one that has controls")


def ask_class(names: Sequence[str]) -> Asking:
    """A class, from a list."""
    label = ipywidgets.Dropdown(options=list(names), description="class", **WIDE)
    return Asking(
        label, [label], lambda: label.value, lambda words: setattr(label, "index", class_number(words, names))
    )


def ask_words(description: str, start: str = "", placeholder: str = "") -> Asking:
    """Words to type, read when the line is left."""
    line = ipywidgets.Text(start, description=description, placeholder=placeholder, continuous_update=False, **WIDE)
    return Asking(line, [line], lambda: line.value.strip(), functools.partial(setattr, line, "value"))


def ask_prompt(styles: Sequence[str], vocabulary: Any) -> Asking:
    """A style, from a list, and words to type: "noto: cat face"."""
    style = ipywidgets.Dropdown(options=[ANY_STYLE, *styles], value=styles[0], description="style", **WIDE)
    start = "cat face" if {"cat", "face"} <= set(vocabulary) else next(iter(vocabulary))
    line = ipywidgets.Text(start, description="words", continuous_update=False, **WIDE)

    def words() -> str:
        said = line.value.strip()
        if not said and style.value == ANY_STYLE:
            raise ValueError("there are no words and no style; want one of them, or both")
        return said if style.value == ANY_STYLE else f"{style.value}: {said}"

    def set_words(words: str) -> None:
        before, colon, after = words.partition(":")
        named = bool(colon) and before.strip().lower() in styles
        style.value = before.strip().lower() if named else ANY_STYLE
        line.value = (after if named else words).strip()

    return Asking(stacked([style, line]), [style, line], words, set_words)


def ask_map() -> Asking:
    """What is where: up to three items that are composed, or the map of a test scene."""
    source = ipywidgets.Dropdown(options=MAPS_FROM, description="map", **WIDE)
    number = ipywidgets.IntSlider(0, min=0, max=TEST_PICTURES - 1, description="scene", **WIDE)
    starts = ("circle", "large", 9, 9), ("square", "small", 22, 21), ("none", "small", 23, 7)
    items = [ItemControls.make(f"item {i}", *start) for i, start in enumerate(starts, start=1)]
    composed, box = [side_by_side(item) for item in items], stacked([])

    def arrange(change: Any = None) -> None:
        box.children = [source, *(composed if source.value == MAPS_FROM[0] else [number])]

    def words() -> str:
        if source.value != MAPS_FROM[0]:
            return str(number.value)
        return layout_of(Scene(tuple(item.read() for item in items if item.kind.value != "none")))

    def set_words(words: str) -> None:
        if words.isdecimal() and int(words) <= number.max:
            source.value, number.value = MAPS_FROM[1], int(words)
            return
        wanted = parse_layout(words).items
        if len(wanted) > len(items):
            raise ValueError(f"condition is {words!r}; want at most {len(items)} items")
        source.value = MAPS_FROM[0]
        for item in items[len(wanted) :]:
            item.kind.value = "none"
        for item, want in zip(items, wanted, strict=False):
            for control, value in zip(item, (want.kind, want.size, want.row, want.column), strict=True):
                control.value = value

    source.observe(arrange, names="value")
    arrange()
    return Asking(box, [source, number, *(control for item in items for control in item)], words, set_words)


def ask_image(description: str) -> Asking:
    """A test picture, by its number, or an image of one's own: the one that was chosen last."""
    number = ipywidgets.IntSlider(0, min=0, max=TEST_PICTURES - 1, description=description, **sized(460, 100))
    upload = ipywidgets.FileUpload(accept="image/*", description="upload an image", layout=dict(width="180px"))
    said, name = Words(value="0"), ipywidgets.HTML()
    wrong: list[str] = []

    def say(words: str, told: str, *errors: str) -> None:
        wrong[:], name.value, said.value = errors, told, words

    def numbered(change: dict) -> None:
        say(str(number.value), "")

    def uploaded(change: dict) -> None:
        for file in upload.value:
            try:
                say(carried(bytes(file["content"])), "the image that was uploaded")
            except ValueError as error:
                say(f"{file['name']}: {error}", "", f"{file['name']}: {error}")

    def words() -> str:
        if wrong:
            raise ValueError(wrong[0])
        return said.value

    def set_words(words: str) -> None:
        if words.isdecimal() and int(words) <= number.max:
            number.value = int(words)
            say(words, "")
        else:
            say(words, "an image that came with the settings")

    number.observe(numbered, names="value")
    upload.observe(uploaded, names="value")
    return Asking(stacked([number, side_by_side([upload, name])]), [said], words, set_words)


def ask_mask(rows: int, columns: int) -> Asking:
    """Which squares of a picture are drawn anew: switches in a grid, and a rectangle that is marked or unmarked."""

    def switch(row: int, column: int) -> ipywidgets.ToggleButton:
        inside = rows // 3 <= row < rows - rows // 3 and columns // 3 <= column < columns - columns // 3
        layout = dict(width="24px", height="24px", margin="1px", padding="0")
        name = f"row {row + 1}, column {column + 1}"
        return ipywidgets.ToggleButton(inside, tooltip=name, layout=layout)

    grid = [[switch(row, column) for column in range(columns)] for row in range(rows)]
    said, quiet = Words(), []

    def tell(change: Any = None) -> None:
        if not quiet:
            said.value = "/".join("".join("#" if one.value else "." for one in line) for line in grid)

    def mark(wanted: Callable[[int, int, bool], bool]) -> None:
        quiet.append(True)
        for row, line in enumerate(grid):
            for column, one in enumerate(line):
                one.value = wanted(row, column, one.value)
        quiet.clear()
        tell()

    across = dict(min=1, **sized(300))
    height = ipywidgets.IntRangeSlider(value=(1, rows), max=rows, description="rows", **across)
    width = ipywidgets.IntRangeSlider(value=(1, columns), max=columns, description="columns", **across)

    def rectangle(value: bool) -> Callable[[Any], None]:
        def inside(row: int, column: int, now: bool) -> bool:
            (top, bottom), (left, right) = height.value, width.value
            return value if top <= row + 1 <= bottom and left <= column + 1 <= right else now

        return lambda button: mark(inside)

    def set_words(words: str) -> None:
        lines = words.split("/")
        if [len(line) for line in lines] != [columns] * rows:
            raise ValueError(f"mask is {words!r}; want {rows} rows of {columns} times . or #, apart by /")
        mark(lambda row, column, now: lines[row][column] == "#")

    buttons = []
    for value, words in ((True, "draw these anew"), (False, "keep these")):
        buttons.append(ipywidgets.Button(description=words, layout=dict(width="145px")))
        buttons[-1].on_click(rectangle(value))
    for one in (one for line in grid for one in line):
        one.observe(tell, names="value")
    tell()
    hint = ipywidgets.HTML(f"{STYLE_OF_MASK}blue squares are drawn anew; press them, or a whole rectangle of them:")
    squares = stacked([ipywidgets.HBox(line, layout=dict(overflow="visible")) for line in grid])
    squares.add_class("ldm-mask")
    return Asking(stacked([hint, squares, height, width, side_by_side(buttons)]), [said], lambda: said.value, set_words)
