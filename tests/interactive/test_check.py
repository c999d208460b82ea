import pytest
import torch

from ldm_teach.interactive import check
from ldm_teach.interactive.check import EXERCISES
from ldm_teach.interactive.exercise import KINDS_OF_EXERCISE
from ldm_teach.models.autoencoder import DiagonalGaussian
from ldm_teach.theory import parameterization
from ldm_teach.theory.guidance import compose
from ldm_teach.theory.langevin import langevin
from ldm_teach.theory.samplers import ddim
from ldm_teach.theory.schedule import NoiseSchedule

SLOW = ("eight_boots", "score_network", "mended_mala")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in EXERCISES])
def test_right_answers_are_accepted_and_slips_are_named(name):
    exercise = EXERCISES[name]
    assert exercise.kind in KINDS_OF_EXERCISE and exercise.stars in (1, 2, 3) and exercise.minutes > 0
    right, slips = list(exercise.accepted()), list(exercise.tried())
    assert len(right) >= 3 and len(slips) >= 4
    for answer in right:
        assert exercise.verdict(answer) == f"well done: {exercise.praise}"
    for words, answer in slips:
        assert words in exercise.verdict(answer) and exercise.verdict(answer).startswith("not yet: ")


def test_two_slips_at_once_are_both_named():
    verdict = check.langevin_step.verdict(lambda x, score, delta, noise: x - delta * score + delta**0.5 * noise)
    assert verdict.startswith("not yet: the drift has the wrong sign")
    assert verdict.endswith("and the drift lacks its factor 1/2")


def test_an_unknown_exercise_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no exercise is called langevinstep; there are "):
        _ = check.langevinstep


def law_and_case(name: str):
    """The right law of an exercise, and the arguments of its first case."""
    judge = EXERCISES[name].judge
    return judge.law, list(judge.cases[0].values())


def test_the_laws_are_those_of_the_package():
    law, (x, score, delta, noise) = law_and_case("langevin_step")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "randn", lambda *shape, **options: noise)
        step = next(langevin(lambda x: score, x, float(delta), 1))
    torch.testing.assert_close(step, law(x, score, delta, noise))
    law, (x_noisy, x0, sigma) = law_and_case("score_target")
    x = x_noisy.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(torch.distributions.Normal(x0, sigma).log_prob(x).sum(), x)
    torch.testing.assert_close(gradient, law(x_noisy, x0, sigma))
    law, (x_t, eps, alpha_bar, alpha_bar_s) = law_and_case("ddim_step")
    schedule = NoiseSchedule(torch.stack([alpha_bar_s, alpha_bar]))
    step = next(ddim(lambda x, t: eps, schedule, x_t, 2))
    torch.testing.assert_close(step.x, law(x_t, eps, alpha_bar, alpha_bar_s))
    law, (x_t, eps, alpha_bar) = law_and_case("v_from_noise")
    torch.testing.assert_close(parameterization.v_from_eps(x_t, eps, alpha_bar), law(x_t, eps, alpha_bar))
    law, (mean, log_variance) = law_and_case("gaussian_kl")
    torch.testing.assert_close(DiagonalGaussian(mean, (log_variance / 2).exp()).kl(), law(mean, log_variance))
    law, (*eps, w_text, w_map) = law_and_case("two_conditions")
    text, semantic_map, null = (lambda x, t, e=e: e for e in eps)
    both = compose([(text, float(w_text)), (semantic_map, float(w_map))], null)(x, torch.zeros(len(x)))
    torch.testing.assert_close(both, law(*eps, w_text, w_map))
