import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from ldm_teach.theory.mixture import GaussianMixture
from ldm_teach.theory.schedule import NoiseSchedule


def reference(mixture: GaussianMixture) -> MixtureSameFamily:
    return MixtureSameFamily(Categorical(mixture.weights), MultivariateNormal(mixture.means, mixture.covariances))


def points(n: int = 200) -> torch.Tensor:
    return 3 * torch.randn(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_log_prob_equals_torch_distributions(mixture):
    torch.testing.assert_close(
        mixture.log_prob(points()), reference(mixture).log_prob(points()), rtol=1e-12, atol=1e-12
    )


@pytest.mark.law("grad log p(x) = sum_k p(k|x) grad log N_k(x)", "mixture.score")
def test_score_is_the_gradient_of_log_prob(mixture, within):
    x = points().requires_grad_()
    (gradient,) = torch.autograd.grad(reference(mixture).log_prob(x).sum(), x)
    within((mixture.score(x) - gradient).abs().max(), 1e-10)


@pytest.mark.law("Bayes' rule: log p(k|x) = log w_k N_k(x) - log p(x)", "mixture.log_posterior")
def test_posterior_is_bayes_rule(mixture, within):
    x = points()
    joint = torch.stack([mixture.weights[k].log() + mixture.component(k).log_prob(x) for k in range(3)], dim=1)
    want = joint - mixture.log_prob(x)[:, None]
    within((mixture.log_posterior(x) - want).abs().max(), 1e-10)
    torch.testing.assert_close(mixture.log_posterior(x).exp().sum(1), torch.ones(200).double())


@pytest.mark.law("q(x_t) of a mixture: means sqrt(ab) mu_k, covariances ab C_k + (1 - ab) I", "mixture.diffuse")
def test_diffused_density_equals_numerical_convolution(mixture, within):
    """q(x_t) is the density of sqrt(alpha_bar) x_0 convolved with N(0, 1 - alpha_bar): here by a sum over a grid.

    The trapezoid rule on smooth, decaying integrands converges faster than any power of its step.
    """
    alpha_bar = 0.4
    line = torch.linspace(-8, 8, 641, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)  # (G, 2)
    x = points(20) / 2
    normal = MultivariateNormal(torch.zeros(2).double(), (1 - alpha_bar) * torch.eye(2).double())
    kernel = normal.log_prob(x[:, None] - alpha_bar**0.5 * grid).exp()  # (20, G)
    want = kernel @ mixture.log_prob(grid).exp() * (line[1] - line[0]) ** 2
    within((mixture.diffuse(alpha_bar).log_prob(x).exp() / want - 1).abs().max(), 1e-8)


@pytest.mark.parametrize("schedule", [NoiseSchedule.linear(), NoiseSchedule.cosine()], ids=["linear", "cosine"])
def test_denoiser_is_the_rescaled_score_at_a_timestep_for_each_row(mixture, schedule):
    x, t = points(5), torch.tensor([0, 10, 300, 700, 999])
    eps = mixture.denoiser(schedule)(x, t)
    for i in range(5):
        alpha_bar = schedule.alpha_bar[t[i]].item()
        want = -((1 - alpha_bar) ** 0.5) * mixture.diffuse(alpha_bar).score(x[i : i + 1])
        torch.testing.assert_close(eps[i : i + 1], want, rtol=1e-10, atol=1e-12)


@pytest.mark.law("eps(x_t, t) = E[eps|x_t], in standard errors", "mixture.denoiser")
def test_denoiser_is_the_posterior_mean_of_the_noise(mixture, within):
    """E[eps | x_t] by weighting 400,000 draws of x_0 with q(x_t | x_0); its error is estimated too."""
    schedule, t, x_t = NoiseSchedule.linear(), torch.tensor([300]), torch.tensor([[0.5, 0.4]], dtype=torch.float64)
    alpha_bar = schedule.alpha_bar[300]
    x0 = mixture.sample(400_000, torch.Generator().manual_seed(1))
    eps = (x_t - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()
    weight = (-eps.square().sum(1) / 2).exp()[:, None]
    mean = (weight * eps).sum(0) / weight.sum()
    error = (weight * (eps - mean)).square().sum(0).sqrt() / weight.sum()
    assert error.max() < 0.01
    within(((mixture.denoiser(schedule)(x_t, t)[0] - mean).abs() / error).max(), 4)


def test_samples_have_the_mean_and_covariance_of_the_mixture(mixture):
    n = 100_000
    x = mixture.sample(n, torch.Generator().manual_seed(2))
    assert x.shape == (n, 2) and x.dtype == torch.float64
    mean = mixture.weights @ mixture.means
    second = torch.einsum(
        "k,kij->ij", mixture.weights, mixture.covariances + mixture.means[:, :, None] * mixture.means[:, None]
    )
    assert ((x.mean(0) - mean).abs() < 4 * x.std(0) / n**0.5).all()
    products = x[:, :, None] * x[:, None]
    assert ((products.mean(0) - second).abs() < 4 * products.std(0) / n**0.5).all()
    k = reference(mixture).component_distribution.log_prob(x[:, None]).add(mixture.weights.log()).argmax(1)
    assert (k.bincount() / n - mixture.weights).abs().max() < 0.01


def test_cdf_and_quantile_on_the_line():
    """The CDF against torch's own, and the quantile as its inverse: to float64 rounding over the smallest density."""
    weights, means, variances = (torch.tensor(v, dtype=torch.float64) for v in ([0.6, 0.4], [-1.0, 1.5], [0.25, 0.16]))
    mixture = GaussianMixture(weights, means[:, None], variances[:, None, None])
    x = torch.linspace(-3, 3, 61, dtype=torch.float64)[:, None]
    want = (weights * torch.distributions.Normal(means, variances.sqrt()).cdf(x)).sum(1, keepdim=True)
    torch.testing.assert_close(mixture.cdf(x), want, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(mixture.quantile(want), x, rtol=0, atol=1e-9)


def test_float32_points_give_float32(mixture):
    x = points().float()
    for y in (
        mixture.log_prob(x),
        mixture.score(x),
        mixture.denoiser(NoiseSchedule.linear())(x, torch.zeros(200).long()),
    ):
        assert y.dtype == torch.float32


@pytest.mark.parametrize(
    "call, words",
    [
        (
            lambda m: GaussianMixture(torch.tensor([0.5, 0.6]), torch.zeros(2, 1), torch.ones(2, 1, 1)),
            "positive numbers of sum 1",
        ),
        (
            lambda m: GaussianMixture(torch.ones(1), torch.zeros(2, 1), torch.ones(2, 1, 1)),
            r"want \(K,\), \(K, d\) and \(K, d, d\)",
        ),
        (lambda m: GaussianMixture(torch.ones(1), torch.zeros(1, 1), -torch.ones(1, 1, 1)), "positive definite"),
        (
            lambda m: GaussianMixture(torch.ones(1), torch.zeros(1, 2), torch.tensor([[[2.0, 1], [0, 2]]])),
            "not symmetric",
        ),
        (
            lambda m: m.log_prob(torch.zeros(3, 5)),
            r"x is a float32 tensor of shape \(3, 5\); want floating-point of shape \(B, 2\)",
        ),
        (lambda m: m.cdf(torch.zeros(3, 2)), r"d is 2; want a mixture on the line"),
        (lambda m: m.sample(0), "n is 0; want an int of at least 1"),
        (lambda m: m.component(3), "k is 3; want an int from 0 to 2"),
        (lambda m: m.diffuse(2.0), "alpha_bar is 2.0; want a number from 0 to 1"),
    ],
)
def test_bad_arguments(mixture, call, words):
    with pytest.raises(ValueError, match=words):
        call(mixture)


@pytest.mark.law("p(x_u|x_v) = p(x) / p(x_v)", "mixture.given")
@pytest.mark.parametrize("mask", [[True, False, False], [False, True, False], [True, False, True]])
def test_the_conditional_is_the_joint_density_over_that_of_what_is_known(within, mask):
    """log p(x) - log p(x_u|x_v) is log p(x_v), the same wherever x_u is; and that is a mixture of the known part."""
    generator = torch.Generator().manual_seed(1)
    factors = torch.randn(4, 3, 3, dtype=torch.float64, generator=generator)
    means = torch.randn(4, 3, dtype=torch.float64, generator=generator)
    joint = GaussianMixture(
        torch.tensor([0.1, 0.2, 0.3, 0.4]).double(), means, factors @ factors.mT + torch.eye(3).double() / 4
    )
    mask = torch.tensor(mask)
    x = torch.randn(3, dtype=torch.float64, generator=generator).expand(50, 3).clone()
    x[:, mask] = 2 * torch.randn(50, int(mask.sum()), dtype=torch.float64, generator=generator)
    conditional = joint.given(x[0].masked_fill(mask, torch.nan), mask)  # what is masked is not read
    known = GaussianMixture(joint.weights, means[:, ~mask], joint.covariances[:, ~mask][:, :, ~mask])
    within((joint.log_prob(x) - conditional.log_prob(x[:, mask]) - known.log_prob(x[:, ~mask])).abs().max(), 1e-10)


def test_far_from_every_component_the_conditional_is_still_one(mixture):
    far = mixture.given(torch.tensor([1e3, 0.0]), torch.tensor([False, True]))
    assert far.weights.max() == 1 and far.means.isfinite().all()


@pytest.mark.parametrize("mask", [[True, True], [False, False]])
def test_all_or_none_of_the_coordinates_are_no_condition(mixture, mask):
    with pytest.raises(ValueError, match="want some coordinates unknown and some known"):
        mixture.given(torch.zeros(2), torch.tensor(mask))
