"""Classifiers: of clean images and of noisy latents, the latter as the log-probability that guidance asks for."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from ldm_teach.models.classifier import ImageClassifier, NoisyClassifier
from ldm_teach.theory.guidance import classifier_guidance, gradient
from ldm_teach.theory.schedule import NoiseSchedule
from ldm_teach.training.losses import noisy_classification_loss
from tests.helpers import to_fake_gpu


def make_classifier() -> NoisyClassifier:
    """A classifier of three classes, none of its parameters at zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        classifier = NoisyClassifier(NoiseSchedule.cosine(), channels=2, num_classes=3, widths=(16, 32))
        for parameter in classifier.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    return classifier.eval()


@pytest.fixture
def z() -> torch.Tensor:
    return torch.randn(6, 2, 8, 8, generator=torch.Generator().manual_seed(1))


LABELS = torch.tensor([0, 1, 2, 2, 1, 0])
T = torch.tensor([0, 10, 100, 500, 900, 999])


def test_an_image_classifier_sees_features_and_logits(tmp_path):
    classifier = ImageClassifier(widths=(4, 8, 16)).eval()
    x = torch.randn(3, 1, 28, 28)
    features = classifier.features(x)
    assert [tuple(f.shape[1:]) for f in features] == [(4, 28, 28), (8, 14, 14), (8, 14, 14), (16, 7, 7), (16, 7, 7)]
    assert classifier.embed(x).shape == (3, 16) and classifier(x).shape == (3, 10)
    classifier.save(tmp_path)
    torch.testing.assert_close(ImageClassifier.load(tmp_path)(x), classifier(x), rtol=0, atol=1e-2)


def test_log_prob_is_that_of_the_wanted_class_and_sums_to_one(z):
    classifier = make_classifier()
    logits = classifier(z, T)
    assert logits.shape == (6, 3)
    each = [classifier.log_prob(torch.full((6,), k))(z, T) for k in range(3)]
    torch.testing.assert_close(torch.stack(each).exp().sum(0), torch.ones(6))
    picked = classifier.log_prob(LABELS)(z, T)
    for i, label in enumerate(LABELS.tolist()):
        torch.testing.assert_close(picked[i], each[label][i])


def test_each_timestep_is_its_own(z):
    classifier = make_classifier()
    assert not torch.allclose(classifier(z, T), classifier(z, T.flip(0)))
    torch.testing.assert_close(classifier(z[:1], T[:1]), classifier(z, T)[:1])


def test_logits_and_gradients_fade_with_the_signal(z):
    """At the last step of the cosine schedule, alpha_bar = 2e-9, the push on x_0 stays finite: 1/sqrt(alpha_bar) of a
    gradient that is sqrt(alpha_bar) times another."""
    classifier, last = make_classifier(), torch.full((6,), 999)
    alpha_bar = float(classifier.schedule.alpha_bar[999])
    assert classifier(z, last).abs().max() < 100 * alpha_bar**0.5
    push = gradient(classifier.log_prob(LABELS), z, last) / alpha_bar**0.5
    assert 1e-3 < push.abs().max() < 100


def test_its_gradient_equals_a_finite_difference(z):
    """Central differences in float64 along a random direction: an error of the order of step^2."""
    classifier, z = make_classifier().double(), z.double()
    log_prob = classifier.log_prob(LABELS)
    direction = torch.randn(z.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    step = 1e-4
    with torch.no_grad():
        difference = (log_prob(z + step * direction, T) - log_prob(z - step * direction, T)) / (2 * step)
    slope = (gradient(log_prob, z, T) * direction).flatten(1).sum(1)
    torch.testing.assert_close(slope, difference, rtol=1e-5, atol=1e-6)


def test_save_and_load(z, tmp_path):
    classifier = make_classifier()
    classifier.save(tmp_path)
    torch.testing.assert_close(NoisyClassifier.load(tmp_path)(z, T), classifier(z, T), rtol=0, atol=2e-2)


def test_it_guides_a_sampling_step_inside_inference_mode(z):
    classifier, schedule = make_classifier(), NoiseSchedule.cosine()
    guided = classifier_guidance(lambda x, t: torch.zeros_like(x), classifier.log_prob(LABELS), schedule, 1.0)
    with torch.inference_mode():
        labels = LABELS * 1  # as the panel of a notebook makes them
        within = classifier_guidance(lambda x, t: torch.zeros_like(x), classifier.log_prob(labels), schedule, 1.0)
        torch.testing.assert_close(within(z * 1, T * 1), guided(z * 1, T * 1))
        inside = guided(z * 1, T * 1)
    torch.testing.assert_close(inside, guided(z, T))
    assert all(parameter.grad is None for parameter in classifier.parameters())


def test_its_training_loss_and_its_logits_on_a_fake_gpu_mix_no_devices():
    classifier, schedule = make_classifier(), NoiseSchedule.cosine()
    with FakeTensorMode(allow_non_fake_inputs=True):
        to_fake_gpu(classifier)
        with torch.device("cuda"):
            mean, std, y = torch.zeros(4, 2, 8, 8), torch.ones(4, 2, 8, 8), torch.zeros(4, dtype=torch.int64)
        loss = noisy_classification_loss(schedule)(classifier, (mean, std, y), None)
        assert loss.device.type == "cuda" and loss.shape == ()


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda c, z: c(z, T.float()), r"t is a float32 tensor of shape \(6,\); want an int64"),
        (lambda c, z: c(z, T[:5]), r"t is a int64 tensor of shape \(5,\); want an int64 tensor of shape \(6,\)"),
        (lambda c, z: c.log_prob([0, 3]), r"condition holds labels \[0, 3\]; want classes from 0 to 2"),
        (lambda c, z: c.log_prob(torch.zeros(3)), r"condition is a float32 tensor of shape \(3,\); want class labels"),
        (lambda c, z: c.log_prob(LABELS[:5])(z, T), r"x has 6 rows and the condition 5 labels"),
        (lambda c, z: c(z[:, :1], T), r"\(6, 1, 8, 8\); want floating-point of shape \(B, 2, H, W\)"),
    ],
)
def test_bad_arguments(z, call, words):
    with pytest.raises(ValueError, match=words):
        call(make_classifier(), z)
