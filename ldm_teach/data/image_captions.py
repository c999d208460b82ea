"""The captions of a folder of images: in metadata files or in a text file beside each, and the words that they have.

A metadata file is that of the `imagefolder` of the datasets library: https://huggingface.co/docs/datasets/image_dataset
"""

import csv
import json
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ldm_teach import checks
from ldm_teach.words import split_words

METADATA = ("metadata.csv", "metadata.jsonl")  # what the second says counts more


def image_captions(root: Path | str, files: Sequence[str]) -> list[str]:
    """The caption of each image, "" for one that has none.  files: their paths from root, as `ImageFolder.files`.

    In the order in which they count: `text` beside the image's `file_name` in metadata.jsonl; the same in metadata.csv;
    a text file of the image's name but for its ending, .txt. Metadata files lie in the folder of an image or in one
    above it, up to root; the nearest counts most, and file_name is the path from there.
    Raises ValueError that names a metadata file which lacks one of the two, or names none of the images.
    """
    root, files = checks.path("root", root), checks.words("files", files)
    told: dict[str, str] = {}
    above = {root / parent / name for one in files for parent in Path(one).parents for name in METADATA}
    kept = [path for path in above if path.is_file()]
    for path in sorted(kept, key=lambda path: (len(path.parts), METADATA.index(path.name), path)):
        found = {composed(path.relative_to(root).parent / name): text for name, text in metadata(path)}
        if found.keys().isdisjoint(map(composed, files)):
            raise ValueError(f"{path} names none of the images; want a file_name such as {files[0]!r} from {root}")
        told |= found
    return [told.get(composed(name)) or beside(root / name) for name in files]


def composed(path: Path | str) -> str:
    """A path without detours, each letter one code point: a Mac writes an accent after its letter."""
    return unicodedata.normalize("NFC", Path(os.path.normpath(path)).as_posix())


def beside(image: Path) -> str:
    """What the text file beside an image says, on one line; "" where there is none."""
    path = image.with_suffix(".txt")
    return " ".join(path.read_text("utf-8-sig", errors="replace").split()) if path.is_file() else ""


def metadata(path: Path) -> Iterator[tuple[str, str]]:
    """The pairs (file_name, text) of a metadata file, .csv or .jsonl.

    Raises ValueError where it is not what its ending says, and with its number for an entry that lacks one of the two.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.DictReader(file) if path.suffix == ".csv" else map(json.loads, filter(str.strip, file))
            rows: list[Any] = [*lines]
    except (ValueError, csv.Error) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        line = checks.describe(getattr(error, "doc", "")[:80])
        raise ValueError(f"{path} cannot be read: {error}, in {line}") from error
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in ("file_name", "text")):
            raise ValueError(f"{path}: entry {number} is {checks.describe(row)}; want a file_name and a text")
        yield row["file_name"], " ".join(row["text"].split())


def vocabulary_of(captions: Sequence[str], least: int = 2) -> list[str]:
    """The words that `least` captions or more have, and all of a caption that has none of these: in their order."""
    checks.count("least", least)
    told = [set(split_words(caption)) for caption in checks.words("captions", captions)]
    times = Counter(word for words in told for word in words)
    often = {word for word, number in times.items() if number >= least}
    return sorted(often.union(*(words for words in told if not words & often)))
