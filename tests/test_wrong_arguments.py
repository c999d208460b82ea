import time
from collections import Counter

import pytest
import torch
from torch import Tensor

from ldm_teach import checks
from tests import wrong_arguments
from tests.doors import DOORS, FUNCTION, Argument, Door, floats, number
from tests.wrong_arguments import faults

ids = [f"{i}-{door.name}" for i, door in enumerate(DOORS)]


@pytest.mark.parametrize("number", range(len(DOORS)), ids=ids)
def test_a_tenth_of_the_wrong_arguments_is_refused_by_name(number):
    assert list(faults(DOORS[number], Counter(), every=10, first=number % 10)) == []


@pytest.mark.slow
@pytest.mark.parametrize("door", DOORS, ids=ids)
def test_every_wrong_argument_is_refused_by_name(door):
    counts = Counter()
    assert list(faults(door, counts)) == [] and counts["named"] > 0


def what_came_of(function, **arguments: Argument) -> dict[str, str]:
    counts = Counter()
    found = {fault.value: fault.what for fault in faults(Door("", function, arguments), counts)}
    assert counts["calls"] == counts["named"] + counts["right"] + len(found)
    return found


def test_a_careful_function_has_no_fault():
    root = lambda x: checks.between("x", x, 0, 1e308) ** 0.5
    assert what_came_of(root, x=Argument(4.0, number(0))) == {}


def test_a_careless_function_is_found_out():
    found = what_came_of(lambda x: {4.0: 2.0}[x], x=Argument(4.0, number(0)))
    assert found["nan"] == "KeyError: nan" and found["an empty list"].startswith("not named: TypeError")
    found = what_came_of(lambda x: x, x=Argument(torch.ones(2), floats(2, dtype=torch.float32)))
    assert found["itself as float64"] == found["None"] == "taken, though it is not of its kind"
    assert "itself, all nan" not in found and "itself as a parameter" not in found


def test_an_error_that_does_not_name_the_argument_is_a_fault():
    def half(x: float) -> float:
        if not checks.is_number(x):
            raise ValueError("a number is wanted")
        return float(x) / 2

    assert what_came_of(half, x=Argument(4.0, number()))["None"] == "not named: ValueError('a number is wanted')"


def test_a_call_that_does_not_end_is_a_fault(monkeypatch):
    monkeypatch.setattr(wrong_arguments, "PATIENCE", 0.05)
    found = what_came_of(lambda x: time.sleep(100) if x is None else checks.finite("x", x), x=Argument(1.0, number()))
    assert found == {"None": "more than 0.05 s"}


def test_a_function_that_returns_none_is_tried_and_others_are_their_own_affair():
    def apply(f) -> Tensor:
        return checks.shaped("what f returns", checks.function("f", f)(), 2)

    assert what_came_of(apply, f=Argument(lambda: torch.ones(2), FUNCTION)) == {}
    assert set(what_came_of(lambda f: f(), f=Argument(lambda: 1, FUNCTION))) >= {"None", "a word"}
