"""`train NAME --images FOLDER`: a folder in, a model out, whatever lies in the folder and whenever it is broken off."""

import contextlib
import json
import re
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

from ldm_teach.cli import main as cli
from ldm_teach.cli import own_images
from ldm_teach.data.image_folder import ImageFolder
from ldm_teach.interactive.panel import guidance_panel, text_panel
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.paths import CLONE
from ldm_teach.training.recipes import own_images as recipe
from ldm_teach.training.recipes.own_images import Chosen, conditions_of
from ldm_teach.training.recipes.recipe import Training
from tests.helpers import COMMAND, weights, write_images, write_odd_images

CHOSEN = Chosen(32, None, 30.0, 16, batch_size=8, first=4, second=4, first_seconds=0.1, second_seconds=0.1)
CPU = ["--images", "images", "--device", "cpu"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of its own with images, and a plan of a few steps in the place of what would be chosen."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "images", 50)
    monkeypatch.setattr(
        own_images, "choose", lambda *_, most=None, minutes, **how: CHOSEN._replace(most=most, minutes=minutes)
    )
    return tmp_path


def broken_off(monkeypatch, stage: str, after: int):
    """Break a training off after so many steps of a stage, as Ctrl-C between two steps does."""
    fit = Training.fit

    def cut(self, **how):
        with contextlib.closing(fit(self, **how)) as steps:
            for step in steps:
                yield step
                if how["directory"].name == stage and step.step == after:
                    raise KeyboardInterrupt

    monkeypatch.setattr(Training, "fit", cut)


@pytest.mark.slow
def test_from_a_folder_with_odd_files_to_samples_and_a_panel(folder, capsys):
    readable, left_out = write_odd_images(folder / "images" / "odd")
    cli.main(["train", "mine", *CPU])
    told = capsys.readouterr()
    run = folder / "runs" / "mine"
    images = f"{50 + len(readable)} images of 32x32 pixels, 3 classes (blue, odd, red)"
    assert f"mine: {images}; {len(left_out)} files left out, listed in runs/mine/left_out.txt" in told.out
    for line in ("first stage, an autoencoder to 4x8x8, 0.", "reconstruction: PSNR ", "dB on 3 held-out images"):
        assert line in told.out
    listed = (run / "left_out.txt").read_text().splitlines()
    assert len(listed) == len(left_out) and all(f"left out {line}" in told.err for line in listed)
    assert "next: `python -m ldm_teach sample runs/mine`" in told.out
    model = LatentDiffusion.load("mine")
    assert torch.equal(weights(model), weights(LatentDiffusion.load(run)))
    assert model.sample([0, 2], num_steps=2).shape == (2, 3, 32, 32)
    for name in ("samples.png", "reconstructions.png"):
        assert np.asarray(Image.open(run / name).convert("RGBA")).std() > 10
    cli.main(["sample", "runs/mine", "--condition", "red", "blue", "--count", "1", "--steps", "2", "--device", "cpu"])
    assert (folder / "samples.png").is_file()
    assert guidance_panel(model, count=1).caption.value.startswith("blue, w = 1.0")
    with pytest.raises(SystemExit, match="'rad'; want a class.* one of blue, odd, red; did you mean 'red'"):
        cli.main(["sample", "mine", "--condition", "rad", "--device", "cpu"])


@pytest.mark.slow
@pytest.mark.parametrize("way", ["metadata.csv", "metadata.jsonl", "beside"])
def test_captions_in_all_three_ways(folder, way, capsys):
    names = sorted(path.relative_to(folder / "images").as_posix() for path in folder.glob("images/*/*.png"))
    captions = {name: f"a {'red disc' if 'red' in name else 'blue square'}, alone" for name in names}
    if way == "beside":
        for name, caption in captions.items():
            (folder / "images" / name).with_suffix(".txt").write_text(caption)
    elif way == "metadata.csv":
        rows = [f'{name},"{caption}"' for name, caption in captions.items()]
        (folder / "images" / way).write_text("\n".join(["file_name,text", *rows]))
    else:
        rows = [json.dumps(dict(file_name=name, text=caption)) for name, caption in captions.items()]
        (folder / "images" / way).write_text("\n".join(rows))
    cli.main(["train", "mine", *CPU])
    assert "captions of 50 of them with 7 words" in capsys.readouterr().out
    model = LatentDiffusion.load("mine")
    assert model.sample(["a red square"], num_steps=2).shape == (1, 3, 32, 32)
    assert text_panel(model, count=1).caption.value.startswith("a blue square, alone, w")
    with pytest.raises(ValueError, match="unknown word 'sqare'; .*did you mean 'square'"):
        model.sample(["a red sqare"])


@pytest.mark.slow
def test_broken_off_in_either_stage_it_goes_on_to_the_very_weights(folder, monkeypatch, capsys):
    cli.main(["train", "whole", *CPU])
    for number, (stage, after) in enumerate([("first", 2), ("first", 4), ("second", 1), ("second", 4)]):
        with monkeypatch.context() as patch:
            broken_off(patch, stage, after)
            with pytest.raises(SystemExit) as ended:
                cli.main(["train", f"mine{number}", *CPU])
            assert ended.value.code == 130
        cli.main(["train", f"mine{number}", *CPU, "--resume"])
        assert torch.equal(weights(LatentDiffusion.load(f"mine{number}")), weights(LatentDiffusion.load("whole")))


def test_a_finished_training_is_not_begun_again_and_resumed_it_is_there_at_once(folder, monkeypatch, capsys):
    cli.main(["train", "mine", *CPU])
    with pytest.raises(SystemExit, match=r"runs/mine holds a training; go on with it \(--resume\), remove it, or take"):
        cli.main(["train", "mine", *CPU])
    model = (folder / "runs" / "mine" / "model.json").read_text()
    cli.main(["train", "mine", *CPU, "--resume", "--out", "there"])
    assert (folder / "there" / "model.json").read_text() == model


@pytest.mark.parametrize(
    "words, message",
    [
        (["a/b"], "name is 'a/b'; want a new one of letters, digits"),
        (["mine", "--keep"], "keep is for the models of the course"),
        (["mine", "--quick", "--minutes", "3"], "minutes is 3, and --quick is 1; want one of the two"),
        (["mine", "--side", "50"], "side is 50; want a multiple of 32 from 32 to 256 pixels"),
        (["mine", "--resume"], "plan.json is missing: there is nothing to go on from; leave out --resume"),
        (["mine", "--accumulate", "3"], "batches has a batch_size of 8; want a multiple of 3"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(folder, words, message):
    with pytest.raises(SystemExit, match=message):
        cli.main(["train", *words, *CPU])


def test_a_training_that_goes_on_is_the_one_that_began(folder, monkeypatch):
    cli.main(["train", "mine", *CPU])
    for words, message in {
        ("--minutes", "5"): "minutes is 5.0, and was 30.0 when the training in runs/mine began",
        ("--side", "64"): "side is 64, and was 32",
        ("--batch-size", "4"): "batch_size is 4, and was 8",
    }.items():
        with pytest.raises(SystemExit, match=message):
            cli.main(["train", "mine", *CPU, "--resume", *words])
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit, match="is trained by one process: leave out torchrun"):
        cli.main(["train", "other", *CPU])


def test_the_command_line_says_what_belongs_to_whom(folder):
    with pytest.raises(SystemExit, match="and no recipe.*; a model of your own images wants --images FOLDER"):
        cli.main(["train", "mine"])
    with pytest.raises(SystemExit, match="minutes and side are for a new name with --images FOLDER; a recipe has its"):
        cli.main(["train", "fashion-class", "--minutes", "3"])
    with pytest.raises(SystemExit, match="images is nowhere, and no folder; want one with images"):
        cli.main(["train", "mine", "--images", "nowhere"])


def test_quick_is_a_minute_on_some_of_the_images(folder, monkeypatch):
    monkeypatch.setattr(own_images, "FEW_IMAGES", 20)
    cli.main(["train", "mine", *CPU, "--quick"])
    chosen = Chosen.load(folder / "runs" / "mine-quick" / "plan.json")
    assert (chosen.most, chosen.minutes) == (20, 1.0) and LatentDiffusion.load("mine-quick")
    cli.main(["train", "mine", *CPU, "--quick", "--resume"])


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["first", "second"])
def test_killed_in_either_stage_it_goes_on_to_the_very_weights(tmp_path, monkeypatch, stage):
    """By SIGKILL, which nothing can be done about, while the states are being written."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "images", 50)
    for name in ("whole", "mine"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        CHOSEN._replace(first=40, second=40).save(tmp_path / "runs" / name / "plan.json")
    command = [sys.executable, "-c", COMMAND, "train", "mine", *CPU, "--resume"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not (tmp_path / "runs" / "mine" / stage / "model.json").is_file() and process.poll() is None:
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -9
    for name in ("whole", "mine"):
        cli.main(["train", name, *CPU, "--resume"])
    assert torch.equal(weights(LatentDiffusion.load("mine")), weights(LatentDiffusion.load("whole")))


@pytest.mark.slow
def test_five_hundred_files_of_which_fifty_are_odd(tmp_path):
    """The command itself, as it is typed."""
    write_images(tmp_path / "images", 450)
    readable, left_out = set(), set()
    for k in range(3):
        one, other = write_odd_images(tmp_path / "images" / f"odd {k}")
        readable, left_out = readable | {(k, name) for name in one}, left_out | {(k, name) for name in other}
    assert len(readable) + len(left_out) >= 50
    options = dict(cwd=tmp_path, capture_output=True, text=True, check=True)
    command = [sys.executable, "-m", "ldm_teach"]
    train = subprocess.run([*command, "train", "mine", *CPU, "--minutes", "0.3"], **options)
    assert f"mine: {450 + len(readable)} images of 32x32 pixels, 5 classes" in train.stdout
    assert len((tmp_path / "runs" / "mine" / "left_out.txt").read_text().splitlines()) == len(left_out)
    assert train.stderr.count("left out ") == len(left_out) and "saved runs/mine" in train.stdout
    subprocess.run(
        [*command, "sample", "runs/mine", "--condition", "red", "--count", "2", "--device", "cpu"], **options
    )
    assert (tmp_path / "samples.png").is_file()
    model = LatentDiffusion.load(tmp_path / "runs" / "mine")
    assert model.sample([1], num_steps=2, generator=torch.Generator().manual_seed(0)).isfinite().all()


def test_the_document_says_what_the_code_does(tmp_path, monkeypatch):
    """Its lines of Python write the folder that it trains on; its numbers are those of the code."""
    document = (CLONE / "docs" / "your_own_images.md").read_text()
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"```python\n(import csv.*?)```", document, re.DOTALL)[1], {})
    asked = conditions_of(ImageFolder("animals", 32))
    assert len(asked.condition) == 599 and "write the 599 emoji" in document
    assert f"animals: 599 images of 32x32 pixels, {asked.words}; none left out" in document
    with pytest.raises(ValueError) as refused:
        asked.encoder().check(["cat fase"])
    assert f"`{refused.value}`" in document
    plain = " ".join(document.split())
    for words in (
        f"wider networks from {[*recipe.WIDTHS.values()][1]:,} and from {[*recipe.WIDTHS.values()][2]:,} images on",
        f"time for {recipe.ENOUGH:,} steps",
        f"no more than {recipe.MOST_PASSES:,} passes",
        f"more than {recipe.MEMORY // 2**30} GiB",
        f"after the {recipe.MOST_WORDS}th",
        f"{recipe.SIDES.start} to {recipe.SIDES[-1]} pixels in steps of {recipe.SIDES.step}",
        f"on at most {own_images.FEW_IMAGES} images",
    ):
        assert words in plain
    assert (recipe.ONE_IN, own_images.SAVES) == (20, 20) and (recipe.FIRST, recipe.SECOND) == (0.4, 0.5)
