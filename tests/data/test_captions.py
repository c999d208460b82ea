"""Captions and scenes: the grammar goes round, relations are true, and words alone tell what is held out."""

import itertools

import pytest

from ldm_teach.data.captions import (
    COLOURS,
    HELD_OUT_PAIRS,
    KINDS,
    MAX_WORDS,
    OPPOSITE,
    WORDS,
    Item,
    Scene,
    caption_of,
    held_out,
    is_layout,
    layout_of,
    parse,
    parse_layout,
    relation,
    scene_of,
)
from ldm_teach.data.shapes import shapes
from ldm_teach.words import split_words

RED_ABOVE_BLUE = scene_of(Item("circle", "red", "small", 6, 16), Item("square", "blue", "large", 22, 14))


@pytest.fixture(scope="module")
def drawn():
    return shapes(3000, seed=5)


def test_a_tenth_of_the_combinations_is_held_out():
    names = [Item(k, c) for k in KINDS for c in COLOURS if (k, c) not in HELD_OUT_PAIRS]
    scenes = [Scene(two, r) for two in itertools.permutations(names, 2) for r in OPPOSITE]
    reasons = [held_out(scene) for scene in scenes]
    assert reasons == [held_out(Scene(s.items[::-1], OPPOSITE[s.relation])) for s in scenes]
    assert set(reasons) == {None, "combination"} and 0.08 < reasons.count("combination") / len(reasons) < 0.12


def test_held_out_needs_only_the_caption(drawn):
    assert held_out(parse("a red circle above a blue square")) is None
    assert held_out(parse("a small yellow circle")) == "pair"
    everything = [*drawn.scenes[:200], *shapes(50, train=False, held_out_for="combination").scenes]
    assert all(held_out(scene) == held_out(parse(caption_of(scene))) for scene in everything)


@pytest.mark.parametrize(
    "row, column, word",
    [(0, 0, None), (-8, 3, "above"), (8, 3, "below"), (3, -8, "left of"), (3, 8, "right of"), (5, -5, None)],
)
def test_relation_is_that_of_the_axis_that_leads(row, column, word):
    first, second = Item("circle", "red", "small", 16 + row, 16 + column), Item("cross", "red", "small", 16, 16)
    assert relation(first, second) == word
    assert relation(second, first) == OPPOSITE.get(word)


@pytest.mark.parametrize(
    "caption, scene",
    [
        ("a red circle", Scene((Item("circle", "red"),))),
        ("a large blue square", Scene((Item("square", "blue", "large"),))),
        (
            "a red circle left of a small blue square",
            Scene((Item("circle", "red"), Item("square", "blue", "small")), "left of"),
        ),
        (
            "a red circle, a blue square and a large green triangle",
            Scene((Item("circle", "red"), Item("square", "blue"), Item("triangle", "green", "large"))),
        ),
    ],
)
def test_parse_and_describe_are_inverse(caption, scene):
    assert parse(caption) == scene and caption_of(scene) == caption
    assert parse("  " + caption.upper().replace(",", " ,")) == scene


def test_every_caption_goes_round(drawn):
    assert all(caption_of(parse(caption)) == caption for caption in drawn.captions)


def test_the_vocabulary_is_closed_and_used(drawn):
    used = [split_words(caption) for caption in drawn.captions]
    assert {word for words in used for word in words} == set(WORDS) and len(WORDS) == len(set(WORDS))
    assert max(map(len, used)) == MAX_WORDS


def test_layouts_go_round_and_are_told_from_numbers_and_files(drawn):
    for scene in [*drawn.scenes[:100], Scene(())]:
        layout = layout_of(scene)
        plain = tuple(item._replace(colour=None) for item in scene.items)
        assert parse_layout(f" {layout.upper()} ").items == plain and is_layout(layout)
    assert not any(map(is_layout, ("3", "maps/large.png", "circle.png", "")))


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: parse_layout("large circle at 9"), "words are 'large circle at 9'; want a layout such as 'large"),
        (lambda: parse_layout("large circle at 9 9,"), "want a layout such as"),
        (
            lambda: layout_of(RED_ABOVE_BLUE._replace(items=(Item("circle", "red"),))),
            "want one with a row and a column",
        ),
        (lambda: parse("a red hexagon"), "has the word 'hexagon'; want only"),
        (lambda: parse("a red circle above"), "caption is 'a red circle above'; want a caption like 'a red circle'"),
        (lambda: parse("a circle red"), "caption is 'a circle red'"),
        (lambda: parse(""), "caption is ''"),
        (lambda: parse("a red circle and a blue square"), "related by above, below, left of, right of"),
        (lambda: parse("a red cross above a small red cross"), "want items that differ in kind or colour"),
        (lambda: caption_of(Scene(())), "scene has 0 items"),
        (lambda: caption_of(Scene(RED_ABOVE_BLUE.items)), "scene has 2 items, relation None; want 1, 3, or 2 with a"),
        (lambda: caption_of(Scene((Item(None, "red"),))), "item is Item.kind=None.*; want a kind of circle"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()
