import itertools
import math

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from ldm_teach.theory.mixture import GaussianMixture
from ldm_teach.theory.samplers import ddim, ddpm, final
from ldm_teach.theory.schedule import NoiseSchedule

SCHEDULES = {
    "linear": (NoiseSchedule.linear(), dict(beta_schedule="linear", beta_start=1e-4, beta_end=2e-2)),
    "cosine": (NoiseSchedule.cosine(), dict(beta_schedule="squaredcos_cap_v2")),
}
STEPS = [4, 20, 100, 1000]  # divisors of T: elsewhere diffusers goes to another timestep than the next one


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(n: int = 64) -> torch.Tensor:
    return torch.randn(n, 2, dtype=torch.float64, generator=seeded(1))


def gaussian_on_the_line(mean: float, std: float) -> GaussianMixture:
    return GaussianMixture(*(torch.tensor(v, dtype=torch.float64) for v in ([1.0], [[mean]], [[[std**2]]])))


def diffusers_run(scheduler, denoiser, x, num_steps, **step_arguments):
    scheduler.alphas_cumprod = scheduler.alphas_cumprod.double()
    scheduler.set_timesteps(num_steps)
    for t in scheduler.timesteps:
        eps = denoiser(x, t.expand(len(x)))
        x = scheduler.step(eps, t, x, **step_arguments).prev_sample
    return x


def assert_equal_to_largest(ours, theirs, tolerance):
    assert (ours - theirs).abs().max() <= tolerance * theirs.abs().max()


@pytest.mark.parametrize("num_steps", STEPS)
@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_equals_diffusers(mixture, name, num_steps, eta):
    schedule, config = SCHEDULES[name]
    scheduler = DDIMScheduler(**config, clip_sample=False, timestep_spacing="trailing")
    scheduler.alphas_cumprod = schedule.alpha_bar.clone()
    denoiser = mixture.denoiser(schedule)
    ours = final(ddim(denoiser, schedule, noise(), num_steps, eta=eta, generator=seeded()))
    theirs = diffusers_run(scheduler, denoiser, noise(), num_steps, eta=eta, generator=seeded())
    assert_equal_to_largest(ours, theirs, 1e-5)


