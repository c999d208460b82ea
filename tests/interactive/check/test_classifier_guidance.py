"""The laws of notebook 07's exercises are those of the package, and its numbers are measured."""

import pytest
import torch

from ldm_teach.interactive import check
from ldm_teach.interactive.check import classifier_guidance as exercises
from ldm_teach.theory import parameterization
from ldm_teach.theory.guidance import classifier_guidance, gradient, on_interval
from ldm_teach.theory.mixture import GaussianMixture
from ldm_teach.theory.samplers import ddpm, dpm_solver, final
from ldm_teach.theory.schedule import NoiseSchedule

LINEAR = NoiseSchedule.linear()
double = dict(dtype=torch.float64)


def test_the_guided_v_is_that_of_the_guided_noise():
    v, slope, alpha_bar, scale = check.guided_v.judge.cases[0].values()
    x_t, schedule = torch.ones_like(v), NoiseSchedule(alpha_bar[None])
    eps = parameterization.eps_from_v(x_t, v, alpha_bar)
    t = torch.zeros(len(v), dtype=torch.int64)
    guided = classifier_guidance(lambda x, t: eps, lambda x, t: (slope * x).sum(1), schedule, float(scale))(x_t, t)
    want = parameterization.v_from_eps(x_t, guided, alpha_bar)
    torch.testing.assert_close(check.guided_v.judge.law(v, slope, alpha_bar, scale), want)


def test_the_slope_between_two_bumps_is_that_of_their_mixture():
    line = GaussianMixture(
        torch.tensor([0.8, 0.2], **double),
        torch.tensor([[-1.5], [1.5]], **double),
        torch.full((2, 1, 1), 0.25, **double),
    ).diffuse(0.36)
    zero = torch.zeros(1, 1, **double)
    slope = gradient(lambda x, t: line.log_posterior(x)[:, 1], zero, torch.zeros(1, dtype=torch.int64))
    assert abs(float(slope) - check.slope_between.judge.value) < 1e-9


def test_with_the_equal_scale_algorithm_2_makes_the_step_of_algorithm_1():
    scale, alpha_bar, alpha_bar_r = check.equal_scale.judge.cases[0].values()
    schedule, slope = NoiseSchedule(torch.stack([alpha_bar_r, alpha_bar])), torch.tensor([[0.3, -0.7]], **double)
    x_T, eps = torch.ones(1, 2, **double), torch.tensor([[0.5, 0.1]], **double)

    def step(s):
        arrow = classifier_guidance(lambda x, t: eps, lambda x, t: (slope * x).sum(1), schedule, float(s))
        return next(ddpm(arrow, schedule, x_T, 2, generator=torch.Generator().manual_seed(0))).x

    alpha = alpha_bar / alpha_bar_r
    variance = (1 - alpha) * (1 - alpha_bar_r) / (1 - alpha_bar)
    same = check.equal_scale.judge.law(scale, alpha_bar, alpha_bar_r)
    torch.testing.assert_close(step(same) - step(0.0), scale * variance * slope)


@pytest.mark.parametrize("name, first, last", [("500 to 999", 500, 999), ("0 to 199", 0, 199)])
def test_the_shares_outside_are_those_that_are_measured(name, first, last):
    mixture = GaussianMixture(
        torch.tensor([0.5, 0.3, 0.2], **double),
        torch.tensor([[1.2, 0.0], [-0.8, 1.0], [-0.4, -1.2]], **double),
        torch.tensor([[[0.6, 0.2], [0.2, 0.6]], [[0.6, -0.2], [-0.2, 0.4]], [[0.4, 0], [0, 0.4]]], **double),
    )

    def log_prob(x, t):
        return mixture.diffuse(float(LINEAR.alpha_bar[t[0]])).log_posterior(x)[:, 1]

    component = mixture.component(1)
    strong = classifier_guidance(mixture.denoiser(LINEAR), log_prob, LINEAR, 8.0)
    guided = on_interval(strong, component.denoiser(LINEAR), first, last)
    x_T = torch.randn(2000, 2, generator=torch.Generator().manual_seed(3), **double)
    offset = final(dpm_solver(guided, LINEAR, x_T, 50)) - component.means[0]
    squares = (offset @ component.covariances[0].inverse() * offset).sum(1)
    assert abs(float((squares > 9.21).double().mean()) - exercises.RIGHT[name]) < 0.002


def test_other_noise_than_that_of_the_notebook_is_accepted():
    drawn = {"500 to 999": 0.223, "200 to 499": 0.026, "0 to 199": 0.001}
    assert check.push_by_level.verdict(drawn).startswith("well done")
