"""What moves in a notebook while its kernel lives, and what is left of it then: a still picture."""

import base64
import itertools
import os
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import ipywidgets
from IPython.core.getipython import get_ipython
from IPython.display import display

from ldm_teach.interactive.pictures import short_film

# Where it is set, to PATH, each slider that is shown leaves a short film of itself in PATH-N.webp, N the number of the
# still picture that is shown in its place: for the book, by `python course/make.py --films`.
FILM_PATH = "LDM_TEACH_FILMS"
_stills = itertools.count(1)
HOW_TO_WAKE = "A still picture. To move it, start the kernel (Run, Run All Above Selected Cell) and then run this cell."
# A notebook keeps the view of a widget without the widget: JupyterLab then writes an error in its place. So each view
# follows a mark that hides what is not alive, and the still pictures are hidden as long as something in the cell is.
STYLE = """<style>
.jp-OutputArea-child:has(.ldm-mark),
.jp-OutputArea-child:has(.ldm-mark, .ldm-still) + .jp-OutputArea-child:not(:has(.ldm-alive)),
.jp-OutputArea:has(.ldm-alive) > .jp-OutputArea-child:has(.ldm-still),
.jp-OutputArea:has(.ldm-alive) > .jp-OutputArea-child:has(+ .jp-OutputArea-child .ldm-still) { display: none; }
</style>
"""


class Moving(Protocol):
    """What can be shown alive: an object with its widget."""

    box: Any


def show_moving(owner: Moving, png: bytes, alt: str) -> None:
    """Show the widget `owner.box`, and to readers without a kernel a still picture, with words for it."""
    number = show_still(png, alt)
    if FILM_PATH in os.environ and hasattr(owner, "frames"):
        Path(f"{os.environ[FILM_PATH]}-{number}.webp").write_bytes(short_film(owner.frames()))
    show_widget(owner, owner.box)


def show_alive(owner: Moving, *own: ipywidgets.Widget) -> None:
    """Show the widget `owner.box`, and to readers without a kernel nothing; `show_still` may follow at the end.

    own: what of the box is closed when the cell runs again; the rest belongs to others, who may go on with it.
    """
    display({"text/html": f'{STYLE}<i class="ldm-mark"></i>', "text/plain": ""}, raw=True)
    show_widget(owner, *own)


def show_still(png: bytes, alt: str) -> int:
    """Show a picture to readers without a kernel, and how to make it move; return its number."""
    still = {"image/png": base64.b64encode(png).decode(), "text/plain": alt}
    display(still, raw=True, metadata={"image/png": {"alt": alt}})
    display({"text/html": f'{STYLE}<p class="ldm-still">{HOW_TO_WAKE}</p>', "text/plain": HOW_TO_WAKE}, raw=True)
    return next(_stills)


def show_widget(owner: Moving, *own: ipywidgets.Widget) -> None:
    """The view of the widget `owner.box`. The cell keeps the owner until it runs again; then what it owns is closed."""
    owner.box.add_class("ldm-alive")
    for widget in tree(owner.box):
        answer_at_once(widget)
    display((owner.box._repr_mimebundle_() or {}) | {"text/plain": ""}, raw=True)
    hold(owner, *own)


Shown = tuple[Moving, tuple[ipywidgets.Widget, ...]]  # an owner, and what is closed with it
_held: dict[str, tuple[int, list[Shown]]] = {}  # by cell: the number of its run, and what it shows


def hold(owner: Moving, *own: ipywidgets.Widget) -> None:
    """Keep what the present cell shows until the same cell runs again; then close its own widgets."""
    shell: Any = get_ipython()
    if shell is None:
        return
    message = shell.get_parent() if hasattr(shell, "get_parent") else {}
    run = shell.execution_count
    cell = message.get("metadata", {}).get("cellId", f"run {run}")
    last, shown = _held.get(cell, (run, []))
    if last != run:
        for _, widgets in shown:
            for widget in widgets:
                close(widget)
        shown = []
    _held[cell] = run, [*shown, (owner, own)]


def tree(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    """A widget, all that it holds, and how they look."""
    for part in (*getattr(widget, "children", ()), getattr(widget, "layout", None), getattr(widget, "style", None)):
        if part is not None:
            yield from tree(part)
    yield widget


def close(widget: ipywidgets.Widget) -> None:
    """Close a widget and all that it holds: ipywidgets keeps every widget that is open."""
    for part in list(tree(widget)):
        part.close()


def answer_at_once(widget: ipywidgets.Widget) -> None:
    """Let what the browser says to a widget be heard while a cell is at work.

    JupyterLab sends it to a subshell, but ipykernel 7.4 (ipykernel/comm/comm.py) passes it on to the shell that last
    spoke to the widget: to the cells', which hears it when it has ended.
    """
    if hasattr(widget.comm, "_reply_subshell_for"):
        widget.comm._reply_subshell_for = lambda data, sent_to: sent_to


def free_with(owner: Moving, *others: ipywidgets.Widget) -> None:
    """Close the widgets of an owner, and others that it has, when nothing refers to it any more."""
    for widget in (owner.box, *others):
        finalizer = weakref.finalize(owner, close, widget)
        finalizer.atexit = False  # pyrefly: ignore[missing-attribute]  by then there is nobody to be told


def weakly(method: Callable[[Any], None]) -> Callable[[Any], None]:
    """A bound method as a callback that does not keep its object: a widget would, for as long as it is open."""
    reference = weakref.WeakMethod(method)

    def callback(change: Any) -> None:
        alive = reference()
        if alive is not None:
            alive(change)

    return callback
