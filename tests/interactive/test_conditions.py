"""What is asked for in words: each kind of condition as its encoder takes it, by number, in words and from files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from ldm_teach.data.blur import blurred
from ldm_teach.data.captions import KINDS, MAX_WORDS, WORDS, Item, Scene, held_out, parse
from ldm_teach.data.emoji import EMOJI_STYLES
from ldm_teach.data.emoji_captions import emoji_vocabulary
from ldm_teach.data.fashion import FASHION_CLASSES, fashion_mnist
from ldm_teach.data.shapes import render_map, shapes
from ldm_teach.interactive.conditions import EXAMPLE_CAPTIONS, EXAMPLE_PROMPTS, requested
from ldm_teach.interactive.uploads import carried
from ldm_teach.models.conditioning import (
    ClassEncoder,
    ImageEncoder,
    MapEncoder,
    TextEncoder,
    WordsAndStyleEncoder,
)

CLASSES = ClassEncoder(token_width=8)


TEXT = TextEncoder(WORDS, max_words=MAX_WORDS, token_width=8)


MAPS = MapEncoder(1 + len(KINDS), token_width=8)


BLUR = ImageEncoder(token_width=8)


def save(path, pixels: np.ndarray, mode: str = "L") -> str:
    """Pixels (H, W) or (H, W, 3) uint8 as a PNG; mode "P" gives the same numbers a palette."""
    image = Image.fromarray(pixels.astype(np.uint8))
    if mode == "P":
        image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200, 90, 90, 90, 7, 7, 7])
    image.save(path)
    return str(path)


def test_classes_are_asked_for_by_number_and_all_of_them_without_words():
    asked = requested(CLASSES, ["9", "0", "9"])
    assert asked.condition.tolist() == [9, 0, 9] and asked.condition.dtype == torch.int64
    assert asked.names == ["ankle boot", "T-shirt", "ankle boot"] and asked.pictures is None
    assert requested(CLASSES).condition.tolist() == list(range(10))
    assert requested(CLASSES).names == list(FASHION_CLASSES)
    assert requested(ClassEncoder(num_classes=3, token_width=8)).names == ["class 0", "class 1", "class 2"]


def test_captions_are_their_own_names():
    captions = ["a red circle", "A small blue cross above a white square"]
    asked = requested(TEXT, captions)
    assert torch.equal(asked.condition, TEXT.check(captions))
    assert asked.names == captions and asked.pictures is None
    assert requested(TEXT).names == list(EXAMPLE_CAPTIONS)


def test_prompts_are_their_own_names_and_those_given_without_words_are_understood():
    encoder = WordsAndStyleEncoder(emoji_vocabulary(), EMOJI_STYLES, token_width=8, heads=2)
    prompts = ["noto: a cat with sunglasses", "flag"]
    asked = requested(encoder, prompts)
    assert torch.equal(asked.condition, encoder.check(prompts)) and asked.names == prompts and asked.pictures is None
    assert requested(encoder).names == list(EXAMPLE_PROMPTS)


def test_the_captions_given_without_words_are_of_a_kind_that_training_says():
    assert [held_out(parse(caption)) for caption in EXAMPLE_CAPTIONS] == [None] * len(EXAMPLE_CAPTIONS)


def test_maps_are_those_of_test_scenes():
    maps = shapes(8, seed=1, train=False).maps
    asked = requested(MAPS, ["7", "0"])
    assert torch.equal(asked.condition, maps[[7, 0]]) and torch.equal(asked.pictures, asked.condition)
    assert asked.names == ["map 7", "map 0"]
    assert torch.equal(requested(MAPS).condition, maps[:4])


@pytest.mark.parametrize("mode", ["L", "P"])
def test_a_map_in_a_file_has_classes_for_pixels(mode, tmp_path):
    semantic_map = shapes(6, seed=1, train=False).maps[5]
    path = save(tmp_path / "drawn.png", semantic_map.numpy(), mode)
    with Image.open(path) as image:
        assert image.mode == mode
    asked = requested(MAPS, [path, "5"])
    assert torch.equal(asked.condition, torch.stack([semantic_map, semantic_map]))
    assert asked.names == ["drawn.png", "map 5"]


@pytest.mark.parametrize("sigma", [1.0, 3.5])
def test_numbered_images_are_blurred_by_sigma(sigma):
    x = fashion_mnist(train=False).x
    asked = requested(BLUR, ["9999", "2"], sigma)
    torch.testing.assert_close(asked.condition, blurred(x[[9999, 2]], sigma))
    assert torch.equal(asked.pictures, asked.condition) and asked.names == ["image 9999", "image 2"]


def test_the_first_four_images_are_blurred_by_two_pixels_without_words():
    torch.testing.assert_close(requested(BLUR).condition, blurred(fashion_mnist(train=False).x[:4], 2.0))


def test_an_image_in_a_file_is_not_blurred_again(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28))
    asked = requested(BLUR, [save(tmp_path / "soft.png", pixels), "0"])
    torch.testing.assert_close(asked.condition[0, 0], torch.from_numpy(pixels).float() / 127.5 - 1)
    assert asked.names == ["soft.png", "image 0"] and asked.condition.shape == (2, 1, 28, 28)


def test_an_image_of_another_size_and_colour_is_made_grey_and_resized_without_aliasing(tmp_path):
    stripes = np.zeros((280, 140, 3))
    stripes[::2] = 255, 255, 255  # as fine as can be: any pixel that is kept alone would be black or white
    x = requested(BLUR, [save(tmp_path / "stripes.png", stripes)]).condition
    assert x.shape == (1, 1, 28, 28) and x.abs().max() < 0.05
    red = np.zeros((28, 28, 3))
    red[..., 0] = 255
    grey = requested(BLUR, [save(tmp_path / "red.png", red)]).condition
    assert (grey - (2 * 0.299 - 1)).abs().max() < 0.01  # luma, ITU-R 601


@pytest.mark.parametrize(
    "encoder, words, sigma, message",
    [
        (CLASSES, ["1", "boots"], 2.0, "condition is 'boots'; want a class, a number from 0 to 9"),
        (CLASSES, ["10"], 2.0, "condition is '10'; want a class, a number from 0 to 9"),
        (CLASSES, ["-1"], 2.0, "condition is '-1'; want a class"),
        (CLASSES, ["9" * 30], 2.0, "want a class, a number from 0 to 9"),
        (CLASSES, "12", 2.0, "words is '12'; want a list of str"),
        (CLASSES, [1.5], 2.0, r"words is \[1.5\]; want a list of str"),
        (TEXT, ["a red zebra"], 2.0, "'a red zebra' has the unknown word 'zebra'"),
        (MAPS, ["1000"], 2.0, "condition is '1000'; want a test map, a number from 0 to 999"),
        (MAPS, ["no.png"], 2.0, r"'no.png' \(No such file .*\); want a layout .* 0 to 999 or the path"),
        (MAPS, ["."], 2.0, r"condition is '.' \("),
        (MAPS, [__file__], 2.0, "cannot identify image file"),
        (BLUR, ["10000"], 2.0, "condition is '10000'; want a test image, a number from 0 to 9999"),
        (BLUR, ["a" * 300], 2.0, "or the path of an image file"),
        (BLUR, None, 0.0, "sigma is 0.0; want a number above 0"),
        (BLUR, None, 9.5, "sigma is 9.5; want at most 9 pixels for images of 28x28"),
        (nn.Identity(), None, 2.0, "encoder is a Identity; want a Class-, Text-, WordsAndStyle-, Map- or ImageEncoder"),
    ],
)
def test_bad_words(encoder, words, sigma, message):
    with pytest.raises(ValueError, match=message):
        requested(encoder, words, sigma)


@pytest.mark.parametrize(
    "pixels, message",
    [
        (np.zeros((28, 32)), "has 32x28 pixels of mode L; want 32x32 of mode L or P"),
        (np.zeros((32, 32, 3)), "has 32x32 pixels of mode RGB; want 32x32 of mode L or P"),
        (np.full((32, 32), 5), "has pixels of value 5; want classes, 0 to 4"),
        (np.arange(1024).reshape(32, 32) % 256, r"has pixels of value 5, 6, 7, 8, 9, \.\.\.; want classes, 0 to 4"),
    ],
)
def test_a_file_that_is_no_map_is_named(pixels, message, tmp_path):
    path = save(tmp_path / "bad.png", pixels)
    with pytest.raises(ValueError, match=f"condition '{path}' {message}"):
        requested(MAPS, ["0", path])


def test_an_image_of_16_bits_is_refused(tmp_path):
    path = str(tmp_path / "deep.png")
    Image.fromarray(np.full((28, 28), 40_000, np.uint16)).save(path)
    with pytest.raises(ValueError, match=f"condition '{path}' has mode I;16; want 8 bits a channel"):
        requested(BLUR, [path])


def test_a_truncated_file_is_named(tmp_path):
    path = save(tmp_path / "cut.png", np.random.default_rng(0).integers(0, 256, (64, 64)))
    whole = (tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=f"condition is '{path}' \\(.*\\); want a number from 0 to 9999"):
        requested(BLUR, [path])


def test_classes_are_asked_for_by_name_too():
    found = requested(CLASSES, ["boot", "Ankle boot", "shirt", "t-shirt", "3"])
    assert found.names == ["ankle boot", "ankle boot", "shirt", "T-shirt", "dress"]
    with pytest.raises(ValueError, match="condition is 'trouzer'; want a class.*did you mean 'trouser'"):
        requested(CLASSES, ["trouzer"])


def test_a_photograph_is_read_as_it_is_seen(tmp_path):
    """Orientation 6: the camera was held on its side, and the first row of the file is the right edge."""
    pixels = np.zeros((28, 28), np.uint8)
    pixels[:, 20:] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    (x,) = requested(BLUR, [str(tmp_path / "a.png")]).condition
    assert (x[0, 20:] == 1).all() and (x[0, :20] == -1).all()  # the bright edge lies at the bottom


def test_a_final_full_stop_is_no_word():
    assert torch.equal(requested(TEXT, ["a red circle."]).condition, requested(TEXT, ["a red circle"]).condition)


def test_of_a_wide_picture_the_middle_is_taken_not_squashed(tmp_path):
    pixels = np.zeros((110, 576), np.uint8)
    pixels[:, 233:343] = 255  # the middle square
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    assert (requested(BLUR, [str(tmp_path / "wide.png")]).condition > 0.8).all()


def test_a_model_of_ones_own_is_asked_by_the_names_and_the_examples_that_it_carries():
    own = ClassEncoder(3, 8, names=["2", "Cat", "cat"])
    assert requested(own).condition.tolist() == [0, 1, 2] and requested(own).names == ["2", "Cat", "cat"]
    assert requested(own, ["2", "cat", "CAT", "1"]).condition.tolist() == [0, 2, 1, 1]
    told = TextEncoder(("a", "house"), token_width=8, examples=["a house"])
    assert requested(told).names == ["a house"]


def test_a_map_is_asked_for_in_words_too():
    scene = Scene((Item("circle", None, "large", 9, 9), Item("square", None, "small", 22, 21)))
    found = requested(MAPS, ["large circle at 9 9, small square at 22 21", "nothing"])
    assert torch.equal(found.condition, torch.stack([render_map(scene), torch.zeros(32, 32, dtype=torch.int64)]))
    with pytest.raises(ValueError, match="words are 'large circle at 9'; want a layout such as"):
        requested(MAPS, ["large circle at 9"])


def test_an_upload_stands_in_the_place_of_a_file(tmp_path):
    pixels = np.full((64, 64), 255)
    words = carried(Path(save(tmp_path / "white.png", pixels)).read_bytes())
    found = requested(BLUR, [words])
    assert found.names == ["upload"] and (found.condition == 1).all()
    with pytest.raises(ValueError, match="condition 'upload' has 64x64 pixels of mode RGB; want 32x32 of mode L or P"):
        requested(MAPS, [words])
    with pytest.raises(ValueError, match="the image that the text carries is damaged"):
        requested(BLUR, [words[:-3]])
