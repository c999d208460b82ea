"""Words: how a caption is taken apart, the same way by the grammar of captions and by the network that reads them."""

import re


def split_words(caption: str) -> list[str]:
    """The words of a caption in lower case; a punctuation mark is a word of its own."""
    return re.findall(r"[\w'-]+|[^\w\s]", caption.lower())
