import time

import pytest

from ldm_teach.measuring.timing import in_turn, ratios, seconds


def slow() -> None:
    time.sleep(0.02)


def test_calls_in_turn_are_each_timed_and_the_first_round_does_not_count():
    called = []
    times = in_turn(dict(slow=lambda: called.append("slow") or slow(), fast=lambda: called.append("fast")), 3)
    assert min(times["slow"]) > 0.015 > max(times["fast"]) and {len(found) for found in times.values()} == {3}
    assert called == ["slow", "fast"] * 4


def test_seconds_and_ratios_are_those_of_the_calls():
    assert min(seconds(slow, 2)) > 0.015
    found = ratios(lambda: (slow(), slow()), slow, 5)
    assert len(found) == 5 and sorted(found)[2] == pytest.approx(2, rel=0.25)
