"""The command line, in this process, on the shipped model and on a tiny training."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ldm_teach import __main__ as cli
from ldm_teach import doctor
from ldm_teach.interactive import plots
from ldm_teach.models import checkpoint
from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.conditioning import ImageEncoder, MapEncoder, TextEncoder
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.unet import UNet
from ldm_teach.practice import conditioning_study, guidance_study
from ldm_teach.practice.data import Batches, blurred, fashion_mnist
from ldm_teach.practice.losses import diffusion_loss
from ldm_teach.practice.recipes import Training
from ldm_teach.practice.scenes import MAX_WORDS, WORDS
from ldm_teach.practice.shapes import shapes
from ldm_teach.theory.schedule import NoiseSchedule
from tests.conftest import make_tiny_model


def tiny_recipe(quick: bool = False) -> Training:
    model = make_tiny_model()
    columns = torch.randn(64, 2, 4, 4), torch.full((64, 2, 4, 4), 0.1), torch.arange(64) % 3
    batches = Batches(*columns, batch_size=8)
    return Training(model, diffusion_loss(model.schedule, drop=0.2), batches, dict(num_steps=3 if quick else 6))


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    monkeypatch.setitem(cli.RECIPES, "tiny", tiny_recipe)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_train_saves_the_averaged_model_and_resumes(tiny, capsys):
    cli.main(["train", "tiny", "--quick", "--device", "cpu"])
    assert "saved runs/tiny-quick after" in capsys.readouterr().out
    assert LatentDiffusion.load(tiny / "runs" / "tiny-quick").sample([0, 1], num_steps=2).shape == (2, 1, 12, 12)
    assert checkpoint.header(tiny / "runs" / "tiny-quick" / "state")["config"]["step"] == 3
    cli.main(["train", "tiny", "--quick", "--resume", "--out", str(tiny / "out")])
    assert (tiny / "out" / "model.json").is_file()


def test_sample_writes_a_picture(tmp_path, capsys):
    out = tmp_path / "folder" / "grid.png"
    cli.main(["sample", "--condition", "0", "9", "--w", "0", "2", "--count", "2", "--steps", "2", "--out", str(out)])
    assert f"wrote {out}" in capsys.readouterr().out
    assert np.asarray(Image.open(out)).std() > 10


def untrained(autoencoder: str, encoder: torch.nn.Module, directory: Path) -> LatentDiffusion:
    """A tiny model in front of a shipped autoencoder, saved to a directory and loaded from it."""
    torch.manual_seed(0)
    unet = UNet(widths=(16, 16), heads=(1, 1), token_width=32, positions=True)
    for parameter in unet.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)  # else its last layer is zero and hears no condition
    LatentDiffusion(KLAutoencoder.load(autoencoder), unet, encoder, NoiseSchedule.cosine()).save(directory)
    return LatentDiffusion.load(directory)


@pytest.fixture
def grids(monkeypatch):
    """The arguments (x, rows, columns, title, asked) of each grid that is drawn."""
    drawn, draw = [], plots.labelled_grid
    monkeypatch.setattr(plots, "labelled_grid", lambda *arguments: drawn.append(arguments) or draw(*arguments))
    return drawn


SAMPLE = ["--count", "3", "--steps", "2", "--w", "0", "2"]


def test_sample_draws_captions_each_in_its_row(tmp_path, grids):
    captions = ["a red circle", "a large magenta triangle, a large magenta square and a large yellow triangle"]
    encoder = TextEncoder(WORDS, max_words=MAX_WORDS, token_width=32)
    model = untrained("shapes-autoencoder", encoder, tmp_path)
    out = tmp_path / "text.png"
    cli.main(["sample", str(tmp_path), "--condition", *captions, *SAMPLE, "--out", str(out)])
    x, rows, columns, _, asked = grids[0]
    assert asked is None and columns == ["w = 0", "w = 2"] and [row.replace("\n", " ") for row in rows] == captions
    assert max(len(line) for row in rows for line in row.split("\n")) <= 32 and rows[1].count("\n") == 2
    settings = dict(num_steps=2, generator=torch.Generator().manual_seed(0))
    wanted = model.sample([caption for caption in captions for _ in range(3)], w=2.0, **settings)
    torch.testing.assert_close(x.unflatten(0, (2, 2, 3))[:, 1].flatten(0, 1), wanted)
    assert np.asarray(Image.open(out)).std() > 10


def test_sample_draws_maps_with_what_was_asked_for(tmp_path, grids):
    model = untrained("shapes-autoencoder", MapEncoder(5, token_width=32), tmp_path)
    maps, drawn = shapes(4, seed=1, train=False).maps, torch.zeros(32, 32, dtype=torch.uint8)
    drawn[8:20, 4:16] = 2
    Image.fromarray(drawn.numpy()).save(tmp_path / "drawn.png")
    condition = ["3", str(tmp_path / "drawn.png")]
    cli.main(["sample", str(tmp_path), "--condition", *condition, *SAMPLE, "--out", str(tmp_path / "map.png")])
    x, rows, columns, _, asked = grids[0]
    assert rows == ["map 3", "drawn.png"] and columns == ["w = 0", "w = 2"]
    plain, guided = x.unflatten(0, (2, 2, 3)).unbind(1)  # (2, 3, C, H, W) each
    maps = torch.stack([maps[3], drawn.long()])
    torch.testing.assert_close(asked, plots.map_picture(maps))
    settings = dict(num_steps=2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(plain.flatten(0, 1), model.sample(maps.repeat_interleave(3, 0), w=0.0, **settings))
    assert not torch.allclose(plain, guided)


def test_sample_draws_blurred_images_with_what_was_asked_for(tmp_path, grids):
    untrained("fashion-autoencoder", ImageEncoder(token_width=32), tmp_path)
    cli.main(["sample", str(tmp_path), "--sigma", "3", *SAMPLE, "--out", str(tmp_path / "blur.png")])
    x, rows, columns, _, asked = grids[0]
    assert rows == ["image 0", "image 1", "image 2", "image 3"] and columns == ["w = 0", "w = 2"]
    assert len(x) == 4 * 2 * 3
    torch.testing.assert_close(asked, blurred(fashion_mnist(train=False).x[:4], 3.0))


def test_sample_says_in_its_help_what_can_be_asked_for(capsys):
    with pytest.raises(SystemExit):
        cli.main(["sample", "--help"])
    words = " ".join(capsys.readouterr().out.split())
    for what in ("numbers of classes", "captions", "numbers of test scenes", "image files", "--sigma"):
        assert what in words


def test_evaluate_prints_the_floor_and_a_row_for_each_weight(capsys):
    cli.main(["evaluate", "--samples", "200", "--steps", "4", "--w", "0", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert [line[:13] for line in lines[2:]] == ["real (trainin", "reconstructed", "samples, w = ", "samples, w = "]
    floor, reconstructed, *samples = (float(line[40:57]) for line in lines[2:])
    assert 0 < floor < min(samples) and reconstructed > 0


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["sample", "nowhere"], "ldm_teach: no checkpoint 'nowhere'"),
        (["sample", "--condition", "11"], "ldm_teach: condition is '11'; want a class, a number from 0 to 9"),
        (["sample", "--condition", "boot"], "ldm_teach: condition is 'boot'; want a class, a number from 0 to 9"),
        (["sample", "--count", "0"], "ldm_teach: count is 0; want an int of at least 1"),
        (["sample", "--steps", "0"], "ldm_teach: n is 0; want an int from 1 to 1000"),
        (["sample", "--device", "tpu"], "ldm_teach: device is 'tpu'"),
    ],
)
def test_a_bad_argument_ends_with_its_message(arguments, words):
    with pytest.raises(SystemExit, match=words):
        cli.main(arguments)


def test_doctor_finds_this_machine_ready(capsys):
    with pytest.raises(SystemExit) as done:
        cli.main(["doctor"])
    out = capsys.readouterr().out
    assert done.value.code == 0, out
    for name in ("Python", "torch", "device", "memory", "Fashion-MNIST", "fashion-class", "everything is ready"):
        assert name in out


def test_doctor_names_what_is_broken(monkeypatch, tmp_path, capsys):
    shutil.copytree(checkpoint.SHIPPED / "fashion-perceptual", tmp_path / "fashion-perceptual")
    (tmp_path / "fashion-perceptual" / "model.safetensors").write_bytes(b"0")
    (tmp_path / "requirements.txt").write_text("torch==0.1  # too old\nno-such-package==1.0\n")
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path)
    monkeypatch.setattr(doctor, "REQUIREMENTS", tmp_path / "requirements.txt")
    assert doctor.doctor() == 3
    out = capsys.readouterr().out
    assert "`pip install torch==0.1`" in out
    assert "not installed: `pip install -r requirements.txt`" in out
    assert "is damaged: its SHA-256 is not the one in model.json; restore or retrain it" in out


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
