"""Latent against pixel: what is counted and measured, that a study goes on where it was interrupted, and its table."""

import json
import math

import pytest
import torch

from ldm_teach.cli import main as cli
from ldm_teach.data.fashion import Images, fashion_mnist
from ldm_teach.measuring import tables
from ldm_teach.studies import latent_against_pixel as study
from ldm_teach.studies.latent_against_pixel import (
    Cost,
    Row,
    after,
    autoencoder_minutes,
    curves,
    multiplications,
    run,
    table,
)
from ldm_teach.training.recipes import spaces
from ldm_teach.training.recipes.spaces import SPACES, untrained

pytestmark = pytest.mark.slow


def test_multiplications_of_a_convolution_and_of_a_whole_step():
    """The first layer, by hand: 3x3 weights from c to 64 channels at each position; and the ratio of two sizes."""
    counted = {space: multiplications(untrained(space)) for space in ("pixels", "f4")}
    assert 28.6e6 < counted["f4"] < 28.8e6  # what a count by hand, layer by layer, gives: 28.7 million
    convolutions = 784 / 64  # as many more positions; self-attention grows with their square
    assert convolutions < counted["pixels"] / counted["f4"] < 1.1 * convolutions


@pytest.fixture
def small(monkeypatch):
    """Two spaces, 300 images, and costs that make a hundredth of a minute a few steps."""
    monkeypatch.setattr(spaces, "fashion_mnist", lambda: Images(*(c[:300] for c in fashion_mnist())))
    monkeypatch.setattr(study, "SPACES", {space: SPACES[space] for space in ("pixels", "f8")})
    monkeypatch.setattr(study, "LONG", {"f8": 0.02})
    costs = [Cost(space, 1000, 2000, 640.0, 50.0, 300.0) for space in ("pixels", "f8")]
    monkeypatch.setattr(study, "measured_costs", lambda: costs)


SETTINGS = dict(minutes=[0.003, 0.006], long=[0.01, 0.03], num_seeds=2, num_samples=20, num_steps=2)


def test_every_training_is_judged_at_every_mark_and_an_interrupted_study_goes_on(small, tmp_path, monkeypatch):
    steps = run(runs=tmp_path, **SETTINGS)
    first = [next(steps) for _ in range(3)]
    steps.close()
    rows = list(run(runs=tmp_path, **SETTINGS))
    assert rows[:3] == first
    assert [(row.space, row.seed, row.minutes) for row in rows] == [
        *((space, seed, minutes) for seed in range(2) for space in ("pixels", "f8") for minutes in (0.003, 0.006)),
        ("f8", 0, 0.01),
    ]
    assert [row.images for row in rows[:2]] == [128, 256] and rows[-1].images == 384
    assert all(math.isfinite(row.frechet) and 0 <= row.accuracy <= 1 and 0 < row.floor < row.frechet for row in rows)
    (pixels,), (f8,) = ({row.floor for row in rows if row.space == space} for space in ("pixels", "f8"))
    assert pixels < f8  # pixels lose nothing
    monkeypatch.setattr(study, "in_space", None)  # nothing is trained again
    assert list(run(runs=tmp_path, **SETTINGS)) == rows


def test_an_interrupted_training_is_the_uninterrupted_one(small, tmp_path):
    whole = list(run(runs=tmp_path / "whole", **SETTINGS | dict(num_seeds=1)))
    parts = list(run(runs=tmp_path / "parts", **SETTINGS | dict(num_seeds=1, minutes=[0.003], long=[])))
    parts += list(run(runs=tmp_path / "parts", **SETTINGS | dict(num_seeds=1, minutes=[0.006])))
    assert sorted(parts, key=lambda row: row[:3]) == sorted(whole, key=lambda row: row[:3])


def test_costs_are_measured_of_each_space():
    found = {cost.space: cost for cost in study.measured_costs(("f4", "f8"), repeats=3, images=4)}
    assert found["f8"].multiplications < found["f4"].multiplications
    assert all(cost.training > 1 and cost.sampling > 1 and cost.memory > 1 for cost in found.values())


def rows_of(space: str, distances: list[float], per_minute: int) -> list[Row]:
    marks = [1.0, 2.0, 4.0]
    return [
        Row(space, seed, minutes, int(minutes * per_minute), distance + 0.01 * seed, 0.9, 0.06, 10, 20, 1.0, 2.0, 3.0)
        for seed in range(2)
        for minutes, distance in zip(marks, distances, strict=True)
    ]


def test_the_table_compares_at_equal_parameters_time_and_images():
    rows = rows_of("pixels", [4.0, 3.0, 2.0], 100) + rows_of("f4", [1.0, 0.5, 0.25], 200)
    assert after(rows, "f4", "images", 400) == 0.5 and math.isnan(after(rows, "f4", "images", 100))
    assert after(rows, "pixels", "images", 200 * 2**0.5) == pytest.approx(2.5)  # half-way in log images
    parameters, time, together, images = table(rows).split("\n\n")
    assert parameters.splitlines()[2].split() == ["pixels", "10", "0.0", "M", "1", "2.0", "3", "0.060"]
    assert time.splitlines()[-1].split() == ["4", "2.005", "±", "0.064", "0.255", "±", "0.064"]
    own = autoencoder_minutes("f4")  # 6.45: past the last mark of the pixels but for the first row
    assert together.splitlines()[1].split() == ["minutes", "space", "Fréchet", "pixels"]
    assert together.splitlines()[2].split() == [f"{1 + own:.1f}", "f4", "1.000"] and autoencoder_minutes("pixels") == 0
    shorter = [row._replace(minutes=4 * row.minutes) if row.space == "pixels" else row for row in rows]
    other = float(table(shorter).split("\n\n")[2].splitlines()[2].split()[-1])
    assert other == pytest.approx(after(shorter, "pixels", "minutes", 1 + own), abs=5e-4) and 3 < other < 4
    assert images.splitlines()[2].split() == ["100", "4.000"] and images.splitlines()[4].split()[-1] == "0.500"


def test_the_curves_are_means_over_seeds_and_the_first_seeds_images():
    time, images = curves(rows_of("f4", [1.0, 0.5, 0.25], 200))
    assert [(m, pytest.approx(d)) for m, d, _ in time["f4"]] == [(1.0, 1.005), (2.0, 0.505), (4.0, 0.255)]
    assert [point[:2] for point in images["f4"]] == [(200.0, 1.0), (400.0, 0.5), (800.0, 0.25)]


def test_the_command_prints_json_of_its_rows(small, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["--minutes", "0.003", "--long", "--seeds", "1", "--samples", "20", "--steps", "2", "--json"]
    cli.main(["latent-against-pixel", *words])
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    kept, settings = tables.read(Row, tmp_path / "runs" / "measured" / "latent-against-pixel.json")
    assert [Row(**row) for row in found["rows"]] == kept and len(kept) == 2 and settings["samples"] == 20
    assert "space pixels, seed 0" in shown.err and torch.tensor(settings["floor"]) > 0
