import itertools
from collections import Counter

import pytest
import torch

from ldm_teach.data.captions import (
    COLOURS,
    HELD_OUT_PAIRS,
    KINDS,
    OPPOSITE,
    SIZES,
    Item,
    Scene,
    held_out,
    is_test_layout,
    parse,
    scene_of,
)
from ldm_teach.data.shapes import GAP, IMAGE_SIZE, MARGIN, coverage, draw_shapes, recaption, render, render_map, shapes
from ldm_teach.measuring.adherence import matches

pytestmark = pytest.mark.slow


def test_a_scene_told_again_is_the_same_scene_in_other_words():
    scenes = shapes(300).scenes
    again = recaption(scenes, seed=1)
    assert again == recaption(scenes, seed=1) != recaption(scenes, seed=2)
    assert all(matches(parse(caption), scene) for scene, caption in zip(scenes, again, strict=True))
    first = [parse(caption).items[0][:2] == scene.items[0][:2] for scene, caption in zip(scenes, again, strict=True)]
    two = [f for f, scene in zip(first, scenes, strict=True) if len(scene.items) == 2]
    assert 0.3 < sum(two) / len(two) < 0.7  # half of the pairs are told the other way round


RED_ABOVE_BLUE = scene_of(Item("circle", "red", "small", 6, 16), Item("square", "blue", "large", 22, 14))


def drawn_anew(num_scenes, seed=0, train=True, num_items=None, held_out_for=None):
    """The scenes, drawn again though they may be kept."""
    return draw_shapes.__wrapped__(num_scenes, seed, train, num_items, held_out_for)


@pytest.fixture(scope="module")
def drawn():
    return shapes(3000, seed=5)


def test_shapes_have_the_promised_form(drawn):
    x, captions, maps, scenes = drawn
    assert x.shape == (3000, 3, 32, 32) and x.dtype == torch.float32 and x.min() == -1 and x.max() == 1
    assert maps.shape == (3000, 32, 32) and maps.dtype == torch.int64 and maps.unique().tolist() == [0, 1, 2, 3, 4]
    assert len(captions) == len(scenes) == 3000


def test_shapes_are_a_function_of_the_seed(drawn):
    a, b = drawn_anew(50, seed=5), drawn_anew(50, seed=6)
    assert torch.equal(a.x, drawn.x[:50]) and torch.equal(a.maps, drawn.maps[:50])
    assert (a.captions, a.scenes) == (drawn.captions[:50], drawn.scenes[:50])
    assert b.scenes != a.scenes


def test_the_global_generators_are_not_touched():
    state = torch.get_rng_state()
    drawn_anew(5)
    assert torch.equal(torch.get_rng_state(), state)


