import pytest
import torch

from ldm_teach.theory import flow
from ldm_teach.theory.mixture import GaussianMixture
from ldm_teach.theory.samplers import ddim, final
from ldm_teach.theory.schedule import NoiseSchedule

NAMES = ("eps", "x0", "v", "score")


@pytest.fixture(scope="module", params=["linear", "cosine"])
def truth(request):
    """x_t, its velocity and the other names of one truth, at every step of a schedule, in float64: (T, 8) each."""
    schedule = getattr(NoiseSchedule, request.param)()
    x0, eps = torch.randn(2, 1000, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    alpha_bar = schedule.alpha_bar[:, None]
    x_t = schedule.add_noise(x0, torch.arange(1000), eps)
    v = alpha_bar.sqrt() * eps - (1 - alpha_bar).sqrt() * x0
    return alpha_bar, x_t, eps - x0, dict(x0=x0, eps=eps, v=v, score=-eps / (1 - alpha_bar).sqrt())


def amplified(alpha_bar: torch.Tensor) -> torch.Tensor:
    """What a conversion multiplies rounding by, at most."""
    return torch.maximum(alpha_bar**-0.5, (1 - alpha_bar) ** -0.5)


@pytest.mark.law("u = eps - x0: all eight conversions of the velocity", "flow")
@pytest.mark.parametrize("name", NAMES)
def test_the_velocity_from_each_name_and_each_name_from_the_velocity(truth, within, name):
    """Against the definitions; what divides by zero nowhere is exact to rounding at every level."""
    alpha_bar, x_t, velocity, names = truth
    u = getattr(flow, f"velocity_from_{name}")(x_t, names[name], alpha_bar)
    within(((u - velocity).abs() / amplified(alpha_bar)).max(), 1e-12)
    got = getattr(flow, f"{name}_from_velocity")(x_t, velocity, alpha_bar)
    size = names["score"].abs().clamp(min=1) if name == "score" else 1
    within(((got - names[name]).abs() / size).max(), 1e-12)


@pytest.mark.law(
    "x_tau = (1 - tau) x0 + tau eps = x_t / (sqrt(alpha_bar) + sqrt(1 - alpha_bar))", "flow.straight_from_vp"
)
def test_the_straight_path_is_the_same_process_rescaled(truth, within):
    alpha_bar, x_t, _, names = truth
    tau = flow.tau_from_alpha_bar(alpha_bar)
    x_tau = flow.straight_from_vp(x_t, alpha_bar)
    within((x_tau - (1 - tau) * names["x0"] - tau * names["eps"]).abs().max(), 1e-14)
    within((flow.vp_from_straight(x_tau, alpha_bar) - x_t).abs().max(), 1e-14)
    within((flow.alpha_bar_from_tau(tau) - alpha_bar).abs().max(), 1e-14)
    assert (
        flow.tau_from_alpha_bar(1.0) == 0 and flow.tau_from_alpha_bar(0.0) == 1 and flow.alpha_bar_from_tau(0.5) == 0.5
    )


@pytest.mark.law("Euler on the straight path, at DDIM's levels, is DDIM", "flow.velocity_from_eps")
@pytest.mark.parametrize("num_steps", [1, 4, 20])
def test_euler_on_the_straight_path_is_ddim(within, num_steps):
    """Of the exact arrow of a mixture, which is not straight: eps and x0 are constant over a step in both."""
    generator = torch.Generator().manual_seed(0)
    means = torch.tensor([[-2.0, 0.0], [2.0, 1.0]], dtype=torch.float64)
    covariances = 0.2 * torch.eye(2, dtype=torch.float64).expand(2, 2, 2)
    mixture = GaussianMixture(torch.tensor([0.3, 0.7], dtype=torch.float64), means, covariances)
    schedule = NoiseSchedule.linear()
    denoiser, x_T = mixture.denoiser(schedule), torch.randn(50, 2, dtype=torch.float64, generator=generator)
    walk = schedule.walk(num_steps)
    x_tau = flow.straight_from_vp(x_T, walk[0][1])
    for t, alpha_bar, _, alpha_bar_s in walk:
        x_t = flow.vp_from_straight(x_tau, alpha_bar)
        u = flow.velocity_from_eps(x_t, denoiser(x_t, torch.full((50,), t)), alpha_bar)
        x_tau = x_tau + (flow.tau_from_alpha_bar(alpha_bar_s) - flow.tau_from_alpha_bar(alpha_bar)) * u
    within((x_tau - final(ddim(denoiser, schedule, x_T, num_steps))).abs().max(), 1e-11)
