import math

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
    ],
)
def test_what_is_wrong_is_named_with_what_is_wanted(call, words):
    with pytest.raises(ValueError, match=words):
        call()