def test_items_are_whole_distinct_and_apart(drawn):
    for scene in drawn.scenes:
        halves = [SIZES[item.size] // 2 for item in scene.items]
        for item, half in zip(scene.items, halves, strict=True):
            assert half < min(item.row, item.column) and max(item.row, item.column) < IMAGE_SIZE - 1 - half
        assert len({item[:2] for item in scene.items}) == len(scene.items)
        for (a, half_a), (b, half_b) in itertools.combinations(zip(scene.items, halves, strict=True), 2):
            between = max(abs(a.row - b.row), abs(a.column - b.column)) - half_a - half_b - 1
            assert between >= GAP


def test_captions_are_true_of_the_centres(drawn):
    """Read anew from rows and columns: the items, the sizes named, and that the one relation named holds plainly."""
    for caption, scene in zip(drawn.captions, drawn.scenes, strict=True):
        asked = parse(caption)
        assert [item[:2] for item in asked.items] == [item[:2] for item in scene.items]
        assert all(a.size in (None, b.size) for a, b in zip(asked.items, scene.items, strict=True))
        if len(scene.items) == 2:
            a, b = scene.items
            leads = {"above": b.row - a.row, "below": a.row - b.row}
            leads |= {"left of": b.column - a.column, "right of": a.column - b.column}
            other = max(lead for word, lead in leads.items() if word not in (asked.relation, OPPOSITE[asked.relation]))
            assert leads[asked.relation] >= max(8, other + MARGIN)
        else:
            assert asked.relation is None


def test_everything_occurs_about_as_often_as_it_should(drawn):
    """Counts within 5 standard deviations of a binomial."""

    def about(count, n, p):
        return abs(count - n * p) < 5 * (n * p * (1 - p)) ** 0.5

    sizes_named = [item.size is not None for caption in drawn.captions for item in parse(caption).items]
    assert about(sum(sizes_named), len(sizes_named), 0.5)
    numbers = Counter(len(scene.items) for scene in drawn.scenes)
    twos = [scene for scene in drawn.scenes if len(scene.items) == 2]
    pairs = Counter(scene.items[0][:2] for scene in drawn.scenes)
    assert all(about(numbers[n], 3000, 1 / 3) for n in (1, 2, 3))
    assert all(about(sum(s.relation == r for s in twos), len(twos), 1 / 4) for r in OPPOSITE)
    assert len(pairs) == len(KINDS) * len(COLOURS) - len(HELD_OUT_PAIRS)
    assert all(about(count, 3000, 1 / len(pairs)) for count in pairs.values())


def test_num_items_fixes_the_number():
    for n in (1, 2, 3):
        assert {len(scene.items) for scene in shapes(40, num_items=n).scenes} == {n}


def test_the_splits_are_disjoint(drawn):
    assert {held_out(scene) for scene in drawn.scenes} == {None}
    assert not any(is_test_layout(scene) for scene in drawn.scenes)
    assert not {item[:2] for scene in drawn.scenes for item in scene.items} & set(HELD_OUT_PAIRS)
    layouts = {frozenset(scene.items) for scene in shapes(6000, seed=1, num_items=1).scenes}
    test = shapes(600, seed=1, train=False, num_items=1)
    assert {held_out(scene) for scene in test.scenes} == {None}
    assert not layouts & {frozenset(scene.items) for scene in test.scenes}
    swapped = [Scene(scene.items[::-1]) for scene in drawn.scenes]
    assert not any(is_test_layout(scene) for scene in swapped)


def test_held_out_captions_say_what_no_training_caption_says(drawn):
    pair = shapes(300, seed=2, train=False, held_out_for="pair")
    assert all(any(item[:2] in HELD_OUT_PAIRS for item in parse(caption).items) for caption in pair.captions)
    assert {len(scene.items) for scene in pair.scenes} == {1, 2, 3}

    def said(captions):
        for asked in map(parse, captions):
            (a, b), r = asked.items, asked.relation
            yield a[:2], r, b[:2]
            yield b[:2], OPPOSITE[r], a[:2]

    combination = shapes(2000, seed=2, train=False, held_out_for="combination")
    assert {len(scene.items) for scene in combination.scenes} == {2}
    seen = set(said(shapes(3000, seed=3, num_items=2).captions))
    unseen = set(said(combination.captions))
    assert not seen & unseen
    assert {a for a, *_ in unseen} <= {a for a, *_ in seen}  # the pairs of kind and colour are known ones


@pytest.mark.parametrize("kind, size", list(itertools.product(KINDS, SIZES)))
def test_a_sprite_fills_its_box_and_no_pixel_is_half_covered(kind, size):
    share = coverage(kind, size)
    assert share.shape == (SIZES[size],) * 2 and share.min() >= 0 and share.max() == 1
    mask = share > 0.5
    assert mask.any(0).all() and (mask.any(1).sum() >= SIZES[size] - 1)
    assert ((share - 0.5).abs() > 0.01).all()
    assert torch.equal(share, share.flip(1))


@pytest.mark.parametrize("kind, area", [("circle", torch.pi / 4), ("square", 1), ("triangle", 0.5), ("cross", 5 / 9)])
def test_the_area_of_a_sprite_is_that_of_the_figure(kind, area):
    for size, side in SIZES.items():
        assert coverage(kind, size).sum() / side**2 == pytest.approx(area, abs=0.03)


def test_a_triangle_points_up():
    rows = coverage("triangle", "large").sum(1)
    assert (rows.diff() > 0).all()


def test_a_picture_is_a_blend_of_background_and_colour():
    x, semantic_map = render(RED_ABOVE_BLUE), render_map(RED_ABOVE_BLUE)
    assert x[:, 6, 16].tolist() == [1, -1, -1] and x[:, 22, 14].tolist() == [-1, -1, 1]
    assert x[:, 14, 0].tolist() == [0, 0, 0] == x[:, 31, 31].tolist()
    assert (semantic_map[6, 16], semantic_map[22, 14], semantic_map[14, 0]) == (1, 2, 0)
    assert torch.equal(semantic_map == 2, (x[2] == 1))  # a square has no edge pixels
    assert semantic_map[16:29, 8:21].eq(2).all() and semantic_map.eq(2).sum() == 13 * 13


def test_maps_agree_with_pixels(drawn):
    """A pixel is in the map of an item where it is nearer to a full colour than to the background: mean |x| > 1/2."""
    assert torch.equal(drawn.maps > 0, drawn.x.abs().mean(1) > 0.5)
    assert torch.equal(drawn.x.abs().amax(1), drawn.x.abs().amin(1))  # blends are on the line from grey to a corner
    ones = [i for i, scene in enumerate(drawn.scenes) if len(scene.items) == 1]
    assert all(drawn.maps[i].max() == 1 + KINDS.index(drawn.scenes[i].items[0].kind) for i in ones)


@pytest.mark.parametrize("kind", KINDS)
def test_an_edge_is_drawn_by_its_coverage(kind):
    x = render(scene_of(Item(kind, "yellow", "large", 16, 16)))
    assert torch.equal(x[0, 10:23, 10:23], coverage(kind, "large")) and torch.equal(x[0], -x[2])
    assert x[0].sum() == coverage(kind, "large").sum()


def test_later_items_cover_earlier_ones():
    under, over = Item("square", "red", "large", 16, 16), Item("square", "blue", "small", 16, 16)
    assert render(Scene((under, over)))[:, 16, 16].tolist() == [-1, -1, 1]
    assert render(Scene((over, under)))[:, 16, 16].tolist() == [1, -1, -1]


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: render(Scene((Item("circle", "pink", "small", 9, 9),))), "colour is 'pink'; want one of red"),
        (lambda: render(Scene((Item("circle", "red", "huge", 9, 9),))), "a size of small, large"),
        (lambda: render_map(Scene((Item("star", "red", "small", 9, 9),))), "want a kind of circle, square"),
        (lambda: render(Scene((Item("cross", "red", "large", 5, 9),))), "row of .* is 5; want an int from 6 to 25"),
        (lambda: render(parse("a small red circle")), "row of .* is None; want an int from 4 to 27"),
        (lambda: render_map(Scene((Item("cross", "red", "small", 9, 28),))), "column of .* is 28"),
        (lambda: shapes(0), "num_scenes is 0"),
        (lambda: shapes(1, num_items=4), "num_items is 4; want an int from 1 to 3"),
        (lambda: shapes(1, held_out_for="pair"), "held_out_for is 'pair'; want None or, with train=False"),
        (lambda: shapes(1, train=False, held_out_for="colour"), "held_out_for is 'colour'"),
        (lambda: shapes(1, train=False, held_out_for="combination", num_items=3), "num_items is 3; want 2 or None"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_what_one_caller_does_to_the_scenes_no_other_sees():
    mine = shapes(20, seed=3)
    mine.x.zero_(), mine.maps.zero_(), mine.captions.clear(), mine.scenes.clear()
    coverage("circle", "small").zero_()
    again = shapes(20, seed=3)
    assert again.x.abs().max() == 1 and again.maps.any() and len(again.captions) == len(again.scenes) == 20
    assert coverage("circle", "small").max() == 1
