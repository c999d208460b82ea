import contextlib
import io
import signal

import pytest

from ldm_teach.progress import cleared, progress, say, uninterrupted


class Terminal(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_bar_tells_how_many_are_done_and_is_gone_at_the_end():
    with contextlib.redirect_stderr(Terminal()) as terminal:
        assert list(progress("abc", "letters", "letter")) == ["a", "b", "c"]
    shown = terminal.getvalue().split("\r")
    assert "letters:   0%" in shown[1] and "0/3" in shown[1] and "letter/s" in shown[1]
    assert not shown[-1] and not shown[-2].strip()


def test_a_bar_without_parts_is_told_of_them():
    with contextlib.redirect_stderr(Terminal()) as terminal, progress(None, "steps", "step", total=4) as bar:
        bar.update(3)
        bar.refresh()
    assert "3/4" in terminal.getvalue()


def test_a_line_is_printed_above_the_bar():
    with contextlib.redirect_stderr(Terminal()) as terminal, contextlib.redirect_stdout(terminal):
        for letter in progress("ab", "letters", "letter"):
            say(letter)
    before, after = terminal.getvalue().split("\ra\n")
    assert not before.split("\r")[-1].strip() and after.startswith("\rletters:")


def test_ctrl_c_waits_for_the_end_of_a_line():
    written = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), uninterrupted():
            signal.raise_signal(signal.SIGINT)
            written.append("to the end")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with uninterrupted():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert written == ["to the end"]


def test_no_bar_is_left_where_a_block_is_interrupted():
    with contextlib.redirect_stderr(Terminal()) as terminal, contextlib.suppress(KeyboardInterrupt), cleared():
        bars = [progress("ab", words, "letter") for words in ("outer", "inner")]
        walks = [iter(bar) for bar in bars]
        assert [next(walk) for walk in walks] == ["a", "a"]
        raise KeyboardInterrupt
    print("interrupted", file=terminal)
    assert terminal.getvalue().split("\r")[-1].replace("\x1b[A", "") == "interrupted\n"
    assert all(bar.disable for bar in bars)


def test_nothing_is_drawn_where_nobody_watches_nor_by_a_second_process(monkeypatch):
    with contextlib.redirect_stderr(io.StringIO()) as file:
        assert list(progress("abc", "letters", "letter")) == ["a", "b", "c"]
    monkeypatch.setenv("RANK", "1")
    with contextlib.redirect_stderr(Terminal()) as terminal:
        assert list(progress("abc", "letters", "letter")) == ["a", "b", "c"]
    assert not file.getvalue() and not terminal.getvalue()
