import pytest
import torch
from torch import nn

from ldm_teach.interactive import check
from ldm_teach.interactive.exercise import Exercise, untouched


def nothing(x, score, delta, noise): ...


def words_only(x, score, delta, noise):
    """What is asked."""


def not_implemented(x, score, delta, noise):
    raise NotImplementedError


def stumbles(x, score, delta, noise):
    half = delta / 2
    return x @ score + half * noise


class Unwritten(nn.Module):
    def __init__(self):
        super().__init__()

    def forward(self, x): ...


@pytest.mark.parametrize("answer", [None, ..., nothing, words_only, not_implemented])
def test_what_nobody_has_touched_is_not_attempted_yet(answer):
    assert check.langevin_step.verdict(answer) == "not attempted yet"


def test_a_module_whose_forward_is_empty_is_untouched():
    assert untouched(Unwritten) and not untouched(nn.Linear) and not untouched(3)


def test_an_exception_of_the_learner_is_a_verdict_that_names_the_line():
    verdict = check.langevin_step.verdict(stumbles)
    assert verdict.startswith("not yet: line 3, `return x @ score + half * noise`: RuntimeError: mat1 and mat2")


def test_an_answer_that_is_no_function_or_takes_other_arguments():
    assert check.langevin_step.verdict(3.0) == "not yet: want a function of (x, score, delta, noise), got 3.0"
    assert "takes 1 positional argument but 4 were given" in check.langevin_step.verdict(lambda x: x)


def test_hints_come_one_by_one(capsys):
    for number in (1, 2, 3):
        check.langevin_step.hint(number)
    assert [line[:12] for line in capsys.readouterr().out.splitlines()] == [
        "hint 1 of 3:",
        "hint 2 of 3:",
        "hint 3 of 3:",
    ]
    with pytest.raises(ValueError, match="number is 4; want 1, 2 or 3"):
        check.langevin_step.hint(4)


def test_a_judge_may_be_any_function_and_take_a_measurement():
    def judge(answer, measured):
        return None if answer > measured else f"{measured} is more"

    exercise = Exercise("experiment", 1, 5, judge, "it is more", ("", "", ""), slips={"3 is more": 2})
    assert exercise.verdict(4, 3) == "well done: it is more" and exercise.verdict(2, 3) == "not yet: 3 is more"
    assert exercise.verdict(None, 3) == "not attempted yet"
    assert list(exercise.tried()) == [("3 is more", 2)]


def test_a_short_answer_is_an_answer():
    def described():
        """One."""
        return 1.0

    assert not untouched(torch.ones(3)) and not untouched(lambda: 1.0) and not untouched(described)
