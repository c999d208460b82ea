import pytest
import torch

from ldm_teach.models.classifier import NoisyClassifier
from ldm_teach.models.guided import classifier_free, free_on, rescaled_free, style_and_words, with_classifier
from ldm_teach.theory.guidance import guide
from ldm_teach.theory.schedule import NoiseSchedule
from tests.helpers import make_prompt_encoder, make_tiny_model

X_T, T = torch.zeros(1, 2, 4, 4), torch.tensor([9])
LABELS = torch.tensor([0, 1, 2, 1])


@pytest.fixture
def noisy_z():
    return torch.randn(4, 2, 4, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([50, 300, 600, 950])


def test_each_method_is_the_law_it_is_named_for(noisy_z):
    model = make_tiny_model()
    cond, uncond = (model.denoiser(condition)(*noisy_z) for condition in (LABELS, None))
    free = classifier_free(model, LABELS, 2.0)(*noisy_z)
    torch.testing.assert_close(free, guide(cond, uncond, 2.0), rtol=1e-4, atol=1e-5)
    limited = free_on((300, 700))(model, LABELS, 2.0)(*noisy_z)
    first, last = 300, 700
    inside = [first <= t <= last for t in noisy_z[1].tolist()]
    assert True in inside and False in inside
    for row, guided in enumerate(inside):
        torch.testing.assert_close(limited[row], (free if guided else cond)[row], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(rescaled_free(model, LABELS, 2.0)(*noisy_z), free)


def test_a_blind_classifier_takes_everything_for_clean(noisy_z):
    model = make_tiny_model()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        classifier = NoisyClassifier(NoiseSchedule.cosine(), channels=2, num_classes=3, widths=(16, 32)).eval()
    z_t, t = noisy_z
    for conditional, condition in ((False, None), (True, LABELS)):
        plain = model.denoiser(condition)(z_t, t)
        assert torch.equal(with_classifier(classifier, conditional)(model, LABELS, 0.0)(z_t, t), plain)
        knowing = with_classifier(classifier, conditional)(model, LABELS, 1.0)(z_t, t) - plain
        blind = with_classifier(classifier, conditional, blind=True)(model, LABELS, 1.0)(z_t, t) - plain
        assert knowing.abs().max() > 0 and not torch.allclose(knowing, blind)


def test_style_and_words_with_equal_weights_are_one_condition_with_that_weight(noisy_z):
    model, prompts = make_tiny_model(make_encoder=make_prompt_encoder), ["oil: red heart", "blue", "ink:", ""]
    one = model.denoiser(prompts, w=2.0)(*noisy_z)
    for w in (2.0, torch.full((4,), 2.0)):  # in two calls of the network, and nested in three
        torch.testing.assert_close(style_and_words(model, prompts, w, w)(*noisy_z), one, rtol=1e-4, atol=1e-5)


def test_each_weight_pushes_with_its_own_part_alone(noisy_z):
    model, prompts = make_tiny_model(make_encoder=make_prompt_encoder), ["oil: red heart", "blue", "ink:", "ink: blue"]
    both, style, none = (model.denoiser(p)(*noisy_z) for p in (prompts, ["oil:", "", "ink:", "ink:"], None))
    law = lambda w_style, w_words: none + (1 + w_style) * (style - none) + (1 + w_words) * (both - style)
    w_style, w_words = torch.tensor([0.0, 1.0, 3.0, -1.0]), torch.tensor([2.0, 0.5, 1.0, 4.0])
    rows = lambda w: w[:, None, None, None]
    torch.testing.assert_close(
        style_and_words(model, prompts, w_style, w_words)(*noisy_z),
        law(rows(w_style), rows(w_words)),
        rtol=1e-4,
        atol=1e-5,
    )
    words_only = style_and_words(model, ["blue"] * 4, 7.0, 1.5)(*noisy_z)  # no style: its weight does not count
    torch.testing.assert_close(words_only, model.denoiser(["blue"] * 4, w=1.5)(*noisy_z), rtol=1e-4, atol=1e-5)
    style_only = style_and_words(model, ["ink:"] * 4, 1.5, 7.0)(*noisy_z)
    torch.testing.assert_close(style_only, model.denoiser(["ink:"] * 4, w=1.5)(*noisy_z), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda m: style_and_words(make_tiny_model(), LABELS, 1.0, 1.0), "model reads its condition with ClassEncoder"),
        (lambda m: style_and_words(m, ["red"], "x", 1.0)(X_T, T), "w is 'x'; want a finite number"),
        (lambda m: style_and_words(m, ["rad"], 1.0, 1.0), "unknown word 'rad'; did you mean 'red'"),
    ],
)
def test_two_weights_want_a_model_of_words_and_a_style(call, words):
    with pytest.raises(ValueError, match=words):
        call(make_tiny_model(make_encoder=make_prompt_encoder))
