"""Guidance on a mixture, where scores and classifier are exact: each law against Bayes' rule."""

import pytest
import torch
from diffusers.guiders.guider_utils import rescale_noise_cfg

from ldm_teach.theory.guidance import (
    autoguidance,
    blend,
    classifier_free_guidance,
    classifier_guidance,
    clip_x0,
    compose,
    gradient,
    guide,
    nested_guidance,
    on_interval,
    rescaled,
    s_from_w,
    w_from_s,
)
from ldm_teach.theory.mixture import GaussianMixture
from ldm_teach.theory.parameterization import eps_from_score, v_from_eps, x0_from_eps
from ldm_teach.theory.samplers import ddim, ddpm, final, predictor_corrector
from ldm_teach.theory.schedule import NoiseSchedule
from tests.helpers import seeded

SCHEDULE = NoiseSchedule.linear()
WANTED = 1  # the component that guidance asks for


def pair() -> torch.Tensor:
    return torch.randn(2, 5, 3, 2, dtype=torch.float64, generator=seeded(0))


@pytest.fixture
def x() -> torch.Tensor:
    return 2 * torch.randn(50, 2, dtype=torch.float64, generator=seeded(1))


def at(t: int, x: torch.Tensor) -> torch.Tensor:
    return torch.full((len(x),), t)


def exact_classifier(mixture: GaussianMixture, schedule: NoiseSchedule = SCHEDULE):
    """log p(y|x_t) of the wanted component, by Bayes' rule on the diffused mixture."""
    return lambda x_t, t: mixture.diffuse(float(schedule.alpha_bar[t[0]])).log_posterior(x_t)[:, WANTED]


def test_limits_are_the_conditional_and_the_unconditional_prediction():
    cond, uncond = pair()
    assert torch.equal(guide(cond, uncond, w_from_s(1)), cond) and torch.equal(guide(cond, uncond, 0.0), cond)
    assert torch.equal(guide(cond, uncond, w_from_s(0)), uncond) and torch.equal(guide(cond, uncond, -1.0), uncond)


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
def test_exact_scores_give_classifier_guidance_of_the_conditional_score(mixture, within, x, w):
    """With Bayes' rule the guided score is grad log q(x_t|y) + w grad log q(y|x_t): the right side by autograd."""
    guided = classifier_free_guidance(mixture.component(WANTED).denoiser(SCHEDULE), mixture.denoiser(SCHEDULE), w)
    alpha_bar = SCHEDULE.alpha_bar[300].item()
    y = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(mixture.diffuse(alpha_bar).log_posterior(y)[:, WANTED].sum(), y)
    score = mixture.component(WANTED).diffuse(alpha_bar).score(x) + w * slope
    within((guided(x, at(300, x)) - eps_from_score(score, alpha_bar)).abs().max(), 1e-9)


@pytest.mark.law("eps - sqrt(1 - alpha_bar) grad log p(y|x_t) = eps(y)", "guidance.classifier_guidance")
@pytest.mark.parametrize("t", [0, 10, 300, 999])
def test_scale_one_makes_the_unconditional_denoiser_conditional(mixture, within, x, t):
    guided = classifier_guidance(mixture.denoiser(SCHEDULE), exact_classifier(mixture), SCHEDULE, 1.0)
    conditional = mixture.component(WANTED).denoiser(SCHEDULE)
    within((guided(x, at(t, x)) - conditional(x, at(t, x))).abs().max(), 1e-6)


@pytest.mark.law("CFG at w = classifier guidance of eps(y) at w, of eps at s = 1 + w", "guidance.classifier_guidance")
@pytest.mark.parametrize("w", [-1.0, -0.3, 0.0, 1.0, 5.0])
def test_classifier_free_guidance_is_classifier_guidance_twice_over(mixture, within, x, w):
    conditional, unconditional = mixture.component(WANTED).denoiser(SCHEDULE), mixture.denoiser(SCHEDULE)
    log_prob = exact_classifier(mixture)
    free = classifier_free_guidance(conditional, unconditional, w)(x, at(200, x))
    of_conditional = classifier_guidance(conditional, log_prob, SCHEDULE, w)(x, at(200, x))
    of_unconditional = classifier_guidance(unconditional, log_prob, SCHEDULE, s_from_w(w))(x, at(200, x))
    within((free - of_conditional).abs().max(), 1e-6)
    within((free - of_unconditional).abs().max(), 1e-6)


