"""What the controls say is what they were told to say; what they cannot say is said in a sentence."""

import io
from datetime import UTC, datetime

import pytest
import torch
from PIL import Image

from ldm_teach.data.captions import KINDS
from ldm_teach.interactive.asking import ask_class, ask_for, ask_image, ask_map, ask_mask, ask_words
from ldm_teach.interactive.conditions import requested
from ldm_teach.interactive.moving import tree
from ldm_teach.interactive.uploads import CARRIED
from ldm_teach.models.conditioning import ClassEncoder, ImageEncoder, MapEncoder, TextEncoder
from tests.helpers import make_prompt_encoder

ENCODERS = {
    "class": (lambda: ClassEncoder(3, 8, names=["cat", "dog", "owl"]), "owl"),
    "text": (lambda: TextEncoder(("a", "red", "cat"), token_width=8, examples=["a cat"]), "a red cat"),
    "prompt": (make_prompt_encoder, "ink: blue heart"),
    "map": (lambda: MapEncoder(1 + len(KINDS), token_width=8), "small square at 12 12, large cross at 20 16"),
    "image": (lambda: ImageEncoder(token_width=8), "7"),
}


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_condition_starts_as_the_model_takes_it_and_goes_round(kind):
    make, words = ENCODERS[kind]
    encoder = make()
    asking = ask_for(encoder)
    told = []
    for control in asking.controls:
        control.observe(lambda change: told.append(change.new), names="value")
    start = asking.words()
    assert len(requested(encoder, [start]).condition) == 1
    for wanted in (words, start):
        asking.set_words(wanted)
        assert asking.words() == wanted
    assert told


def test_an_encoder_without_controls_is_refused():
    with pytest.raises(ValueError, match="encoder is a Linear; want one that has controls"):
        ask_for(torch.nn.Linear(1, 1))


def test_a_prompt_may_leave_out_the_style_or_the_words_but_not_both():
    asking = ask_for(make_prompt_encoder())
    for words in ("blue heart", "oil: red", "oil: "):
        asking.set_words(words)
        assert asking.words() == words
    style, line = asking.controls
    style.value, line.value = "(any)", " "
    with pytest.raises(ValueError, match="there are no words and no style"):
        asking.words()


def test_a_map_is_composed_or_that_of_a_test_scene():
    asking = ask_map()
    number = asking.controls[1]
    for words in ("nothing", "12", "large circle at 9 9"):
        asking.set_words(words)
        assert asking.words() == words
        assert (number in asking.box.children) == words.isdecimal()
    with pytest.raises(ValueError, match="want at most 3 items"):
        asking.set_words(", ".join(["small circle at 9 9"] * 4))
    with pytest.raises(ValueError, match="want a layout such as"):
        asking.set_words("a circle")


def file(name: str, content: bytes) -> dict:
    return dict(
        name=name,
        type="",
        size=len(content),
        content=memoryview(content),
        last_modified=datetime(2026, 1, 1, tzinfo=UTC),
    )


def picture(size: int = 40) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), "red").save(buffer, "JPEG")
    return buffer.getvalue()


def test_an_image_is_a_test_picture_or_an_upload_whichever_was_chosen_last():
    asking = ask_image("image")
    number, upload = asking.box.children[0], asking.box.children[1].children[0]
    upload.value = (file("red.jpg", picture()),)
    carried = asking.words()
    assert carried.startswith(CARRIED)
    number.value = 5
    assert asking.words() == "5"
    asking.set_words(carried)
    assert asking.words() == carried
    asking.set_words("5")
    assert asking.words() == "5"
    asking.set_words("images/cat.png")
    assert asking.words() == "images/cat.png"


def test_a_wrong_upload_is_said_until_another_is_chosen():
    asking = ask_image("image")
    number, upload = asking.box.children[0], asking.box.children[1].children[0]
    for content in (b"", b"no picture", picture(4)):
        upload.value = (file("notes.txt", content),)
        with pytest.raises(ValueError, match=r"^notes.txt: the upload cannot be read \("):
            asking.words()
    number.value = 1
    assert asking.words() == "1"


def test_a_mask_is_switched_square_by_square_and_by_rectangles():
    asking = ask_mask(3, 4)
    _, squares, rows, columns, buttons = asking.box.children
    told = []
    asking.controls[0].observe(lambda change: told.append(change.new), names="value")
    assert asking.words() == "..../.##./...."
    squares.children[0].children[3].value = True
    assert asking.words() == "...#/.##./...." and len(told) == 1
    rows.value, columns.value = (2, 3), (1, 2)
    buttons.children[0].click()
    assert asking.words() == "...#/###./##.." and len(told) == 2  # one change, one drawing
    columns.value = (1, 1)
    buttons.children[1].click()
    assert asking.words() == "...#/.##./.#.." and len(told) == 3
    asking.set_words("####/..../####")
    assert asking.words() == "####/..../####"
    with pytest.raises(ValueError, match="want 3 rows of 4 times"):
        asking.set_words("##/##")


@pytest.mark.parametrize("make", [lambda: ask_words("negative"), lambda: ask_class(["a"]), ask_map])
def test_every_control_has_a_name(make):
    for control in tree(make().box):
        if "value" in control.traits() and not control.description:
            assert control.tooltip, control
