"""The laws of notebook 05's exercises are those of the package, and its numbers follow from them."""

import pytest
import torch

from ldm_teach.interactive import check
from ldm_teach.interactive.check import diffusion
from ldm_teach.theory import parameterization
from ldm_teach.theory.mixture import GaussianMixture
from ldm_teach.theory.samplers import ddpm, final
from ldm_teach.theory.schedule import NoiseSchedule


def test_v_and_the_posterior_mean_are_those_of_the_package():
    x_t, eps, alpha_bar = check.v_from_noise.judge.cases[0].values()
    v = parameterization.v_from_eps(x_t, eps, alpha_bar)
    torch.testing.assert_close(check.v_from_noise.judge.law(x_t, eps, alpha_bar), v)
    x_t, x0, alpha_bar, alpha_bar_s = check.posterior_mean.judge.cases[0].values()
    eps, schedule = (
        parameterization.eps_from_x0(x_t, x0, alpha_bar),
        NoiseSchedule(torch.stack([alpha_bar_s, alpha_bar])),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "randn", lambda *shape, **options: torch.zeros(x_t.shape, dtype=x_t.dtype))
        step = next(ddpm(lambda x, t: eps, schedule, x_t, 2))
    torch.testing.assert_close(check.posterior_mean.judge.law(x_t, x0, alpha_bar, alpha_bar_s), step.x)


@pytest.mark.parametrize("variance", ["small", "large"])
def test_the_variance_of_samples_of_a_gaussian_is_the_one_that_is_computed(variance):
    one, schedule = torch.ones(1, dtype=torch.float64), NoiseSchedule.linear(100)
    data = GaussianMixture(one, 0 * one[:, None], one[:, None, None] / 4)
    x_T = torch.randn(50_000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    walk = ddpm(
        data.denoiser(schedule), schedule, x_T, 8, variance=variance, generator=torch.Generator().manual_seed(1)
    )
    ratio = diffusion._ratio(schedule, 8, large=variance == "large")
    assert float(final(walk).var()) / 0.25 == pytest.approx(ratio, rel=4 * (2 / 50_000) ** 0.5)


def test_the_reverse_variance_is_that_of_jointly_gaussian_steps():
    wide = torch.tensor([[0.4, 0.5**0.5 * 0.4], [0.5**0.5 * 0.4, 0.7]], dtype=torch.float64)  # of (x_s, x_t)
    assert check.reverse_variance.judge.value == pytest.approx(1 / float(torch.linalg.inv(wide)[0, 0]))
