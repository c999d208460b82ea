"""Words: how a caption is taken apart, by the grammar and by the network alike, and what a misspelt word may mean."""

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterable
from typing import NamedTuple

ARTICLES = ("a", "an", "the")


class Prompt(NamedTuple):
    """What a prompt asks for: a style and words, each None where the prompt leaves it open."""

    style: str | None
    words: list[str] | None


def split_words(caption: str) -> list[str]:
    """The words of a caption in lower case; a punctuation mark is a word of its own, but for a full stop at the end."""
    return re.findall(r"[\w'-]+|[^\w\s]", re.sub(r"\s*\.\s*$", "", caption.lower()))


def plain_words(text: str) -> list[str]:
    """The words of a text in lower case, without accents, articles and punctuation: "A T-shirt!" gives t, shirt."""
    letters = unicodedata.normalize("NFKD", text.lower().replace("’", "'"))
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return [word for word in re.findall(r"[^\W_]+(?:'[^\W_]+)*", plain) if word not in ARTICLES]


def parse_prompt(prompt: str, styles: Collection[str], vocabulary: Collection[str], max_words: int) -> Prompt:
    """A prompt taken apart: the style before a colon, then the words; "noto: cat face", "cat face" and "noto:" will do.

    A colon after words that are no style counts as any other mark: "flag: Vietnam" is two words. Raises ValueError for
    an unknown style or word, with the nearest that are known, and for more than `max_words` words.
    """
    before, colon, after = prompt.partition(":")
    style = before.strip().lower() if colon else None
    if style is not None and style not in styles:
        if not all(word in vocabulary for word in plain_words(before)):
            known = ", ".join(styles) + did_you_mean(style, styles)
            raise ValueError(f"prompt {prompt!r} has the unknown style {style!r}; want one of {known}")
        style, after = None, prompt
    words = plain_words(after if style else prompt)
    for word in words:
        if word not in vocabulary:
            near = did_you_mean(word, [*vocabulary, *(f"{one}:" for one in styles)], "; no word that it knows is near")
            raise ValueError(f"prompt {prompt!r} has the unknown word {word!r}{near}")
    if len(words) > max_words:
        raise ValueError(f"prompt {prompt!r} has {len(words)} words; want at most {max_words}")
    return Prompt(style, words or None)


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """ "; did you mean 'x' or 'y'?" for the known words nearest to this one, `otherwise` where none is near."""
    names = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), names, n=3)
    return f"; did you mean {' or '.join(repr(names[one]) for one in near)}?" if near else otherwise
