import math

import pytest
import scipy.stats

from ldm_teach.measuring.statistics import estimate, mean_error, share_error, welch


def test_the_error_of_a_share_is_about_the_binomial_and_never_zero():
    assert share_error(0.3, 10_000) == pytest.approx((0.3 * 0.7 / 10_000) ** 0.5, rel=1e-3)
    assert 0 < share_error(1.0, 300) < 0.01 and share_error(1.0, 300) == pytest.approx(share_error(0.0, 300))


@pytest.mark.parametrize("hits, n", [(0, 300), (150, 300), (285, 300), (300, 300)])
def test_two_errors_of_a_share_are_the_half_width_of_wilsons_interval(hits, n):
    """Agresti and Coull's interval has Wilson's centre and is never narrower; at z = 2 it adds two of each kind."""
    interval = scipy.stats.binomtest(hits, n).proportion_ci(scipy.stats.norm.cdf(2) * 2 - 1, method="wilson")
    half_width = (interval.high - interval.low) / 2
    wider = 2 * share_error(hits / n, n) / half_width - 1
    assert -1e-9 < wider < (0.05 if 0 < hits < n else 0.5)


def test_the_error_of_a_mean_is_that_of_scipy():
    values = [1.0, 4.0, 2.5, 2.0]
    assert mean_error(values) == pytest.approx(scipy.stats.sem(values))


def test_the_interval_is_students():
    """Three values 1, 2, 3: mean 2, deviation 1, t_{0.975} = 4.3027 at two degrees of freedom."""
    found = estimate([1.0, 2.0, 3.0])
    assert found.mean == pytest.approx(2) and found.half_width == pytest.approx(4.302653 / math.sqrt(3), rel=1e-5)
    assert estimate([0.7] * 3).half_width == pytest.approx(0) and math.isnan(estimate([1.0]).half_width)
    assert str(found) == "2.000 ± 2.484"


def test_the_difference_of_two_means_has_the_interval_of_welch():
    a, b = [3.0, 4.0, 5.0], [1.0, 1.1, 0.9]
    found = welch(a, b)
    variances = [1 / 3, 0.01 / 3]  # of the means
    freedom = sum(variances) ** 2 / sum(v**2 / 2 for v in variances)
    width = scipy.stats.t.ppf(0.975, freedom) * sum(variances) ** 0.5
    assert found == pytest.approx((3.0, width))
