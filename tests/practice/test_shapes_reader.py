import itertools
import math
from collections import Counter

import pytest
import torch
from torch.nn import functional

from ldm_teach.practice.scenes import COLOURS, KINDS, SIZES, Item, Scene, compose, parse
from ldm_teach.practice.shapes import render, render_map, shapes
from ldm_teach.practice.shapes_reader import adherence, chance, matches, mean_iou, read_map, read_scene

ABOVE = compose(Item("circle", "red", "small", 6, 16), Item("square", "blue", "large", 22, 14))
LEFT = compose(Item("circle", "red", "small", 16, 6), Item("square", "blue", "large", 14, 22))


@pytest.fixture(scope="module")
def drawn():
    return shapes(10_000, seed=7)


def spoil(x, noise, kernel=(0.25, 0.5, 0.25), seed=0):
    """x blurred by a separable 3x3 kernel, then with Gaussian noise of that standard deviation."""
    kernel = torch.tensor(kernel)
    weights = (kernel[:, None] * kernel).expand(3, 1, 3, 3)
    blurred = functional.conv2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), weights, groups=3)
    return blurred + noise * torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))


def right(x, scenes):
    """The fraction of pictures of which every item is read with kind, colour, size and centre, and nothing else."""
    read = read_scene(x)
    assert len(read) == len(scenes)
    return sum(set(a.items) == set(b.items) for a, b in zip(read, scenes, strict=True)) / len(scenes)


def test_every_kind_colour_and_size_is_read_at_every_place():
    items = []
    for kind, size in itertools.product(KINDS, SIZES):
        half = SIZES[size] // 2
        places = itertools.product(range(half, 32 - half), repeat=2)
        colours = itertools.cycle(COLOURS)
        items += [Item(kind, next(colours), size, row, column) for row, column in places]
    read = read_scene(torch.stack([render(compose(item)) for item in items]))
    assert [scene.items for scene in read] == [(item,) for item in items]


def test_the_reader_is_exact_on_drawn_scenes(drawn):
    assert right(drawn.x, drawn.scenes) == 1
    assert torch.equal(read_map(drawn.x), drawn.maps)


@pytest.mark.parametrize(
    "kernel", [(0, 1.0, 0), (0.25, 0.5, 0.25), (1 / 3, 1 / 3, 1 / 3)], ids=["as is", "soft", "box"]
)
def test_the_reader_survives_blur_and_noise(drawn, kernel):
    """What a sample of a model may look like: noise of standard deviation 0.1 on top of a 3x3 blur."""
    x = spoil(drawn.x[:3000], 0.1, kernel)
    assert right(x, drawn.scenes[:3000]) > 0.998
    assert mean_iou(read_map(x), drawn.maps[:3000]) > 0.9


def test_the_order_is_from_top_to_bottom(drawn):
    for scene in read_scene(drawn.x[:200]):
        tops = [item.row - SIZES[item.size] // 2 for item in scene.items]
        assert all(b >= a - 1 for a, b in itertools.pairwise(tops))  # a triangle's tip may be too thin to count


def test_one_picture_is_a_batch_of_one():
    assert read_scene(render(ABOVE)) == [ABOVE] == read_scene(render(ABOVE)[None].double())


def test_dirt_is_ignored_and_an_empty_picture_is_empty():
    x = render(ABOVE)
    x[:, 1:3, 1:4] = 1  # six pixels
    assert read_scene(x) == [ABOVE]
    x[:, 1:3, 1:6] = 1  # ten
    assert len(read_scene(x)[0].items) == 3
    empty = torch.zeros(2, 3, 32, 32)
    assert read_scene(empty) == [Scene(()), Scene(())] and not read_map(empty).any()
    assert read_scene(torch.full((3, 32, 32), math.nan)) == [Scene(())]


def test_what_is_none_of_the_kinds_has_no_kind():
    x = torch.zeros(3, 32, 32)
    x[:, 4:7, 2:30] = torch.tensor(COLOURS["green"])[:, None, None]  # a bar
    ((bar,), _) = read_scene(x)[0]
    assert (bar.kind, bar.colour, bar.size) == (None, "green", None)
    assert not read_map(x[None]).any()
    assert read_scene(torch.ones(3, 32, 32))[0].items[0].kind is None  # all white
    assert not matches(parse("a green circle"), read_scene(x)[0])


def test_what_is_of_two_colours_has_no_colour():
    x = render(compose(Item("square", "red", "large", 16, 16)))
    x[:, :17][x[:, :17] != 0] *= -1  # the upper seven rows of thirteen in cyan
    assert read_scene(x)[0].items == (Item("square", None, "large", 16, 16),)
    assert read_map(x[None]).eq(2).sum() == 13 * 13


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
    swapped = compose(ABOVE.items[0]._replace(colour="blue"), ABOVE.items[1]._replace(colour="red"))
    other_kind = compose(ABOVE.items[0], ABOVE.items[1]._replace(kind="cross"))
    pictures = torch.stack([render(scene) for scene in (ABOVE, LEFT, swapped, other_kind)])
    assert adherence(pictures, [asked] * 4) == (1 / 4, 3 / 4, 1, 1 / 2, 1 / 2)
    assert adherence(pictures[:1], ["a large red circle above a blue square"]) == (0, 1, 1, 1, 1)
    twice = compose(ABOVE.items[0], ABOVE.items[0]._replace(row=22))
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


def test_a_map_made_by_hand_is_read_back():
    assert torch.equal(read_map(render(ABOVE)[None])[0], render_map(ABOVE))


def test_kinds_are_read_alike_often_from_noise_free_pictures(drawn):
    read = Counter(item[:3] for scene in read_scene(drawn.x[:500]) for item in scene.items)
    assert read == Counter(item[:3] for scene in drawn.scenes[:500] for item in scene.items)


@pytest.mark.parametrize(
    "call, words",
    [
        (
            lambda: read_scene(torch.zeros(1, 3, 28, 28)),
            r"x is a float32 tensor of shape \(1, 3, 28, 28\); want \(B, 3",
        ),
        (lambda: read_scene(torch.zeros(1, 3, 32, 32).byte()), "x is a uint8 tensor"),
        (lambda: read_map(torch.zeros(3, 32, 32)), r"want \(B, 3, 32, 32\)"),
        (lambda: adherence(torch.zeros(2, 3, 32, 32), ["a red circle"]), "x and captions have lengths 2 and 1"),
        (lambda: adherence(torch.zeros(1, 3, 32, 32), ["a red hexagon"]), "the word 'hexagon'"),
        (lambda: mean_iou(torch.zeros(2, 2).long(), torch.zeros(2, 3).long()), "want int64 of one shape"),
        (lambda: mean_iou(torch.zeros(2), torch.zeros(2)), "are a float32 tensor .* want int64"),
        (lambda: mean_iou(torch.tensor([0]), torch.tensor([5])), "maps hold classes from 0 to 5; want 0 to 4"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()
