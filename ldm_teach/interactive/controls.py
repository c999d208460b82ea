"""What a panel asks of a model: the controls for each kind of condition, and how far samples answer what was asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import ipywidgets
import torch
from torch import Tensor

from ldm_teach import checks
from ldm_teach.data.blur import blurred
from ldm_teach.data.captions import KINDS, SIZES, Item, Scene, parse
from ldm_teach.data.fashion import FASHION_CLASSES
from ldm_teach.data.shapes import IMAGE_SIZE, render_map
from ldm_teach.data.shapes_reader import read_map, read_scene
from ldm_teach.interactive.pictures import map_picture
from ldm_teach.interactive.widgets import side_by_side, sized
from ldm_teach.measuring.adherence import matches, mean_iou
from ldm_teach.measuring.metrics import peak_signal_to_noise
from ldm_teach.models.conditioning import ClassEncoder, ConditionEncoder

WIDE = sized(460)  # most controls


@dataclass(frozen=True)
class ConditionControls:
    """What a panel asks of a model: controls, and functions that read their present values.

    controls: by the names under which the panel has them; a new "value" of one redraws it.  condition: number of
    samples -> what `LatentDiffusion.denoiser` takes for as many; the words of its ValueError are shown to the user.
    describe: -> the condition in words.  subject: what the samples are samples of, for those who cannot see them.
    picture: -> the condition as an image (1, C, H, W) in [-1, 1], of the size of a sample, shown to the left of them.
    verdict: samples (B, C, H, W) in [-1, 1] -> in words, how far they are what was asked for.  rows: how the controls
    are laid out, where that is not one below the other.
    """

    controls: Mapping[str, ipywidgets.Widget]
    condition: Callable[[int], Any]
    describe: Callable[[], str]
    subject: str
    picture: Callable[[], Tensor] | None = None
    verdict: Callable[[Tensor], str] | None = None
    rows: Sequence[ipywidgets.Widget] = ()


def class_names(encoder: ClassEncoder | ConditionEncoder) -> list[str]:
    """The names of a model's classes: those it carries; else, of ten, those of Fashion-MNIST; else "class 0", ..."""
    count = checks.instance("encoder", encoder, ClassEncoder).config["num_classes"]
    numbered = FASHION_CLASSES if count == len(FASHION_CLASSES) else [f"class {k}" for k in range(count)]
    return [*(encoder.config.get("names") or numbered)]


def class_controls(classes: Sequence[str]) -> ConditionControls:
    """Which class? A dropdown `label` of the names of all classes; the condition is labels (B,) int64."""
    label = ipywidgets.Dropdown(options=list(classes), description="class", **WIDE)
    return ConditionControls(
        dict(label=label),
        condition=lambda count: torch.full((count,), cast(int, label.index)),
        describe=lambda: label.value,
        subject="the chosen class",
    )


def text_controls(caption: str, read_back: bool = True) -> ConditionControls:
    """Which words? A line `text` to type in, read when it is left; the condition is a list of B captions.

    read_back: samples (B, 3, 32, 32) are, where the words are those of `captions.parse`, in its order.
    """
    text = ipywidgets.Text(caption, description="caption", continuous_update=False, **sized(640))

    def verdict(x: Tensor) -> str:
        try:
            asked = parse(text.value)
        except ValueError as error:  # no reason not to sample: a model may know more words, or other sentences
            return f"not read back: {error}"
        return f"{sum(matches(asked, scene) for scene in read_scene(x))} of {len(x)} read back as asked"

    return ConditionControls(
        dict(text=text),
        condition=lambda count: [text.value] * count,
        describe=lambda: text.value,
        subject="the caption",
        verdict=verdict if read_back else None,
    )


def first_and_last(size: str) -> tuple[int, int]:
    """The rows, and the columns, in pixels between which the centre of an item may lie: those that `box` takes."""
    half = SIZES[size] // 2
    return half, IMAGE_SIZE - 1 - half


