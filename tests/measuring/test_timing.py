import time

from ldm_teach.measuring.timing import in_turn


def test_calls_in_turn_are_each_timed():
    times = in_turn(dict(slow=lambda: time.sleep(0.02), fast=lambda: None), 3)
    assert times["slow"] > 15 > times["fast"]
