import itertools
import math

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, HeunDiscreteScheduler

from ldm_teach.theory.mixture import GaussianMixture
from ldm_teach.theory.parameterization import sigma_from_alpha_bar
from ldm_teach.theory.samplers import ddim, ddpm, dpm_solver, final, heun, predictor_corrector
from ldm_teach.theory.schedule import NoiseSchedule
from tests.helpers import seeded

SCHEDULES = {
    "linear": (NoiseSchedule.linear(), dict(beta_schedule="linear", beta_start=1e-4, beta_end=2e-2)),
    "cosine": (NoiseSchedule.cosine(), dict(beta_schedule="squaredcos_cap_v2")),
}
STEPS = [4, 20, 100, 1000]  # divisors of T: elsewhere diffusers goes to another timestep than the next one


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


def relative_to_largest(ours, theirs):
    return (ours - theirs).abs().max() / theirs.abs().max()


@pytest.mark.law("DDIM step: sqrt(ab_s) x0 + sqrt(1 - ab_s - sigma^2) eps + sigma z", "samplers.ddim")
@pytest.mark.parametrize("num_steps", STEPS)
@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_equals_diffusers(mixture, within, name, num_steps, eta):
    schedule, config = SCHEDULES[name]
    scheduler = DDIMScheduler(**config, clip_sample=False, timestep_spacing="trailing")
    scheduler.alphas_cumprod = schedule.alpha_bar.clone()
    denoiser = mixture.denoiser(schedule)
    ours = final(ddim(denoiser, schedule, noise(), num_steps, eta=eta, generator=seeded()))
    theirs = diffusers_run(scheduler, denoiser, noise(), num_steps, eta=eta, generator=seeded())
    within(relative_to_largest(ours, theirs), 1e-5)


