import re
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from ldm_teach.interactive import check
from ldm_teach.interactive.exercise import Exercise
from ldm_teach.models.autoencoder import DiagonalGaussian
from ldm_teach.theory import parameterization
from ldm_teach.theory.guidance import compose
from ldm_teach.theory.langevin import langevin
from ldm_teach.theory.samplers import ddim
from ldm_teach.theory.schedule import NoiseSchedule

EXERCISES = {name: value for name, value in vars(check).items() if isinstance(value, Exercise)}


TEXTS = sorted((Path(__file__).parents[2] / "notebooks" / "text").glob("*.md"))


@pytest.mark.parametrize("name", EXERCISES)
def test_the_law_is_praised_and_every_slip_is_named(name):
    exercise = EXERCISES[name]
    assert exercise.verdict(exercise.law) == f"well done: {exercise.praise}"
    for words, knobs in exercise.slips.items():
        verdict = exercise.verdict(lambda *case, knobs=knobs: exercise.law(*case, **knobs))
        assert verdict == f"not yet: {words}"


def test_two_slips_at_once_are_both_named():
    verdict = check.langevin_step.verdict(lambda x, score, delta, noise: x - delta * score + delta**0.5 * noise)
    assert verdict.startswith("not yet: the drift has the wrong sign")
    assert verdict.endswith("and the drift lacks its factor 1/2")


def test_the_laws_are_those_of_the_package():
    x, score, delta, noise = case = check.langevin_step.arguments.values()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "randn", lambda *shape, **options: noise)
        step = next(langevin(lambda x: score, x, delta, 1))
    torch.testing.assert_close(step, check.langevin_step.law(*case))
    x_noisy, x0, sigma = case = check.score_target.arguments.values()
    x = x_noisy.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(torch.distributions.Normal(x0, sigma).log_prob(x).sum(), x)
    torch.testing.assert_close(gradient, check.score_target.law(*case))
    x_t, eps, alpha_bar, alpha_bar_s = check.ddim_step.arguments.values()
    schedule = NoiseSchedule(torch.tensor([alpha_bar_s, alpha_bar], dtype=torch.float64))
    step = next(ddim(lambda x, t: eps, schedule, x_t, 2))
    torch.testing.assert_close(step.x, check.ddim_step.law(x_t, eps, alpha_bar, alpha_bar_s))
    z_t, eps, signal, noise = check.v_from_eps.arguments.values()
    v = parameterization.v_from_eps(z_t, eps, signal**2)
    torch.testing.assert_close(v, check.v_from_eps.law(z_t, eps, signal, noise))
    mean, log_variance = check.gaussian_kl.arguments.values()
    kl = DiagonalGaussian(mean, (log_variance / 2).exp()).kl()
    torch.testing.assert_close(kl, check.gaussian_kl.law(mean, log_variance))
    q, k, v = check.soft_lookup.arguments.values()
    torch.testing.assert_close(functional.scaled_dot_product_attention(q, k, v), check.soft_lookup.law(q, k, v))
    *eps, w_text, w_map = check.two_conditions.arguments.values()
    text, semantic_map, null = (lambda x, t, e=e: e for e in eps)
    both = compose([(text, w_text), (semantic_map, w_map)], null)(x, torch.zeros(len(x)))
    torch.testing.assert_close(both, check.two_conditions.law(*eps, w_text, w_map))
    z, codebook = check.nearest_code.arguments.values()
    assert torch.equal(torch.cdist(z, codebook).argmin(1), check.nearest_code.law(z, codebook))


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.stem)
def test_the_solutions_in_the_notebooks_are_right(text):
    """A solution is a folded python block after an exercise; the check that it must pass is in a cell before it."""
    words = text.read_text()
    for found in re.finditer(r"<details>.*?```python\n(.*?)```", words, flags=re.DOTALL):
        name = re.findall(r"check\.(\w+)\(", words[: found.start()])[-1]
        scope: dict = {}
        exec(found.group(1), {"torch": torch}, scope)
        assert EXERCISES[name].verdict(scope[list(scope)[-1]]).startswith("well done")
