"""What every public function checks at its door: types, shapes, dtypes and Python numbers, never a tensor's values."""

import math
from numbers import Real
from typing import Any, TypeGuard

import torch
from torch import Tensor


def floating(name: str, x: Tensor) -> Tensor:
    """x itself. Raises ValueError unless it is a floating-point tensor."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise ValueError(f"{name} is {describe(x)}; want a floating-point tensor")
    return x


def same_shape(**tensors: Tensor) -> None:
    """Raises ValueError unless all are floating-point tensors of one shape."""
    shapes = {name: tuple(floating(name, x).shape) for name, x in tensors.items()}
    if len(set(shapes.values())) != 1:
        raise ValueError(f"shapes differ: {', '.join(f'{k} {v}' for k, v in shapes.items())}; want one shape for all")


def timesteps(t: Tensor, x: Tensor) -> Tensor:
    """t itself. Raises ValueError unless it is int64 of shape (B,), one for each row of x."""
    if not isinstance(t, Tensor) or t.dtype != torch.int64 or t.shape != x.shape[:1]:
        raise ValueError(
            f"t is {describe(t)}; want an int64 tensor of shape ({x.shape[0]},), a timestep for each sample"
        )
    return t


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a finite Python number, or one of numpy; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def between(name: str, value: Any, low: float, high: float) -> float:
    """value itself. Raises ValueError unless it is a Python number in [low, high]."""
    if not is_number(value) or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}; want a number from {low:g} to {high:g}")
    return value


def positive(name: str, value: Any) -> float:
    """value itself. Raises ValueError unless it is a Python number above 0."""
    if not is_number(value) or not value > 0:
        raise ValueError(f"{name} is {describe(value)}; want a number above 0")
    return value


def count(name: str, value: Any, high: int | None = None) -> int:
    """value itself. Raises ValueError unless it is an int from 1 to `high`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1 or (high is not None and value > high):
        raise ValueError(f"{name} is {value!r}; want an int {'of at least 1' if high is None else f'from 1 to {high}'}")
    return value


def describe(value: object) -> str:
    """A value in the words of an error: dtype and shape of a tensor, the repr of anything else."""
    if isinstance(value, Tensor):
        return f"a {str(value.dtype).removeprefix('torch.')} tensor of shape {tuple(value.shape)}"
    return repr(value)
