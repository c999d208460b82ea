import pytest

from ldm_teach.cli import exercises as command
from ldm_teach.cli.exercises import exercises, try_answers
from ldm_teach.interactive.check import NOTEBOOKS
from ldm_teach.interactive.exercise import Exercise


def test_the_table_says_what_was_accepted_and_named(capsys, monkeypatch):
    """Of one notebook; tests/interactive/test_check.py tries the exercises of all."""
    monkeypatch.setattr(command, "NOTEBOOKS", {"09": NOTEBOOKS["09"]})
    exercises()
    printed = capsys.readouterr().out
    assert "guided_noise" in printed and printed.endswith(" 0 faults\n") and "3 of 3" in printed


@pytest.mark.parametrize(
    "right, slips, fault",
    [([2], {}, "not yet: too small"), ([4], {"too large": 2}, "'too large' is judged 'not yet: too small'")],
)
def test_a_check_that_errs_is_a_fault(right, slips, fault):
    def judge(answer):
        return None if answer > 3 else "too small"

    trial = try_answers("99", "size", Exercise("implement", 1, 1, judge, "", ("", "", ""), right, slips))
    assert trial.faults == [fault] and (trial.accepted, trial.named) == (len(right) - (not slips), 0)
