"""An exercise that checks itself: the verdict names the slip, from nothing but what the learner's function returns."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Exercise:
    """A law to write. Calling the exercise with a learner's function prints the verdict.

    law: the right function of the case's arguments, with a keyword for each knob.  arguments: the case, by name, in the
    order that the learner's function takes them.  slips: what to say -> how the knobs stand when it is so.
    praise: the law in words, once it is right.
    """

    law: Callable[..., Tensor]
    arguments: dict[str, Tensor | float]
    slips: dict[str, dict[str, Any]]
    praise: str

    def __call__(self, answer: Callable[..., Tensor]) -> None:
        print(self.verdict(answer))

    def verdict(self, answer: Callable[..., Tensor]) -> str:
        """One line: "well done: ..." or "not yet: ..." with the slip that explains the answer."""
        if not callable(answer):
            return f"not yet: want a function of ({', '.join(self.arguments)}), got {answer!r}"
        got = answer(*self.arguments.values())
        if got is None:
            return "not yet: the function returns None; does it end in `return ...`?"
        if not isinstance(got, Tensor):
            return f"not yet: the function returns {got!r}; want a tensor"
        want = self.law(*self.arguments.values())
        if got.shape != want.shape:
            return f"not yet: the result has shape {tuple(got.shape)}; want {tuple(want.shape)}"
        if agree(got, want):
            return f"well done: {self.praise}"
        return f"not yet: {self.diagnosis(got, want)}"

    def diagnosis(self, got: Tensor, want: Tensor) -> str:
        """The slip or the two slips that turn the right answer into this one, or else how far away it is."""
        for number in (1, 2):
            for slips in itertools.combinations(self.slips, number):
                knobs: dict[str, Any] = {}
                for slip in slips:
                    knobs |= self.slips[slip]
                if agree(got, self.law(*self.arguments.values(), **knobs)):
                    return ", and ".join(slips)
        if not got.isfinite().all():
            return "some numbers are not finite; is there a division by zero or the root of a negative number?"
        factor = float((got * want).sum() / want.square().sum())
        if agree(got, factor * want):
            return f"it is right but for a factor of {factor:.4g}"
        return f"it differs by up to {float((got - want).abs().max()):.2g}, and no known slip explains it"


def agree(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a.double(), b.double(), rtol=1e-5, atol=1e-6)


def inputs(count: int) -> Tensor:
    """`count` tensors of shape (6, 2) that every exercise may use: the same ones on every machine."""
    return torch.randn(count, 6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
