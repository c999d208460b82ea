"""The study of both kinds of guidance: its rows, their summary over the seeds, its table."""

import math

import pytest

from ldm_teach.models.guided import classifier_free
from ldm_teach.studies import guidance
from ldm_teach.studies.guidance import Row, run, summarize, table

pytestmark = pytest.mark.slow


def make_row(method: str = "m", scale: float = 1.0, seed: int = 0, frechet: float = 0.1) -> Row:
    return Row(method, scale, seed, frechet, 0.8, 0.7, 0.9, 2.0, 5.0)


def test_the_seeds_are_summarized_in_the_order_of_the_rows():
    rows = [make_row(seed=i, frechet=value) for i, value in enumerate((1.0, 2.0, 3.0))]
    found = summarize(rows)["m", 1.0]
    assert found["frechet"] == pytest.approx((2, 4.302653 / math.sqrt(3)), rel=1e-5)
    assert found["recall"].half_width == pytest.approx(0)
    assert list(summarize([make_row("b"), make_row("a"), make_row("b", 2.0)])) == [("b", 1.0), ("a", 1.0), ("b", 2.0)]


def test_the_table_has_a_line_for_each_method_and_scale():
    lines = table([make_row(seed=i, frechet=value) for i, value in enumerate((1.0, 2.0, 3.0))]).splitlines()
    assert lines[0].split() == ["scale", *guidance.FIGURES[:-1], "ms", "a", "sample"]
    assert lines[1].split()[:5] == ["m", "1", "2.000", "±", "2.484"] and len(lines) == 2


def test_the_study_measures_real_images_and_every_method_from_the_same_noise(monkeypatch):
    grid = {"free": (classifier_free, (0.0, 1.0)), "again": (classifier_free, (1.0,))}
    monkeypatch.setattr(guidance, "methods", lambda: grid)
    rows = list(run(num_samples=40, num_steps=2, num_seeds=2))
    assert [(row.method, row.scale, row.seed) for row in rows] == [
        (method, scale, seed)
        for method, scale in (("real", 0.0), ("free", 0.0), ("free", 1.0), ("again", 1.0))
        for seed in (0, 1)
    ]
    free, again = rows[4], rows[6]
    assert free.frechet == pytest.approx(again.frechet) and free.recall == again.recall
    assert rows[0].frechet < rows[2].frechet and rows[0].accuracy == rows[1].accuracy > 0.9
    assert rows[2].milliseconds > 0 == rows[0].milliseconds
