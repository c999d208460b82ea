import pytest

from ldm_teach.cli.exercises import exercises, try_answers
from ldm_teach.interactive.exercise import Exercise


@pytest.mark.slow
def test_every_right_answer_is_accepted_and_every_slip_named(capsys):
    exercises()
    printed = capsys.readouterr().out
    assert "langevin_step" in printed and printed.endswith(" 0 faults\n")


@pytest.mark.parametrize(
    "right, slips, fault",
    [([2], {}, "not yet: too small"), ([4], {"too large": 2}, "'too large' is judged 'not yet: too small'")],
)
def test_a_check_that_errs_is_a_fault(right, slips, fault):
    def judge(answer):
        return None if answer > 3 else "too small"

    trial = try_answers("99", "size", Exercise("implement", 1, 1, judge, "", ("", "", ""), right, slips))
    assert trial.faults == [fault] and (trial.accepted, trial.named) == (len(right) - (not slips), 0)
