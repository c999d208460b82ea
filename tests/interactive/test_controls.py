import math

import ipywidgets
import pytest
import torch

from ldm_teach.data.blur import blurred
from ldm_teach.data.captions import KINDS, MAX_WORDS, SIZES, WORDS, Item, Scene
from ldm_teach.data.shapes import box, render, render_map
from ldm_teach.interactive.controls import (
    blur_controls,
    class_controls,
    class_names,
    first_and_last,
    map_controls,
    text_controls,
)
from ldm_teach.interactive.pictures import map_picture
from ldm_teach.models.conditioning import ClassEncoder, ImageEncoder, MapEncoder, TextEncoder

IMAGES = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize(
    "asking, encoder",
    [
        (class_controls(["zero", "one"]), ClassEncoder(num_classes=2)),
        (text_controls("a red circle"), TextEncoder(WORDS, MAX_WORDS)),
        (map_controls(), MapEncoder(1 + len(KINDS))),
        (blur_controls(IMAGES), ImageEncoder()),
    ],
    ids=["class", "text", "map", "blur"],
)
def test_an_encoder_takes_the_condition(asking, encoder):
    assert len(encoder(encoder.check(asking.condition(5)))) == 5
    assert all(isinstance(control, ipywidgets.Widget) for control in asking.controls.values())
    assert asking.describe() and asking.subject
    if asking.picture is not None:
        picture = asking.picture()
        assert len(picture) == 1 and picture.shape[1] in (1, 3) and picture.abs().max() <= 1


def test_a_class_is_asked_by_its_place():
    asking = class_controls(["zero", "one"])
    asking.controls["label"].value = "one"
    assert asking.condition(3).tolist() == [1, 1, 1] and asking.describe() == "one"


def test_captions_are_counted_where_they_can_be_read_back():
    asking = text_controls("a small red circle above a blue square")
    circle, square = Item("circle", "red", "small", 6, 16), Item("square", "blue", "large", 22, 16)
    scenes = [
        Scene((circle, square)),
        Scene((circle._replace(row=22), square._replace(row=8))),  # below
        Scene((circle, square._replace(colour="green"))),
        Scene((square, circle)),  # the same
        Scene((circle._replace(size="large", row=8), square)),
    ]
    x = torch.stack([render(scene) for scene in scenes])
    assert asking.verdict(x) == "2 of 5 read back as asked"
    asking.controls["text"].value = "a red circle above a blue square"
    assert asking.condition(2) == ["a red circle above a blue square"] * 2
    assert asking.verdict(x) == "3 of 5 read back as asked"
    asking.controls["text"].value = "red circle a"
    assert asking.condition(1) == ["red circle a"]
    assert asking.verdict(x).startswith("not read back: caption is 'red circle a'; want a caption like 'a red circle'")


def place(asking, number: int, item: Item | None) -> None:
    """Set the controls of an item."""
    asking.controls[f"kind_{number}"].value = "none" if item is None else item.kind
    if item is not None:
        for name in ("size", "row", "column"):
            asking.controls[f"{name}_{number}"].value = getattr(item, name)


def test_a_map_is_composed_of_the_items_that_are_there():
    asking = map_controls()
    items = Item("cross", None, "large", 20, 9), Item("circle", None, "small", 8, 25)
    for number, item in ((1, items[0]), (2, None), (3, items[1])):
        place(asking, number, item)
    want = render_map(Scene(items))
    assert torch.equal(asking.condition(4), want.expand(4, -1, -1)) and asking.condition(4).dtype == torch.int64
    assert torch.equal(asking.picture(), map_picture(want[None]))
    assert asking.describe() == "large cross, small circle"
    place(asking, 1, None)
    place(asking, 3, None)
    assert asking.describe() == "an empty map" and not asking.condition(1).any()


def test_maps_are_read_back_and_compared():
    asking = map_controls()
    item = Item("square", "red", "small", 10, 10)
    place(asking, 1, item)
    place(asking, 2, None)
    right, empty = render(Scene((item,))), torch.zeros(3, 32, 32)
    assert asking.verdict(torch.stack([right, right])) == "maps read back: mean IoU 1.00"
    area, all_pixels = 9 * 9, 32 * 32  # of two samples one is empty: IoU of the square 1/2, of the background nearly 1
    want = (1 / 2 + (2 * all_pixels - 2 * area) / (2 * all_pixels - area)) / 2
    assert asking.verdict(torch.stack([right, empty])) == f"maps read back: mean IoU {want:.2f}"


@pytest.mark.parametrize("size", SIZES)
def test_the_sliders_reach_as_far_as_an_item_can_lie(size):
    low, high = first_and_last(size)
    item = Item("square", None, size, low, high)
    assert box(item) == (slice(0, SIZES[size]), slice(32 - SIZES[size], 32))
    for beyond in (item._replace(row=low - 1), item._replace(column=high + 1)):
        with pytest.raises(ValueError, match="want an int from"):
            box(beyond)


def test_the_sliders_follow_the_size_and_no_map_on_the_way_is_impossible():
    asking = map_controls()
    place(asking, 2, Item("square", None, "small", 27, 4))
    row, column = (asking.controls[name] for name in ("row_2", "column_2"))
    seen = []
    for control in asking.controls.values():
        control.observe(lambda change: seen.append(int(asking.condition(1)[0, :, 12:].sum())), names="value")
    asking.controls["size_2"].value = "large"
    assert (row.min, row.max, row.value, column.value) == (6, 25, 25, 6)
    assert len(seen) == 3  # row, column and size
    asking.controls["size_2"].value = "small"
    assert (row.min, row.max, row.value, column.value) == (4, 27, 25, 6)


def test_an_image_is_blurred_and_its_sharp_self_is_an_answer():
    asking = blur_controls(IMAGES)
    assert asking.describe() == "image 0, blurred by 2 pixels"
    assert asking.verdict(IMAGES[:1]) == f"blurred again: PSNR {math.inf} dB"
    asking.controls["index"].value, asking.controls["sigma"].value = 2, 1.25
    assert asking.describe() == "image 2, blurred by 1.25 pixels"
    assert torch.equal(asking.condition(4), blurred(IMAGES[2:], 1.25).expand(4, -1, -1, -1))
    assert torch.equal(asking.picture(), blurred(IMAGES[2:], 1.25))
    x = IMAGES[2:].expand(4, -1, -1, -1) + 0.2  # 10 log10(4 / 0.04) = 20, for a blur keeps a constant
    assert asking.verdict(x) == "blurred again: PSNR 20.0 dB"


def test_the_names_of_classes_are_those_that_the_model_carries():
    assert class_names(ClassEncoder(2, 8, names=["cat", "dog"])) == ["cat", "dog"]
    assert class_names(ClassEncoder(2, 8)) == ["class 0", "class 1"] and class_names(ClassEncoder())[9] == "ankle boot"
