"""The comparison of attention with concatenation: what it judges, and that each of the twelve models is measured."""

import math

import pytest
import torch

from ldm_teach.data.blur import blurred
from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.data.shapes import shapes
from ldm_teach.measuring import tables
from ldm_teach.studies import comparison
from ldm_teach.studies.comparison import PATH, Row, judge_blur, judge_maps, run, table
from ldm_teach.training.recipes.conditioned import SEEDS, SPATIAL_TASKS, WAYS, compared

pytestmark = pytest.mark.slow


def test_real_pictures_are_judged_to_follow_and_to_be_good():
    data = shapes(100, 1, train=False)
    assert judge_maps(data.x, data.maps) == (1.0, 1.0)
    x = fashion_mnist(train=False).x[:1000]
    psnr, distance = judge_blur(x, blurred(x))
    other_psnr, soft = judge_blur(blurred(x), blurred(x))
    assert psnr == math.inf > other_psnr and distance < soft


def test_a_missing_model_is_named_before_anything_is_measured(tmp_path):
    with pytest.raises(FileNotFoundError, match="python -m ldm_teach train shapes-map-attention-2"):
        next(run(runs=tmp_path))


def test_every_model_is_measured_at_every_weight(tmp_path, monkeypatch):
    monkeypatch.setattr(comparison, "costs", lambda task, num_steps: {way: (2.0, 1.0) for way in WAYS})
    for task, recipe in SPATIAL_TASKS.items():
        for way, concatenate in WAYS.items():
            model = recipe(concatenate, 1)(True).average
            for seed in SEEDS:
                model.save(tmp_path / compared(task, way, seed))
    rows = list(run(num_samples=12, num_steps=2, runs=tmp_path))
    keys = {(row.task, row.way, row.seed, row.w) for row in rows}
    assert len(rows) == len(keys) == 2 * 2 * 3 * 2
    assert all(torch.tensor(row[4:7]).isfinite().all() for row in rows)


def test_the_table_has_a_line_for_each_way_and_their_difference():
    rows = [
        Row(task, way, seed, 0.0, 0.9 + 0.01 * seed, 0.5 + 0.1 * seed, 0.1 * seed, 1000, 2000, 2.0, 1.0)
        for task in SPATIAL_TASKS
        for way in WAYS
        for seed in SEEDS
    ]
    lines = table(rows).splitlines()
    assert len(lines) == 2 * (1 + 2 + 1) and "0.920 ± 0.025" in lines[1] and "+0.000 ± 0.023" in lines[3]


def test_what_was_measured_is_complete_and_fair():
    rows, settings = tables.read(Row, PATH)
    assert len(rows) == 24 and settings["floor"] > 0
    for task in SPATIAL_TASKS:
        sizes = {row.way: row.parameters for row in rows if row.task == task}
        hours = {row.way: row.steps * row.training_ms for row in rows if row.task == task}
        assert abs(sizes["attention"] / sizes["concatenation"] - 1) < 0.05
        assert abs(hours["attention"] / hours["concatenation"] - 1) < 0.15
