import gc
import threading
import time
import weakref

import pytest

from ldm_teach.interactive import redraw
from ldm_teach.interactive.redraw import Redraw


class Follower:
    """Shows the value of a control, after a while; keeps all that it was shown."""

    def __init__(self, seconds: float = 0.0):
        self.value, self.seconds, self.shown, self.said = 0, seconds, [], []
        self.at_once = 0
        self.redraw = Redraw(self.draw, self.failed)

    def draw(self, full, going):
        self.at_once += 1
        value = self.value
        if value == "bad":
            raise ValueError("a bad value")
        time.sleep(self.seconds)
        assert self.at_once == 1  # drawings never overlap
        self.at_once -= 1
        if going():
            self.shown.append((value, full))

    def failed(self, error):
        self.at_once = 0
        self.said.append(str(error))

    def set(self, value):
        self.value = value
        self.redraw.changed()


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(redraw, "PAUSE", 0.05)


def test_a_change_is_drawn_at_once_and_then_in_full():
    follower = Follower()
    follower.set(1)
    assert follower.shown == [(1, False)]
    follower.redraw.settle()
    assert follower.shown == [(1, False), (1, True)]


def test_after_a_storm_of_500_values_the_last_is_shown_last_and_none_after_it_is_older():
    follower = Follower(0.001)

    def storm(values):
        for value in values:
            follower.set(value)

    threads = [threading.Thread(target=storm, args=(range(k, 500, 4),)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    follower.set(500)
    follower.redraw.settle()
    time.sleep(0.1)
    assert follower.shown[-2:] == [(500, False), (500, True)]
    assert sum(full for _, full in follower.shown) <= 5 and not follower.said


def test_what_is_overtaken_is_not_shown():
    follower = Follower(0.2)
    thread = threading.Thread(target=follower.set, args=(1,))
    thread.start()
    time.sleep(0.05)
    follower.set(2)
    thread.join()
    follower.redraw.settle()
    assert follower.shown == [(2, False), (2, True)]


def test_what_is_raised_is_told_and_the_next_change_is_drawn():
    follower = Follower()
    follower.set("bad")
    follower.redraw.settle()
    assert follower.said == ["a bad value"] * 2 and not follower.shown
    follower.set(3)
    follower.redraw.settle()
    assert follower.shown == [(3, False), (3, True)]


def test_it_does_not_keep_what_it_draws_for():
    follower = Follower()
    watched, drawing = weakref.ref(follower), follower.redraw
    del follower
    gc.collect()
    assert watched() is None
    drawing.changed()  # of nobody: nothing happens
