import math

import jax
import pytest
import torch
from blackjax.mcmc import diffusions
from blackjax.mcmc import mala as reference

from ldm_teach.theory.langevin import annealed_langevin, langevin, mala
from tests.helpers import seeded

pytestmark = pytest.mark.slow

N = 200_000  # chains: the standard error of a variance is sqrt(2 / N) = 0.3 % of it


def chains(variance: float, n: int = N) -> torch.Tensor:
    return variance**0.5 * torch.randn(n, 1, dtype=torch.float64, generator=seeded(1))


def last(steps):
    *_, final = steps
    return final


def in_standard_errors(x: torch.Tensor, variance: float) -> float:
    """How far the variance of Gaussian samples is from the predicted one, in standard errors of a sample variance."""
    return abs(float(x.var()) - variance) / (variance * math.sqrt(2 / len(x)))


@pytest.mark.law("unadjusted Langevin: Var = sigma^2 / (1 - delta / (4 sigma^2))", "langevin.langevin")
@pytest.mark.parametrize("delta", [0.1, 0.5, 1.0, 2.0])
def test_the_stationary_variance_is_that_of_the_finite_step(within, delta):
    """Of the chain on N(0, sigma^2), started at the target: 300 steps forget that to (1 - delta / (2 sigma^2))^600."""
    variance = 1.3
    x = last(langevin(lambda x: -x / variance, chains(variance), delta, 300, generator=seeded()))
    within(in_standard_errors(x, variance / (1 - delta / (4 * variance))), 4)
    assert in_standard_errors(x, variance) > 5  # and not the target's


def test_a_step_size_past_stability_diverges():
    """At delta > 4 sigma^2 each step multiplies x by less than -1."""
    variance = 0.5
    stable = last(langevin(lambda x: -x / variance, chains(variance, 100), 1.9, 400, generator=seeded()))
    lost = last(langevin(lambda x: -x / variance, chains(variance, 100), 2.1, 400, generator=seeded()))
    assert stable.abs().max() < 50 and lost.abs().max() > 1e6


@pytest.mark.law("decreasing steps: Var follows (1 - delta_k / (2 sigma^2))^2 Var + delta_k", "langevin.langevin")
def test_decreasing_steps_lose_the_bias(within):
    def step_size(k: int) -> float:
        return 2.0 / (1 + k) ** 0.6

    want = 1.0
    for k in range(400):
        want = (1 - step_size(k) / 2) ** 2 * want + step_size(k)
    x = last(langevin(lambda x: -x, chains(1.0), step_size, 400, generator=seeded()))
    within(in_standard_errors(x, want), 4)
    assert 1 < want < 1.02


@pytest.mark.law("MALA keeps the target's variance at every step size", "langevin.mala")
@pytest.mark.parametrize("delta", [0.2, 1.0, 3.0, 6.0])
def test_mala_started_from_the_target_stays_there(within, delta):
    """At delta = 6 the unadjusted chain diverges."""
    steps = list(mala(lambda x: -x.square().sum(1) / 2, chains(1.0), delta, 15, generator=seeded()))
    within(in_standard_errors(steps[-1][0], 1.0), 4)
    acceptance = torch.stack([accepted for _, accepted in steps]).double().mean()
    assert 0.02 < acceptance < 1


def test_mala_refuses_more_the_larger_the_step():
    def acceptance(delta: float) -> float:
        steps = mala(lambda x: -x.square().sum(1) / 2, chains(1.0, 5000), delta, 5, generator=seeded())
        return float(torch.stack([accepted for _, accepted in steps]).double().mean())

    rates = [acceptance(delta) for delta in (0.01, 0.3, 1.0, 3.0, 10.0)]
    assert rates == sorted(rates, reverse=True) and rates[0] > 0.99


@pytest.mark.law("MALA samples the mixture: weights, in standard errors", "langevin.mala")
def test_mala_keeps_the_weights_of_the_mixture(mixture, within):
    x = last(mala(mixture.log_prob, mixture.sample(20_000, seeded()), 0.1, 50, generator=seeded(2)))[0]
    share = mixture.log_posterior(x).exp()
    within(((share.mean(0) - mixture.weights).abs() / (share.std(0) / len(x) ** 0.5)).max(), 4)


@pytest.fixture
def with_our_noise(monkeypatch):
    """blackjax in double precision, drawing the noise that it is given."""
    jax.config.update("jax_enable_x64", True)
    given = []
    monkeypatch.setattr(diffusions, "generate_gaussian_noise", lambda key, position: jax.numpy.asarray(given.pop()))
    yield given
    jax.config.update("jax_enable_x64", False)


