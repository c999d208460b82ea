"""What every public function checks at its door: types, shapes, dtypes, devices and Python numbers.

Never a tensor's values: that would make a GPU wait at every call. Each check returns what it was given, or raises
ValueError in one manner: `name is <got>; want <wanted>`.
"""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from numbers import Real
from pathlib import Path
from typing import Any, TypeGuard, TypeVar, cast

import torch
from torch import Tensor

V = TypeVar("V")
LARGEST = 2**31 - 1  # of what is counted: more would not fit into memory, or not end


def tensor(name: str, x: Tensor) -> Tensor:
    """x itself. Raises ValueError unless it is a tensor."""
    if not isinstance(x, Tensor):
        raise ValueError(f"{name} is {describe(x)}; want a tensor")
    return x


def floating(name: str, x: Tensor) -> Tensor:
    """x itself. Raises ValueError unless it is a floating-point tensor."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise ValueError(f"{name} is {describe(x)}; want a floating-point tensor")
    return x


def same_shape(**tensors: Tensor) -> None:
    """Raises ValueError unless all are floating-point tensors of one shape, one dtype and one device."""
    shapes = {name: tuple(floating(name, x).shape) for name, x in tensors.items()}
    if len(set(shapes.values())) != 1:
        raise ValueError(f"shapes differ: {', '.join(f'{k} {v}' for k, v in shapes.items())}; want one shape for all")
    if len({(x.dtype, x.device) for x in tensors.values()}) != 1:
        got = ", ".join(f"{name} is {describe(x)}" for name, x in tensors.items())
        raise ValueError(f"dtypes or devices differ: {got}; want one for all")


def shaped(
    name: str,
    x: Tensor,
    *shape: int | str,
    dtype: torch.dtype | None = None,
    like: Tensor | None = None,
    read: bool = False,
) -> Tensor:
    """x itself. Raises ValueError unless it is a tensor of this shape, a word standing for any number.

    dtype: the one wanted, or None for any that is floating-point.  like: the weights of a network, say, whose dtype,
    but under autocast, and whose device are wanted.  read: it must have content, which it has not on "meta".
    """
    right = isinstance(x, Tensor) and (x.is_floating_point() if dtype is None else x.dtype == dtype)
    if not right or x.ndim != len(shape) or any(w != n for w, n in zip(shape, x.shape, strict=True) if type(w) is int):
        kind, comma = "floating-point" if dtype is None else described(dtype), "," * (len(shape) == 1)
        raise ValueError(f"{name} is {describe(x)}; want {kind} of shape ({', '.join(map(str, shape))}{comma})")
    if like is not None and (x.device != like.device or x.dtype != like.dtype):
        same_device(name, x, like)
        if not torch.is_autocast_enabled(like.device.type):
            raise ValueError(f"{name} is {describe(x)}; want {described(like.dtype)}, as the weights are")
    return content(name, x) if read else x


def batch(name: str, x: Tensor) -> Tensor:
    """x itself. Raises ValueError unless it is a floating-point tensor (B, *D), of one dimension or more."""
    if not floating(name, x).ndim:
        raise ValueError(f"{name} is {describe(x)}; want one of shape (B, *D), a row for each sample")
    return x


def returned(name: str, value: Tensor, x: Tensor) -> Tensor:
    """What the function `name` returned for x. Raises ValueError unless it has the shape, dtype and device of x."""
    if not isinstance(value, Tensor) or (value.shape, value.dtype, value.device) != (x.shape, x.dtype, x.device):
        raise ValueError(f"{name} returns {describe(value)}; want {describe(x)}")
    return value


def same_device(name: str, x: Tensor, other: Tensor) -> Tensor:
    """x itself. Raises ValueError unless it is where the other tensor is."""
    if x.device != other.device:
        raise ValueError(f"{name} is {describe(x)}; want it on {other.device}")
    return x


def content(name: str, x: Tensor) -> Tensor:
    """x itself. Raises ValueError for a tensor without content, on "meta"."""
    if x.device.type == "meta":
        raise ValueError(f"{name} is {describe(x)}; want one with content")
    return x


def movable(name: str, x: Tensor, other: Tensor) -> Tensor:
    """x itself. Raises ValueError where it has no content and the other tensor, to which it shall move, has some."""
    return x if other.device.type == "meta" else content(name, x)


def timesteps(t: Tensor, x: Tensor) -> Tensor:
    """t itself. Raises ValueError unless it is int64 of shape (B,), one for each row of x."""
    if not isinstance(t, Tensor) or t.dtype != torch.int64 or t.shape != x.shape[:1]:
        raise ValueError(
            f"t is {describe(t)}; want an int64 tensor of shape ({rows(x)},), a timestep for each sample of x"
        )
    return movable("t", t, x)


def rows(x: Tensor) -> int | str:
    """B, the number of rows of a tensor, in the words of an error: "B" where there are none."""
    return x.shape[0] if x.ndim else "B"


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a finite Python number, or one of numpy; True and False are none."""
    real = isinstance(value, Real) and not isinstance(value, bool | Fraction)
    return real and abs(cast(float, value)) <= sys.float_info.max


