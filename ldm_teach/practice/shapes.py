"""Shapes: small drawn scenes with a caption and a semantic map, so that what a sample shows can be read back exactly.

Pixels are in [-1, 1]. The eight colours are the corners of the RGB cube and the background is its centre, grey: a blend
of a colour with the background, as at an anti-aliased edge, is nearest to one of the two and never to a third colour.
`shapes_reader.py` is the way back, from pixels to scenes.
"""

import functools
import hashlib
import random
import re
from typing import NamedTuple

import torch
from torch import Tensor

from ldm_teach.theory import checks

IMAGE_SIZE = 32
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

BORDER = 1  # pixels of background around all items that are placed at random, at least
GAP = 2  # pixels of background between the boxes of any two items, at least
MARGIN = 4  # pixels by which one axis leads the other between two items, at least
HELD_OUT_PAIRS = (("circle", "yellow"), ("square", "red"), ("triangle", "blue"), ("cross", "green"))


class Item(NamedTuple):
    """One object: a kind, a colour, a size, and the pixel at the centre of its box, rows counted from the top.

    What is asked for has no row and column, and no size where the caption names none. What is read from pixels has
    None for a kind and size, or a colour, that it could not make out.
    """

    kind: str | None
    colour: str | None
    size: str | None = None
    row: int | None = None
    column: int | None = None


class Scene(NamedTuple):
    """One, two or three items and, where there are two, the relation of the first to the second."""

    items: tuple[Item, ...]
    relation: str | None = None


class Shapes(NamedTuple):
    """x (N, 3, 32, 32) float32 in [-1, 1], captions (N), maps (N, 32, 32) int64, and what was drawn: scenes (N)."""

    x: Tensor
    captions: list[str]
    maps: Tensor
    scenes: list[Scene]


def relation(first: Item, second: Item) -> str | None:
    """Where the first centre is, seen from the second, along the axis that leads; None where neither axis leads."""
    down, right = first.row - second.row, first.column - second.column
    if abs(down) == abs(right):
        return None
    if abs(down) > abs(right):
        return "above" if down < 0 else "below"
    return "left of" if right < 0 else "right of"


def compose(*items: Item) -> Scene:
    """The scene of items that have a place: where there are two, with the relation that their centres are in."""
    return Scene(items, relation(*items) if len(items) == 2 else None)


def name(item: Item) -> str:
    """An item in words, with its size where it has one: "a red circle". Raises ValueError without kind or colour."""
    if item.kind not in KINDS or item.colour not in COLOURS:
        raise ValueError(f"item is {item}; want a kind of {', '.join(KINDS)} and a colour of {', '.join(COLOURS)}")
    return " ".join(word for word in ("a", item.size, item.colour, item.kind) if word)


def describe(scene: Scene) -> str:
    """The caption of a scene; it names the sizes that are not None. The inverse of `parse`.

    Raises ValueError for two items without a relation, no item, more than three, and an item without kind or colour.
    """
    names = [name(item) for item in scene.items]
    if len(names) == 2 and scene.relation in OPPOSITE:
        return f"{names[0]} {scene.relation} {names[1]}"
    if len(names) not in (1, 3):
        raise ValueError(f"scene has {len(names)} items, relation {scene.relation!r}; want 1, 3, or 2 with a relation")
    return names[0] if len(names) == 1 else f"{names[0]}, {names[1]} and {names[2]}"


def split_words(caption: str) -> list[str]:
    """The words of a caption in lower case, the comma one of them. Raises ValueError that names an unknown word."""
    words = caption.lower().replace(",", " , ").split()
    for word in words:
        if word not in WORDS:
            raise ValueError(f"caption {caption!r} has the word {word!r}; want only {' '.join(sorted(WORDS))}")
    return words


ITEM = rf"a (?:(?:{'|'.join(SIZES)}) )?(?:{'|'.join(COLOURS)}) (?:{'|'.join(KINDS)})"
CAPTION = re.compile(rf"{ITEM}(?: ({'|'.join(OPPOSITE)}) {ITEM}| , {ITEM} and {ITEM})?")