def test_a_scale_of_zero_is_no_guidance(mixture, x):
    denoiser = mixture.denoiser(SCHEDULE)
    guided = classifier_guidance(denoiser, exact_classifier(mixture), SCHEDULE, 0.0)
    assert torch.equal(guided(x, at(200, x)), denoiser(x, at(200, x)))


def test_a_scale_for_each_sample(mixture, x):
    scales = torch.linspace(0, 3, len(x))
    denoiser, log_prob = mixture.denoiser(SCHEDULE), exact_classifier(mixture)
    each = classifier_guidance(denoiser, log_prob, SCHEDULE, scales)(x, at(200, x))
    for i in (0, 20, 49):
        one = classifier_guidance(denoiser, log_prob, SCHEDULE, scales[i].item())(x[i : i + 1], at(200, x[:1]))
        torch.testing.assert_close(each[i : i + 1], one, rtol=1e-6, atol=1e-6)


def test_the_gradient_is_taken_at_x_t(x):
    """A quadratic log p has gradient -x_t: at the predicted x0 or at a mean it would be another."""
    seen = []

    def log_prob(x_t, t):
        seen.append(x_t.detach().clone())
        return -x_t.square().sum(1) / 2

    guided = classifier_guidance(lambda x_t, t: torch.zeros_like(x_t), log_prob, SCHEDULE, 2.0)
    eps = guided(x, at(200, x))
    assert torch.equal(seen[0], x)
    torch.testing.assert_close(eps, 2 * (1 - SCHEDULE.alpha_bar[200]).sqrt() * x)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_gradient_needs_nothing_of_its_caller(mixture, x, mode):
    log_prob = exact_classifier(mixture)
    outside = gradient(log_prob, x, at(200, x))
    with mode():
        torch.testing.assert_close(gradient(log_prob, x * 1, at(200, x)), outside)
    assert not outside.requires_grad


@pytest.mark.law("autoguidance sharpens: precision (1 + w) / v_strong - w / v_weak", "guidance.autoguidance")
@pytest.mark.parametrize("w", [0.0, 1.0, torch.linspace(-1, 3, 50).double()], ids=["0", "1", "each"])
def test_autoguidance_of_two_gaussians_is_its_closed_form(within, x, w):
    """A strong model N(mu, 0.5) and a weak one, wider as those are, N(mu, 2): the score is that of the strong density
    sharpened, of precision (1 + w) / v_strong - w / v_weak, about the same mean."""
    mu, alpha_bar = torch.tensor([[0.3, -1.0]]).double(), SCHEDULE.alpha_bar[400]
    strong, weak = (GaussianMixture(torch.ones(1).double(), mu, v * torch.eye(2).double()[None]) for v in (0.5, 2.0))
    guided = autoguidance(strong.denoiser(SCHEDULE), weak.denoiser(SCHEDULE), w)(x, at(400, x))
    v_strong, v_weak = (alpha_bar * v + 1 - alpha_bar for v in (0.5, 2.0))
    column = w if isinstance(w, float) else w[:, None]
    want = (1 - alpha_bar).sqrt() * ((1 + column) / v_strong - column / v_weak) * (x - alpha_bar.sqrt() * mu)
    within((guided - want).abs().max(), 1e-12)


