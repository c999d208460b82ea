"""The law of the splits, on names made up here; tests/data/test_emoji.py holds it on the set itself."""

import pytest

from ldm_teach.data import emoji_splits
from ldm_teach.data.emoji_splits import in_fixed_order, split_of_each, without_twins

STYLES = ("noto", "twemoji", "fluent")
NAMES = [f"{colour} {kind}" for colour in ("red", "green", "blue") for kind in ("heart", "circle", "square", "cat")]
PICTURES = [(name, style) for name in [*NAMES, "man pilot", "woman pilot"] for style in STYLES]


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(emoji_splits, "NUM_NAMES", 3)
    monkeypatch.setattr(emoji_splits, "NUM_PAIRS", 2)


def test_the_numbers_asked_for_are_held_out():
    splits = split_of_each(PICTURES)
    assert splits.count("names") == 3 * len(STYLES) and splits.count("pairs") == 2 * len(STYLES)
    held_out = [style for (_, style), split in zip(PICTURES, splits, strict=True) if split == "pairs"]
    assert sorted(held_out) == sorted(STYLES * 2)


def test_the_order_of_the_pictures_does_not_matter():
    splits = dict(zip(PICTURES, split_of_each(PICTURES), strict=True))
    assert dict(zip(PICTURES[::-1], split_of_each(PICTURES[::-1]), strict=True)) == splits


def test_the_fixed_order_is_the_same_on_every_machine():
    assert in_fixed_order("abcdef") == ["a", "d", "f", "c", "e", "b"] != in_fixed_order("abcdef", "noto")


def test_a_name_in_two_styles_is_never_held_out():
    rare = [(name, style) for name, style in PICTURES if style != "fluent"]
    assert set(split_of_each(rare)) == {"train"}


def test_a_word_is_never_held_out_of_all_names_but_one():
    few_names = [(name, style) for name, style in PICTURES if name.split()[0] in ("red", "green")]
    splits = dict(zip(few_names, split_of_each(few_names), strict=True))
    assert "names" not in splits.values() and "pairs" in splits.values()


def test_twins_are_all_trained():
    assert without_twins(["man pilot", "pilot", "women facing right", "cat"]) == ["women facing right", "cat"]
    splits = dict(zip(PICTURES, split_of_each(PICTURES), strict=True))
    assert {splits[name, style] for name in ("man pilot", "woman pilot") for style in STYLES} == {"train"}


@pytest.mark.parametrize("pictures", [[("cat", "noto", 1)], [("cat",)], "cat", [["cat", 1]]])
def test_bad_arguments(pictures):
    with pytest.raises(ValueError, match="pictures"):
        split_of_each(pictures)
