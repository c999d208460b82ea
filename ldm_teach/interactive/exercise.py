"""An exercise that checks itself: the verdict names the slip, from nothing but what the learner's answer does.

An exercise has a judge for its kind of answer: one of `judges`, or any function of the answer that returns in words
what is wrong, and None where nothing is.
"""

import inspect
import linecache
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

KINDS_OF_EXERCISE = ("derive", "implement", "debug", "predict", "build", "experiment")
Judge = Callable[..., str | None]


@dataclass(frozen=True)
class Made:
    """An answer to be tried that takes time to make: it is made when it is tried."""

    make: Callable[[], Any]


@dataclass(frozen=True)
class Exercise:
    """Something to do. Calling it with an answer prints the verdict; `hint(1)` to `hint(3)` help more and more.

    kind: one of KINDS_OF_EXERCISE.  stars: 1 (a line, once the idea is clear) to 3 (takes paper).  minutes: to spend.
    judge: answer -> what is wrong, or None; a prediction is judged beside what was measured, a second argument.
    praise: what is right, in words.  hints: a direction, the equation, nearly the code.
    right: answers that must be accepted, three at least; slips: what the verdict must say -> the answer that it is said
    of, five at least. Both are tried by `python -m ldm_teach exercises`; a judge brings those that it knows.
    """

    kind: str
    stars: int
    minutes: int
    judge: Judge
    praise: str
    hints: tuple[str, str, str]
    right: Sequence[Any] = ()
    slips: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, *answer: Any) -> None:
        print(self.verdict(*answer))

    def verdict(self, *answer: Any) -> str:
        """One line: "well done: ...", "not yet: ..." with the slip that explains the answer, or "not attempted yet"."""
        if any(untouched(part) for part in answer):
            return "not attempted yet"
        try:
            wrong = self.judge(*answer)
        except NotImplementedError:
            return "not attempted yet"
        except Exception as error:  # of the learner's code, or at the hands of its result
            wrong = where(error, answer[0])
        return f"well done: {self.praise}" if wrong is None else f"not yet: {wrong}"

    def require(self, *answer: Any) -> None:
        """Raise AssertionError with the verdict unless the answer is right: for who grades."""
        said = self.verdict(*answer)
        if not said.startswith("well done"):
            raise AssertionError(said)

    def hint(self, number: int) -> None:
        """Print hint 1, 2 or 3."""
        if number not in (1, 2, 3):
            raise ValueError(f"number is {number!r}; want 1, 2 or 3")
        print(f"hint {number} of 3: {self.hints[number - 1]}")

    def accepted(self) -> Iterator[Any]:
        """Each right answer that the exercise knows."""
        yield from (answer.make() if isinstance(answer, Made) else answer for answer in self.right)

    def tried(self) -> Iterator[tuple[str, Any]]:
        """Each slip that the exercise knows: what the verdict must say, and an answer that it is said of."""
        yield from ((words, slip.make() if isinstance(slip, Made) else slip) for words, slip in self.slips.items())
        if hasattr(self.judge, "known_slips"):
            yield from self.judge.known_slips()


def untouched(answer: Any) -> bool:
    """Is this what stood in the cell: None, `...`, or a function (or a class with one) whose body is `...`?"""
    if isinstance(answer, type):
        return any(untouched(part) for part in vars(answer).values() if inspect.isfunction(part))
    if inspect.isfunction(answer):
        code = answer.__code__
        return code.co_code in EMPTY and code.co_consts[-1] is None  # `return 1.0` has the same code
    return answer is None or answer is ...


def _dots(): ...


def _words():
    """Nothing but words."""


EMPTY = {_dots.__code__.co_code, _words.__code__.co_code}


def where(error: Exception, answer: Any) -> str:
    """An exception of the learner's code in words: the line of the answer where it arose, and what Python says."""
    body = getattr(answer, "__init__", answer) if isinstance(answer, type) else answer
    said, code = f"{type(error).__name__}: {error}", getattr(body, "__code__", None)
    if code is None:
        return str(error)  # not of the learner's code: the judge wants another kind of answer
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == code.co_filename]
    if not frames:
        return said
    number, line = (
        frames[-1].lineno or 0,
        frames[-1].line or linecache.getline(code.co_filename, frames[-1].lineno or 0),
    )
    return f"line {number - code.co_firstlineno + 1}, `{line.strip()}`: {said}"
