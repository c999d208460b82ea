import math

import pytest
import torch

from ldm_teach.theory.editing import ddim_inversion, image_to_image, inpainting, slerp
from ldm_teach.theory.mixture import GaussianMixture
from ldm_teach.theory.parameterization import x0_from_eps
from ldm_teach.theory.samplers import ddim, ddpm, dpm_solver, final, heun, predictor_corrector
from ldm_teach.theory.schedule import NoiseSchedule
from tests.helpers import seeded

SCHEDULES = {"linear": NoiseSchedule.linear(), "cosine": NoiseSchedule.cosine()}
LINEAR = SCHEDULES["linear"]


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=seeded(seed))


def line(mean: float, std: float) -> GaussianMixture:
    return GaussianMixture(*(torch.tensor(v, dtype=torch.float64) for v in ([1.0], [[mean]], [[[std**2]]])))


# Image-to-image


@pytest.mark.parametrize("sampler", [ddpm, ddim, heun, dpm_solver, predictor_corrector])
@pytest.mark.parametrize("strength, left", [(1.0, 20), (0.6, 12), (0.05, 1)])
def test_every_sampler_takes_the_rest_of_its_steps(mixture, sampler, strength, left):
    start = image_to_image(normal(4, 2), normal(4, 2), LINEAR, strength, 20)
    steps = list(sampler(mixture.denoiser(LINEAR), *start, generator=seeded()))
    assert [step.t for step in steps] == LINEAR.timesteps(20)[-left:].tolist()


def test_the_start_is_noised_to_its_own_timestep_and_to_no_other():
    x0, eps = normal(5, 3, 2), normal(5, 3, 2, seed=1)
    for strength, t in ((1.0, 999), (0.37, 369), (1e-6, 0)):
        schedule, x_t, num_steps = image_to_image(x0, eps, LINEAR, strength, 10)
        assert torch.equal(x_t, LINEAR.add_noise(x0, torch.full((5,), t), eps))
        assert torch.equal(schedule.alpha_bar, LINEAR.alpha_bar[: t + 1]) and num_steps >= 1


