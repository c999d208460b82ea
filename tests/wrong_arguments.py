"""python -m tests.wrong_arguments [NAME ...] [--all]: public functions called with wrong arguments, one at a time.

Prints a table of functions, calls and what came of them, and ends with status 1 where one is a fault. Each door of
`tests/doors.py` is one valid call, each of whose arguments is replaced in turn by some fifty values: None, numbers,
words, containers, arrays, functions, classes, and its own tensor in another shape, dtype and place. The kind of an
argument says which of them it takes. What it takes must give a result or a named error; what it does not take must give
a named error: a ValueError or TypeError whose message names the argument, or an OSError about a path. All else is a
fault: another error, one that does not name the argument, a result for what should have been refused, and a call that
lasts more than PATIENCE seconds. A generator is taken one step; what a factory returns is called.
"""

import contextlib
import copy
import math
import re
import signal
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from tests.doors import DOORS, Door

PATIENCE = 10.0  # seconds


def values() -> dict[str, Any]:
    """What is tried in the place of any argument."""
    return {
        "None": None, "True": True, "False": False, "a word": "word", "an empty word": "", "bytes": b"word",
        "an object": object(), "an empty list": [], "an empty tuple": (), "an empty dict": {}, "a set": {1},
        "a list of words": ["word"], "a list of None": [None, None], "a list of nan": [math.nan], "a dict": {"a": 1},
        "-1": -1, "0": 0, "2.5": 2.5, "-2.5": -2.5, "nan": math.nan, "inf": math.inf, "-inf": -math.inf,
        "10**30": 10**30, "10**400": 10**400, "1j": 1j, "a fraction": Fraction(1, 2),
        "numpy nan": np.float64("nan"), "numpy 2": np.int64(2), "an array": np.zeros(2),
        "an array of words": np.array(["a"]),
        "0-dim tensor": torch.tensor(0.5), "an empty tensor": torch.zeros(0), "tensor (2, 3)": torch.zeros(2, 3),
        "int64 tensor (2,)": torch.zeros(2, dtype=torch.int64),
        "complex tensor (2,)": torch.zeros(2, dtype=torch.complex64),
        "nan tensor (2,)": torch.full((2,), math.nan), "7 dimensions": torch.zeros(1, 1, 1, 1, 1, 1, 1),
        "meta tensor": torch.zeros(2, device="meta"), "a function that returns None": returns_none, "a class": int,
        "a module": nn.Identity(), "a generator": torch.Generator(), "a dtype": torch.float32, "a range": range(2),
        "a path": Path("nowhere"),
    }  # fmt: skip


def returns_none(*arguments: Any, **named: Any) -> None:
    """A function of any arguments."""


def spoiled(valid: Any) -> dict[str, Any]:
    """A valid argument itself, spoiled: a tensor in other shapes, dtypes and places, a sequence with less and more."""
    if isinstance(valid, Tensor):
        kinds = ("int64", "bool", "complex64", "float64", "float16", "bfloat16", "uint8", "float32")
        found: dict[str, Any] = {f"itself as {kind}": valid.to(getattr(torch, kind)) for kind in kinds}
        found |= {
            "itself on meta": valid.to("meta"), "itself in a list": [valid], "itself as an array": valid.numpy(),
            "itself as a list": valid.tolist(), "itself with one dimension more": valid[None],
            "itself as a parameter": nn.Parameter(valid.clone(), requires_grad=valid.is_floating_point()),
        }  # fmt: skip
        if valid.is_floating_point():
            found["itself, all nan"] = torch.full_like(valid, math.nan)
        if valid.ndim:
            found |= {
                "its first row": valid[0], "no row of it": valid[:0], "a row less": valid[:-1],
                "a row more": torch.cat([valid, valid[:1]]), "its rows without content": valid[..., :0],
                "its transpose": valid.transpose(0, -1), "two columns of it": torch.cat([valid, valid], -1),
            }  # fmt: skip
        return found
    if isinstance(valid, list | tuple) and not hasattr(valid, "_fields"):
        made = type(valid)
        return {
            "an entry less": valid[:-1], "an entry more": made([*valid, *valid[:1]]),
            "itself with None": made([*valid[:-1], None]),
            "itself with nan": made([*valid[:-1], math.nan]), "itself with words": made([*valid[:-1], "word"]),
            "itself backwards": valid[::-1], "itself in a list": [valid], "its first entry": valid[0],
        }  # fmt: skip
    if isinstance(valid, dict):
        return {"its names": list(valid), "its values": list(valid.values())}
    if isinstance(valid, int | float | str) and not isinstance(valid, bool):
        return {"itself in a list": [valid], "itself as a word": f" {valid}", "itself as a tensor": torch.tensor(1.0)}
    return {"its class": type(valid), "itself in a list": [valid]}


class Fault(NamedTuple):
    """What came of one call, where it is none of what may come."""

    argument: str
    value: str
    what: str


class TooLong(BaseException):
    """A call outlasted PATIENCE."""


@contextlib.contextmanager
def patience() -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def outcome(door: Door, name: str, value: Any) -> str:
    """What came of the call with one argument replaced: "named", "right", or what the fault is."""
    argument = door.arguments[name]
    arguments = {key: copy.copy(each.valid) for key, each in door.arguments.items()} | {name: value}
    try:
        with patience(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            door(arguments)
    except (ValueError, TypeError) as error:
        return "named" if re.search(rf"\b{argument.called or name}\b", str(error)) else f"not named: {error!r:.150}"
    except OSError as error:
        return "named" if argument.kind.path and isinstance(value, str | Path) else f"{error!r:.150}"
    except TooLong:
        return f"more than {PATIENCE:g} s"
    except Exception as error:
        return f"{type(error).__name__}: {error!s:.130}"
    return "right" if argument.kind.takes(value) else "taken, though it is not of its kind"


def faults(door: Door, counts: Counter, every: int = 1, first: int = 0) -> Iterator[Fault]:
    """The faults of a door; `counts` is told what came of every call. every, first: which of the values are tried.

    In a folder of its own: a path that is taken may be written to.
    """
    tried = [
        (name, words, value)
        for name, argument in door.arguments.items()
        for words, value in (values() | spoiled(argument.valid)).items()
        if not (argument.kind.function and callable(value) and value is not returns_none)  # its errors are its own
    ]
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        door({name: copy.copy(each.valid) for name, each in door.arguments.items()})  # else nothing below says anything
        for name, words, value in tried[first::every]:
            what = outcome(door, name, value)
            counts["calls"] += 1
            counts[what if what in ("named", "right") else "faults"] += 1
            if what not in ("named", "right"):
                yield Fault(name, words, what)


def main(words: list[str]) -> int:
    """The table, of all doors or of those whose names hold one of the words; --all shows every fault."""
    chosen = [word for word in words if not word.startswith("-")]
    total: Counter = Counter()
    print(f"{'function':52} {'calls':>6} {'named':>6} {'right':>6} {'faults':>6}")
    for door in DOORS:
        if chosen and not any(word in door.name for word in chosen):
            continue
        counts: Counter = Counter()
        found = list(faults(door, counts))
        total += counts
        print(f"{door.name:52}" + "".join(f" {counts[key]:6,}" for key in ("calls", "named", "right", "faults")))
        for fault in found if "--all" in words else found[:3]:
            print(f"    {fault.argument} = {fault.value}: {fault.what}", flush=True)
    print(f"{'in all':52}" + "".join(f" {total[key]:6,}" for key in ("calls", "named", "right", "faults")))
    return int(total["faults"] > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
