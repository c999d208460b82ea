"""The bench: a figure of each kind, on few repeats; the whole of it takes minutes."""

import nbformat
import pytest

from ldm_teach.cli import bench
from ldm_teach.models.latent_diffusion import LatentDiffusion


def test_a_row_is_a_median_with_its_ends():
    assert bench.row("x", [3.0, 1.0, 2.0], "ms") == bench.Row("x", "ms", 2.0, 1.0, 3.0)


def test_the_table_prints_times_in_whole_units_and_ratios_to_hundredths():
    lines = bench.table([bench.row("a", [12.4, 12.6], "ms"), bench.row("b", [1.234]), bench.row("c", [0.987], "GiB")])
    assert [line.split() for line in lines.splitlines()[1:]] == [
        ["a", "12", "12", "13", "ms"],
        ["b", "1.23", "1.23", "1.23", "ratio"],
        ["c", "0.99", "0.99", "0.99", "GiB"],
    ]


def test_a_notebook_that_cannot_be_executed_is_named_with_its_error(tmp_path):
    cell = nbformat.v4.new_code_cell("import no_such_module")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "broken.ipynb")
    with pytest.raises(ChildProcessError, match="broken.ipynb cannot be executed: .*No module named 'no_such_module'"):
        next(bench.notebook_cost(tmp_path / "broken.ipynb"))


@pytest.mark.slow
def test_the_preview_is_faster_than_full_quality_and_overheads_are_small():
    model = LatentDiffusion.load("fashion-class")
    preview, full = bench.slider_to_picture(model)
    assert preview.unit == "ms" and 0 < preview.median < full.median
    overhead = bench.sampling_overhead(model, batch=16, num_steps=3)
    assert 0.5 < overhead.median < 3
    free, classifier = bench.guidance_cost(model, batch=16)
    assert "classifier-free" in free.what and 1 < free.median < 5 and 0.5 < classifier.median < 6


@pytest.mark.slow
def test_a_training_step_is_compared_with_its_bare_parts():
    found = bench.training_overhead(LatentDiffusion.load("fashion-class"), batch=8, repeats=3)
    assert 0 < found.low <= found.median <= found.high


@pytest.mark.slow
def test_the_autoencoder_is_compared_with_one_at_full_resolution_and_the_import_with_torchs():
    found = bench.half_resolution(batch=4, repeats=3)
    assert found.median > 1 and "parameters" in found.what


@pytest.mark.slow
def test_a_preview_is_timed_alone_and_beside_a_training_in_both_ways_of_waiting(monkeypatch):
    monkeypatch.setattr(
        bench, "WAITING", "import os, sys; print(len(sys.argv[1]), os.environ.get('GOMP_SPINCOUNT', 0))"
    )
    monkeypatch.setattr(bench.time, "sleep", lambda seconds: None)
    rows = list(bench.waiting())
    assert [(row.what.split(",")[0], row.high) for row in rows] == [
        ("preview alone", 4.0),
        ("preview beside a training", 4.0),
        ("preview alone", 1000.0),
        ("preview beside a training", 1000.0),
    ]


def test_a_preview_takes_milliseconds():
    assert all(1 < ms < 60_000 for ms in bench.preview(2))
