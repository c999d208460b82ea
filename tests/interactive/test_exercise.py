import pytest

from ldm_teach.interactive import check


@pytest.mark.parametrize(
    "answer, words",
    [
        (lambda *case: None, "returns None; does it end in `return ...`?"),
        (lambda *case: ..., "returns Ellipsis; want a tensor"),
        (lambda x, *case: x[:2], r"has shape (2, 2); want (6, 2)"),
        (lambda x, *case: x / 0, "not finite"),
        (lambda *case: 3 * check.langevin_step.law(*case), "right but for a factor of 3"),
        (lambda x, *case: x.cos(), "no known slip explains it"),
    ],
)
def test_other_answers_are_told_apart(answer, words):
    assert words in check.langevin_step.verdict(answer)


def test_a_value_instead_of_a_function():
    assert check.langevin_step.verdict(3.0) == "not yet: want a function of (x, score, delta, noise), got 3.0"