@pytest.mark.law("DDPM step: posterior mean of q(x_s|x_t, x0), beta tilde", "samplers.ddpm")
@pytest.mark.parametrize("num_steps", STEPS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_ddpm_equals_diffusers(mixture, within, name, num_steps):
    schedule, config = SCHEDULES[name]
    scheduler = DDPMScheduler(**config, clip_sample=False, timestep_spacing="trailing", variance_type="fixed_small")
    scheduler.alphas_cumprod = schedule.alpha_bar.clone()
    denoiser = mixture.denoiser(schedule)
    ours = final(ddpm(denoiser, schedule, noise(), num_steps, generator=seeded()))
    theirs = diffusers_run(scheduler, denoiser, noise(), num_steps, generator=seeded())
    within(relative_to_largest(ours, theirs), 1e-5)


@pytest.mark.law("DDPM step with the large variance, beta", "samplers.ddpm")
def test_large_variance_equals_diffusers_before_its_last_step(mixture, within):
    schedule, config = SCHEDULES["linear"]
    scheduler = DDPMScheduler(**config, clip_sample=False, timestep_spacing="trailing", variance_type="fixed_large")
    scheduler.alphas_cumprod = schedule.alpha_bar.clone()
    scheduler.set_timesteps(20)
    denoiser, generator, x = mixture.denoiser(schedule), seeded(), noise()
    steps = list(ddpm(denoiser, schedule, noise(), 20, variance="large", generator=seeded()))
    for t, step in zip(scheduler.timesteps[:-1], steps[:-1], strict=True):
        x = scheduler.step(denoiser(x, t.expand(len(x))), t, x, generator=generator).prev_sample
        within(relative_to_largest(step.x, x), 1e-5)


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # diffusers on numpy 2
@pytest.mark.law("DPM-Solver++(2M) step", "samplers.dpm_solver")
@pytest.mark.parametrize("num_steps", STEPS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_dpm_solver_equals_diffusers(mixture, within, name, num_steps):
    """diffusers keeps its sigmas in float32: it is given the same ones in float64."""
    schedule, config = SCHEDULES[name]
    scheduler = DPMSolverMultistepScheduler(**config, timestep_spacing="trailing", final_sigmas_type="zero")
    scheduler.alphas_cumprod = schedule.alpha_bar.clone()
    scheduler.set_timesteps(num_steps)
    sigmas = sigma_from_alpha_bar(schedule.alpha_bar[schedule.timesteps(num_steps)])
    torch.testing.assert_close(scheduler.sigmas[:-1].double(), sigmas, rtol=1e-6, atol=0)
    scheduler.sigmas = torch.cat([sigmas, torch.zeros(1).double()])
    denoiser, x = mixture.denoiser(schedule), noise()
    for t in scheduler.timesteps:
        x = scheduler.step(denoiser(x, t.expand(len(x))), t, x).prev_sample
    within(relative_to_largest(final(dpm_solver(denoiser, schedule, noise(), num_steps)), x), 1e-5)


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # diffusers on numpy 2
@pytest.mark.law("Heun step on d x_ve / d sigma = eps", "samplers.heun")
@pytest.mark.parametrize("num_steps", STEPS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_heun_equals_diffusers(mixture, within, name, num_steps):
    """diffusers walks in x_ve = x / sqrt(alpha_bar), sees each sigma but the first twice, and scales its own input.

    Its table of sigmas is float32, an error of 1e-3 at the cosine schedule's 20,000: it is given the same in float64.
    """
    schedule, config = SCHEDULES[name]
    scheduler = HeunDiscreteScheduler(**config, timestep_spacing="trailing")
    scheduler.alphas_cumprod = schedule.alpha_bar.clone()
    scheduler.set_timesteps(num_steps)
    sigmas = sigma_from_alpha_bar(schedule.alpha_bar[schedule.timesteps(num_steps)])
    torch.testing.assert_close(scheduler.sigmas[1:-1:2].double(), sigmas[1:], rtol=1e-6, atol=0)
    scheduler.sigmas = torch.cat([sigmas[:1], sigmas[1:].repeat_interleave(2), torch.zeros(1).double()])
    denoiser = mixture.denoiser(schedule)
    x = noise() / schedule.alpha_bar[-1].sqrt()
    for t in scheduler.timesteps:
        eps = denoiser(scheduler.scale_model_input(x, t), t.long().expand(len(x)))
        x = scheduler.step(eps, t, x).prev_sample
    within(relative_to_largest(final(heun(denoiser, schedule, noise(), num_steps)), x), 1e-5)


MIXTURE_ON_THE_LINE = GaussianMixture(
    *(torch.tensor(v, dtype=torch.float64) for v in ([0.6, 0.4], [[-1.0], [1.5]], [[[0.25]], [[0.16]]]))
)


def flow_error(sampler, schedule, num_steps: int, t: int) -> float:
    """The root mean square distance of a deterministic sampler to the exact probability flow, on arrival at timestep t.

    On the line the flow keeps quantiles, so it is known in closed form (GaussianMixture.quantile).
    """
    u = torch.linspace(0.02, 0.98, 49, dtype=torch.float64)[:, None]
    x_T, want = (MIXTURE_ON_THE_LINE.diffuse(schedule.alpha_bar[i].item()).quantile(u) for i in (-1, t))
    steps = sampler(MIXTURE_ON_THE_LINE.denoiser(schedule), schedule, x_T, num_steps)
    arrival = schedule.timesteps(num_steps).tolist().index(t) - 1
    x = next(itertools.islice(steps, arrival, None)).x
    return float((x - want).square().mean().sqrt())


@pytest.mark.law("order of convergence to the probability flow", "samplers")
@pytest.mark.parametrize("sampler, order", [(ddim, 1), (heun, 2), (dpm_solver, 2)])
def test_the_order_of_convergence_on_the_linear_schedule(within, sampler, order):
    """The slope of log error against log network calls, between 50 and 500 steps, on arrival at t = 199.

    The next order's term bends the slope by a few hundredths at 50 steps, whence the tolerance. The last step, to clean
    data, is first order for every one of them and left out.
    """
    coarse, fine = (flow_error(sampler, NoiseSchedule.linear(), n, t=199) for n in (50, 500))
    calls = [2 * n - 1 if sampler is heun else n for n in (50, 500)]
    slope = math.log(coarse / fine) / math.log(calls[1] / calls[0])
    within(abs(slope - order), 0.05)


def test_heun_in_sigma_is_poor_on_the_cosine_schedule_below_a_hundred_steps():
    """Its first steps cross sigma = 20,000 to 10: far outside of what a second-order step can follow."""
    cosine = NoiseSchedule.cosine()
    assert flow_error(heun, cosine, 50, t=199) > 10 * flow_error(ddim, cosine, 50, t=199)
    assert flow_error(heun, cosine, 500, t=199) < flow_error(ddim, cosine, 500, t=199) / 5


@pytest.mark.law("predictor and Langevin corrector: variance on a Gaussian", "samplers.predictor_corrector")
@pytest.mark.parametrize("corrector_steps, step_ratio", [(1, 0.1), (3, 0.5)])
def test_predictor_corrector_variance_on_a_gaussian_is_its_closed_form(within, corrector_steps, step_ratio):
    """Each step is linear on N(0, s^2): V <- r^2 V by DDIM, then V <- (1 - delta / (2 q))^2 V + delta, q = Var x_s.

    Error in units of its standard error, sqrt(2 / n) of the variance.
    """
    schedule, s, n = NoiseSchedule.linear(), 0.4, 200_000
    want = 1.0
    for _, a, _, b in schedule.walk(10):
        want *= ((math.sqrt(a * b) * s**2 + math.sqrt((1 - a) * (1 - b))) / (a * s**2 + 1 - a)) ** 2
        if b < 1:
            delta, q = step_ratio * (1 - b), b * s**2 + 1 - b
            for _ in range(corrector_steps):
                want = (1 - delta / (2 * q)) ** 2 * want + delta
    x_T = torch.randn(n, 1, dtype=torch.float64, generator=seeded(3))
    denoiser = gaussian_on_the_line(0.0, s).denoiser(schedule)
    arguments = dict(corrector_steps=corrector_steps, step_ratio=step_ratio, generator=seeded(4))
    x = final(predictor_corrector(denoiser, schedule, x_T, 10, **arguments))
    within(abs(float(x.var()) - want) / (want * math.sqrt(2 / n)), 4)


@pytest.mark.law("DDIM on a Gaussian in closed form", "samplers.ddim")
@pytest.mark.parametrize("num_steps", [1, 3, 20, 250])
@pytest.mark.parametrize("name", SCHEDULES)
def test_ddim_on_a_gaussian_is_its_closed_form(within, name, num_steps):
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
    # The first step divides rounding, 1e-16, by sqrt(alpha_bar), 5e-5 on the cosine schedule; later ones add to it.
    within(relative_to_largest(ours, want), 1e-10)


@pytest.mark.law("DDPM variance on a Gaussian, in standard errors", "samplers.ddpm")
@pytest.mark.parametrize("variance", ["small", "large"])
def test_ddpm_variance_on_a_gaussian_is_its_closed_form(within, variance):
    """On N(0, s^2) a DDPM step is x <- r x + sigma noise, so the variance follows V <- r^2 V + sigma^2."""
    schedule, s, n = NoiseSchedule.linear(), 0.4, 200_000
    gaussian = gaussian_on_the_line(0.0, s)
    want = 1.0
    for _, a, _, b in schedule.walk(20):
        alpha = a / b
        posterior = (1 - alpha) * (1 - b) / (1 - a)
        x0 = math.sqrt(a) * s**2 / (a * s**2 + 1 - a)
        r = math.sqrt(b) * (1 - alpha) / (1 - a) * x0 + math.sqrt(alpha) * (1 - b) / (1 - a)
        want = r**2 * want + (0 if b == 1 else posterior if variance == "small" else 1 - alpha)
    x_T = torch.randn(n, 1, dtype=torch.float64, generator=seeded(3))
    x = final(ddpm(gaussian.denoiser(schedule), schedule, x_T, 20, variance=variance, generator=seeded(4)))
    standard_error = want * math.sqrt(2 / n)  # of the sample variance of a Gaussian
    within(abs(float(x.var()) - want) / standard_error, 4)


@pytest.mark.law("DDPM resampled: variance on a Gaussian, in standard errors", "samplers.ddpm")
def test_resampling_goes_back_by_the_forward_process(within):
    """Each time x <- r x + sigma noise, as above, and between two times V <- alpha V + 1 - alpha, the noise of the
    forward process from s to t."""
    schedule, s, n, resampling = NoiseSchedule.linear(), 0.4, 200_000, 3
    want = 1.0
    for _, a, _, b in schedule.walk(5):
        alpha = a / b
        x0 = math.sqrt(a) * s**2 / (a * s**2 + 1 - a)
        r = math.sqrt(b) * (1 - alpha) / (1 - a) * x0 + math.sqrt(alpha) * (1 - b) / (1 - a)
        for again in range(resampling if b < 1 else 1):  # the last step is made once
            want = alpha * want + 1 - alpha if again else want
            want = r**2 * want + (1 - alpha) * (1 - b) / (1 - a)
    x_T = torch.randn(n, 1, dtype=torch.float64, generator=seeded(3))
    denoiser = gaussian_on_the_line(0.0, s).denoiser(schedule)
    x = final(ddpm(denoiser, schedule, x_T, 5, resampling=resampling, generator=seeded(4)))
    within(abs(float(x.var()) - want) / (want * math.sqrt(2 / n)), 4)


@pytest.mark.slow
@pytest.mark.law("many steps sample the mixture: weights, in standard errors", "samplers")
@pytest.mark.parametrize("sampler", [ddim, ddpm, heun, dpm_solver, predictor_corrector])
def test_many_steps_sample_the_mixture(mixture, within, sampler):
    """The share of each component among 20,000 samples, within 4 standard errors of its weight."""
    schedule, n = NoiseSchedule.linear(), 20_000
    x_T = torch.randn(n, 2, dtype=torch.float64, generator=seeded(5))
    x = final(sampler(mixture.denoiser(schedule), schedule, x_T, 250, generator=seeded(6)))
    share = mixture.log_posterior(x).exp().mean(0)
    standard_error = (mixture.weights * (1 - mixture.weights) / n).sqrt()
    within(((share - mixture.weights).abs() / standard_error).max(), 4)


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
        (ddpm, dict(resampling=3), 3 * 9 + 2 * 9),
        (heun, {}, 0),
        (dpm_solver, {}, 0),
        (predictor_corrector, dict(corrector_steps=2), 18),
    ):
        used, want = seeded(), seeded()
        final(sampler(denoiser, schedule, noise(), 10, generator=used, **arguments))
        for _ in range(draws):
            torch.randn(64, 2, dtype=torch.float64, generator=want)
        assert torch.equal(used.get_state(), want.get_state())


@pytest.mark.parametrize(
    "sampler, arguments, calls",
    [
        (ddpm, {}, 10),
        (ddpm, dict(resampling=3), 28),
        (ddim, {}, 10),
        (heun, {}, 19),
        (dpm_solver, {}, 10),
        (predictor_corrector, dict(corrector_steps=2), 28),
    ],
)
def test_network_calls_are_as_documented(mixture, sampler, arguments, calls):
    seen = []
    denoiser = mixture.denoiser(NoiseSchedule.linear())
    final(sampler(lambda x, t: seen.append(t) or denoiser(x, t), NoiseSchedule.linear(), noise(), 10, **arguments))
    assert len(seen) == calls


@pytest.mark.parametrize("sampler", [ddpm, ddim, heun, dpm_solver, predictor_corrector])
def test_every_sampler_ends_at_its_last_prediction_of_x0(mixture, sampler):
    schedule = NoiseSchedule.linear()
    *_, last = sampler(mixture.denoiser(schedule), schedule, noise().float(), 7)
    assert last.x.dtype == torch.float32
    torch.testing.assert_close(last.x, last.x0)


def test_steps_name_their_timesteps_and_keep_the_dtype(mixture):
    schedule = NoiseSchedule.linear()
    steps = list(ddim(mixture.denoiser(schedule), schedule, noise().float(), 5))
    assert [step.t for step in steps] == [999, 799, 599, 399, 199]
    assert all(step.x.dtype == step.x0.dtype == torch.float32 for step in steps)
    assert torch.equal(steps[-1].x, steps[-1].x0)  # the last step goes to alpha_bar = 1


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda d, s: list(ddim(d, s, noise(), 0)), "num_steps is 0; want an int from 1 to 1000"),
        (lambda d, s: list(ddim(d, s, noise(), 10, eta=2)), "eta is 2; want a number from 0 to 1"),
        (lambda d, s: list(ddpm(d, s, noise(), 10, variance="tiny")), "variance is 'tiny'; want 'small' or 'large'"),
        (lambda d, s: list(ddpm(d, s, noise(), 10, resampling=0)), "resampling is 0; want an int of at least 1"),
        (lambda d, s: list(ddpm(d, s, noise().long(), 10)), "x_T is a int64 tensor"),
        (
            lambda d, s: list(ddim(lambda x, t: x[:1], s, noise(), 10)),
            r"denoiser returns a float64 tensor of shape \(1, 2\)",
        ),
        (
            lambda d, s: list(predictor_corrector(d, s, noise(), 10, corrector_steps=0)),
            "corrector_steps is 0; want an int",
        ),
        (
            lambda d, s: list(predictor_corrector(d, s, noise(), 10, step_ratio=-1)),
            "step_ratio is -1; want a number above",
        ),
        (lambda d, s: list(heun(d, s, noise(), 2000)), "num_steps is 2000; want an int from 1 to 1000"),
        (lambda d, s: list(dpm_solver(d, s, noise().long(), 10)), "x_T is a int64 tensor"),
        (lambda d, s: final(iter(())), "steps is empty"),
    ],
)
def test_bad_arguments(mixture, call, words):
    schedule = NoiseSchedule.linear()
    with pytest.raises(ValueError, match=words):
        call(mixture.denoiser(schedule), schedule)


@pytest.mark.parametrize("sampler", [ddim, ddpm, heun, dpm_solver, predictor_corrector])
@pytest.mark.parametrize("options", [{}, dict(eta=1.0)], ids=["", "eta"])
def test_with_a_generator_for_each_sample_one_is_what_it_would_be_alone(mixture, sampler, options):
    if options and sampler is not ddim:
        return
    schedule, x_T = NoiseSchedule.linear(), noise()[:4]
    run = lambda x_T, *seeds: final(
        sampler(mixture.denoiser(schedule), schedule, x_T, 10, generator=[seeded(s) for s in seeds], **options)
    )
    together = run(x_T, 1, 2, 3, 4)
    torch.testing.assert_close(run(x_T[2:3], 3), together[2:3], rtol=1e-9, atol=1e-9)
    if sampler in (ddpm, predictor_corrector) or options:
        assert not torch.allclose(run(x_T[2:3], 5), together[2:3])
