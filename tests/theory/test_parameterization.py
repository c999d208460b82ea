import itertools

import pytest
import torch

from ldm_teach.theory import parameterization as p
from ldm_teach.theory.mixture import GaussianMixture
from ldm_teach.theory.schedule import NoiseSchedule

SCHEDULES = {
    "linear": NoiseSchedule.linear(),
    "scaled": NoiseSchedule.scaled_linear(),
    "cosine": NoiseSchedule.cosine(),
}
NAMES = ("score", "eps", "x0", "v")


@pytest.fixture(scope="module", params=SCHEDULES)
def truth(request):
    """x_t and the four names of one truth, at every step of a schedule, in float64: (T, 8) each."""
    schedule = SCHEDULES[request.param]
    x0, eps = torch.randn(2, 1000, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    alpha_bar = schedule.alpha_bar[:, None]
    x_t = schedule.add_noise(x0, torch.arange(1000), eps)
    v = alpha_bar.sqrt() * eps - (1 - alpha_bar).sqrt() * x0
    return alpha_bar, x_t, dict(x0=x0, eps=eps, v=v, score=-eps / (1 - alpha_bar).sqrt())


def convert(to: str, of: str, x_t: torch.Tensor, value: torch.Tensor, alpha_bar: torch.Tensor) -> torch.Tensor:
    function = getattr(p, f"{to}_from_{of}")
    return function(value, alpha_bar) if {to, of} == {"score", "eps"} else function(x_t, value, alpha_bar)


def largest(alpha_bar: torch.Tensor) -> torch.Tensor:
    """What a conversion amplifies rounding by: 1 / sqrt(alpha_bar) or 1 / sqrt(1 - alpha_bar), and at least 1."""
    return torch.maximum(alpha_bar**-0.5, (1 - alpha_bar) ** -0.5)


@pytest.mark.law("score = -eps / sqrt(1 - alpha_bar), x0, v: all twelve conversions", "parameterization")
@pytest.mark.parametrize("to, of", list(itertools.permutations(NAMES, 2)))
def test_each_conversion_gives_the_truth(truth, within, to, of):
    """Against the definitions. A score is itself 1 / sqrt(1 - alpha_bar) large, hence judged beside its own size."""
    alpha_bar, x_t, names = truth
    got = convert(to, of, x_t, names[of], alpha_bar)
    size = names["score"].abs().clamp(min=1) if to == "score" else 1
    within(((got - names[to]).abs() / size / largest(alpha_bar)).max(), 1e-12)


@pytest.mark.law("a -> b -> a is the identity, for all of score, eps, x0, v", "parameterization")
@pytest.mark.parametrize("a, b", list(itertools.permutations(NAMES, 2)))
def test_there_and_back_again(truth, within, a, b):
    alpha_bar, x_t, names = truth
    back = convert(a, b, x_t, convert(b, a, x_t, names[a], alpha_bar), alpha_bar)
    size = names["score"].abs().clamp(min=1) if a == "score" else 1
    within(((back - names[a]).abs() / size / largest(alpha_bar)).max(), 1e-12)


@pytest.mark.law("grad log q(x_t|x_0) = -eps / sqrt(1 - alpha_bar)", "parameterization.score_from_eps")
def test_score_is_the_gradient_of_the_log_density(truth, within):
    """For one Gaussian x_0 = mu the score of q(x_t) is -(x_t - sqrt(alpha_bar) mu) / (1 - alpha_bar): by autograd."""
    alpha_bar, x_t, names = truth
    x_t = x_t.clone().requires_grad_()
    mean, variance = alpha_bar.sqrt() * names["x0"], 1 - alpha_bar
    log_q = torch.distributions.Normal(mean, variance.sqrt()).log_prob(x_t).sum()
    (score,) = torch.autograd.grad(log_q, x_t)
    within(((p.score_from_eps(names["eps"], alpha_bar) - score).abs() / score.abs().clamp(min=1)).max(), 1e-10)


@pytest.mark.law("x_ve = x_t / sqrt(alpha_bar) = x0 + sigma eps", "parameterization.ve_from_vp")
def test_the_variance_exploding_process_is_the_same_one_rescaled(truth, within):
    alpha_bar, x_t, names = truth
    sigma = p.sigma_from_alpha_bar(alpha_bar)
    x_ve = p.ve_from_vp(x_t, alpha_bar)
    within(((x_ve - names["x0"] - sigma * names["eps"]).abs() / largest(alpha_bar)).max(), 1e-12)
    within(((p.vp_from_ve(x_ve, alpha_bar) - x_t).abs()).max(), 1e-12)
    within(((p.alpha_bar_from_sigma(sigma) - alpha_bar) / alpha_bar).abs().max(), 1e-12)
    within(
        ((p.sigma_from_alpha_bar(p.alpha_bar_from_sigma(sigma)) - sigma) / sigma / largest(alpha_bar)).abs().max(),
        1e-12,
    )


@pytest.mark.law("score_ve = sqrt(alpha_bar) score_vp", "parameterization.ve_from_vp")
@pytest.mark.parametrize("alpha_bar", [0.02, 0.5, 0.98])
def test_the_score_under_variance_exploding_noise(mixture, within, alpha_bar):
    """By autograd of the density of x0 + sigma eps, which is the mixture with sigma^2 I added to each covariance."""
    sigma = p.sigma_from_alpha_bar(alpha_bar)
    x_ve = 3 * torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x_ve.requires_grad_()
    noised = GaussianMixture(mixture.weights, mixture.means, mixture.covariances + sigma**2 * torch.eye(2).double())
    (want,) = torch.autograd.grad(noised.log_prob(x_ve).sum(), x_ve)
    x_t = p.vp_from_ve(x_ve.detach(), alpha_bar)
    within((alpha_bar**0.5 * mixture.diffuse(alpha_bar).score(x_t) - want).abs().max(), 1e-12)


def test_the_ends_behave_as_documented():
    x, y = torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for clean, noisy in ((p.x0_from_eps, p.eps_from_x0), (p.x0_from_v, p.eps_from_v)):
        assert torch.equal(clean(x, y, 1.0), x)  # no noise: x_t is x0
        assert torch.equal(noisy(x, y, 0.0), x)  # no signal: x_t is eps
    assert torch.equal(p.eps_from_v(x, y, 1.0), y) and torch.equal(p.x0_from_v(x, y, 0.0), -y)
    assert not p.x0_from_eps(x, y, 0.0).isfinite().any()  # eps says nothing about x0 where there is no signal
    assert not p.eps_from_x0(x, y, 1.0).isfinite().any()  # x0 says nothing about eps where there is no noise
    assert not p.score_from_eps(y, 1.0).isfinite().any()  # a point mass has no score
    assert p.sigma_from_alpha_bar(1.0) == 0 and p.alpha_bar_from_sigma(0.0) == 1


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
        (lambda: p.sigma_from_alpha_bar(-0.5), "alpha_bar is -0.5; want a number from 0 to 1"),
        (lambda: p.alpha_bar_from_sigma(-1.0), "sigma is -1.0; want a number from 0 to inf"),
        (lambda: p.score_from_v(torch.zeros(2), torch.zeros(3), 0.5), "shapes differ"),
        (lambda: p.score_from_eps(torch.zeros(2), None), "alpha_bar is None; want a number from 0 to 1"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()