@pytest.mark.law("independent conditions: grad log q(x|y1, y2) = s + (s1 - s) + (s2 - s)", "guidance.compose")
def test_two_independent_conditions_compose(within):
    """A product of two mixtures on the line is a mixture on the plane: each condition speaks of one coordinate."""
    weights, means = torch.tensor([0.3, 0.7]).double(), torch.tensor([[-1.0], [1.5]]).double()
    line = GaussianMixture(weights, means, 0.2 * torch.ones(2, 1, 1).double())
    x = 2 * torch.randn(40, 2, dtype=torch.float64, generator=seeded(2))

    def arrow(first, second):
        parts = [line if k is None else line.component(k) for k in (first, second)]
        parts = [part.denoiser(SCHEDULE) for part in parts]
        return lambda x, t: torch.cat([part(x[:, i : i + 1], t) for i, part in enumerate(parts)], dim=1)

    both = compose([(arrow(0, None), 0.0), (arrow(None, 1), 0.0)], arrow(None, None))
    within((both(x, at(300, x)) - arrow(0, 1)(x, at(300, x))).abs().max(), 1e-12)


def test_one_condition_composed_is_classifier_free_guidance(mixture, x):
    conditional, unconditional = mixture.component(WANTED).denoiser(SCHEDULE), mixture.denoiser(SCHEDULE)
    torch.testing.assert_close(
        compose([(conditional, 2.5)], unconditional)(x, at(300, x)),
        classifier_free_guidance(conditional, unconditional, 2.5)(x, at(300, x)),
    )
    assert torch.equal(compose([], unconditional)(x, at(300, x)), unconditional(x, at(300, x)))


@pytest.mark.law("s + (1 + w1) grad log q(y1|x) + (1 + w2) grad log q(y2|x, y1)", "guidance.nested_guidance")
@pytest.mark.parametrize("w_first, w_second", [(1.5, 0.5), (0.0, 3.0), (-1.0, -1.0)])
def test_nested_weights_are_powers_of_two_posteriors_of_conditions_that_depend(within, x, w_first, w_second):
    """Four components, y1 and y2 two values each, their weights not those of independent conditions."""
    weights = torch.tensor([0.1, 0.4, 0.3, 0.2]).double()  # of (y1, y2) = (0, 0), (0, 1), (1, 0), (1, 1)
    means = torch.tensor([[-2.0, -1.0], [-2.0, 1.0], [2.0, -1.0], [1.0, 2.0]]).double()
    whole = GaussianMixture(weights, means, 0.3 * torch.eye(2).double().expand(4, 2, 2))
    first = GaussianMixture(weights[2:] / weights[2:].sum(), means[2:], whole.covariances[2:])  # y1 = 1
    arrows = (one.denoiser(SCHEDULE) for one in (whole.component(2), first, whole))  # y1 = 1 and y2 = 0
    eps = nested_guidance(*arrows, w_first, w_second)(x, at(200, x))
    alpha_bar = float(SCHEDULE.alpha_bar[200])
    noised, z = whole.diffuse(alpha_bar), x.clone().requires_grad_()
    posterior = noised.log_posterior(z)
    log_first = posterior[:, 2:].logsumexp(1)
    log_q = noised.log_prob(z) + (1 + w_first) * log_first + (1 + w_second) * (posterior[:, 2] - log_first)
    (score,) = torch.autograd.grad(log_q.sum(), z)
    within((eps - eps_from_score(score, SCHEDULE.alpha_bar[200])).abs().max(), 1e-10)


def test_equal_nested_weights_are_classifier_free_guidance_and_any_are_a_composition(x):
    both, first, unconditional = (lambda x, t: x.tanh(), lambda x, t: 0.7 * x, lambda x, t: x.cos())
    torch.testing.assert_close(
        nested_guidance(both, first, unconditional, 2.0, 2.0)(x, at(9, x)),
        classifier_free_guidance(both, unconditional, 2.0)(x, at(9, x)),
    )
    w = torch.linspace(-1, 3, len(x), dtype=x.dtype)
    torch.testing.assert_close(
        nested_guidance(both, first, unconditional, 1.5, w)(x, at(9, x)),
        compose([(both, w), (first, 0.5 - w)], unconditional)(x, at(9, x)),
    )


def test_the_interval_holds_its_ends_and_nothing_else(x):
    guided = on_interval(lambda x_t, t: torch.ones_like(x_t), lambda x_t, t: torch.zeros_like(x_t), 100, 500)
    t = torch.tensor([0, 99, 100, 300, 500, 501, 999])
    assert guided(x[:7], t)[:, 0].tolist() == [0, 0, 1, 1, 1, 0, 0]


