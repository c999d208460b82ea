"""The commands of the studies: each row is printed as it is known, the table is printed and kept."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pyte
import pytest

from ldm_teach.cli import main as cli
from ldm_teach.cli import study
from ldm_teach.cli.study import STUDIES
from ldm_teach.measuring import tables
from ldm_teach.models.guided import classifier_free
from ldm_teach.paths import CLONE
from ldm_teach.studies import guidance
from tests.helpers import COMMAND

pytestmark = pytest.mark.slow
COLUMNS = 200  # of the terminal: no row of a study is longer


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_the_one_face_and_a_kept_table(name):
    one = STUDIES[name]
    rows, settings = tables.read(one.Row, one.PATH)
    assert one.PATH.name == f"{name}.json" and rows and {"machine", "date"} < set(settings)
    assert len(one.table(rows).splitlines()) > 1 and one.__doc__


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


def test_a_second_run_keeps_its_table_beside_the_first(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        cli.main(["compression", "fashion-vq-f4", "--images", "300"])
    written = [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("wrote")]
    assert written == ["runs/measured/compression.json", "runs/measured/compression-2.json"]


def watched(*arguments: str, folder: Path, stop_at: bytes) -> tuple[str, int]:
    """What a command shows on a terminal, and its status, if Ctrl-C is pressed as soon as it has shown `stop_at`."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (40, COLUMNS))
    options = dict(cwd=folder, env=os.environ | {"PYTHONPATH": str(CLONE)}, stdout=slave, stderr=slave)
    with subprocess.Popen([sys.executable, "-c", COMMAND, *arguments], **options) as process:
        os.close(slave)
        shown, stopped = b"", False
        with contextlib.suppress(OSError):  # so a terminal ends
            while more := os.read(master, 4096):
                shown += more
                if stop_at in shown and not stopped:
                    stopped = not process.send_signal(signal.SIGINT)
        os.close(master)
    return shown.decode(), process.returncode


def test_ctrl_c_keeps_the_rows_that_were_measured_and_no_bar_is_left_in_a_line(tmp_path):
    arguments = "guidance", "--samples", "40", "--steps", "2", "--seeds", "2"
    shown, status = watched(*arguments, folder=tmp_path, stop_at=b"classifier, scale 0, seed 1")
    screen = pyte.Screen(COLUMNS, shown.count("\n") + 1)
    pyte.Stream(screen).feed(shown)
    lines = [line.rstrip() for line in screen.display if line.strip()]
    kept = tmp_path / "runs" / "measured" / "guidance-unfinished.json"
    rows, settings = tables.read(guidance.Row, kept)
    assert status == 130 and settings["seeds"] == 2 and 4 <= len(rows) < 50
    assert [line for line in lines if "method" in line] == [study.line(row) for row in rows]
    assert lines[-2:] == [
        f"wrote {kept.relative_to(tmp_path)}: rows measured so far: {len(rows)}",
        "ldm_teach: interrupted: nothing was written but what is named above",
    ]
    assert "Traceback" not in shown and "| 0/48 [" in shown and "batch/s]" in shown


def test_evaluate_is_another_name_for_sampling_and_takes_any_model(tmp_path, capsys):
    out = str(tmp_path / "sampling.json")
    cli.main(["evaluate", "fashion-class-vq", "--samples", "100", "--steps", "2", "--w", "0", "--out", out])
    assert "samples, w = 0" in capsys.readouterr().out


def test_comparison_names_the_training_that_is_missing(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="python -m ldm_teach train shapes-map-attention-2"):
        cli.main(["comparison"])
