import pytest
import torch

from ldm_teach.theory import parameterization as p
from ldm_teach.theory.schedule import NoiseSchedule


@pytest.fixture(scope="module")
def truth():
    """x_t and the four names of one truth, at every step of the linear schedule, in float64: (T, 8) each."""
    schedule = NoiseSchedule.linear()
    x0, eps = torch.randn(2, 1000, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    alpha_bar = schedule.alpha_bar[:, None]
    x_t = schedule.add_noise(x0, torch.arange(1000), eps)
    v = alpha_bar.sqrt() * eps - (1 - alpha_bar).sqrt() * x0
    return alpha_bar, x_t, dict(x0=x0, eps=eps, v=v)


@pytest.mark.parametrize("to, of", [("x0", "eps"), ("eps", "x0"), ("v", "eps"), ("eps", "v"), ("v", "x0"), ("x0", "v")])
def test_each_conversion_gives_the_truth(truth, to, of):
    """Against the definitions, to float64 rounding amplified by 1 / sqrt(alpha_bar) or 1 / sqrt(1 - alpha_bar)."""
    alpha_bar, x_t, names = truth
    error = (getattr(p, f"{to}_from_{of}")(x_t, names[of], alpha_bar) - names[to]).abs()
    bound = 1e-14 * torch.maximum(alpha_bar**-0.5, (1 - alpha_bar) ** -0.5)
    assert (error <= bound).all(), float((error / bound).max())


def test_score_is_the_gradient_of_the_log_density(truth):
    """For one Gaussian x_0 = mu the score of q(x_t) is -(x_t - sqrt(alpha_bar) mu) / (1 - alpha_bar): by autograd."""
    alpha_bar, x_t, names = truth
    x_t = x_t.clone().requires_grad_()
    mean, variance = alpha_bar.sqrt() * names["x0"], 1 - alpha_bar
    log_q = torch.distributions.Normal(mean, variance.sqrt()).log_prob(x_t).sum()
    (score,) = torch.autograd.grad(log_q, x_t)
    torch.testing.assert_close(p.score_from_eps(names["eps"], alpha_bar), score, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(p.eps_from_score(score, alpha_bar), names["eps"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_dtype_is_that_of_the_tensors(dtype):
    x = torch.ones(2, 3, dtype=dtype)
    alpha_bar = NoiseSchedule.linear().alpha_bar[:2, None]
    assert p.x0_from_eps(x, x, alpha_bar).dtype == dtype
    assert p.score_from_eps(x, 0.9999).dtype == dtype
    assert p.score_from_eps(x, alpha_bar).isfinite().all()  # 1 - alpha_bar is not 0, even in half precision


@pytest.mark.parametrize(
    "call, words",
    [
        (
            lambda: p.x0_from_eps(torch.zeros(2, 3), torch.zeros(3, 2), 0.5),
            r"shapes differ: x_t \(2, 3\), eps \(3, 2\)",
        ),
        (
            lambda: p.score_from_eps(torch.zeros(2).long(), 0.5),
            r"eps is a int64 tensor of shape \(2,\); want a floating",
        ),
        (lambda: p.score_from_eps(torch.zeros(2), 1.5), "alpha_bar is 1.5; want a number from 0 to 1"),
        (lambda: p.score_from_eps(torch.zeros(2), torch.tensor(1)), "alpha_bar is a int64 tensor"),
        (lambda: p.score_from_eps(torch.zeros(2), None), "alpha_bar is None; want a floating-point tensor"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()
