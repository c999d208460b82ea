"""Emoji in words: captions say the truth and differ, the same from the same generator, in words of the vocabulary."""

from collections import Counter

import pytest
import torch

from ldm_teach.data.emoji import EMOJI_STYLES, emoji, emoji_names, read_pixels
from ldm_teach.data.emoji_captions import (
    MAX_EMOJI_WORDS,
    draw_emoji_captions,
    emoji_captions,
    emoji_vocabulary,
)
from ldm_teach.words import parse_prompt
from tests.helpers import seeded


@pytest.fixture(scope="module")
def train():
    yield emoji()
    read_pixels.cache_clear()


def test_the_caption_of_a_picture_is_its_style_and_name(train):
    numbers = {one.name: number for number, one in enumerate(emoji_names())}
    names = torch.tensor([numbers["cat face"], numbers["flag vietnam"]])
    assert emoji_captions(names, torch.tensor([1, 2])) == ["noto: cat face", "twemoji: flag vietnam"]


def test_drawn_captions_say_the_name_half_the_time_and_keywords_else(train):
    rows = torch.arange(0, len(train.names), 2)
    names, styles = train.names[rows], train.styles[rows]
    captions, plain = draw_emoji_captions(names, styles, seeded()), emoji_captions(names, styles)
    same = sum(one == other for one, other in zip(captions, plain, strict=True)) / len(plain)
    assert 0.5 < same < 0.6  # sometimes the name alone is what was drawn of name and keywords
    for caption, number, style in zip(captions, names.tolist(), styles.tolist(), strict=True):
        said, words = caption.split(": ")
        one = emoji_names()[number]
        allowed = {word for phrase in (one.name, *one.keywords) for word in phrase.split()}
        assert said == EMOJI_STYLES[style] and set(words.split()) <= allowed
        assert 1 <= len(words.split()) <= MAX_EMOJI_WORDS


def test_keywords_come_in_any_order_and_any_number(train):
    number = next(number for number, one in enumerate(emoji_names()) if one.name == "cat face")
    captions = draw_emoji_captions(torch.full((2000,), number), torch.ones(2000, dtype=torch.int64), seeded())
    words = Counter(caption.removeprefix("noto: ") for caption in captions)
    phrases = ("cat face", *emoji_names()[number].keywords)
    assert all(words[phrase] > 10 for phrase in phrases)
    firsts = Counter(text.split()[0] for text in words.elements() if text != "cat face")
    assert min(firsts.values()) > 100 and len(words) > 15


def test_the_same_generator_draws_the_same_captions(train):
    names, styles = train.names[:200], train.styles[:200]
    first = draw_emoji_captions(names, styles, seeded(1))
    assert first == draw_emoji_captions(names, styles, seeded(1)) != draw_emoji_captions(names, styles, seeded(2))


def test_every_caption_of_training_is_understood(train):
    names, styles, vocabulary = train.names[::7], train.styles[::7], set(emoji_vocabulary())
    for caption, style in zip(draw_emoji_captions(names, styles, seeded()), styles.tolist(), strict=True):
        prompt = parse_prompt(caption, EMOJI_STYLES, vocabulary, MAX_EMOJI_WORDS)
        assert prompt == (EMOJI_STYLES[style], caption.split(": ")[1].split())


@pytest.mark.parametrize("split", ["pairs", "names"])
def test_the_names_of_held_out_pictures_are_in_the_vocabulary(split):
    part = emoji(split)
    for caption in emoji_captions(part.names, part.styles):
        assert parse_prompt(caption, EMOJI_STYLES, emoji_vocabulary(), MAX_EMOJI_WORDS).words


def test_the_vocabulary_is_sorted_and_holds_each_word_once():
    words = emoji_vocabulary()
    assert list(words) == sorted(set(words)) and len(words) == 4060


@pytest.mark.parametrize(
    "prompt, style, words",
    [
        ("noto: a cat with sunglasses", "noto", ["cat", "with", "sunglasses"]),
        ("Twemoji :  RED heart!", "twemoji", ["red", "heart"]),
        ("cat, face", None, ["cat", "face"]),
        ("t-shirt", None, ["t", "shirt"]),
        ("twelve o’clock", None, ["twelve", "o'clock"]),
        ("piñata", None, ["pinata"]),
        ("flag: Vietnam", None, ["flag", "vietnam"]),
        ("noto: flag: Vietnam", "noto", ["flag", "vietnam"]),
        ("fluent:", "fluent", None),
    ],
)
def test_what_a_user_types(prompt, style, words):
    assert parse_prompt(prompt, EMOJI_STYLES, emoji_vocabulary(), MAX_EMOJI_WORDS) == (style, words)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: emoji_captions(torch.tensor([5000]), torch.tensor([0])), "names holds numbers .*; want 0 to 1879"),
        (lambda: emoji_captions(torch.tensor([0]), torch.tensor([5])), "styles holds numbers .*; want 0 to 4"),
        (lambda: emoji_captions(torch.tensor([0]), torch.tensor([1, 2])), "styles is"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()
