"""The commands of the studies: each row is printed as it is known, the table is printed and kept."""

import pytest

from ldm_teach.cli import main as cli
from ldm_teach.cli.study import STUDIES
from ldm_teach.measuring import tables
from ldm_teach.models.guided import classifier_free
from ldm_teach.studies import guidance

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_the_one_face_and_a_kept_table(name):
    study = STUDIES[name]
    rows, settings = tables.read(study.Row, study.PATH)
    assert study.PATH.name == f"{name}.json" and rows and {"machine", "date"} < set(settings)
    assert len(study.table(rows).splitlines()) > 1 and study.__doc__


def test_a_study_prints_its_rows_and_keeps_its_table(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(guidance, "methods", lambda: {"classifier-free": (classifier_free, (0.0, 2.0))})
    out = tmp_path / "folder" / "guidance.json"
    cli.main(["guidance", "--samples", "40", "--steps", "2", "--seeds", "2", "--out", str(out)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines[:6]] == ["method real"] * 2 + ["method classifier-free"] * 4
    rows, settings = tables.read(guidance.Row, out)
    assert len(rows) == 6 and settings["samples"] == 40 and settings["seeds"] == 2 and settings["chance"] == 0.1
    assert guidance.table(rows) in "\n".join(lines) and lines[-1].startswith(f"wrote {out} after")


def test_without_keep_nothing_shipped_is_written(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    before = STUDIES["compression"].PATH.read_bytes()
    cli.main(["compression", "fashion-vq-f4", "--images", "300"])
    assert (tmp_path / "runs" / "measured" / "compression.json").is_file()
    assert STUDIES["compression"].PATH.read_bytes() == before


def test_evaluate_is_another_name_for_sampling_and_takes_any_model(tmp_path, capsys):
    out = str(tmp_path / "sampling.json")
    cli.main(["evaluate", "fashion-class-vq", "--samples", "100", "--steps", "2", "--w", "0", "--out", out])
    assert "samples, w = 0" in capsys.readouterr().out


def test_comparison_names_the_training_that_is_missing(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="python -m ldm_teach train shapes-map-attention-2"):
        cli.main(["comparison"])
