"""Words: how a caption is taken apart, by the grammar and by the network alike, and what a misspelt word may mean."""

import difflib
import re
from collections.abc import Iterable


def split_words(caption: str) -> list[str]:
    """The words of a caption in lower case; a punctuation mark is a word of its own, but for a full stop at the end."""
    return re.findall(r"[\w'-]+|[^\w\s]", re.sub(r"\s*\.\s*$", "", caption.lower()))


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """ "; did you mean 'x' or 'y'?" for the known words nearest to this one, `otherwise` where none is near."""
    names = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), names, n=3)
    return f"; did you mean {' or '.join(repr(names[one]) for one in near)}?" if near else otherwise
