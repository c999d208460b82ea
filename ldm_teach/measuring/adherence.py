"""How well pictures of shapes are what was asked for: by caption, by map, and by chance."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ldm_teach import checks
from ldm_teach.data.captions import KINDS, Item, Scene, parse, relation
from ldm_teach.data.shapes import IMAGE_SIZE
from ldm_teach.data.shapes_reader import read_scene


def mean_iou(maps_a: Tensor, maps_b: Tensor, num_classes: int = 1 + len(KINDS)) -> float:
    """Mean over classes c of |a = c and b = c| / |a = c or b = c|, each counted over all pixels of all maps.

    maps_a, maps_b: int64 of one shape, values in [0, num_classes). The background is a class like others; a class that
    occurs in neither is left out of the mean. Raises ValueError for other shapes, dtypes and values.
    """
    checks.count("num_classes", num_classes)
    shape = checks.tensor("maps_a", maps_a).shape
    for name, maps in (("maps_a", maps_a), ("maps_b", maps_b)):
        checks.shaped(name, maps, *shape, dtype=torch.int64, read=True)
    if not maps_a.numel():
        raise ValueError(f"maps_a is {checks.describe(maps_a)}; want one pixel or more")
    low, high = (int(f(f(maps_a), f(maps_b))) for f in (torch.min, torch.max))
    if low < 0 or high >= num_classes:
        raise ValueError(f"maps_a, maps_b hold classes from {low} to {high}; num_classes wants 0 to {num_classes - 1}")
    pairs = torch.bincount((num_classes * maps_a + maps_b).flatten(), minlength=num_classes**2)
    pairs = pairs.view(num_classes, num_classes).double()  # pixels of class (a, b)
    union = pairs.sum(0) + pairs.sum(1) - pairs.diagonal()
    return float((pairs.diagonal() / union)[union > 0].mean())


def names(scene: Scene) -> Counter:
    """How often each (kind, colour) occurs in a scene."""
    return Counter((item.kind, item.colour) for item in scene.items)


def asked_items(asked: Scene, scene: Scene) -> list[Item] | None:
    """The scene's items in the order asked for; None unless it has each kind and colour asked for, and no item more."""
    if names(asked) != names(scene):
        return None
    found = {(item.kind, item.colour): item for item in scene.items}
    return [found[item.kind, item.colour] for item in asked.items]


def matches(asked: Scene, scene: Scene) -> bool:
    """Whether a drawn or read scene is what was asked for, as `parse` returns it.

    It has every item by kind and colour, by size where a size was asked for, and no other item; the relation, if one
    was asked for, holds between the centres.
    """
    checks.instance("asked", asked, Scene)
    checks.instance("scene", scene, Scene)
    found = asked_items(asked, scene)
    if found is None or any(a.size not in (None, b.size) for a, b in zip(asked.items, found, strict=True)):
        return False
    return asked.relation is None or relation(*found) == asked.relation


def chance(captions: Sequence[str], scenes: Sequence[Scene]) -> float:
    """The probability that a scene meets a caption, both drawn at random from those given: the level to beat.

    Give scenes that are not those of the captions, say training scenes with the captions of a test.
    """
    checks.instances("scenes", scenes, Scene)
    if not len(scenes) or not checks.words("captions", captions):
        raise ValueError(f"captions and scenes are {len(captions)} and {len(scenes)}; want one or more of both")
    alike = {}  # only scenes with the kinds and colours asked for can match
    for scene in scenes:
        alike.setdefault(frozenset(names(scene)), []).append(scene)
    asked = [parse(caption) for caption in captions]
    hits = sum(matches(one, scene) for one in asked for scene in alike.get(frozenset(names(one)), ()))
    return hits / (len(asked) * len(scenes))


class Adherence(NamedTuple):
    """How well pictures follow their captions: fractions of the pictures, but for `relation`.

    overall: all is as asked (`matches`).  kinds: the kinds are those asked for, each as often.  colours: the same of
    the colours.  items: the same of (kind, colour), so each colour is on its own kind.  relation: of the pictures with
    the two items asked for, the fraction in the relation asked for; nan where there is no such picture.
    """

    overall: float
    kinds: float
    colours: float
    items: float
    relation: float


def adherence(x: Tensor, captions: Sequence[str]) -> Adherence:
    """How well pictures x (B, 3, 32, 32) follow B captions. Raises ValueError for other lengths and a bad caption."""
    checks.words("captions", captions)
    checks.shaped("x", x, "B", 3, IMAGE_SIZE, IMAGE_SIZE)
    if len(x) != len(captions) or not len(x):
        raise ValueError(f"x and captions have lengths {len(x)} and {len(captions)}; want one length of at least 1")
    pairs = [(parse(caption), scene) for caption, scene in zip(captions, read_scene(x), strict=True)]

    def fraction(same: list[bool]) -> float:
        return sum(same) / len(same) if same else float("nan")

    def alike(field: str) -> float:
        a_and_b = ([Counter(getattr(item, field) for item in scene.items) for scene in pair] for pair in pairs)
        return fraction([a == b for a, b in a_and_b])

    found = [(asked, asked_items(asked, scene)) for asked, scene in pairs if asked.relation]
    return Adherence(
        overall=fraction([matches(asked, scene) for asked, scene in pairs]),
        kinds=alike("kind"),
        colours=alike("colour"),
        items=fraction([names(asked) == names(scene) for asked, scene in pairs]),
        relation=fraction([relation(*items) == asked.relation for asked, items in found if items]),
    )


def share_whole(x: Tensor) -> float:
    """The share of pictures x (B, 3, 32, 32) with at least one item, in which each has a kind and a colour."""
    scenes = read_scene(x)
    if not scenes:
        raise ValueError(f"x is {checks.describe(x)}; want one picture or more")
    return sum(bool(s.items) and all(item.kind and item.colour for item in s.items) for s in scenes) / len(scenes)
