"""A picture that follows its controls: at once as a preview, and in full when they have come to rest."""

import threading
import weakref
from collections.abc import Callable

PAUSE = 0.25  # seconds without a new change after which the controls count as released


class Redraw:
    """Calls draw(full, going) for each change: a preview at once, and after PAUSE seconds without another in full.

    draw: a bound method, whose object is not kept.  going: says whether no newer change has come; what is drawn for an
    older one is to be broken off, and never shown.  failed: a bound method, told what `draw` raised for the last
    change, as nobody sees what a callback raises. Drawings never overlap.
    """

    def __init__(self, draw: Callable[[bool, Callable[[], bool]], None], failed: Callable[[Exception], None]):
        self._draw, self._failed = weakref.WeakMethod(draw), weakref.WeakMethod(failed)
        self._lock, self._version = threading.Lock(), 0
        self._release: threading.Timer | None = None

    def changed(self) -> None:
        """Draw anew, for a control has another value."""
        self.overtake()
        version = self._version
        self._run(False, version)
        if version == self._version:
            self._release = threading.Timer(PAUSE, self._run, (True, version))
            self._release.daemon = True
            self._release.start()

    def overtake(self) -> None:
        """Let what is being drawn count as old."""
        self._version += 1
        if self._release is not None:
            self._release.cancel()

    def settle(self) -> None:
        """Wait until the picture is drawn in full: for tests, and for cells that set a control."""
        if self._release is not None:
            self._release.join()

    def _run(self, full: bool, version: int) -> None:
        draw, failed = self._draw(), self._failed()
        if draw is None or failed is None:
            return
        with self._lock:
            try:
                if version == self._version:
                    draw(full, lambda: version == self._version)
            except Exception as error:  # of whatever kind: the picture is not of the settings that are asked for
                if version == self._version:
                    failed(error)
