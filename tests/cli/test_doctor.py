import shutil

import pytest

from ldm_teach import paths
from ldm_teach.cli import doctor
from ldm_teach.cli import main as cli
from ldm_teach.models import checkpoint


def test_doctor_finds_this_machine_ready(capsys):
    with pytest.raises(SystemExit) as done:
        cli.main(["doctor"])
    out = capsys.readouterr().out
    assert done.value.code == 0, out
    for name in (
        "Python",
        "torch",
        "device",
        "memory",
        "Fashion-MNIST",
        "emoji",
        "fashion-class",
        "everything is ready",
    ):
        assert name in out


def test_doctor_names_what_is_broken(monkeypatch, tmp_path, capsys):
    shutil.copytree(checkpoint.locate("fashion-perceptual"), tmp_path / "classifiers" / "fashion-perceptual")
    (tmp_path / "classifiers" / "fashion-perceptual" / "model.safetensors").write_bytes(b"0")
    (tmp_path / "requirements.txt").write_text("torch==0.1  # too old\nno-such-package==1.0\n")
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path)
    monkeypatch.setattr(doctor, "REQUIREMENTS", tmp_path / "requirements.txt")
    assert doctor.examine() == 3
    out = capsys.readouterr().out
    assert "`pip install torch==0.1`" in out
    assert "not installed: `pip install -r requirements.txt`" in out
    assert "is damaged: its SHA-256 is not the one in model.json; restore or retrain it" in out