def finite(name: str, value: Any) -> float:
    """value itself. Raises ValueError unless it is a finite Python number."""
    if not is_number(value):
        raise ValueError(f"{name} is {describe(value)}; want a finite number")
    return value


def between(name: str, value: Any, low: float, high: float) -> float:
    """value as a float. Raises ValueError unless it is a Python number in [low, high]."""
    if not is_number(value) or not low <= value <= high:
        raise ValueError(f"{name} is {describe(value)}; want a number from {low:g} to {high:g}")
    return float(value)


def positive(name: str, value: Any) -> float:
    """value as a float. Raises ValueError unless it is a Python number above 0."""
    if not is_number(value) or not value > 0:
        raise ValueError(f"{name} is {describe(value)}; want a number above 0")
    return float(value)


def numbers(name: str, values: Any) -> list[float]:
    """A sequence of numbers, or a tensor (N,), as a list. Raises ValueError unless they are finite."""
    is_line = isinstance(values, Tensor) and values.ndim == 1 and values.device.type != "meta"
    found = values.tolist() if is_line else values
    if (not isinstance(found, Sequence) and type(found).__name__ != "ndarray") or isinstance(found, str | bytes):
        raise ValueError(f"{name} is {describe(values)}; want a sequence of numbers")
    if not len(found):
        raise ValueError(f"{name} is empty; want one number or more")
    return [finite(f"an entry of {name}", value) for value in found]


def count(name: str, value: Any, high: int | None = None, low: int = 1) -> int:
    """value itself. Raises ValueError unless it is an int from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= (LARGEST if high is None else high):
        want = f"of at least {low} and below 2^31" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} is {describe(value)}; want an int {want}")
    return value


def counts(**values: Any) -> None:
    """Raises ValueError unless all are ints of at least 1."""
    for name, value in values.items():
        count(name, value)


def sizes(name: str, values: Any, length: int | None = None, low: int = 1) -> tuple[int, ...]:
    """A tuple or list of ints of at least `low`, as a tuple. Raises ValueError for others, and for another length."""
    if not isinstance(values, tuple | list) or length not in (None, len(values)):
        raise ValueError(f"{name} is {describe(values)}; want {'some' if length is None else length} ints")
    return tuple(count(f"an entry of {name}", value, low=low) for value in values)


def seed(value: Any) -> int:
    """The seed itself. Raises ValueError unless it is an int."""
    return count("seed", value, LARGEST, -LARGEST)


def flag(name: str, value: Any) -> bool:
    """value itself. Raises ValueError unless it is True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {describe(value)}; want True or False")
    return value


def word(name: str, value: Any, options: Iterable[str] = ()) -> str:
    """value itself. Raises ValueError unless it is a str, and one of the options where there are any."""
    options = tuple(options)
    if not isinstance(value, str) or (options and value not in options):
        raise ValueError(f"{name} is {describe(value)}; want {' or '.join(map(repr, options)) or 'a str'}")
    return value


def words(name: str, values: Any) -> list[str]:
    """A list, or another sequence, of str, as a list. Raises ValueError for anything else, one str included."""
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{name} is {describe(values)}; want a list of str")
    return list(values)


def instance(name: str, value: Any, *kinds: type[V]) -> V:
    """value itself. Raises ValueError unless it is an instance of one of the classes."""
    if not isinstance(value, kinds):
        raise ValueError(f"{name} is {describe(value)}; want {' or '.join(kind.__name__ for kind in kinds)}")
    return value


def instances(name: str, values: Any, *kinds: type) -> None:
    """Raises ValueError unless it is a list or tuple of instances of the classes."""
    if not isinstance(values, list | tuple) or not all(isinstance(value, kinds) for value in values):
        raise ValueError(f"{name} is {describe(values)}; want a list of {' or '.join(kind.__name__ for kind in kinds)}")


def function(name: str, value: Callable[..., V], of: str = "") -> Callable[..., V]:
    """value itself. Raises ValueError unless it can be called; of: the arguments that it shall take, in words."""
    if not callable(value):
        raise ValueError(f"{name} is {describe(value)}; want a function{' of ' * bool(of)}{of}")
    return value


def path(name: str, value: Any) -> Path:
    """value as a Path. Raises ValueError unless it is a str that is not empty, or a path."""
    if not isinstance(value, str | os.PathLike) or value == "":
        raise ValueError(f"{name} is {describe(value)}; want a path")
    return Path(value)


def described(dtype: torch.dtype) -> str:
    """The name of a dtype without its "torch."."""
    return str(dtype).removeprefix("torch.")


def describe(value: object) -> str:
    """A value in the words of an error: a tensor's dtype, shape and device, the repr of anything else, not too long."""
    if isinstance(value, Tensor):
        where = "" if value.device.type == "cpu" else f" on {value.device}"
        return f"a {described(value.dtype)} tensor of shape {tuple(value.shape)}{where}"
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
