import pytest
import torch

from ldm_teach.theory.guidance import classifier_free_guidance, guide, s_from_w, w_from_s
from ldm_teach.theory.parameterization import eps_from_score
from ldm_teach.theory.schedule import NoiseSchedule


def pair() -> torch.Tensor:
    return torch.randn(2, 5, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_limits_are_the_conditional_and_the_unconditional_prediction():
    cond, uncond = pair()
    assert torch.equal(guide(cond, uncond, 0.0), cond)
    assert torch.equal(guide(cond, uncond, -1.0), uncond)


@pytest.mark.law("(1 + w) eps(y) - w eps = eps + s (eps(y) - eps), s = 1 + w", "guidance.guide")
@pytest.mark.parametrize("w", [-1.0, -0.5, 0.0, 0.5, 3.0])
def test_both_conventions_are_one_rule(within, w):
    cond, uncond = pair()
    s = s_from_w(w)
    assert s == 1 + w and w_from_s(s) == w
    within((guide(cond, uncond, w) - uncond - s * (cond - uncond)).abs().max(), 1e-13)


def test_a_weight_for_each_sample():
    cond, uncond = pair()
    w = torch.tensor([-1.0, 0.0, 1.0, 2.0, 5.0])
    for i, weight in enumerate(w.tolist()):
        torch.testing.assert_close(guide(cond, uncond, w)[i], guide(cond[i], uncond[i], weight))


@pytest.mark.law("CFG score = grad log q(x_t|y) + w grad log q(y|x_t)", "guidance.classifier_free_guidance")
@pytest.mark.parametrize("w", [0.0, 0.5, 3.0])
def test_exact_scores_give_classifier_guidance_of_the_conditional_score(mixture, within, w):
    """With Bayes' rule the guided score is grad log q(x_t|y) + w grad log q(y|x_t): the right side by autograd."""
    schedule, k = NoiseSchedule.linear(), 1
    x, t = 2 * torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)), 300
    guided = classifier_free_guidance(mixture.component(k).denoiser(schedule), mixture.denoiser(schedule), w)
    eps = guided(x, torch.full((50,), t))
    alpha_bar = schedule.alpha_bar[t].item()
    y = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(mixture.diffuse(alpha_bar).log_posterior(y)[:, k].sum(), y)
    score = mixture.component(k).diffuse(alpha_bar).score(x) + w * gradient
    within((eps - eps_from_score(score, alpha_bar)).abs().max(), 1e-9)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: guide(torch.zeros(2, 3), torch.zeros(3, 2), 1.0), "shapes differ: eps_cond"),
        (lambda: guide(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(3)), r"w is a float32 tensor of shape \(3,\)"),
        (lambda: classifier_free_guidance(None, guide, 1.0), "conditional is None; want a denoiser"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()