@pytest.mark.law("what is left of x0 ~ N(mu, s^2): correlation sqrt(ab) s / std(x_t), by DDPM its square", "editing")
@pytest.mark.parametrize("strength", [0.1, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("sampler, power", [(ddim, 1), (dpm_solver, 1), (ddpm, 2)])
def test_how_much_survives_on_a_gaussian(within, strength, sampler, power):
    """A deterministic sampler is affine in x_t, so that the edited x keeps the correlation of x_t with x_0 whatever its
    steps; an exact DDPM draws x from q(x_0|x_t), independent of x_0 given x_t, and has its square. In standard errors,
    (1 - rho^2) / sqrt(n), of the samples; of all steps, for with fewer ddpm draws too little noise."""
    n, s = 20_000, 0.5
    x0 = 1 + s * normal(n, 1)
    start = image_to_image(x0, normal(n, 1, seed=1), LINEAR, strength, 1000)
    x = final(sampler(line(1, s).denoiser(LINEAR), *start, generator=seeded(2)))
    alpha_bar = float(start.schedule.alpha_bar[-1])
    rho = (math.sqrt(alpha_bar) * s / math.sqrt(alpha_bar * s**2 + 1 - alpha_bar)) ** power
    found = float(torch.corrcoef(torch.cat([x0, x], dim=1).mT)[0, 1])
    within(abs(found - rho) / ((1 - rho**2) / math.sqrt(n)), 4)


# Inpainting

KNOWN_FIRST = torch.tensor([False, True])  # the second coordinate is wanted


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("sampler", [ddpm, ddim, heun, dpm_solver, predictor_corrector])
def test_every_sampler_ends_at_the_known_part(mixture, name, sampler):
    schedule, known = SCHEDULES[name], normal(50, 2)
    arrow = inpainting(mixture.denoiser(schedule), schedule, known, KNOWN_FIRST)
    x = final(sampler(arrow, schedule, normal(50, 2, seed=1), 20, generator=seeded()))
    torch.testing.assert_close(x[:, 0], known[:, 0], rtol=1e-9, atol=1e-9)
    assert (x[:, 1] - known[:, 1]).abs().max() > 0.1


def test_the_arrow_is_the_denoisers_where_something_is_wanted_and_leads_to_what_is_known(mixture):
    x, known, t = normal(4, 2), normal(4, 2, seed=1), torch.tensor([0, 10, 500, 999])
    denoiser = mixture.denoiser(LINEAR)
    eps = inpainting(denoiser, LINEAR, known, KNOWN_FIRST)(x, t)
    assert torch.equal(eps[:, 1], denoiser(x, t)[:, 1])
    torch.testing.assert_close(x0_from_eps(x, eps, LINEAR.at(t, x))[:, 0], known[:, 0])
    each = torch.tensor([[False, True], [True, True], [False, False], [True, False]])  # a mask of its own for each row
    eps = inpainting(denoiser, LINEAR, known, each)(x, t)
    assert torch.equal(eps[each], denoiser(x, t)[each])
    torch.testing.assert_close(x0_from_eps(x, eps, LINEAR.at(t, x))[~each], known[~each])


@pytest.mark.law("the known part is q(x_s|x_0) at each step, in standard errors", "editing.inpainting")
@pytest.mark.parametrize("resampling", [1, 3])
def test_ddpm_noises_the_known_part_as_the_forward_process_does(mixture, within, resampling):
    """Mean sqrt(alpha_bar_s) known and variance 1 - alpha_bar_s after each step; from x_T = noise, whose own signal is
    0.006 of the known part."""
    n, known = 20_000, torch.full((20_000, 2), 0.7, dtype=torch.float64)
    arrow = inpainting(mixture.denoiser(LINEAR), LINEAR, known, KNOWN_FIRST)
    walk, generator = LINEAR.walk(10), seeded(1)
    steps = ddpm(arrow, LINEAR, normal(n, 2), 10, resampling=resampling, generator=generator)
    for (_, _, _, alpha_bar_s), step in zip(walk[:-1], steps, strict=False):
        x, variance = step.x[:, 0], 1 - alpha_bar_s
        within(abs(float(x.mean()) - math.sqrt(alpha_bar_s) * 0.7) / math.sqrt(variance / n), 4)
        within(abs(float(x.var()) - variance) / (variance * math.sqrt(2 / n)), 4)


def distance_to_the_conditional(mixture: GaussianMixture, value: float, resampling: int) -> tuple[float, float]:
    """The Wasserstein-1 distance of inpainted second coordinates to p(x_2|x_1 = value), and its standard error.

    On the line it is the mean distance of equal quantiles: here of eight groups of 500, so that the groups tell the
    error, and exact samples have a distance above 0.
    """
    n, groups = 4000, 8
    known = torch.full((n, 2), value, dtype=torch.float64)
    arrow = inpainting(mixture.denoiser(LINEAR), LINEAR, known, KNOWN_FIRST)
    x = final(ddpm(arrow, LINEAR, normal(n, 2), 50, resampling=resampling, generator=seeded(1)))
    u = ((torch.arange(n // groups) + 0.5) / (n // groups)).double()[:, None]
    want = mixture.given(torch.tensor([value, math.nan]), KNOWN_FIRST).quantile(u)  # (500, 1)
    distances = (x[:, 1].reshape(-1, groups).sort(dim=0).values - want).abs().mean(0)  # (8,)
    return float(distances.mean()), float(distances.std() / groups**0.5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "value, want",
    [(0.0, {1: 1.18, 5: 0.91, 20: 0.51}), (1.0, {1: 0.47, 3: 0.25, 10: 0.07})],
)
def test_the_distance_to_the_exact_conditional_falls_with_resampling(mixture, value, want):
    """At x_1 = 0 the conditional has two modes three apart, and noise hides for long which one is asked for: after 50
    steps made once, one sample in three lies at the wrong one. Measured ± 0.02; exact samples have 0.06 and 0.05."""
    found = {resampling: distance_to_the_conditional(mixture, value, resampling) for resampling in want}
    for resampling, (distance, error) in found.items():
        assert abs(distance - want[resampling]) < 4 * error + 0.005, found
    (first, *_, last) = found.values()
    assert first[0] - last[0] > 8 * math.hypot(first[1], last[1])
    assert [distance for distance, _ in found.values()] == sorted((d for d, _ in found.values()), reverse=True)


# Inversion


def reconstruction_error(mixture: GaussianMixture, schedule: NoiseSchedule, num_steps: int, looks: int) -> float:
    """|x - x_0| / |x_0| over 500 samples that are inverted and drawn again by `ddim` with as many steps."""
    x0, denoiser = mixture.sample(500, seeded()), mixture.denoiser(schedule)
    x_T = final(ddim_inversion(denoiser, schedule, x0, num_steps, looks=looks))
    return float((final(ddim(denoiser, schedule, x_T, num_steps)) - x0).norm() / x0.norm())


@pytest.mark.law("DDIM of the inverted mixture: relative error at 50 steps", "editing.ddim_inversion")
@pytest.mark.parametrize("name", SCHEDULES)
def test_inversion_at_fifty_steps_is_within_one_percent(mixture, within, name):
    within(reconstruction_error(mixture, SCHEDULES[name], 50, looks=2), 0.01)
    assert reconstruction_error(mixture, SCHEDULES[name], 50, looks=1) > 0.02  # the common inversion is not


@pytest.mark.law("order of the reconstruction in the step = looks", "editing.ddim_inversion")
@pytest.mark.parametrize("looks", [1, 2, 3])
def test_each_look_is_an_order_of_the_step(within, looks):
    """The slope of log error against log steps, 100 to 400, on one Gaussian, where no sample sits between modes.

    The next order's term bends it, whence the tolerance."""
    coarse, fine = (reconstruction_error(line(1, 0.5), SCHEDULES["cosine"], n, looks) for n in (100, 400))
    within(abs(math.log(coarse / fine) / math.log(4) - looks), 0.3)


def test_the_inverted_noise_is_where_the_exact_flow_leads():
    """On the line the flow keeps quantiles, and so x_T is known; the distance falls with the steps as DDIM's does."""
    mixture = GaussianMixture(
        *(torch.tensor(v, dtype=torch.float64) for v in ([0.6, 0.4], [[-1.0], [1.5]], [[[0.25]], [[0.16]]]))
    )
    u = torch.linspace(0.02, 0.98, 49, dtype=torch.float64)[:, None]
    want = mixture.diffuse(float(LINEAR.alpha_bar[-1])).quantile(u)

    def error(num_steps: int) -> float:
        x_T = final(ddim_inversion(mixture.denoiser(LINEAR), LINEAR, mixture.quantile(u), num_steps))
        return float((x_T - want).square().mean().sqrt())

    assert error(200) < error(50) / 3 < 0.05


def test_inversion_climbs_every_timestep_and_takes_a_part_of_the_way(mixture):
    x0, looks, seen = normal(3, 2), 3, []
    denoiser = mixture.denoiser(LINEAR)
    counted = lambda x, t: seen.append(int(t[0])) or denoiser(x, t)
    steps = list(ddim_inversion(counted, LINEAR, x0, 5, looks=looks))
    assert [step.t for step in steps] == [199, 399, 599, 799, 999]
    assert seen == [t for step in steps for t in looks * [step.t]]
    partway = final(ddim_inversion(denoiser, LINEAR.until(399), x0, 2, looks=looks))
    assert torch.equal(partway, steps[1].x)


# Interpolation


@pytest.mark.law("slerp: norms and angles change evenly", "editing.slerp")
@pytest.mark.parametrize("u", [0.0, 0.2, 0.5, 1.0])
def test_slerp_changes_the_norm_and_the_angle_evenly(within, u):
    a, b = normal(6, 2, 5), 3 * normal(6, 2, 5, seed=1)
    x = slerp(a, b, u).flatten(1)
    size = lambda v: v.flatten(1).norm(dim=1)
    angle = lambda v, w: torch.cosine_similarity(v.flatten(1), w.flatten(1)).clamp(-1, 1).acos()
    within((size(x) - ((1 - u) * size(a) + u * size(b))).abs().max(), 1e-12)
    within((angle(a, x) - u * angle(a, b)).abs().max(), 1e-7)  # acos near 1 loses half of the digits
    within((angle(x, b) - (1 - u) * angle(a, b)).abs().max(), 1e-7)


def test_slerp_of_equal_norms_is_the_formula_and_its_ends_are_the_ends():
    a, b = (x / x.norm(dim=1, keepdim=True) for x in (normal(6, 4), normal(6, 4, seed=1)))
    theta = (a * b).sum(1, keepdim=True).acos()
    u = torch.linspace(0, 1, 6, dtype=torch.float64)
    want = (torch.sin((1 - u[:, None]) * theta) * a + torch.sin(u[:, None] * theta) * b) / torch.sin(theta)
    torch.testing.assert_close(slerp(a, b, u), want)
    torch.testing.assert_close(slerp(a, b, 0.0), a)
    torch.testing.assert_close(slerp(a, b, 1), b)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_slerp_of_parallel_opposite_and_empty_vectors_is_finite(dtype):
    a = normal(3, 4).to(dtype)
    torch.testing.assert_close(slerp(a, a, 0.3), a)
    torch.testing.assert_close(slerp(a, 2 * a, 0.25), 1.25 * a)
    torch.testing.assert_close(slerp(a, a * (1 + 1e-7), 0.5), a)
    torch.testing.assert_close(slerp(a, -a, 0.25), 0.5 * a, rtol=1e-5, atol=1e-6)  # the line through 0
    torch.testing.assert_close(slerp(a, torch.zeros_like(a), 1.0), torch.zeros_like(a))
    assert slerp(torch.zeros_like(a), a, 0.5).isfinite().all()


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda x: image_to_image(x, x, LINEAR, 0.0, 20), "strength is 0.0; want a number above 0"),
        (lambda x: image_to_image(x, x, LINEAR, 1.5, 20), "strength is 1.5; want a number from 0 to 1"),
        (lambda x: image_to_image(x, x, LINEAR, 0.5, 2000), "num_steps is 2000; want an int from 1 to 1000"),
        (lambda x: image_to_image(x, x[:1], LINEAR, 0.5, 20), "shapes differ"),
        (lambda x: inpainting(ddim, LINEAR, x, KNOWN_FIRST.float()), "mask is a float32 .*; want bool that broadcasts"),
        (lambda x: inpainting(ddim, LINEAR, x, torch.ones(3).bool()), r"mask is .* \(3,\); want bool that broadcasts"),
        (
            lambda x: inpainting(lambda x_t, t: x_t, LINEAR, x[:1], KNOWN_FIRST)(x, torch.zeros(4).long()),
            r"shapes differ: x_t \(4, 2\), known \(1, 2\)",
        ),
        (lambda x: list(ddim_inversion(lambda x_t, t: x_t, LINEAR, x, 5, looks=0)), "looks is 0; want an int"),
        (lambda x: list(ddim_inversion(lambda x_t, t: x_t, LINEAR, x.long(), 5)), "x0 is a int64 tensor"),
        (lambda x: slerp(x, x[:2], 0.5), "shapes differ: first"),
        (lambda x: slerp(x, x, "half"), "weight is 'half'; want a finite number or a tensor"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call(normal(4, 2))
