"""Errors: of a share, of a mean, of a difference of two means."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import torch

from ldm_teach import checks


def share_error(p: float, n: int) -> float:
    """The standard error of a share p of n, not 0 at p = 0 or 1: two of each kind are added (Agresti & Coull 1998).

    That of a share of nothing, nan, is nan.
    """
    if not (isinstance(p, float) and math.isnan(p)):
        checks.between("p", p, 0, 1)
    checks.count("n", n)
    p = (n * p + 2) / (n + 4)
    return (p * (1 - p) / (n + 4)) ** 0.5


def mean_error(parts: Sequence[float]) -> float:
    """The standard error of the mean of parts of one size; nan where one of them is not finite."""
    checks.instances("parts", parts, int, float)
    if not parts:
        raise ValueError("parts is empty; want one number or more")
    return float(torch.tensor(parts, dtype=torch.float64).std()) / len(parts) ** 0.5


class Estimate(NamedTuple):
    """The mean over the seeds and the half-width of its 95 % confidence interval (Student's t; nan for one seed)."""

    mean: float
    half_width: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.half_width:.3f}"


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of values of independent seeds, with its confidence interval."""
    from scipy.stats import t as student  # slow to import

    values = checks.numbers("values", values)
    n = len(values)
    deviation = statistics.stdev(values) if n > 1 else math.nan
    return Estimate(statistics.fmean(values), float(student.ppf(0.975, n - 1)) * deviation / n**0.5)


def welch(a: Sequence[float], b: Sequence[float]) -> Estimate:
    """mean(a) - mean(b) with its 95 % confidence interval, the variances taken as unequal (Welch 1947)."""
    from scipy.stats import ttest_ind  # slow to import

    a, b = checks.numbers("a", a), checks.numbers("b", b)
    low, high = ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    return Estimate(float(low + high) / 2, float(high - low) / 2)