def log_prob_in_jax(mixture):
    weights, means = mixture.weights.numpy(), mixture.means.numpy()
    covariances = mixture.covariances.numpy()

    def log_prob(x):
        each = [jax.scipy.stats.multivariate_normal.logpdf(x, m, c) for m, c in zip(means, covariances, strict=True)]
        return jax.scipy.special.logsumexp(jax.numpy.stack(each) + jax.numpy.log(weights))

    return log_prob


@pytest.mark.law("the update x + delta/2 grad log p + sqrt(delta) eps", "langevin.langevin")
def test_a_langevin_step_equals_blackjax(mixture, with_our_noise, within):
    """Its step size is half of ours: x + step grad log p + sqrt(2 step) eps."""
    delta, x = 0.3, mixture.sample(20, seeded())
    ours = last(langevin(mixture.score, x, delta, 1, generator=seeded(3)))
    noise = torch.randn(20, 2, dtype=torch.float64, generator=seeded(3))
    step = diffusions.overdamped_langevin(jax.value_and_grad(log_prob_in_jax(mixture)))
    for i in range(20):
        with_our_noise.append(noise[i].numpy())
        state = reference.init(jax.numpy.asarray(x[i].numpy()), log_prob_in_jax(mixture))
        position = step(jax.random.PRNGKey(0), state, delta / 2).position
        within((ours[i] - torch.tensor(position.tolist()).double()).abs().max(), 1e-6)


@pytest.mark.law("acceptance min(1, p(y) q(x|y) / (p(x) q(y|x)))", "langevin.mala")
def test_mala_accepts_with_the_probability_of_blackjax(mixture, with_our_noise, within):
    """From the same noise: our verdict is u < blackjax's acceptance rate, and near u = rate it would change."""
    delta, x, n = 0.3, mixture.sample(30, seeded()), 30
    (y, accepted), *_ = mala(mixture.log_prob, x, delta, 1, generator=seeded(4))
    draws = seeded(4)
    noise = torch.randn(n, 2, dtype=torch.float64, generator=draws)
    u = torch.rand(n, dtype=torch.float64, generator=draws)
    rates, log_prob = [], log_prob_in_jax(mixture)
    for i in range(n):
        with_our_noise.append(noise[i].numpy())
        state = reference.init(jax.numpy.asarray(x[i].numpy()), log_prob)
        rates.append(
            float(reference.build_kernel()(jax.random.PRNGKey(0), state, log_prob, delta / 2)[1].acceptance_rate)
        )
    rates = torch.tensor(rates, dtype=torch.float64)
    assert torch.equal(accepted, u < rates) and 5 < accepted.sum() < 25
    assert torch.equal(y[~accepted], x[~accepted]) and not (y[accepted] == x[accepted]).any()
    within((acceptance_rates(mixture, x, noise, delta) - rates).abs().max(), 1e-6)


def acceptance_rates(mixture, x, noise, delta):
    """The smallest u that `mala` refuses, found by bisection on the uniform draw it is given."""
    low, high = torch.zeros(len(x)).double(), torch.ones(len(x)).double()
    for _ in range(30):
        middle = (low + high) / 2
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, "rand", lambda *shape, u=middle, **options: u)
            patch.setattr(torch, "randn", lambda *shape, **options: noise)
            _, accepted = next(mala(mixture.log_prob, x, delta, 1))
        low, high = torch.where(accepted, middle, low), torch.where(accepted, high, middle)
    return (low + high) / 2


@pytest.mark.law("annealed Langevin: delta_i = delta sigma_i^2 / sigma_L^2", "langevin.annealed_langevin")
def test_annealed_langevin_on_a_gaussian_is_its_closed_form(within):
    """On N(0, s^2) at level sigma: Var <- (1 - delta / (2 (s^2 + sigma^2)))^2 Var + delta."""
    s, sigmas, step_size, steps = 0.7, [3.0, 1.0, 0.3], 0.05, 10
    want = 4.0
    for sigma in sigmas:
        delta = step_size * sigma**2 / sigmas[-1] ** 2
        for _ in range(steps):
            want = (1 - delta / (2 * (s**2 + sigma**2))) ** 2 * want + delta
    score = lambda x, sigma: -x / (s**2 + sigma**2)
    x = last(annealed_langevin(score, chains(4.0), sigmas, step_size, steps, generator=seeded()))
    within(in_standard_errors(x, want), 4)