def parse(caption: str) -> Scene:
    """The scene that a caption asks for, its items in the caption's order. The inverse of `describe`.

    Raises ValueError for an unknown word, for words in another order than the grammar's, and for two items alike.
    """
    text = " ".join(split_words(caption))
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


def in_a_tenth(key: object) -> bool:
    """A fixed pseudo-random tenth of all keys: the same on every machine, for every seed."""
    return int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:8], "big") % 10 == 0


def held_out(scene: Scene) -> str | None:
    """Why no training scene says this: "pair", "combination", or None where training scenes do.

    "pair": it holds a (kind, colour) of HELD_OUT_PAIRS. "combination": it has two items, and the triple (first,
    relation, second), sizes aside, is in a fixed tenth of all; "A above B" and "B below A" are one triple. Needs no
    places: the scene may be drawn, or parsed from a caption.
    """
    names = [(item.kind, item.colour) for item in scene.items]
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
    return in_a_tenth(sorted(scene.items))


@functools.cache
def coverage(kind: str, size: str) -> Tensor:
    """The share of each pixel that an item covers, in the item's box: (S, S) float32, S = SIZES[size].

    From 5x5 points a pixel: the share is then never exactly 1/2, so a pixel is nearer to the item or to the background.
    """
    side = SIZES[size]
    line = (torch.arange(5 * side) + 0.5) / (5 * side) * 2 - 1  # the box is [-1, 1]^2
    v, u = torch.meshgrid(line, line, indexing="ij")  # v points down
    inside = {
        "circle": u.square() + v.square() <= 1,
        "square": torch.ones_like(u, dtype=torch.bool),
        "triangle": u.abs() <= (v + 1) / 2,
        "cross": torch.minimum(u.abs(), v.abs()) <= 1 / 3,
    }[kind]
    return inside.float().unflatten(0, (side, 5)).unflatten(2, (side, 5)).mean(dim=(1, 3))  # (5S, 5S) -> (S, S)


def box(item: Item) -> tuple[slice, slice]:
    """The rows and columns that an item fills.

    Raises ValueError for an unknown kind or size, and for a box that is not wholly inside the image.
    """
    if item.kind not in KINDS or item.size not in SIZES:
        raise ValueError(f"item is {item}; want a kind of {', '.join(KINDS)} and a size of {', '.join(SIZES)}")
    half = SIZES[item.size] // 2
    for name, centre in (("row", item.row), ("column", item.column)):
        if not isinstance(centre, int) or not half <= centre < IMAGE_SIZE - half:
            last = IMAGE_SIZE - 1 - half
            raise ValueError(f"{name} of {item} is {centre!r}; want an int from {half} to {last} for this size")
    return slice(item.row - half, item.row + half + 1), slice(item.column - half, item.column + half + 1)


def render(scene: Scene) -> Tensor:
    """The picture of a scene: x (3, 32, 32) float32 in [-1, 1]. Later items cover earlier ones.

    Raises ValueError for an unknown kind, colour or size, and for an item that is not wholly inside the image.
    """
    x = torch.zeros(3, IMAGE_SIZE, IMAGE_SIZE)
    for item in scene.items:
        rows, columns = box(item)
        if item.colour not in COLOURS:
            raise ValueError(f"colour is {item.colour!r}; want one of {', '.join(COLOURS)}")
        colour = torch.tensor(COLOURS[item.colour], dtype=torch.float32)[:, None, None]
        x[:, rows, columns] = x[:, rows, columns].lerp(colour, coverage(item.kind, item.size))
    return x


def render_map(scene: Scene) -> Tensor:
    """The semantic map of a scene: (32, 32) int64, 0 for the background and 1 + KINDS.index(kind) for an item.

    The class is the kind alone, so that a map says what is where and leaves the colour to the model, or to a caption.
    Raises ValueError as `render`, for all but the colour, which is not looked at.
    """
    semantic_map = torch.zeros(IMAGE_SIZE, IMAGE_SIZE, dtype=torch.int64)
    for item in scene.items:
        view = semantic_map[box(item)]
        view[coverage(item.kind, item.size) > 0.5] = 1 + KINDS.index(item.kind)
    return semantic_map