@pytest.mark.law("blend = score of q(x_t|y1)^(1-u) q(x_t|y2)^u", "guidance.blend")
def test_a_blend_is_the_score_of_the_product_of_powers(mixture, within, x):
    u = torch.linspace(0, 1, len(x), dtype=x.dtype)
    first, second = mixture.component(0), mixture.component(WANTED)
    eps = blend(first.denoiser(SCHEDULE), second.denoiser(SCHEDULE), u)(x, at(200, x))
    diffused, z = [one.diffuse(float(SCHEDULE.alpha_bar[200])) for one in (first, second)], x.clone().requires_grad_()
    log_q = (1 - u) * diffused[0].log_prob(z) + u * diffused[1].log_prob(z)
    (score,) = torch.autograd.grad(log_q.sum(), z)
    within((eps - eps_from_score(score, SCHEDULE.alpha_bar[200])).abs().max(), 1e-10)
    ends = blend(first.denoiser(SCHEDULE), second.denoiser(SCHEDULE), 1.0)(x, at(200, x))
    torch.testing.assert_close(ends, second.denoiser(SCHEDULE)(x, at(200, x)))


@pytest.mark.law("v = v_guided (phi std(v_cond) / std(v_guided) + 1 - phi)", "guidance.rescaled")
@pytest.mark.parametrize("phi", [0.0, 0.3, 0.7, 1.0])
def test_rescaled_guidance_equals_diffusers(within, phi):
    cond, uncond, x = torch.randn(3, 4, 3, 8, 8, dtype=torch.float64, generator=seeded(3))
    t = torch.tensor([5, 200, 600, 999])
    guided = classifier_free_guidance(lambda x, t: cond, lambda x, t: uncond, 4.0)
    ours = rescaled(guided, lambda x, t: cond, SCHEDULE, phi)(x, t)
    alpha_bar = SCHEDULE.at(t, x)
    want = rescale_noise_cfg(v_from_eps(x, guided(x, t), alpha_bar), v_from_eps(x, cond, alpha_bar), phi)
    within((v_from_eps(x, ours, alpha_bar) - want).abs().max() / want.abs().max(), 1e-12)
    if phi == 1.0:
        sizes = [v_from_eps(x, eps, alpha_bar).flatten(1).std(1) for eps in (ours, cond)]
        torch.testing.assert_close(*sizes)


@pytest.mark.slow
@pytest.mark.law("as steps shrink: DDPM guided by w = DDIM + Langevin sharpened by 2w", "samplers.predictor_corrector")
def test_guided_ddpm_is_predictor_corrector_guidance_with_twice_the_weight(mixture, within):
    """Bradley & Nakkiran 2024, sec. 4, path by path from the same noise: at 2w the distance falls as the steps grow
    small, by about 4 from 250 to 2,000 of them; at w it stays."""
    schedule = NoiseSchedule.linear(2000, 5e-5, 1e-2)  # the linear schedule of 1,000 steps, each cut in two
    conditional, unconditional = mixture.component(WANTED).denoiser(schedule), mixture.denoiser(schedule)
    x_T, w = torch.randn(200, 2, dtype=torch.float64, generator=seeded(4)), 1.5

    def distance(num_steps: int, weight: float) -> float:
        guided = classifier_free_guidance(conditional, unconditional, w)
        free = final(ddpm(guided, schedule, x_T, num_steps, generator=seeded(5)))
        corrector = classifier_free_guidance(conditional, unconditional, weight)
        options = dict(corrector=corrector, step_ratio=None, generator=seeded(5))
        both = final(predictor_corrector(conditional, schedule, x_T, num_steps, **options))
        return float((free - both).square().mean().sqrt())

    coarse, fine = distance(250, 2 * w), distance(2000, 2 * w)
    within(fine / coarse, 0.35)
    assert distance(2000, w) > 5 * fine


