"""Emoji in words: what a caption says of a picture in training, as a prompt would ask for it.

A caption is "noto: cat face": the style, a colon, words. A `WordsAndStyleEncoder` reads it.
"""

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from ldm_teach import checks
from ldm_teach.data.emoji import EMOJI_STYLES, EmojiName, emoji_names, read_table
from ldm_teach.paths import DATA
from ldm_teach.theory.tensors import Draws, draw

MAX_EMOJI_WORDS = 12
NAME_ALONE = 0.5  # the share of captions that say the name and nothing else
MAX_PHRASES = 4  # in the other captions: the name and keywords, any of them


@functools.cache
def emoji_vocabulary() -> tuple[str, ...]:
    """The words that training captions can hold, in alphabetical order. Raises as `emoji` where the set is damaged."""
    table = read_table(DATA / "emoji")
    trained = {
        name for name, split in zip(table.pictures[:, 0].tolist(), table.splits, strict=True) if split == "train"
    }
    phrases = (phrase for number in trained for phrase in phrases_of(table.names[number]))
    return tuple(sorted({word for phrase in phrases for word in phrase.split()}))


def phrases_of(one: EmojiName) -> tuple[str, ...]:
    """What may be said of an emoji: its name, then its keywords."""
    return (one.name, *one.keywords)


def check_numbers(names: Tensor, styles: Tensor) -> list[tuple[EmojiName, str]]:
    """The names and styles that two tensors (B,) int64 mean. Raises ValueError for other tensors and numbers."""
    known = emoji_names()
    checks.shaped("names", names, "B", dtype=torch.int64, read=True)
    checks.shaped("styles", styles, len(names), dtype=torch.int64, read=True)
    for what, numbers, high in (("names", names, len(known)), ("styles", styles, len(EMOJI_STYLES))):
        if not all(0 <= number < high for number in numbers.tolist()):
            raise ValueError(f"{what} holds numbers from {numbers.min()} to {numbers.max()}; want 0 to {high - 1}")
    return [(known[n], EMOJI_STYLES[s]) for n, s in zip(names.tolist(), styles.tolist(), strict=True)]


def emoji_captions(names: Tensor, styles: Tensor) -> list[str]:
    """The captions that say the name of each picture: "noto: cat face". For evaluation.

    names, styles: (B,) int64, as in `Emoji`. Raises ValueError for other tensors and numbers.
    """
    return [f"{style}: {one.name}" for one, style in check_numbers(names, styles)]


def draw_emoji_captions(names: Tensor, styles: Tensor, generator: Draws = None) -> list[str]:
    """A caption of each picture as people type it, drawn anew in every epoch of training.

    One half say the name, the others one to four of the name and the keywords, each as likely as another, in any
    order, up to MAX_EMOJI_WORDS words: "noto: pet cat face". names, styles: (B,) int64, as in `Emoji`. Raises
    ValueError for other tensors and numbers, and for a generator that is none.
    """
    pictures = check_numbers(names, styles)
    most = max(len(phrases_of(one)) for one in emoji_names())
    numbers = draw(torch.rand, (len(pictures), 2 + most), torch.zeros(()), generator)
    return [
        f"{style}: {spoken(phrases_of(one), *row[:2], order=row[2:])}"
        for (one, style), row in zip(pictures, numbers.tolist(), strict=True)
    ]


def spoken(phrases: Sequence[str], kind: float, amount: float, order: Sequence[float]) -> str:
    """The first phrase, or some in the order that the numbers give; which of the two, and how many, by uniform numbers.

    A phrase that would make it longer than MAX_EMOJI_WORDS is left out.
    """
    if kind < NAME_ALONE:
        return phrases[0]
    some = sorted(zip(order, phrases, strict=False))[: 1 + int(amount * MAX_PHRASES)]
    words: list[str] = []
    for _, phrase in some:
        if len(words) + len(phrase.split()) <= MAX_EMOJI_WORDS:
            words += phrase.split()
    return " ".join(words)
