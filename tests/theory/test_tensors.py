import pytest
import torch

from ldm_teach.theory.tensors import Share, draw, draw_like, per_row, shared
from tests.helpers import seeded


def test_numbers_are_those_of_the_generator_in_the_dtype_asked_for():
    like = torch.zeros(1, dtype=torch.float64)
    want = torch.randn(3, 2, dtype=torch.float64, generator=seeded(1))
    assert torch.equal(draw(torch.randn, (3, 2), like, seeded(1)), want)
    assert torch.equal(draw_like(torch.zeros(3, 2, dtype=torch.float64), seeded(1)), want)
    uniform = draw(torch.rand, (1000,), like, seeded(2))
    assert uniform.dtype == torch.float64 and 0 <= uniform.min() < 0.01 and 0.99 < uniform.max() < 1


def test_without_a_generator_they_are_torchs_own():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        found = draw_like(torch.zeros(4), None)
        torch.manual_seed(5)
        assert torch.equal(found, torch.randn(4))


def test_numbers_move_to_the_device_of_the_tensor_and_are_drawn_on_that_of_the_generator():
    assert draw_like(torch.zeros(2, 3, device="meta"), seeded()).device.type == "meta"


def test_one_value_a_row_broadcasts_against_its_row():
    x = torch.ones(2, 3, 4, 5)
    scaled = per_row(torch.tensor([1.0, 2.0]), x) * x
    assert (scaled[0] == 1).all() and (scaled[1] == 2).all() and per_row(torch.ones(2), x).shape == (2, 1, 1, 1)


@pytest.mark.parametrize("kind", [torch.randn, torch.rand])
def test_of_a_list_of_generators_each_draws_its_row_as_it_would_alone(kind):
    like = torch.zeros(1, dtype=torch.float64)
    found = draw(kind, (3, 2, 5), like, [seeded(7), seeded(8), seeded(9)])
    assert found.shape == (3, 2, 5) and found.dtype == torch.float64
    for row, seed in zip(found, (7, 8, 9), strict=True):
        assert torch.equal(row, draw(kind, (1, 2, 5), like, seeded(seed))[0])


def test_a_list_must_have_a_generator_for_each_row():
    with pytest.raises(ValueError, match="generator is a list of 2; want 3, one for each row, or a single one"):
        draw_like(torch.zeros(3, 2), [seeded(), seeded()])
    with pytest.raises(ValueError, match="generator is .*None.*; want a list of Generator"):
        draw_like(torch.zeros(2, 2), [seeded(), None])


@pytest.mark.parametrize("generator", [3, "cpu", [torch.Generator()]])
def test_what_is_no_generator_is_refused(generator):
    with pytest.raises(ValueError, match="generator is .*; want "):
        draw_like(torch.zeros(2), generator)


@pytest.mark.parametrize("kind", [torch.randn, torch.rand])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_shares_draw_together_what_the_batch_draws(kind, count):
    like = torch.zeros(1)
    parts = [draw(kind, (6 // count, 5), like, Share(seeded(3), index, count)) for index in range(count)]
    assert torch.equal(torch.cat(parts), draw(kind, (6, 5), like, seeded(3)))
    whole = shared(lambda rows, one: torch.randperm(rows, generator=one), 6, seeded(4))
    each = [
        shared(lambda rows, one: torch.randperm(rows, generator=one), 6 // count, Share(seeded(4), k, count))
        for k in range(count)
    ]
    assert torch.equal(torch.cat(each), whole)


def test_shares_of_unequal_length_draw_what_the_batch_draws():
    like, rows = torch.zeros(1), torch.arange(7).tensor_split(3)
    parts = [draw(torch.randn, (len(rows[i]), 5), like, Share(seeded(3), i, 3, extra=7 % 3)) for i in range(3)]
    assert torch.equal(torch.cat(parts), draw(torch.randn, (7, 5), like, seeded(3)))


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((seeded(), 2, 2), "index is 2; want an int from 0 to 1"),
        ((seeded(), 0, 0), "count is 0"),
        ((None, 0, 1), "generator is None"),
        ((seeded(), 0, 2, 2), "extra is 2; want an int from 0 to 1"),
    ],
)
def test_a_share_that_is_none_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        Share(*arguments)