def test_on_one_gaussian_guided_ddim_misses_the_tilted_density():
    """p(x) = N(0, 5), p(x|y) = N(0, 1). The tilted density p(x|y)^(1 + w) p(x)^-w is N(0, 1 / (1 + w - w / 5)); the
    guided flow, linear in x, ends elsewhere: narrower by far, as Bradley & Nakkiran 2024, sec. 3, prove."""
    one = lambda variance: GaussianMixture(
        torch.ones(1).double(), torch.zeros(1, 1).double(), torch.full((1, 1, 1), variance).double()
    )
    w, x_T = 1.0, torch.tensor([[1.0]], dtype=torch.float64)
    guided = classifier_free_guidance(one(1.0).denoiser(SCHEDULE), one(5.0).denoiser(SCHEDULE), w)
    std = float(final(ddim(guided, SCHEDULE, x_T, 1000)))  # the flow multiplies the unit of x_T by this
    tilted = (1 + w - w / 5) ** -0.5
    expected = 1.0 ** (1 + w) * 5.0 ** (-w / 2)  # each exact flow multiplies by its own standard deviation
    assert std == pytest.approx(expected, rel=5e-3)
    assert std < 0.65 * tilted


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: guide(torch.zeros(2, 3), torch.zeros(3, 2), 1.0), "shapes differ: eps_cond"),
        (lambda: guide(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(3)), r"w is a float32 tensor of shape \(3,\)"),
        (lambda: classifier_free_guidance(None, guide, 1.0), "conditional is None; want a function of"),
        (lambda: classifier_guidance(guide, 0.5, SCHEDULE, 1.0), "log_prob is 0.5; want a function of"),
        (
            lambda: guide(torch.zeros(2, 3), torch.zeros(2, 3), "1"),
            "w is '1'; want a finite number or a tensor",
        ),
        (
            lambda: classifier_guidance(guide, lambda x, t: x.sum(1), SCHEDULE, torch.ones(3))(
                torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64)
            ),
            r"scale is a float32 tensor of shape \(3,\); want a finite number or a tensor of shape \(2,\)",
        ),
        (lambda: compose([(guide, 1.0), (3, 1.0)], guide), r"conditions\[1\]\[0\] is 3; want a function of"),
        (lambda: on_interval(guide, guide, 500, 100), "first and last are 500 and 100; want two timesteps"),
        (lambda: rescaled(guide, guide, SCHEDULE, 1.5), "phi is 1.5; want a number from 0 to 1"),
        (
            lambda: gradient(lambda x, t: x, torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64)),
            r"what log_prob returns is a float32 tensor of shape \(4, 2\); want floating-point of shape \(4,\)",
        ),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.law("clip_x0: E[x_0|x_t] clipped to the range of the data; the same arrow inside it", "guidance.clip_x0")
@pytest.mark.parametrize("t", [0, 300, 999])
def test_clipping_changes_what_lies_outside_the_range_and_nothing_else(mixture, within, x, t):
    denoiser, alpha_bar = mixture.denoiser(SCHEDULE), SCHEDULE.alpha_bar[t].item()
    before, after = (x0_from_eps(x, arrow(x, at(t, x)), alpha_bar) for arrow in (denoiser, clip_x0(denoiser, SCHEDULE)))
    within((after - before.clamp(-1, 1)).abs().max(), 1e-9)
    wide = clip_x0(denoiser, SCHEDULE, -50, 50)
    within((wide(x, at(t, x)) - denoiser(x, at(t, x))).abs().max(), 1e-9)


def test_samples_of_a_clipped_denoiser_lie_in_the_range(mixture):
    x_T = torch.randn(50, 2, dtype=torch.float64, generator=seeded(2))
    samples = [
        final(ddim(arrow, SCHEDULE, x_T, 20))
        for arrow in (mixture.denoiser(SCHEDULE), clip_x0(mixture.denoiser(SCHEDULE), SCHEDULE, -0.5, 0.5))
    ]
    assert samples[0].abs().max() > 1 and samples[1].abs().max() <= 0.5 + 1e-12


def test_a_range_that_is_none_is_refused(mixture):
    with pytest.raises(ValueError, match="low and high are 1 and 1; want low < high"):
        clip_x0(mixture.denoiser(SCHEDULE), SCHEDULE, 1, 1)
