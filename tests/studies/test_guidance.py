"""The study of both kinds of guidance: its table, its confidence intervals, its file, and the methods it compares."""

import math

import pytest

from ldm_teach.measuring import tables as measured
from ldm_teach.models.guided import classifier_free
from ldm_teach.studies import guidance as guidance_study
from ldm_teach.studies.guidance import Measurement, read, study, summarize


def measurement(method: str = "m", scale: float = 1.0, seed: int = 0, frechet: float = 0.1) -> Measurement:
    return Measurement(method, scale, seed, frechet, 0.8, 0.7, 0.9, 2.0, 5.0)


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
