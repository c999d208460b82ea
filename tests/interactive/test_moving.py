import subprocess
import sys
import weakref
from types import SimpleNamespace

import ipywidgets
import pytest
from ipywidgets.widgets import widget

from ldm_teach.interactive import moving


def owner() -> SimpleNamespace:
    return SimpleNamespace(box=ipywidgets.VBox([ipywidgets.IntSlider(), ipywidgets.HBox([ipywidgets.HTML()])]))


class Shell:
    """A kernel that runs cells: `run` is the number of the run, `cell` what JupyterLab calls it."""

    run, cell = 1, {"cellId": "a"}

    @property
    def execution_count(self):
        return self.run

    def get_parent(self):
        return {"metadata": self.cell}


@pytest.fixture
def shell(monkeypatch):
    shell = Shell()
    monkeypatch.setattr(moving, "get_ipython", lambda: shell)
    monkeypatch.setattr(moving, "_held", {})
    return shell


def is_open(shown) -> bool:
    return shown.box.comm is not None


def test_a_cell_keeps_what_it_shows_until_it_runs_again(shell):
    first, second, other, third = owner(), owner(), owner(), owner()
    moving.hold(first, first.box)
    moving.hold(second, second.box)  # in the same run
    shell.run, shell.cell = 2, {"cellId": "b"}
    moving.hold(other, other.box)
    assert is_open(first) and is_open(second) and is_open(other)
    shell.run, shell.cell = 3, {"cellId": "a"}
    moving.hold(third, third.box)
    assert not is_open(first) and not is_open(second) and is_open(other) and is_open(third)
    assert moving._held["a"] == (3, [(third, (third.box,))])


def test_what_belongs_to_others_is_not_closed_with_what_shows_it(shell):
    lent = owner()
    for shell.run in (1, 2):
        moving.hold(SimpleNamespace(box=ipywidgets.VBox([lent.box])))
    assert is_open(lent)


def test_without_the_names_of_cells_everything_is_held(shell):
    shown = [owner() for _ in range(3)]
    for shell.run, each in enumerate(shown):
        shell.cell = {}
        moving.hold(each, each.box)
    assert all(map(is_open, shown))


def test_closing_a_widget_closes_all_that_it_holds_and_how_they_look():
    before = set(widget._instances)
    shown = owner()
    assert len(set(widget._instances) - before) >= 8  # four widgets, their layouts, a style
    moving.close(shown.box)
    assert set(widget._instances) - before == set()


def test_what_is_alive_and_what_is_still_are_marked_for_the_style(displayed):
    shown = owner()
    moving.show_alive(shown)
    moving.show_still(b"png", "words")
    mark, view, picture, words = displayed
    assert 'class="ldm-mark"' in mark.data["text/html"] and mark.data["text/plain"] == view.data["text/plain"] == ""
    assert "ldm-alive" in shown.box._dom_classes
    assert 'class="ldm-still"' in words.data["text/html"] and moving.HOW_TO_WAKE in words.data["text/html"]
    assert picture.metadata["image/png"]["alt"] == picture.data["text/plain"] == "words"
    for mime in ("ldm-mark", "ldm-still", "ldm-alive"):
        assert mime in moving.STYLE


def test_a_program_ends_without_closing_what_it_shows():
    code = """
import ipywidgets
from ldm_teach.interactive import moving
class Owner: box = ipywidgets.VBox()
owner = Owner()
Owner.box.close = lambda: print("closed")
moving.free_with(owner)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == done.stderr == ""


def test_what_the_browser_says_is_heard_by_the_shell_that_it_was_sent_to():
    shown = owner()
    comm = SimpleNamespace(_reply_subshell_for=lambda data, sent_to: None)
    stub = SimpleNamespace(comm=comm)
    moving.answer_at_once(stub)
    assert comm._reply_subshell_for({}, "a subshell") == "a subshell"
    moving.answer_at_once(shown.box)  # without a kernel, there is nothing to do


def test_a_weak_callback_does_not_keep_its_object():
    class Counter:
        count = 0

        def add(self, change):
            self.count += change

    counter = Counter()
    callback = moving.weakly(counter.add)
    callback(2)
    assert counter.count == 2
    watched = weakref.ref(counter)
    del counter
    assert watched() is None
    callback(2)
