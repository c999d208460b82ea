"""The study of both kinds of guidance: its table, its confidence intervals, its file, and the methods it compares."""

import math

import pytest
import torch

from ldm_teach.models.classifier import NoisyClassifier
from ldm_teach.practice import guidance_study, measured
from ldm_teach.practice.guidance_study import (
    Measurement,
    classifier_free,
    on_the_interval,
    read,
    rescaled_free,
    study,
    summarize,
    with_classifier,
)
from ldm_teach.theory.guidance import guide
from ldm_teach.theory.schedule import NoiseSchedule
from tests.conftest import make_tiny_model

LABELS = torch.tensor([0, 1, 2, 1])


def measurement(method: str = "m", scale: float = 1.0, seed: int = 0, frechet: float = 0.1) -> Measurement:
    return Measurement(method, scale, seed, frechet, 0.8, 0.7, 0.9, 2.0, 5.0)


@pytest.fixture
def noisy_z():
    return torch.randn(4, 2, 4, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([50, 300, 600, 950])


def test_each_method_is_the_law_it_is_named_for(noisy_z):
    model = make_tiny_model()
    cond, uncond = (model.denoiser(condition)(*noisy_z) for condition in (LABELS, None))
    free = classifier_free(model, LABELS, 2.0)(*noisy_z)
    torch.testing.assert_close(free, guide(cond, uncond, 2.0), rtol=1e-4, atol=1e-5)
    limited = on_the_interval(model, LABELS, 2.0)(*noisy_z)
    first, last = guidance_study.INTERVAL
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


def test_the_interval_is_students():
    """Three values 1, 2, 3: mean 2, deviation 1, t_{0.975} = 4.3027 at two degrees of freedom."""
    rows = [measurement(seed=i, frechet=value) for i, value in enumerate((1.0, 2.0, 3.0))]
    found = summarize(rows)["m", 1.0]["frechet"]
    assert found.mean == pytest.approx(2) and found.half_width == pytest.approx(4.302653 / math.sqrt(3), rel=1e-5)
    assert summarize(rows)["m", 1.0]["recall"].half_width == pytest.approx(0)
    assert math.isnan(summarize(rows[:1])["m", 1.0]["frechet"].half_width)
    assert list(summarize([measurement("b"), measurement("a"), measurement("b", 2.0)])) == [
        ("b", 1.0),
        ("a", 1.0),
        ("b", 2.0),
    ]


def test_what_is_written_is_read(tmp_path):
    rows = [measurement(seed=i, frechet=0.1 * i) for i in range(3)]
    measured.write(rows, dict(samples=5, chance=0.1), tmp_path / "folder" / "guidance.json")
    assert read(tmp_path / "folder" / "guidance.json") == (rows, dict(samples=5, chance=0.1))
    with pytest.raises(FileNotFoundError, match="measure it with `python -m ldm_teach guidance`"):
        read(tmp_path / "nowhere" / "guidance.json")


def test_the_study_measures_real_images_and_every_method_from_the_same_noise(monkeypatch):
    monkeypatch.setattr(
        guidance_study,
        "methods",
        lambda: {"free": (classifier_free, (0.0, 1.0)), "again": (classifier_free, (1.0,))},
    )
    rows = list(study(num_samples=40, num_steps=2, seeds=(0, 1)))
    assert [(row.method, row.scale, row.seed) for row in rows] == [
        (method, scale, seed)
        for method, scale in (("real", 0.0), ("free", 0.0), ("free", 1.0), ("again", 1.0))
        for seed in (0, 1)
    ]
    free, again = rows[4], rows[6]
    assert free.frechet == pytest.approx(again.frechet) and free.recall == again.recall
    assert rows[0].frechet < rows[2].frechet and rows[0].accuracy == rows[1].accuracy > 0.9
    assert rows[2].milliseconds > 0 == rows[0].milliseconds
