import math

import pytest
import scipy.linalg
import torch

from ldm_teach.measuring.metrics import (
    accuracy,
    autocorrelation_time,
    codebook_use,
    diversity_within,
    energy_distance,
    frechet_distance,
    nearest_distance,
    peak_signal_to_noise,
    precision_recall,
    structural_similarity,
)


def normal(n: int, d: int, seed: int) -> torch.Tensor:
    return torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_frechet_distance_equals_scipys_matrix_root():
    a = normal(500, 6, 0) @ normal(6, 6, 1) + 1
    b = normal(400, 6, 2) @ normal(6, 6, 3)
    root = scipy.linalg.sqrtm((a.T.cov() @ b.T.cov()).numpy()).real
    want = float((a.mean(0) - b.mean(0)).square().sum() + (a.T.cov() + b.T.cov()).trace()) - 2 * root.trace()
    assert frechet_distance(a, b) == pytest.approx(want, rel=1e-9)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)


def test_frechet_distance_of_known_gaussians():
    """Samples with exactly the wanted moments: |mu|^2 + sum (s_i - t_i)^2 for diagonal covariances."""
    x = normal(1000, 3, 0)
    x = x - x.mean(0)
    x = x @ torch.linalg.inv(torch.linalg.cholesky(x.T.cov())).T
    s, t, shift = (torch.tensor(v, dtype=torch.float64) for v in ([1.0, 2.0, 0.5], [3.0, 1.0, 0.5], [1.0, 0.0, -2.0]))
    assert frechet_distance(x * s, x * t + shift) == pytest.approx(5 + 4 + 1, rel=1e-9)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-6)


def test_accuracy_and_its_error():
    """Three of four right; with two of each kind added, 5 of 8."""
    error = math.sqrt(5 / 8 * 3 / 8 / 8)
    assert accuracy(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 2, 3])) == (0.75, pytest.approx(error))


def test_psnr():
    x = torch.zeros(2, 1, 4, 4)
    assert peak_signal_to_noise(x, x + 0.2) == pytest.approx(20, abs=1e-4)  # mean squared error 0.04 of a range of 2


def test_ssim_of_a_constant_shift_and_a_change_of_contrast():
    """Flat images have no variance: SSIM is its luminance term (2 a b + c) / (a^2 + b^2 + c), c = (0.01 * 2)^2."""
    a, b = torch.full((2, 1, 16, 16), 0.5), torch.full((2, 1, 16, 16), 0.25)
    want = (2 * 0.5 * 0.25 + 4e-4) / (0.25 + 0.0625 + 4e-4)
    assert structural_similarity(a, b) == pytest.approx(want, abs=1e-5)
    x = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    assert structural_similarity(x, x) == pytest.approx(1, abs=1e-6)
    assert structural_similarity(x, 1 - x) < 0


def test_codebook_use_and_perplexity():
    use, perplexity = codebook_use(torch.tensor([0, 0, 1, 1, 3, 3]), 4)
    assert (use, perplexity) == (0.75, pytest.approx(3))
    use, perplexity = codebook_use(torch.tensor([0, 0, 0, 1]), 8)
    assert (use, perplexity) == (0.25, pytest.approx(4 / 27**0.25))  # 0.75^-0.75 * 0.25^-0.25
    with pytest.raises(ValueError, match=r"indices is a int64 tensor of shape \(2, 2\); want int64 of shape \(N,\)"):
        codebook_use(torch.zeros(2, 2, dtype=torch.int64), 4)


