import math

import pytest
import torch
from diffusers import DDPMScheduler

from ldm_teach.theory.schedule import NoiseSchedule

SCHEDULES = {
    "linear": (NoiseSchedule.linear(), dict(beta_schedule="linear", beta_start=1e-4, beta_end=2e-2)),
    "scaled_linear": (
        NoiseSchedule.scaled_linear(),
        dict(beta_schedule="scaled_linear", beta_start=8.5e-4, beta_end=1.2e-2),
    ),
    "cosine": (NoiseSchedule.cosine(), dict(beta_schedule="squaredcos_cap_v2")),
}


@pytest.mark.law("alpha_bar_t = prod (1 - beta_s): linear, scaled linear, cosine", "schedule.NoiseSchedule")
@pytest.mark.parametrize("name", SCHEDULES)
def test_alpha_bar_equals_diffusers(within, name):
    ours, config = SCHEDULES[name]
    theirs = DDPMScheduler(**config).alphas_cumprod.double()  # accumulated in float32: relative error up to T * 6e-8
    within((ours.alpha_bar / theirs - 1).abs().max(), 1e-4)


@pytest.mark.parametrize("name", SCHEDULES)
def test_alpha_bar_stays_inside_zero_and_one(name):
    alpha_bar = SCHEDULES[name][0].alpha_bar
    assert alpha_bar.dtype == torch.float64
    assert (alpha_bar > 0).all() and (alpha_bar < 1).all() and (alpha_bar.diff() < 0).all()


def test_cosine_follows_its_formula_where_no_beta_is_capped():
    f = [math.cos((t / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(1001)]
    assert NoiseSchedule.cosine().alpha_bar[499].item() == pytest.approx(f[500] / f[0], rel=1e-12)


@pytest.mark.parametrize("n", [1, 4, 7, 20, 50, 999, 1000])
def test_trailing_timesteps(n):
    t = NoiseSchedule.linear().timesteps(n)
    assert t.shape == (n,) and t.dtype == torch.int64 and t[0] == 999
    assert n == 1 or (t.diff() < 0).all()
    scheduler = DDPMScheduler(timestep_spacing="trailing")
    scheduler.set_timesteps(n)
    assert t.tolist() == scheduler.timesteps.tolist()


@pytest.mark.law("x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) eps", "schedule.add_noise")
def test_add_noise_mixes_signal_and_noise_by_alpha_bar(within):
    schedule, t = NoiseSchedule.linear(), torch.tensor([0, 400, 999])
    x0, eps = torch.randn(2, 3, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for i, alpha_bar in enumerate(schedule.alpha_bar[t].tolist()):
        want = math.sqrt(alpha_bar) * x0[i] + math.sqrt(1 - alpha_bar) * eps[i]
        within((schedule.add_noise(x0, t, eps)[i] - want).abs().max(), 1e-14)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_add_noise_keeps_dtype_and_the_variance_of_unit_data(dtype):
    schedule = NoiseSchedule.linear()
    ones = torch.ones(1000, 1, dtype=dtype)
    signal = schedule.add_noise(ones, torch.arange(1000), 0 * ones)
    noise = schedule.add_noise(0 * ones, torch.arange(1000), ones)
    assert signal.dtype == dtype
    epsilon = 4 * torch.finfo(dtype).eps
    torch.testing.assert_close(
        (signal.double() ** 2 + noise.double() ** 2)[:, 0], torch.ones(1000).double(), rtol=0, atol=epsilon
    )


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda s: s.timesteps(0), "num_steps is 0; want an int from 1 to 1000"),
        (lambda s: s.timesteps(1001), "num_steps is 1001; want an int from 1 to 1000"),
        (lambda s: s.timesteps(2.0), r"num_steps is 2.0; want an int from 1 to 1000"),
        (lambda s: NoiseSchedule.cosine(0), "num_steps is 0; want an int from 1 to"),
        (lambda s: s.add_noise(torch.zeros(2, 3), torch.zeros(2).long(), torch.zeros(2, 4)), "shapes differ"),
        (
            lambda s: s.add_noise(torch.zeros(2, 3), torch.zeros(2), torch.zeros(2, 3)),
            r"t is a float32 tensor of shape \(2,\)",
        ),
        (
            lambda s: s.add_noise(torch.zeros(2, 3), torch.zeros(3).long(), torch.zeros(2, 3)),
            r"want an int64 tensor of shape \(2,\)",
        ),
        (lambda s: NoiseSchedule(torch.tensor([0.5, 0.6]).double()), "not strictly decreasing inside"),
        (lambda s: NoiseSchedule(torch.tensor([1.0, 0.6]).double()), "not strictly decreasing inside"),
        (lambda s: NoiseSchedule(torch.tensor([0.5, 0.0]).double()), "not strictly decreasing inside"),
        (lambda s: NoiseSchedule(torch.tensor([0.5])), r"want float64 of shape \(T,\) on the CPU"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call(NoiseSchedule.linear())


@pytest.mark.parametrize("schedule", [NoiseSchedule.linear, NoiseSchedule.scaled_linear, NoiseSchedule.cosine])
@pytest.mark.parametrize("num_steps", [5, 100, 1000, 4000])
def test_a_walk_of_any_length_begins_in_noise(schedule, num_steps):
    """Where it does not, N(0, I) is not q(x_T), and what is sampled has other weights than the data."""
    last = float(schedule(num_steps).alpha_bar[-1])
    assert last < 0.006  # Stable Diffusion's ends at 0.0047, as Lin et al. 2024 say


def test_betas_that_are_given_are_taken_as_they_are():
    schedule = NoiseSchedule.linear(2000, 5e-5, 1e-2)
    assert float(schedule.alpha_bar[0]) == pytest.approx(1 - 5e-5)
    with pytest.raises(ValueError, match="beta_end is 1; want a number inside"):
        NoiseSchedule.linear(10, beta_end=1)


def test_minus_one_is_clean_data_as_in_a_walk():
    schedule, x = NoiseSchedule.cosine(), torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([-1, 0, 999])
    assert schedule.at(t, x).flatten().tolist() == [1.0, float(schedule.alpha_bar[0]), float(schedule.alpha_bar[-1])]
    noised = schedule.add_noise(x, t, torch.ones_like(x))
    assert torch.equal(noised[0], x[0]) and schedule.walk(3)[-1][2:] == (-1, 1.0)
    with pytest.raises(IndexError):
        schedule.at(torch.tensor([1000, 0, 0]), x)


def test_a_process_stopped_at_a_timestep_keeps_its_levels():
    schedule = NoiseSchedule.cosine()
    assert torch.equal(schedule.until(299).alpha_bar, schedule.alpha_bar[:300])
    assert schedule.until(299).walk(6) == schedule.walk(20)[-6:]
    with pytest.raises(ValueError, match="t is 1000; want an int from 0 to 999"):
        schedule.until(1000)
