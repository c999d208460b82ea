import numpy as np
import pytest
import torch

from ldm_teach.interactive.judges import Guess, Law, Number, cases


def _scaled(x, y, level, *, by=1.0, mean=False, negative=False):
    result = by * level.sqrt() * x + y
    result = -result if negative else result
    return result.mean() if mean else result


JUDGE = Law(
    _scaled,
    cases("x y level", level=(0.2, 0.8)),
    {
        "x is doubled": dict(by=2.0),
        "it is averaged, want every number": dict(mean=True),
        "the sign": dict(negative=True),
    },
)


@pytest.mark.parametrize(
    "answer",
    [
        lambda x, y, level: level**0.5 * x + y,
        lambda x, y, level: x.mul_(torch.sqrt(level)).add_(y),  # in place: the case is a copy
        lambda x, y, level: level.sqrt() * x.float() + y.float(),
        lambda x, y, level: x * float(level) ** 0.5 + y,
        lambda x, y, level: x * np.sqrt(float(level)) + y,
    ],
)
def test_right_answers_of_any_make_are_accepted_again_and_again(answer):
    assert JUDGE(answer) is None and JUDGE(answer) is None


@pytest.mark.parametrize(
    "answer, words",
    [
        (lambda x, y, level: 2 * level**0.5 * x + y, "x is doubled"),
        (lambda x, y, level: (level**0.5 * x + y).mean(), "it is averaged"),
        (lambda x, y, level: -(2 * level**0.5 * x + y), "x is doubled, and the sign"),
        (lambda x, y, level: None, "returns None; does it end in `return ...`?"),
        (lambda x, y, level: ..., "returns Ellipsis; want a tensor"),
        (lambda x, y, level: x[:2], "has shape (2, 2); want (7, 2)"),
        (lambda x, y, level: x / 0, "not finite"),
        (lambda x, y, level: 3 * (level**0.5 * x + y), "right but for a factor of 3"),
        (lambda x, y, level: 0 * x, "zero everywhere"),
        (lambda x, y, level: level * (level**0.5 * x + y), "no known slip explains it"),  # no one factor in all cases
        (lambda x, y, level: 0.7 * x + y, "no known slip explains it"),  # the number of one case
        (lambda x, y, level: x + torch.randn(x.shape), "changes from call to call"),
        (
            lambda x, y, level: x.numpy(),
            "a numpy array of shape (7, 2) (torch.from_numpy makes it a tensor)",
        ),
        (lambda x, y, level: [[0.0] * 99], "; want a tensor"),
    ],
)
def test_wrong_answers_are_told_apart(answer, words):
    said = JUDGE(answer)
    assert said is not None and words in said and len(said) < 200


def test_the_cases_are_the_same_everywhere_and_all_different():
    first, again = cases("a b", b=(1.0, 2.0)), cases("a b", b=(1.0, 2.0))
    assert all(torch.equal(x[name], y[name]) for x, y in zip(first, again, strict=True) for name in x)
    assert [tuple(case["a"].shape) for case in first] == [(7, 2), (5, 3), (2, 3, 4, 4)]
    assert len({float(case["b"]) for case in first}) == 3 and all(1 <= case["b"] <= 2 for case in first)


@pytest.mark.parametrize("answer", [12.0, 12, torch.tensor(12.05), np.float64(11.95), torch.tensor([12.0])])
def test_a_number_is_right_within_its_tolerance(answer):
    assert Number(12.0, {"half of it": 6.0})(answer) is None


@pytest.mark.parametrize(
    "answer, words",
    [
        (6, "half of it"),
        (24, "24 is 2 times too large"),
        (3, "3 is 4 times too small"),
        (11.7, "11.7 is a little too small"),
        (-12, "of the wrong sign"),
    ],
)
def test_a_wrong_number_is_explained_without_giving_the_right_one_away(answer, words):
    said = Number(12.0, {"half of it": 6.0})(answer)
    assert words in said and "12" not in said.replace("-12", "")


@pytest.mark.parametrize("answer", ["12", torch.ones(2), True, [12]])
def test_what_is_no_number_is_said(answer):
    with pytest.raises(ValueError, match="want a number, got"):
        Number(12.0, {})(answer)


def test_a_prediction_is_held_beside_what_was_measured():
    guess = Guess(usual=10.0, factor=1.5)
    assert guess(9) is None and guess(30, 25.0) is None
    assert guess(30) == "you said 30; measured 10: 3 times too large"
    assert guess(2, 25.0) == "you said 2; measured 25: 12 times too small"
    assert Guess(usual=0.0)(0.01) is None and Guess(usual=0.0)(3) == "you said 3; measured 0"


def test_a_prediction_is_told_the_nearest_slip_where_one_is_near():
    judge = Guess(10.0, 1.2, {"far too few": 1.0, "none": 0.0})
    assert judge(0.9).startswith("far too few (you said 0.9; measured 10") and judge(0.1).startswith("none (")
    assert judge(5.0).startswith("you said 5") and judge(9.0) is None and dict(judge.known_slips()) == judge.slips
    assert Guess(10.0)(1.0).startswith("you said 1; measured 10")
