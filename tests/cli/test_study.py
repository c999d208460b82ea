"""The command line, in this process, on the shipped model and on a tiny training."""

import numpy as np
import pytest
from PIL import Image

from ldm_teach.cli import main as cli
from ldm_teach.studies import conditioning as conditioning_study
from ldm_teach.studies import guidance as guidance_study


def test_evaluate_prints_the_floor_and_a_row_for_each_weight(capsys):
    cli.main(["evaluate", "--samples", "200", "--steps", "4", "--w", "0", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert [line[:13] for line in lines[2:]] == ["real (trainin", "reconstructed", "samples, w = ", "samples, w = "]
    floor, reconstructed, *samples = (float(line[40:57]) for line in lines[2:])
    assert 0 < floor < min(samples) and reconstructed > 0


def test_compression_prints_a_row_for_each_autoencoder_below_real_images(capsys):
    cli.main(["compression", "fashion-autoencoder", "fashion-vq-f4", "--images", "500"])
    head, real, kl, vq = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["latent", "x", "bits", "PSNR"] and real.startswith("real images")
    assert kl.split()[:3] == ["fashion-autoencoder", "4x8x8", "3.06"] and 28 < float(kl.split()[4]) < 31
    assert vq.split()[3] == "832" and "%" in vq.split()[10]


def test_compression_refuses_what_is_no_autoencoder():
    with pytest.raises(SystemExit, match="fashion-judge is a ImageClassifier; want one of KLAutoencoder"):
        cli.main(["compression", "fashion-judge", "--images", "100"])


def test_guidance_prints_a_row_for_each_scale_keeps_the_table_and_draws_it(monkeypatch, tmp_path, capsys):
    grid = {"classifier-free": (guidance_study.classifier_free, (0.0, 2.0))}
    monkeypatch.setattr(guidance_study, "methods", lambda: grid)
    out, picture = tmp_path / "guidance.json", tmp_path / "curves.png"
    options = ["--samples", "40", "--steps", "2", "--seeds", "2", "--out", str(out), "--picture", str(picture)]
    cli.main(["guidance", *options])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["real", "classifier-free", "classifier-free", "wrote"]
    rows, settings = guidance_study.read(out)
    assert len(rows) == 6 and settings["samples"] == 40 and settings["chance"] == 0.1
    assert np.asarray(Image.open(picture)).std() > 10


def test_conditioning_prints_and_keeps_what_was_found(monkeypatch, tmp_path, capsys):
    rows = [
        conditioning_study.Row("one item", "as asked", 2.0, 0.951, 0.007, 0.03),
        conditioning_study.Row("one item", "items", 2.0, 0.96, 0.006),
    ]
    monkeypatch.setattr(conditioning_study, "study", lambda samples, steps: iter(rows))
    out = tmp_path / "conditioning.json"
    cli.main(["conditioning", "--samples", "40", "--steps", "2", "--out", str(out)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["one", "item", "as", "asked", "2", "0.951", "±", "0.007", "0.030"]
    assert conditioning_study.read(path=out) == (rows, dict(samples=40, steps=2))


def test_comparison_names_the_training_that_is_missing(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="python -m ldm_teach train shapes-map-attention-2"):
        cli.main(["comparison"])
