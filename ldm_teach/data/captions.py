"""Scenes in words: what there can be, what a caption says of it, and which combinations training never shows."""

import hashlib
import re
from typing import NamedTuple

from ldm_teach import checks
from ldm_teach.words import split_words

KINDS = ("circle", "square", "triangle", "cross")
SIZES = {"small": 9, "large": 13}  # the side of the box that an item fills, in pixels
COLOURS = {
    "red": (1, -1, -1),
    "green": (-1, 1, -1),
    "blue": (-1, -1, 1),
    "yellow": (1, 1, -1),
    "magenta": (1, -1, 1),
    "cyan": (-1, 1, 1),
    "white": (1, 1, 1),
    "black": (-1, -1, -1),
}
OPPOSITE = {"above": "below", "below": "above", "left of": "right of", "right of": "left of"}
WORDS = ("a", "and", ",", *SIZES, *COLOURS, *KINDS, "above", "below", "left", "right", "of")
MAX_WORDS = 14  # in the longest caption: three items with their sizes, a comma and an "and"
HELD_OUT_PAIRS = (("circle", "yellow"), ("square", "red"), ("triangle", "blue"), ("cross", "green"))


class Item(NamedTuple):
    """One object: a kind, a colour, a size, and the pixel at the centre of its box, rows counted from the top.

    An item of a caption has no row and column, and a size only where the caption names one. An item read from pixels
    has None for a kind and size, or a colour, that could not be made out.
    """

    kind: str | None
    colour: str | None
    size: str | None = None
    row: int | None = None
    column: int | None = None

    @property
    def centre(self) -> tuple[int, int]:
        """Row and column. Raises ValueError where there are none."""
        if self.row is None or self.column is None:
            raise ValueError(f"item is {self}; want one with a row and a column")
        return self.row, self.column


class Scene(NamedTuple):
    """One, two or three items and, where there are two, the relation of the first to the second."""

    items: tuple[Item, ...]
    relation: str | None = None


def relation(first: Item, second: Item) -> str | None:
    """Where the first centre is, seen from the second, along the axis that leads; None where neither axis leads."""
    checks.instance("first", first, Item)
    checks.instance("second", second, Item)
    down, right = (a - b for a, b in zip(first.centre, second.centre, strict=True))
    if abs(down) == abs(right):
        return None
    if abs(down) > abs(right):
        return "above" if down < 0 else "below"
    return "left of" if right < 0 else "right of"


def scene_of(*items: Item) -> Scene:
    """The scene of items that have a place: where there are two, with the relation that their centres are in."""
    return Scene(items, relation(*items) if len(items) == 2 else None)


def phrase(item: Item) -> str:
    """An item in words, with its size where it has one: "a red circle". Raises ValueError without kind or colour."""
    checks.instance("item", item, Item)
    if item.kind not in KINDS or item.colour not in COLOURS:
        raise ValueError(f"item is {item}; want a kind of {', '.join(KINDS)} and a colour of {', '.join(COLOURS)}")
    return " ".join(word for word in ("a", item.size, item.colour, item.kind) if word)


def caption_of(scene: Scene) -> str:
    """The caption of a scene; it names the sizes that are not None. The inverse of `parse`.

    Raises ValueError for two items without a relation, no item, more than three, and an item without kind or colour.
    """
    names = [phrase(item) for item in checks.instance("scene", scene, Scene).items]
    if len(names) == 2 and scene.relation in OPPOSITE:
        return f"{names[0]} {scene.relation} {names[1]}"
    if len(names) not in (1, 3):
        raise ValueError(f"scene has {len(names)} items, relation {scene.relation!r}; want 1, 3, or 2 with a relation")
    return names[0] if len(names) == 1 else f"{names[0]}, {names[1]} and {names[2]}"


ITEM = rf"a (?:(?:{'|'.join(SIZES)}) )?(?:{'|'.join(COLOURS)}) (?:{'|'.join(KINDS)})"
CAPTION = re.compile(rf"{ITEM}(?: ({'|'.join(OPPOSITE)}) {ITEM}| , {ITEM} and {ITEM})?")