def clear(first: Item, second: Item, margin: int) -> bool:
    """Whether GAP pixels of background lie between the boxes of two items, and one axis leads by `margin` pixels."""
    down, right = abs(first.row - second.row), abs(first.column - second.column)
    half_sides = SIZES[first.size] // 2 + SIZES[second.size] // 2
    return max(down, right) > half_sides + GAP and abs(down - right) >= margin


def place(item: Item, rng: random.Random) -> Item:
    """The item at a random place inside the border of the image."""
    first = BORDER + SIZES[item.size] // 2
    row, column = (first + int(rng.random() * (IMAGE_SIZE - 2 * first)) for _ in range(2))
    return item._replace(row=row, column=column)


def place_all(items: list[Item], rng: random.Random) -> list[Item] | None:
    """The items at random places clear of each other, one after the other; None where 20 tries find no place for one.

    Of two items, one axis leads by MARGIN pixels: their relation is plain.
    """
    placed, margin = [], MARGIN if len(items) == 2 else 0
    for item in items:
        tries = (place(item, rng) for _ in range(20))
        found = next((one for one in tries if all(clear(one, other, margin) for other in placed)), None)
        if found is None:
            return None
        placed.append(found)
    return placed


def random_scene(rng: random.Random, num_items: int) -> Scene:
    """A scene of items that differ in kind or colour, each with a size and a place, drawn until they all have one.

    The fuller a scene, the smaller its items: about 51, 58 and 67 % are small where there are one, two and three.
    """
    names = rng.sample([(kind, colour) for kind in KINDS for colour in COLOURS], num_items)
    placed = None
    while placed is None:  # other sizes each time: three large items seldom find a place
        placed = place_all([Item(*name, rng.choice(tuple(SIZES))) for name in names], rng)
    return compose(*placed)


def asked_of(scene: Scene, rng: random.Random) -> Scene:
    """What a caption of the scene asks for: each size with probability 1/2, and no places."""
    items = (Item(item.kind, item.colour, rng.choice((item.size, None))) for item in scene.items)
    return Scene(tuple(items), scene.relation)


@functools.lru_cache(maxsize=2)
def shapes(
    num_scenes: int, seed: int = 0, train: bool = True, *, num_items: int | None = None, held_out_for: str | None = None
) -> Shapes:
    """Scenes drawn from a seed, with their pictures, captions and maps; the first n of more scenes are the same.

    train=True: scenes for training. train=False: scenes that no training set of any seed holds. held_out_for: None, new
    layouts of what training scenes say; "combination" or "pair", what they never say (see `held_out`). num_items:
    1, 2 or 3 for all, or None for each with probability 1/3 (two for all where held_out_for is "combination").
    Raises ValueError for other values, and for a `held_out_for` with train=True or one that `num_items` cannot have.
    """
    checks.count("num_scenes", num_scenes)
    if num_items not in (None, 1, 2, 3):
        raise ValueError(f"num_items is {num_items!r}; want None, 1, 2 or 3")
    if held_out_for not in (None, "pair", "combination") or (train and held_out_for):
        raise ValueError(f"held_out_for is {held_out_for!r}; want None or, with train=False, 'pair' or 'combination'")
    if held_out_for == "combination":
        if num_items not in (None, 2):
            raise ValueError(f"num_items is {num_items}; want 2 or None where held_out_for is 'combination'")
        num_items = 2
    rng = random.Random(seed)
    scenes, captions = [], []
    while len(scenes) < num_scenes:
        scenes.append(scene_of_split(rng, num_items or rng.choice((1, 2, 3)), train, held_out_for))
        captions.append(describe(asked_of(scenes[-1], rng)))
    x, maps = torch.stack([render(scene) for scene in scenes]), torch.stack([render_map(scene) for scene in scenes])
    return Shapes(x, captions, maps, scenes)


def scene_of_split(rng: random.Random, num_items: int, train: bool, held_out_for: str | None) -> Scene:
    """A random scene, drawn until it belongs to the split that `shapes` describes."""
    while True:
        scene = random_scene(rng, num_items)
        if held_out(scene) == held_out_for and (held_out_for or is_test_layout(scene) != train):
            return scene