@pytest.mark.parametrize("num_steps", STEPS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_ddpm_equals_diffusers(mixture, name, num_steps):
    schedule, config = SCHEDULES[name]
    scheduler = DDPMScheduler(**config, clip_sample=False, timestep_spacing="trailing", variance_type="fixed_small")
    scheduler.alphas_cumprod = schedule.alpha_bar.clone()
    denoiser = mixture.denoiser(schedule)
    ours = final(ddpm(denoiser, schedule, noise(), num_steps, generator=seeded()))
    theirs = diffusers_run(scheduler, denoiser, noise(), num_steps, generator=seeded())
    assert_equal_to_largest(ours, theirs, 1e-5)


def test_large_variance_equals_diffusers_before_its_last_step(mixture):
    schedule, config = SCHEDULES["linear"]
    scheduler = DDPMScheduler(**config, clip_sample=False, timestep_spacing="trailing", variance_type="fixed_large")
    scheduler.alphas_cumprod = schedule.alpha_bar.clone()
    scheduler.set_timesteps(20)
    denoiser, generator, x = mixture.denoiser(schedule), seeded(), noise()
    steps = list(ddpm(denoiser, schedule, noise(), 20, variance="large", generator=seeded()))
    for t, step in zip(scheduler.timesteps[:-1], steps[:-1], strict=True):
        x = scheduler.step(denoiser(x, t.expand(len(x))), t, x, generator=generator).prev_sample
        assert_equal_to_largest(step.x, x, 1e-5)


@pytest.mark.parametrize("num_steps", [1, 3, 20, 250])
@pytest.mark.parametrize("name", SCHEDULES)
def test_ddim_on_a_gaussian_is_its_closed_form(name, num_steps):
    """For x_0 ~ N(mu, s^2) each DDIM step is linear, and the whole run mu + (x_T - sqrt(a_T) mu) prod_t r_t.

    With a for alpha_bar at t and b at the next step, r_t = (sqrt(a b) s^2 + sqrt((1 - a)(1 - b))) / (a s^2 + 1 - a).
    """
    schedule, mu, s = SCHEDULES[name][0], 1.5, 0.4
    gaussian = gaussian_on_the_line(mu, s)
    x_T = noise()[:, :1]
    scale = 1.0
    alpha_bars = [*schedule.alpha_bar[schedule.timesteps(num_steps)].tolist(), 1.0]
    for a, b in itertools.pairwise(alpha_bars):
        scale *= (math.sqrt(a * b) * s**2 + math.sqrt((1 - a) * (1 - b))) / (a * s**2 + 1 - a)
    want = mu + scale * (x_T - math.sqrt(alpha_bars[0]) * mu)
    ours = final(ddim(gaussian.denoiser(schedule), schedule, x_T, num_steps))
    # The first step divides rounding, 1e-16, by sqrt(alpha_bar), 5e-5 on the cosine schedule.
    torch.testing.assert_close(ours, want, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("variance", ["small", "large"])
def test_ddpm_variance_on_a_gaussian_is_its_closed_form(variance):
    """On N(0, s^2) a DDPM step is x <- r x + sigma noise, so the variance follows V <- r^2 V + sigma^2."""
    schedule, s, n = NoiseSchedule.linear(), 0.4, 200_000
    gaussian = gaussian_on_the_line(0.0, s)
    want = 1.0
    for _, a, b in schedule.walk(20):
        alpha = a / b
        posterior = (1 - alpha) * (1 - b) / (1 - a)
        x0 = math.sqrt(a) * s**2 / (a * s**2 + 1 - a)
        r = math.sqrt(b) * (1 - alpha) / (1 - a) * x0 + math.sqrt(alpha) * (1 - b) / (1 - a)
        want = r**2 * want + (0 if b == 1 else posterior if variance == "small" else 1 - alpha)
    x_T = torch.randn(n, 1, dtype=torch.float64, generator=seeded(3))
    x = final(ddpm(gaussian.denoiser(schedule), schedule, x_T, 20, variance=variance, generator=seeded(4)))
    standard_error = want * math.sqrt(2 / n)  # of the sample variance of a Gaussian
    assert abs(float(x.var()) - want) < 4 * standard_error


@pytest.mark.parametrize("sampler", [ddim, ddpm])
def test_many_steps_sample_the_mixture(mixture, sampler):
    """The share of each component among 20,000 samples, within 4 standard errors of its weight."""
    schedule, n = NoiseSchedule.linear(), 20_000
    x_T = torch.randn(n, 2, dtype=torch.float64, generator=seeded(5))
    x = final(sampler(mixture.denoiser(schedule), schedule, x_T, 250, generator=seeded(6)))
    share = mixture.log_posterior(x).exp().mean(0)
    standard_error = (mixture.weights * (1 - mixture.weights) / n).sqrt()
    assert ((share - mixture.weights).abs() < 4 * standard_error).all()


def test_eta_one_is_ddpm_with_the_small_variance(mixture):
    schedule = NoiseSchedule.linear()
    denoiser = mixture.denoiser(schedule)
    a = final(ddim(denoiser, schedule, noise(), 50, eta=1.0, generator=seeded()))
    b = final(ddpm(denoiser, schedule, noise(), 50, generator=seeded()))
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_samplers_draw_once_for_each_noisy_step_and_never_else(mixture):
    schedule, denoiser = NoiseSchedule.linear(), mixture.denoiser(NoiseSchedule.linear())
    for sampler, arguments, draws in (
        (ddim, {}, 0),
        (ddim, dict(eta=0.3), 9),
        (ddpm, {}, 9),
        (ddpm, dict(variance="large"), 9),
    ):
        used, want = seeded(), seeded()
        final(sampler(denoiser, schedule, noise(), 10, generator=used, **arguments))
        for _ in range(draws):
            torch.randn(64, 2, dtype=torch.float64, generator=want)
        assert torch.equal(used.get_state(), want.get_state())


def test_steps_name_their_timesteps_and_keep_the_dtype(mixture):
    schedule = NoiseSchedule.linear()
    steps = list(ddim(mixture.denoiser(schedule), schedule, noise().float(), 5))
    assert [step.t for step in steps] == [999, 799, 599, 399, 199]
    assert all(step.x.dtype == step.x0.dtype == torch.float32 for step in steps)
    assert torch.equal(steps[-1].x, steps[-1].x0)  # the last step goes to alpha_bar = 1


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda d, s: list(ddim(d, s, noise(), 0)), "n is 0; want an int from 1 to 1000"),
        (lambda d, s: list(ddim(d, s, noise(), 10, eta=2)), "eta is 2; want a number from 0 to 1"),
        (lambda d, s: list(ddpm(d, s, noise(), 10, variance="tiny")), "variance is 'tiny'; want 'small' or 'large'"),
        (lambda d, s: list(ddpm(d, s, noise().long(), 10)), "x_T is a int64 tensor"),
        (lambda d, s: list(ddim(lambda x, t: x[:1], s, noise(), 10)), r"shapes differ: x_t \(64, 2\), eps \(1, 2\)"),
        (lambda d, s: final(iter(())), "steps is empty"),
    ],
)
def test_bad_arguments(mixture, call, words):
    schedule = NoiseSchedule.linear()
    with pytest.raises(ValueError, match=words):
        call(mixture.denoiser(schedule), schedule)