def autoregression(a: float, steps: int) -> torch.Tensor:
    """x <- a x + noise of variance one, a thousand chains from their stationary law: (steps, 1000)."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1000, dtype=torch.float64, generator=generator) / (1 - a * a) ** 0.5
    chain = []
    for _ in range(steps):
        x = a * x + torch.randn(1000, dtype=torch.float64, generator=generator)
        chain.append(x)
    return torch.stack(chain)


@pytest.mark.parametrize("a", [0.0, 0.8, -0.5])
def test_autocorrelation_time_of_an_autoregression(a):
    """rho_k = a^k, so tau = (1 + a) / (1 - a); each of the few lags that are summed errs by 1 / sqrt(400,000)."""
    assert autocorrelation_time(autoregression(a, 400)) == pytest.approx((1 + a) / (1 - a), rel=0.05)


def test_autocorrelation_time_wants_long_chains():
    with pytest.raises(ValueError, match="x has 20 steps; want more than 5 \\(window\\) autocorrelation times"):
        autocorrelation_time(autoregression(0.99, 20))


@pytest.mark.parametrize(
    "call, words",
    [
        (
            lambda: frechet_distance(torch.zeros(1, 3), torch.zeros(4, 3)),
            r"a is a float32 tensor of shape \(1, 3\).*want \(N, F\)",
        ),
        (lambda: frechet_distance(torch.zeros(4, 3), torch.zeros(4, 2)), r"b is a float32 tensor of shape \(4, 2\)"),
        (
            lambda: accuracy(torch.arange(3), torch.arange(4)),
            r"wanted is a int64 tensor of shape \(4,\); want int64 of shape \(3,\)",
        ),
        (lambda: peak_signal_to_noise(torch.zeros(3), torch.zeros(4)), "shapes differ"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_nearest_distance_counts_other_points_only():
    x = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert nearest_distance(x, 1).tolist() == [1, 1, 2, 4]
    assert nearest_distance(x, 2).tolist() == [3, 2, 3, 6]


def test_precision_and_recall_on_a_line():
    """k = 1. Balls of the real: [-1, 1], [0, 2], [1, 5]; of the fakes: [1.5, 3.5], [2.5, 4.5], [8, 10], [9, 11]."""
    real = torch.tensor([[0.0], [1.0], [3.0]])
    fake = torch.tensor([[2.5], [3.5], [9.0], [10.0]])
    assert precision_recall(real, fake, k=1) == (0.5, pytest.approx(1 / 3))


def test_precision_and_recall_equal_their_definition():
    real, fake = normal(150, 4, 0), 0.6 * normal(120, 4, 1) + 0.5

    def share(points, centres):  # the definition, pair by pair
        radius = [sorted((c - o).norm().item() for o in centres)[3] for c in centres]
        inside = [any((p - c).norm().item() <= r for c, r in zip(centres, radius, strict=True)) for p in points]
        return sum(inside) / len(inside)

    assert precision_recall(real, fake) == (share(fake, real), share(real, fake))
    precision, recall = precision_recall(real, fake)
    assert precision > recall  # a narrow fake lies within the real and does not cover it


def test_a_set_against_itself_and_against_one_far_away():
    x = normal(100, 3, 2)
    assert precision_recall(x, x) == (1, 1)
    assert precision_recall(x, x + 100) == (0, 0)


def test_diversity_of_known_pairs():
    """Class 0: points 0, 1, 3 at distances 1, 2, 3; class 5: one pair at distance 10."""
    features = torch.tensor([[0.0], [100.0], [1.0], [3.0], [110.0]])
    assert diversity_within(features, torch.tensor([0, 5, 0, 0, 5])) == pytest.approx((2 + 10) / 2)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: precision_recall(torch.zeros(5, 2), torch.zeros(5, 3)), r"fake is a float32 tensor of shape \(5, 3\)"),
        (lambda: precision_recall(torch.zeros(3, 2), torch.zeros(5, 2)), "k is 3; want an int from 1 to 2"),
        (lambda: diversity_within(torch.zeros(3, 2), torch.tensor([0, 0, 1])), "labels holds class 1 once"),
        (
            lambda: diversity_within(torch.zeros(3, 2), torch.arange(2)),
            r"labels is a int64 tensor of shape \(2,\); want int64 of shape \(3,\)",
        ),
    ],
)
def test_bad_features(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_energy_distance_of_two_points_and_of_two_gaussians():
    """Two atoms at distance 3: 2 * 3. N(0, 1) and N(m, 1) on the line: 2 E|N(m, 2)| - 2 E|N(0, 2)|, in closed form."""
    assert energy_distance(torch.zeros(40, 1), torch.full((60, 1), 3.0)) == (6.0, 0.0)
    m = 0.7
    folded = 2 / math.sqrt(math.pi) * math.exp(-(m**2) / 4) + m * math.erf(m / 2)  # E|N(m, 2)|
    value, error = energy_distance(normal(4000, 1, 0), normal(4000, 1, 1) + m)
    assert abs(value - 2 * folded + 4 / math.sqrt(math.pi)) < 4 * error and error < 0.03


def test_energy_distance_of_one_distribution_is_zero_within_its_error():
    values, errors = zip(
        *(energy_distance(normal(1000, 2, i), normal(1000, 2, 100 + i)) for i in range(20)), strict=True
    )
    scores = torch.tensor(values) / torch.tensor(errors)
    assert abs(float(torch.tensor(values).mean())) < 4 * float(torch.tensor(errors).mean()) / 20**0.5
    assert 0.5 < float(scores.std()) < 2  # the error is neither far too small nor far too large


def test_the_energy_distance_takes_numbers_of_points_that_the_blocks_do_not_divide():
    a, b = normal(230, 2, 1), normal(317, 2, 2)
    value, error = energy_distance(a, b)
    assert abs(value) < 4 * error < 1
    value, error = energy_distance(a, b + 3)
    assert value > 10 * error