def test_shapes_dtypes_and_draws():
    x = torch.randn(5, 2, 3, generator=seeded())
    used, want = seeded(), seeded()
    assert [y.shape for y in langevin(lambda x: -x, x, 0.1, 3, generator=used)] == 3 * [(5, 2, 3)]
    for _ in range(3):
        torch.randn(5, 2, 3, generator=want)
    assert torch.equal(used.get_state(), want.get_state())
    y, accepted = last(mala(lambda x: -x.square().flatten(1).sum(1), x, 0.1, 3, generator=used))
    assert y.shape == (5, 2, 3) and y.dtype == torch.float32 and not y.requires_grad
    assert accepted.shape == (5,) and accepted.dtype == torch.bool
    assert len(list(annealed_langevin(lambda x, sigma: -x, x, [2.0, 1.0], 0.1, 4, generator=used))) == 8


def test_mala_refuses_a_proposal_without_a_density():
    x = torch.full((50, 1), 0.5)
    y, accepted = last(mala(lambda x: x.log()[:, 0], x, 4.0, 1, generator=seeded()))
    assert torch.equal(y[~accepted], x[~accepted]) and (y > 0).all() and 0 < accepted.sum() < 50


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda x, s: langevin(s, x, 0.0, 3), "step_size is 0.0; want a number above 0"),
        (lambda x, s: langevin(s, x, lambda k: 1.0 - k, 3), "step_size is 0.0; want a number above 0"),
        (lambda x, s: langevin(s, x, torch.tensor(0.1), 3), "step_size is a float32 tensor"),
        (lambda x, s: langevin(s, x.long(), 0.1, 3), "x is a int64 tensor"),
        (lambda x, s: langevin(s, x, 0.1, 0), "num_steps is 0; want an int of at least 1"),
        (lambda x, s: mala(s, x, -1.0, 3), "step_size is -1.0; want a number above 0"),
        (lambda x, s: annealed_langevin(s, x, [1.0, 2.0], 0.1, 3), "sigmas has 1 before 2; want numbers that decrease"),
        (lambda x, s: annealed_langevin(s, x, [1.0, 0.0], 0.1, 3), "sigmas is 0.0; want a number above 0"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        list(call(torch.zeros(4, 2), lambda x, sigma=None: -x))


def test_mala_runs_where_the_caller_is_in_inference_mode():
    log_prob = lambda x: -x.square().sum(1) / 2
    plain = [x for x, _ in mala(log_prob, torch.ones(5, 2), 0.5, 3, generator=seeded(1))]
    with torch.inference_mode():
        inside = [x for x, _ in mala(log_prob, torch.ones(5, 2), 0.5, 3, generator=seeded(1))]
    assert all(torch.equal(a, b) for a, b in zip(plain, inside, strict=True))


def test_annealed_langevin_takes_its_levels_as_a_tensor():
    score = lambda x, sigma: -x / (1 + sigma**2)
    levels = [2.0, 1.0, 0.5]
    *_, a = annealed_langevin(score, torch.ones(4, 2), levels, 0.1, 2, generator=seeded(0))
    *_, b = annealed_langevin(score, torch.ones(4, 2), torch.tensor(levels), 0.1, 2, generator=seeded(0))
    assert torch.equal(a, b)


@pytest.mark.parametrize("dynamics", [langevin, mala, annealed_langevin])
def test_with_a_generator_for_each_chain_one_is_what_it_would_be_alone(dynamics):
    x = torch.randn(3, 2, dtype=torch.float64, generator=seeded())
    calls = {
        langevin: lambda x, g: langevin(lambda x: -x, x, 0.5, 5, generator=g),
        mala: lambda x, g: (x for x, _ in mala(lambda x: -x.square().sum(1) / 2, x, 0.5, 5, generator=g)),
        annealed_langevin: lambda x, g: annealed_langevin(lambda x, s: -x / s**2, x, [2.0, 1.0], 0.5, 3, generator=g),
    }
    *_, together = calls[dynamics](x, [seeded(i) for i in range(3)])
    *_, alone = calls[dynamics](x[1:2], [seeded(1)])
    torch.testing.assert_close(alone, together[1:2], rtol=1e-12, atol=1e-12)
    *_, other = calls[dynamics](x[1:2], [seeded(2)])
    assert not torch.allclose(other, together[1:2])
