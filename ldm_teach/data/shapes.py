"""Shapes: small drawn scenes with a caption and a semantic map, so that what a sample shows can be read back exactly.

Pixels are in [-1, 1]. The eight colours are the corners of the RGB cube and the background is its centre, grey: a blend
of a colour with the background, as at an anti-aliased edge, is nearest to one of the two and never to a third colour.
`scenes.py` holds what there can be and the grammar of captions; `shapes_reader.py` is the way back, from pixels.
"""

import functools
import random
from typing import NamedTuple, cast

import torch
from torch import Tensor

from ldm_teach import checks
from ldm_teach.data.captions import COLOURS, KINDS, SIZES, Item, Scene, caption_of, held_out, is_test_layout, scene_of
from ldm_teach.progress import progress

IMAGE_SIZE = 32
BORDER = 1  # pixels of background around all items that are placed at random, at least
GAP = 2  # pixels of background between the boxes of any two items, at least
MARGIN = 4  # pixels by which one axis leads the other between two items, at least


class Shapes(NamedTuple):
    """x (N, 3, 32, 32) float32 in [-1, 1], captions (N), maps (N, 32, 32) int64, and what was drawn: scenes (N)."""

    x: Tensor
    captions: list[str]
    maps: Tensor
    scenes: list[Scene]


def coverage(kind: str, size: str) -> Tensor:
    """The share of each pixel that an item covers, in the item's box: (S, S) float32, S = SIZES[size]."""
    return draw_coverage(checks.word("kind", kind, KINDS), checks.word("size", size, SIZES)).clone()


@functools.cache
def draw_coverage(kind: str, size: str) -> Tensor:
    """What `coverage` hands out copies of, kept from call to call: not to be changed.

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


def half_side(item: Item) -> int:
    """Half the side of the box of an item, its centre left out. Raises ValueError for an unknown size."""
    if item.size not in SIZES:
        raise ValueError(f"item is {item}; want a size of {', '.join(SIZES)}")
    return SIZES[item.size] // 2


def box(item: Item) -> tuple[slice, slice]:
    """The rows and columns that an item fills.

    Raises ValueError for an unknown kind or size, and for a box that is not wholly inside the image.
    """
    checks.instance("item", item, Item)
    if item.kind not in KINDS or item.size not in SIZES:
        raise ValueError(f"item is {item}; want a kind of {', '.join(KINDS)} and a size of {', '.join(SIZES)}")
    half = half_side(item)
    for name, centre in (("row", item.row), ("column", item.column)):
        if not isinstance(centre, int) or not half <= centre < IMAGE_SIZE - half:
            last = IMAGE_SIZE - 1 - half
            raise ValueError(f"{name} of {item} is {centre!r}; want an int from {half} to {last} for this size")
    row, column = item.centre
    return slice(row - half, row + half + 1), slice(column - half, column + half + 1)


def render(scene: Scene) -> Tensor:
    """The picture of a scene: x (3, 32, 32) float32 in [-1, 1]. Later items cover earlier ones.

    Raises ValueError for an unknown kind, colour or size, and for an item that is not wholly inside the image.
    """
    x = torch.zeros(3, IMAGE_SIZE, IMAGE_SIZE)
    for item in checks.instance("scene", scene, Scene).items:
        rows, columns = box(item)
        if item.colour not in COLOURS:
            raise ValueError(f"colour is {item.colour!r}; want one of {', '.join(COLOURS)}")
        colour = torch.tensor(COLOURS[item.colour], dtype=torch.float32)[:, None, None]
        x[:, rows, columns] = x[:, rows, columns].lerp(colour, coverage(cast(str, item.kind), cast(str, item.size)))
    return x


def render_map(scene: Scene) -> Tensor:
    """The semantic map of a scene: (32, 32) int64, 0 for the background and 1 + KINDS.index(kind) for an item.

    The class is the kind alone, so that a map says what is where and leaves the colour to the model, or to a caption.
    Raises ValueError as `render`, for all but the colour, which is not looked at.
    """
    semantic_map = torch.zeros(IMAGE_SIZE, IMAGE_SIZE, dtype=torch.int64)
    for item in checks.instance("scene", scene, Scene).items:
        view = semantic_map[box(item)]
        view[coverage(cast(str, item.kind), cast(str, item.size)) > 0.5] = 1 + KINDS.index(item.kind)
    return semantic_map


def clear(first: Item, second: Item, margin: int) -> bool:
    """Whether GAP pixels of background lie between the boxes of two items, and one axis leads by `margin` pixels."""
    down, right = (abs(a - b) for a, b in zip(first.centre, second.centre, strict=True))
    return max(down, right) > half_side(first) + half_side(second) + GAP and abs(down - right) >= margin


def place(item: Item, rng: random.Random) -> Item:
    """The item at a random place inside the border of the image."""
    first = BORDER + half_side(item)
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
    return scene_of(*placed)


def asked_of(scene: Scene, rng: random.Random) -> Scene:
    """What a caption of the scene asks for: each size with probability 1/2, and no places."""
    items = (Item(item.kind, item.colour, rng.choice((item.size, None))) for item in scene.items)
    return Scene(tuple(items), scene.relation)


def recaption(scenes: list[Scene], seed: int) -> list[str]:
    """Another caption of each scene, drawn from a seed: its items in any order, each size with probability 1/2."""
    checks.instances("scenes", scenes, Scene)
    rng = random.Random(checks.seed(seed))
    return [caption_of(asked_of(scene_of(*rng.sample(scene.items, len(scene.items))), rng)) for scene in scenes]


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
    checks.seed(seed)
    checks.flag("train", train)
    if num_items is not None:
        checks.count("num_items", num_items, 3)
    if held_out_for is not None and (train or checks.word("held_out_for", held_out_for) not in ("pair", "combination")):
        raise ValueError(f"held_out_for is {held_out_for!r}; want None or, with train=False, 'pair' or 'combination'")
    if held_out_for == "combination":
        if num_items not in (None, 2):
            raise ValueError(f"num_items is {num_items}; want 2 or None where held_out_for is 'combination'")
        num_items = 2
    found = draw_shapes(num_scenes, seed, train, num_items, held_out_for)
    return Shapes(found.x.clone(), [*found.captions], found.maps.clone(), [*found.scenes])


@functools.lru_cache(maxsize=2)
def draw_shapes(num_scenes: int, seed: int, train: bool, num_items: int | None, held_out_for: str | None) -> Shapes:
    """What `shapes` hands out copies of, kept from call to call: not to be changed."""
    rng = random.Random(seed)
    scenes, captions = [], []
    for _ in progress(range(num_scenes), "placing", "scene"):
        scenes.append(scene_of_split(rng, num_items or rng.choice((1, 2, 3)), train, held_out_for))
        captions.append(caption_of(asked_of(scenes[-1], rng)))
    drawn = [(render(scene), render_map(scene)) for scene in progress(scenes, "drawing", "scene")]
    x, maps = map(torch.stack, zip(*drawn, strict=True))
    return Shapes(x, captions, maps, scenes)


def scene_of_split(rng: random.Random, num_items: int, train: bool, held_out_for: str | None) -> Scene:
    """A random scene, drawn until it belongs to the split that `shapes` describes."""
    while True:
        scene = random_scene(rng, num_items)
        if held_out(scene) == held_out_for and (held_out_for or is_test_layout(scene) != train):
            return scene