def prompt_controls(prompt: str) -> ConditionControls:
    """Which style and which words? A line `text` to type in, and a slider `w_style` for the weight of the style.

    The condition is a list of B prompts, the style before a colon; what weighs it is `style_and_words`.
    """
    text = ipywidgets.Text(prompt, description="prompt", continuous_update=False, **sized(640))
    w_style = ipywidgets.FloatSlider(1.0, min=-1.0, max=8.0, step=0.1, description="w style", **WIDE)
    return ConditionControls(
        dict(w_style=w_style, text=text),
        condition=lambda count: [text.value] * count,
        describe=lambda: f"{text.value}, w style = {w_style.value:.1f}",
        subject="the prompt",
    )


class ItemControls(NamedTuple):
    """Dropdowns for the kind of an item, or "none", and its size; sliders for the row and column of its centre."""

    kind: ipywidgets.Dropdown
    size: ipywidgets.Dropdown
    row: ipywidgets.IntSlider
    column: ipywidgets.IntSlider

    @classmethod
    def make(cls, name: str, kind: str, size: str, row: int, column: int) -> "ItemControls":
        """Controls that stand at these values; the sliders reach as far as an item of the chosen size can lie."""
        low, high = first_and_last(size)
        item = cls(
            ipywidgets.Dropdown(options=("none", *KINDS), value=kind, description=name, **sized(165, 50)),
            ipywidgets.Dropdown(options=tuple(SIZES), value=size, tooltip=f"size of {name}", layout=dict(width="75px")),
            ipywidgets.IntSlider(row, min=low, max=high, description="row", **sized(230, 50)),
            ipywidgets.IntSlider(column, min=low, max=high, description="column", **sized(230, 50)),
        )
        item.size.observe(item.bound, names="value")
        return item

    def bound(self, change: dict) -> None:
        for slider in (self.row, self.column):
            slider.min, slider.max = first_and_last(self.size.value)

    def read(self) -> Item:
        """The item, without a colour. While `bound` moves one slider after the other, it already keeps to both."""
        low, high = first_and_last(self.size.value)
        row, column = (min(max(slider.value, low), high) for slider in (self.row, self.column))
        return Item(self.kind.value, None, self.size.value, row, column)


def map_controls() -> ConditionControls:
    """What is where? Up to three items, a row of controls each; the condition is maps (B, 32, 32) int64.

    The controls of item i = 1, 2, 3 are `kind_i`, `size_i`, `row_i` and `column_i`. Later items cover earlier ones.
    """
    starts = ("circle", "large", 9, 9), ("square", "small", 22, 21), ("none", "small", 23, 7)
    items = [ItemControls.make(f"item {i}", *start) for i, start in enumerate(starts, start=1)]

    def asked() -> Scene:
        return Scene(tuple(item.read() for item in items if item.kind.value != "none"))

    def maps(count: int) -> Tensor:
        return render_map(asked()).expand(count, -1, -1)

    return ConditionControls(
        {f"{name}_{i}": control for i, item in enumerate(items, start=1) for name, control in item._asdict().items()},
        condition=maps,
        describe=lambda: ", ".join(f"{item.size} {item.kind}" for item in asked().items) or "an empty map",
        subject="the map to their left",
        picture=lambda: map_picture(maps(1)),
        verdict=lambda x: f"maps read back: mean IoU {mean_iou(read_map(x), maps(len(x))):.2f}",
        rows=[side_by_side(item) for item in items],
    )


def blur_controls(images: Tensor) -> ConditionControls:
    """Which image may this be, out of focus? Sliders `index` and, in pixels, `sigma`.

    images: (N, C, H, W) in [-1, 1], sharp. The condition is one of them, blurred: (B, C, H, W).
    """
    index = ipywidgets.IntSlider(0, min=0, max=len(images) - 1, description="image", **WIDE)
    sigma = ipywidgets.FloatSlider(2.0, min=1.0, max=4.0, step=0.25, description="blur", **WIDE)

    def asked(count: int) -> Tensor:
        return blurred(images[index.value][None], sigma.value).expand(count, -1, -1, -1)

    def verdict(x: Tensor) -> str:
        return f"blurred again: PSNR {peak_signal_to_noise(blurred(x, sigma.value), asked(len(x))):.1f} dB"

    return ConditionControls(
        dict(index=index, sigma=sigma),
        condition=asked,
        describe=lambda: f"image {index.value}, blurred by {sigma.value:g} pixels",
        subject="the blurred image to their left",
        picture=lambda: asked(1),
        verdict=verdict,
    )
