import pytest
import torch

from ldm_teach.models.classifier import NoisyClassifier
from ldm_teach.models.guided import classifier_free, free_on, rescaled_free, with_classifier
from ldm_teach.theory.guidance import guide
from ldm_teach.theory.schedule import NoiseSchedule
from tests.helpers import make_tiny_model

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
