"""Emoji: some 7,300 colour pictures of five designers' hands, each with a name and words, shipped and verified.

data/emoji/README.md says where they come from, what was left out and under which licences they are.
"""

import functools
import hashlib
import json
import lzma
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ldm_teach import checks
from ldm_teach.data.emoji_splits import split_of_each
from ldm_teach.paths import DATA, looked_for

EMOJI_SIDE = 64  # pixels
EMOJI_STYLES = ("fluent", "noto", "twemoji", "emojione", "fxemoji")
EMOJI_GROUPS = (
    "smileys-emotion",
    "people-body",
    "animals-nature",
    "food-drink",
    "travel-places",
    "activities",
    "objects",
    "symbols",
    "flags",
)
EMOJI_SPLITS = ("train", "pairs", "names")

# SHA-256 of what the two files hold, of the pictures after decompression.
EMOJI_SHA256 = {
    "pictures.json": "86cad3341c808ec9494691050bd31cee50ed8fb79f61e5afc3a0d9a2e7f3e8ba",
    "pictures.xz": "36238ab02550235c59a23f856159e6636cdaff7d7a281f0f37672bcad4f17fb3",
}


class EmojiName(NamedTuple):
    """What an emoji is called: Unicode's short name and keywords, in plain words, its group and its code points.

    code_point: in hexadecimal, joined by "-" where there are several.
    """

    name: str
    keywords: tuple[str, ...]
    group: str
    subgroup: str
    code_point: str


class Emoji(NamedTuple):
    """Pictures x (N, 3, 64, 64) uint8, and what each is: names, styles, groups (N,) int64.

    names counts in `emoji_names()`, styles in EMOJI_STYLES, groups in EMOJI_GROUPS. As float32 in [-1, 1] all
    pictures would fill 360 MB in place of 90: `as_images` makes it of a batch.
    """

    x: Tensor
    names: Tensor
    styles: Tensor
    groups: Tensor


def as_images(x: Tensor) -> Tensor:
    """Pixels x (B, C, H, W) uint8 as float32 in [-1, 1], as every model takes them. Raises ValueError for others."""
    return checks.shaped("x", x, "B", "C", "H", "W", dtype=torch.uint8).float() / 127.5 - 1


def verified(path: Path) -> bytes:
    """What a file of the set holds, decompressed, if its SHA-256 is that of EMOJI_SHA256.

    Raises ValueError or FileNotFoundError that names the file and the way to restore it.
    """
    restore = f"restore it with `git checkout -- {path.name}` in {path.parent}"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: {restore}; {looked_for()}")
    try:
        content = path.read_bytes() if path.suffix == ".json" else lzma.decompress(path.read_bytes())
    except (EOFError, lzma.LZMAError) as error:
        raise ValueError(f"{path} is truncated or damaged ({error}): {restore}") from error
    if hashlib.sha256(content).hexdigest() != EMOJI_SHA256[path.name]:
        raise ValueError(f"{path} is damaged, the SHA-256 of its content is not {EMOJI_SHA256[path.name]}: {restore}")
    return content


def emoji(split: str = "train", root: Path | str = DATA / "emoji") -> Emoji:
    """The pictures of a split of the emoji set, read without a network.

    split: "train"; "pairs", held-out pairs of a name and a style, 100 of each style, whose name is trained in two other
    styles or more; "names", 100 names held out in every style, each of whose words is trained in other names. The same
    on every machine. The files are read once; each call returns tensors of its own. Raises ValueError for another
    split, and FileNotFoundError or ValueError that names a missing or damaged file and the way to restore it.
    """
    checks.word("split", split, EMOJI_SPLITS)
    folder = checks.path("root", root)
    table, pixels = read_table(folder), read_pixels(folder)
    rows = torch.tensor([row for row, each in enumerate(table.splits) if each == split])
    names = table.pictures[rows, 0]
    groups = torch.tensor([EMOJI_GROUPS.index(one.group) for one in table.names])[names]
    x = pixels[rows].permute(0, 3, 1, 2).contiguous()  # (N, H, W, 3) -> (N, 3, H, W)
    return Emoji(x, names, table.pictures[rows, 1], groups)


def emoji_names(root: Path | str = DATA / "emoji") -> list[EmojiName]:
    """What each emoji of the set is called, in the order in which `Emoji.names` counts. Raises as `emoji`."""
    return [*read_table(checks.path("root", root)).names]


class Table(NamedTuple):
    """The names, and for each picture the numbers of its name and style, pictures (N, 2) int64, and its split."""

    names: list[EmojiName]
    pictures: Tensor
    splits: list[str]


@functools.lru_cache(maxsize=2)
def read_table(root: Path) -> Table:
    """What pictures.json says, kept from call to call: not to be changed."""
    found = json.loads(verified(root / "pictures.json"))
    names = [EmojiName(**entry)._replace(keywords=tuple(entry["keywords"])) for entry in found["names"]]
    pairs = [(name, style) for style in EMOJI_STYLES for name in found["pictures"][style]]
    splits = split_of_each([(names[name].name, style) for name, style in pairs])
    return Table(names, torch.tensor([(name, EMOJI_STYLES.index(style)) for name, style in pairs]), splits)


@functools.lru_cache(maxsize=1)
def read_pixels(root: Path) -> Tensor:
    """The pixels of all pictures, (N, 64, 64, 3) uint8, kept from call to call: not to be changed."""
    content = bytearray(verified(root / "pictures.xz"))
    return torch.frombuffer(content, dtype=torch.uint8).view(-1, EMOJI_SIDE, EMOJI_SIDE, 3)
