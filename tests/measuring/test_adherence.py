import math

import pytest
import torch

from ldm_teach.data.captions import Item, Scene, parse, scene_of
from ldm_teach.data.shapes import render, shapes
from ldm_teach.measuring.adherence import adherence, chance, matches, mean_iou

pytestmark = pytest.mark.slow

ABOVE = scene_of(Item("circle", "red", "small", 6, 16), Item("square", "blue", "large", 22, 14))


LEFT = scene_of(Item("circle", "red", "small", 16, 6), Item("square", "blue", "large", 14, 22))


@pytest.fixture(scope="module")
def drawn():
    return shapes(10_000, seed=7)


@pytest.mark.parametrize(
    "caption, scene, expected",
    [
        ("a red circle above a blue square", ABOVE, True),
        ("a blue square below a red circle", ABOVE, True),
        ("a small red circle above a large blue square", ABOVE, True),
        ("a large red circle above a blue square", ABOVE, False),
        ("a red circle below a blue square", ABOVE, False),
        ("a red circle above a blue square", LEFT, False),
        ("a blue square right of a red circle", LEFT, True),
        ("a blue circle above a red square", ABOVE, False),
        ("a red circle", ABOVE, False),
        ("a red circle, a blue square and a white cross", ABOVE, False),
        ("a red circle", Scene(ABOVE.items[:1]), True),
        ("a red circle", Scene(()), False),
        ("a red circle", Scene((ABOVE.items[0], ABOVE.items[0]._replace(row=20))), False),
        ("a red circle", Scene((ABOVE.items[0], Item(None, None, None, 20, 20))), False),
    ],
)
def test_matches(caption, scene, expected):
    assert matches(parse(caption), scene) is expected


def test_captions_match_their_own_scenes_and_hardly_any_other(drawn):
    asked = [parse(caption) for caption in drawn.captions]
    assert all(matches(one, scene) for one, scene in zip(asked, drawn.scenes, strict=True))
    others = drawn.scenes[1:] + drawn.scenes[:1]
    p = chance(drawn.captions[:5000], drawn.scenes[5000:])
    hits = sum(matches(one, scene) for one, scene in zip(asked, others, strict=True))
    assert abs(hits - p * len(asked)) < 5 * (p * len(asked)) ** 0.5
    assert 0.0025 < p < 0.0035


@pytest.mark.parametrize("n, relations, relative", [(1, 1, 0.05), (2, 4 * 0.9, 0.15), (3, 1, 0.3)])
def test_chance_is_its_closed_form(n, relations, relative):
    """With 28 pairs of kind and colour and n items: 1 / C(28, n), 3/4 for each size, 1 of 4 relations, 9/10 of all."""
    a, b = shapes(4000, seed=1, num_items=n), shapes(4000, seed=2, num_items=n)
    expected = 1 / math.comb(28, n) * 0.75**n / relations
    assert chance(a.captions, b.scenes) == pytest.approx(expected, rel=relative)


def test_chance_is_the_mean_over_all_pairs(drawn):
    captions, scenes = drawn.captions[:150], drawn.scenes[100:300]
    hits = [matches(parse(caption), scene) for caption in captions for scene in scenes]
    assert chance(captions, scenes) == sum(hits) / len(hits) > 0


def test_adherence_tells_what_went_wrong(drawn):
    x, captions = drawn.x[:500], drawn.captions[:500]
    assert adherence(x, captions) == (1, 1, 1, 1, 1)
    asked = "a red circle above a blue square"
    swapped = scene_of(ABOVE.items[0]._replace(colour="blue"), ABOVE.items[1]._replace(colour="red"))
    other_kind = scene_of(ABOVE.items[0], ABOVE.items[1]._replace(kind="cross"))
    pictures = torch.stack([render(scene) for scene in (ABOVE, LEFT, swapped, other_kind)])
    assert adherence(pictures, [asked] * 4) == (1 / 4, 3 / 4, 1, 1 / 2, 1 / 2)
    assert adherence(pictures[:1], ["a large red circle above a blue square"]) == (0, 1, 1, 1, 1)
    twice = scene_of(ABOVE.items[0], ABOVE.items[0]._replace(row=22))
    assert adherence(render(twice)[None], ["a red circle"])[:4] == (0, 0, 0, 0)
    assert math.isnan(adherence(pictures[:1], ["a red circle"]).relation)


def test_mean_iou_by_hand():
    a, b = torch.tensor([[0, 0, 1, 1]]), torch.tensor([[0, 1, 1, 3]])
    assert mean_iou(a, b, 5) == pytest.approx((1 / 2 + 1 / 3 + 0) / 3)  # classes 2 and 4 occur in neither
    assert mean_iou(a, a, 5) == 1 and mean_iou(a, b, 5) == mean_iou(b, a, 5)
    assert mean_iou(torch.cat([a, a]), torch.cat([a, b]), 5) == pytest.approx((3 / 4 + 3 / 5 + 0) / 3)


def test_mean_iou_equals_counting_by_sets(drawn):
    a, b = drawn.maps[:50], drawn.maps[50:100]
    ious = [float(((a == c) & (b == c)).sum() / ((a == c) | (b == c)).sum()) for c in range(5)]
    assert mean_iou(a, b) == pytest.approx(sum(ious) / 5, rel=1e-6)
