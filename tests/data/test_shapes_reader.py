import itertools
import math
from collections import Counter

import pytest
import torch
from torch.nn import functional

from ldm_teach.data.captions import COLOURS, KINDS, SIZES, Item, Scene, parse, scene_of
from ldm_teach.data.shapes import render, render_map, shapes
from ldm_teach.data.shapes_reader import read_map, read_scene, templates
from ldm_teach.measuring.adherence import adherence, matches, mean_iou

pytestmark = pytest.mark.slow

ABOVE = scene_of(Item("circle", "red", "small", 6, 16), Item("square", "blue", "large", 22, 14))


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
    read = read_scene(torch.stack([render(scene_of(item)) for item in items]))
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
    x = render(scene_of(Item("square", "red", "large", 16, 16)))
    x[:, :17][x[:, :17] != 0] *= -1  # the upper seven rows of thirteen in cyan
    assert read_scene(x)[0].items == (Item("square", None, "large", 16, 16),)
    assert read_map(x[None]).eq(2).sum() == 13 * 13


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
            r"x is a float32 tensor of shape \(1, 3, 28, 28\); want floating-point of shape \(B, 3",
        ),
        (lambda: read_scene(torch.zeros(1, 3, 32, 32).byte()), "x is a uint8 tensor"),
        (
            lambda: read_map(torch.zeros(3, 32, 32)),
            r"x is .* \(3, 32, 32\); want floating-point of shape \(B, 3, 32, 32\)",
        ),
        (lambda: adherence(torch.zeros(2, 3, 32, 32), ["a red circle"]), "x and captions have lengths 2 and 1"),
        (lambda: adherence(torch.zeros(1, 3, 32, 32), ["a red hexagon"]), "the word 'hexagon'"),
        (
            lambda: mean_iou(torch.zeros(2, 2).long(), torch.zeros(2, 3).long()),
            r"maps_b .* \(2, 3\); want .* \(2, 2\)",
        ),
        (lambda: mean_iou(torch.zeros(2), torch.zeros(2)), "maps_a is a float32 tensor .* want int64"),
        (
            lambda: mean_iou(torch.tensor([0]), torch.tensor([5])),
            "hold classes from 0 to 5; num_classes wants 0 to 4",
        ),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_the_templates_that_are_kept_cannot_be_changed():
    masks, items = templates()
    with pytest.raises(ValueError, match="read-only"):
        masks[0] = 1
    assert isinstance(items, tuple)
