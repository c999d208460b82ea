import pytest
import scipy.stats

from ldm_teach.measuring.statistics import binomial, welch


def test_the_difference_of_two_ways_has_the_interval_of_welch():
    a, b = [3.0, 4.0, 5.0], [1.0, 1.1, 0.9]
    found = welch(a, b)
    variances = [1 / 3, 0.01 / 3]  # of the means
    freedom = sum(variances) ** 2 / sum(v**2 / 2 for v in variances)
    width = scipy.stats.t.ppf(0.975, freedom) * sum(variances) ** 0.5
    assert found == pytest.approx((3.0, width))


def test_the_error_of_a_share_is_about_the_binomial_and_never_zero():
    assert binomial(0.3, 10_000) == pytest.approx((0.3 * 0.7 / 10_000) ** 0.5, rel=1e-3)
    assert 0 < binomial(1.0, 300) < 0.01 and binomial(1.0, 300) == pytest.approx(binomial(0.0, 300))
