"""Judges of an answer, each for its kind: a function by what it returns, a number that was derived or predicted."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

Case = dict[str, Tensor]


@dataclass(frozen=True)
class Law:
    """Judges a function by what it returns on several cases: the slip is found by turning the knobs of the right one.

    law: the right function of a case, with a keyword for each knob.  cases: the arguments by name, in the order that
    the learner's function takes them: tensors, each handed out as a copy of its own.  knobs: what to say of a slip ->
    how the knobs of the law stand when it is made.
    """

    law: Callable[..., Tensor]
    cases: Sequence[Case]
    knobs: Mapping[str, Mapping[str, Any]]

    def __call__(self, answer: Any) -> str | None:
        names = ", ".join(self.cases[0])
        if not callable(answer):
            return f"want a function of ({names}), got {shown(answer)}"
        got = [answer(*copies(case)) for case in self.cases]
        for result in got:
            if result is None:
                return "the function returns None; does it end in `return ...`?"
            if not isinstance(result, Tensor):
                return f"the function returns {shown(result)}; want a tensor"
        if not agree(got[:1], [answer(*copies(self.cases[0]))]):
            return "the result changes from call to call: take the noise that is given, draw none"
        want = self.results()
        if agree(got, want):
            return None
        return self.slip(got) or difference(got, want)

    def results(self, **knobs: Any) -> list[Tensor]:
        """What the law, its knobs so turned, returns in each case."""
        return [self.law(*copies(case), **knobs) for case in self.cases]

    def slip(self, got: Sequence[Tensor]) -> str | None:
        """The slip, or the two slips, that turn the right answer into this one in every case."""
        for number in (1, 2):
            for words in itertools.combinations(self.knobs, number):
                knobs: dict[str, Any] = {}
                for word in words:
                    knobs |= self.knobs[word]
                if agree(got, self.results(**knobs)):
                    return ", and ".join(words)
        return None

    def known_slips(self) -> Iterator[tuple[str, Callable[..., Tensor]]]:
        """Each slip, and an answer that makes it."""
        for words, knobs in self.knobs.items():
            yield words, lambda *case, knobs=knobs: self.law(*case, **knobs)


SHAPES = (7, 2), (5, 3), (2, 3, 4, 4)  # points, and images


def cases(names: str, shapes: Sequence[tuple[int, ...]] = SHAPES, **levels: tuple[float, float]) -> list[Case]:
    """A case for each shape, its arguments in the order of the names: random tensors of that shape, and 0-dim levels.

    A level is drawn uniformly between its two ends: `cases("x delta", delta=(0.1, 0.5))`. The same on every machine;
    float64, so that a level behaves as a number and as a tensor.
    """
    generator = torch.Generator().manual_seed(0)
    made = []
    for shape in shapes:
        case: Case = {}
        for name in names.split():
            if name in levels:
                low, high = levels[name]
                case[name] = low + (high - low) * torch.rand((), dtype=torch.float64, generator=generator)
            else:
                case[name] = torch.randn(shape, dtype=torch.float64, generator=generator)
        made.append(case)
    return made


def copies(case: Case) -> list[Tensor]:
    """The arguments of a case, which an answer may change as it likes."""
    return [value.clone() for value in case.values()]


def agree(got: Sequence[Tensor], want: Sequence[Tensor]) -> bool:
    """Are the results equal, case by case, to the precision of float32? (A law has no NaN; an answer equals itself.)"""
    return all(
        a.shape == b.shape
        and torch.allclose(a.detach().double(), b.detach().double(), rtol=1e-4, atol=1e-5, equal_nan=True)
        for a, b in zip(got, want, strict=True)
    )


def difference(got: Sequence[Tensor], want: Sequence[Tensor]) -> str:
    """How answers that no slip explains differ from the right ones: in shape, by a factor, or by how much."""
    for a, b in zip(got, want, strict=True):
        if a.shape != b.shape:
            return f"the result has shape {tuple(a.shape)}; want {tuple(b.shape)}"
    a, b = (torch.cat([part.detach().double().flatten() for part in parts]) for parts in (got, want))
    if not a.isfinite().all():
        return "some numbers are not finite; is there a division by zero or the root of a negative number?"
    if not a.any():
        return "the result is zero everywhere"
    factor = float((a * b).sum() / b.square().sum())
    if torch.allclose(a, factor * b, rtol=1e-4, atol=1e-5):  # one factor in all cases
        return f"it is right but for a factor of {factor:.4g}"
    return f"it differs by up to {float((a - b).abs().max()):.2g}, and no known slip explains it"


def shown(value: Any) -> str:
    """A value in a few words: never a whole array."""
    if hasattr(value, "shape") and hasattr(value, "dtype") and not isinstance(value, Tensor):
        return f"a numpy array of shape {tuple(value.shape)} (torch.from_numpy makes it a tensor)"
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    words = repr(value)
    return words if len(words) <= 60 else f"{words[:57]}..."


def as_number(answer: Any) -> float:
    """The number that an answer is. Raises ValueError for what is none."""
    if (isinstance(answer, Tensor) and answer.numel() != 1) or isinstance(answer, str | bytes | bool):
        raise ValueError(f"want a number, got {shown(answer)}")
    try:
        return float(answer)
    except TypeError:
        raise ValueError(f"want a number, got {shown(answer)}") from None


@dataclass(frozen=True)
class Number:
    """Judges a number that was derived: `value` to a relative `tolerance`.  slips: what to say -> of which number."""

    value: float
    slips: Mapping[str, float]
    tolerance: float = 0.01

    def __call__(self, answer: Any) -> str | None:
        got = as_number(answer)
        if near(got, self.value, self.tolerance):
            return None
        named = [words for words, value in self.slips.items() if near(got, value, self.tolerance)]
        return named[0] if named else f"{got:.4g} is {far(got, self.value)}"

    def known_slips(self) -> Iterator[tuple[str, float]]:
        """Each slip, and the number that it leads to."""
        yield from self.slips.items()


@dataclass(frozen=True)
class Guess:
    """Judges a prediction beside what is measured: right within a `factor`.  usual: what is measured as a rule.

    slips: what to say -> of which prediction; the nearest is said where it is near.
    """

    usual: float
    factor: float = 1.5
    slips: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, answer: Any, measured: Any = None) -> str | None:
        got, truth = as_number(answer), self.usual if measured is None else as_number(measured)
        if truth == 0:
            return None if abs(got) < 0.1 else f"you said {got:.3g}; measured 0"
        if got * truth > 0 and 1 / self.factor <= got / truth <= self.factor:
            return None
        wrong = f"you said {got:.3g}; measured {truth:.3g}: {far(got, truth)}"
        words, value = min(self.slips.items(), key=lambda slip: abs(got - slip[1]), default=("", math.inf))
        return f"{words} ({wrong})" if abs(got - value) <= 0.05 * max(abs(value), abs(self.usual)) and words else wrong

    def known_slips(self) -> Iterator[tuple[str, float]]:
        """Each slip, and the prediction that it leads to."""
        yield from self.slips.items()


def near(a: float, b: float, tolerance: float) -> bool:
    return abs(a - b) <= tolerance * max(abs(b), 1e-9)


def far(got: float, want: float) -> str:
    """How far a number is off, in words that do not give the right one away."""
    if got * want <= 0:
        return "of the wrong sign" if got and want else "off"
    factor = max(abs(got / want), abs(want / got))
    much = "a little" if factor < 1.05 else f"{factor:.2g} times"
    return f"{much} too {'large' if abs(got) > abs(want) else 'small'}"