def parse(caption: str) -> Scene:
    """The scene that a caption asks for, its items in the caption's order. The inverse of `caption_of`.

    Raises ValueError for an unknown word, for words in another order than the grammar's, and for two items alike.
    """
    words = split_words(checks.word("caption", caption))
    unknown = [word for word in words if word not in WORDS]
    if unknown:
        raise ValueError(f"caption {caption!r} has the word {unknown[0]!r}; want only {' '.join(sorted(WORDS))}")
    text = " ".join(words)
    match = CAPTION.fullmatch(text)
    if match is None:
        forms = (
            "'a red circle', 'a small red circle above a blue square', 'a red circle, a blue square and a red cross'"
        )
        raise ValueError(f"caption is {caption!r}; want a caption like {forms}, related by {', '.join(OPPOSITE)}")
    phrases = [phrase.split() for phrase in re.findall(ITEM, text)]  # a [size] colour kind
    items = tuple(Item(words[-1], words[-2], words[1] if len(words) == 4 else None) for words in phrases)
    if len({(item.kind, item.colour) for item in items}) < len(items):
        raise ValueError(f"caption is {caption!r}; want items that differ in kind or colour")
    return Scene(items, match[1])


PLACED = re.compile(rf"({'|'.join(SIZES)}) ({'|'.join(KINDS)}) at (\d+) (\d+)")
NOTHING_THERE = "nothing"  # the layout of an empty map


def layout_of(scene: Scene) -> str:
    """What is where, without colours: "large circle at 9 9, small square at 22 21". The inverse of `parse_layout`."""
    items = checks.instance("scene", scene, Scene).items
    said = [" ".join([item.size or "", item.kind or "", "at", *map(str, item.centre)]) for item in items]
    return ", ".join(said) or NOTHING_THERE


def is_layout(words: str) -> bool:
    """Whether words begin as a layout does, and so are none of the other things that can stand for a map."""
    return checks.word("words", words).strip().lower().startswith((NOTHING_THERE, *(f"{size} " for size in SIZES)))


def parse_layout(words: str) -> Scene:
    """The scene of a layout: items of a size and a kind at the row and the column, in pixels, of their centres.

    Raises ValueError for other words; `shapes.render_map` says which places there are.
    """
    parts = [part.strip() for part in checks.word("words", words).lower().split(",")]
    found = [PLACED.fullmatch(" ".join(part.split())) for part in parts if part != NOTHING_THERE]
    if None in found:
        raise ValueError(f"words are {words!r}; want a layout such as 'large circle at 9 9, small square at 22 21'")
    return Scene(tuple(Item(m[2], None, m[1], int(m[3]), int(m[4])) for m in found if m))


def in_a_tenth(key: object) -> bool:
    """A fixed pseudo-random tenth of all keys: the same on every machine, for every seed."""
    return int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:8], "big") % 10 == 0


def held_out(scene: Scene) -> str | None:
    """Why no training scene says this: "pair", "combination", or None where training scenes do.

    "pair": it holds a (kind, colour) of HELD_OUT_PAIRS. "combination": it has two items, and the triple (first,
    relation, second), sizes aside, is in a fixed tenth of all; "A above B" and "B below A" are one triple. The
    scene may be drawn, or parsed from a caption: places do not count.
    """
    names = [(item.kind, item.colour) for item in checks.instance("scene", scene, Scene).items]
    if any(name in HELD_OUT_PAIRS for name in names):
        return "pair"
    if len(names) != 2:
        return None
    triple = (names[0], scene.relation, names[1])
    if scene.relation in ("below", "right of"):
        triple = (names[1], OPPOSITE[scene.relation], names[0])
    return "combination" if in_a_tenth(triple) else None


def is_test_layout(scene: Scene) -> bool:
    """Whether a drawn scene, whatever the order of its items, is in the fixed tenth that training never shows."""
    return in_a_tenth(sorted(checks.instance("scene", scene, Scene).items))
