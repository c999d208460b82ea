import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from ldm_teach import checks


def test_what_is_right_is_returned_as_it_is():
    x, t = torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64)
    assert checks.floating("x", x) is x and checks.timesteps(t, x) is t
    assert checks.between("w", 0.5, 0, 1) == 0.5 and checks.between("w", np.float64(1), 0, 1) == 1
    assert checks.positive("step_size", 2) == 2 and checks.count("n", 3, 3) == 3
    checks.same_shape(a=x, b=torch.ones(3, 2))
    assert checks.shaped("x", x, "B", 2) is x and checks.shaped("t", t, 3, dtype=torch.int64, read=True) is t
    assert (
        checks.returned("f", x, torch.ones(3, 2)) is x and checks.batch("x", x) is x and checks.movable("x", x, t) is x
    )
    assert checks.numbers("sigmas", [1, 0.5]) == checks.numbers("sigmas", torch.tensor([1, 0.5])) == [1, 0.5]
    assert checks.numbers("sigmas", np.array([2.0])) == checks.numbers("sigmas", (2,)) == [2]
    assert checks.sizes("widths", [3, 4], 2) == (3, 4) and checks.count("k", 0, 0, low=0) == 0 and checks.seed(-3) == -3
    assert checks.word("kind", "b", ("a", "b")) == "b" and checks.words("rows", ("a", "b")) == ["a", "b"]
    assert checks.path("directory", "a") == Path("a") and checks.function("f", len) is len
    assert checks.instance("n", 3, str, int) == 3 and checks.flag("train", False) is False


def test_under_autocast_an_input_may_have_another_dtype_than_the_weights():
    weight = torch.zeros(2, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        checks.shaped("x", torch.zeros(3), "B", like=weight)
    with pytest.raises(ValueError, match="x is a float32 tensor .*; want bfloat16, as the weights are"):
        checks.shaped("x", torch.zeros(3), "B", like=weight)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: checks.floating("x", [1.0]), r"x is \[1.0\]; want a floating-point tensor"),
        (lambda: checks.floating("x", torch.zeros(2, dtype=torch.int64)), r"x is a int64 tensor of shape \(2,\); want"),
        (lambda: checks.same_shape(a=torch.zeros(2), b=torch.zeros(3)), r"shapes differ: a \(2,\), b \(3,\)"),
        (lambda: checks.timesteps(torch.zeros(2), torch.zeros(2)), r"want an int64 tensor of shape \(2,\)"),
        (lambda: checks.between("w", 2, 0, 1), "w is 2; want a number from 0 to 1"),
        (lambda: checks.between("w", math.nan, 0, 1), "w is nan; want a number from 0 to 1"),
        (lambda: checks.between("w", True, 0, 1), "w is True; want a number from 0 to 1"),
        (lambda: checks.positive("sigma", 0), "sigma is 0; want a number above 0"),
        (lambda: checks.positive("sigma", math.inf), "sigma is inf; want a number above 0"),
        (lambda: checks.count("n", 2.0), "n is 2.0; want an int of at least 1"),
        (lambda: checks.count("n", None), "n is None; want an int of at least 1"),
        (lambda: checks.count("n", 4, 3), "n is 4; want an int from 1 to 3"),
        (lambda: checks.count("n", 1, 0, low=0), "n is 1; want an int from 0 to 0"),
        (lambda: checks.count("n", 10**30), r"n is 10+; want an int of at least 1 and below 2\^31"),
        (lambda: checks.positive("sigma", 10**400), r"sigma is 10+\.\.\.; want a number above 0"),
        (lambda: checks.finite("w", Fraction(1, 2)), r"w is Fraction\(1, 2\); want a finite number"),
        (
            lambda: checks.same_shape(a=torch.zeros(2), b=torch.zeros(2).double()),
            "dtypes or devices differ: a is a float",
        ),
        (
            lambda: checks.same_shape(a=torch.zeros(2), b=torch.zeros(2, device="meta")),
            r"b is a .* of shape \(2,\) on meta",
        ),
        (lambda: checks.shaped("x", torch.zeros(2), "B", 3), r"x is .*; want floating-point of shape \(B, 3\)"),
        (lambda: checks.shaped("x", torch.zeros(2), 3, dtype=torch.int64), r"x is .*; want int64 of shape \(3,\)"),
        (lambda: checks.shaped("x", torch.zeros(2, device="meta"), 2, read=True), "on meta; want one with content"),
        (lambda: checks.shaped("x", torch.zeros(2, device="meta"), 2, like=torch.zeros(1)), "on meta; want it on cpu"),
        (lambda: checks.movable("x", torch.zeros(2, device="meta"), torch.zeros(1)), "on meta; want one with content"),
        (lambda: checks.batch("x", torch.zeros(())), r"x is .* \(\); want one of shape \(B, \*D\)"),
        (lambda: checks.returned("f", None, torch.zeros(2)), r"f returns None; want a float32 tensor of shape \(2,\)"),
        (lambda: checks.numbers("sigmas", [1, math.nan]), "an entry of sigmas is nan; want a finite number"),
        (lambda: checks.numbers("sigmas", "12"), "sigmas is '12'; want a sequence of numbers"),
        (lambda: checks.numbers("sigmas", []), "sigmas is empty; want one number or more"),
        (lambda: checks.sizes("widths", (3, 0), 2), "an entry of widths is 0; want an int of at least 1"),
        (lambda: checks.sizes("widths", (3,), 2), r"widths is \(3,\); want 2 ints"),
        (lambda: checks.seed(2.0), "seed is 2.0; want an int"),
        (lambda: checks.flag("train", 1), "train is 1; want True or False"),
        (lambda: checks.word("kind", "c", ("a", "b")), "kind is 'c'; want 'a' or 'b'"),
        (lambda: checks.words("rows", "ab"), "rows is 'ab'; want a list of str"),
        (lambda: checks.instance("n", 3, str, list), "n is 3; want str or list"),
        (lambda: checks.instances("n", [3, ""], int), r"n is \[3, ''\]; want a list of int"),
        (lambda: checks.function("f", 3, "(x, t)"), r"f is 3; want a function of \(x, t\)"),
        (lambda: checks.path("directory", ""), "directory is ''; want a path"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_wanted(call, words):
    with pytest.raises(ValueError, match=words):
        call()
