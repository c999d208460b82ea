"""The larger models: whole and full-sized on the meta device; with --quick, on files written here, to a sample."""

import copy
import functools
import hashlib
import pickle
from dataclasses import replace
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import datasets

from ldm_teach.cli import main as cli
from ldm_teach.data.image_sets import image_dataset
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.training.loop import update_average
from ldm_teach.training.recipes import larger
from ldm_teach.training.recipes.larger import CIFAR10, FOLDER_256, QUICK, Plan, first_loss, second_loss


def step_on_meta(model: nn.Module, loss, batch) -> None:
    """Backward, clipping, AdamW and the average."""
    average = copy.deepcopy(model)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, 1e-3)
    value = loss(model, batch, None)
    assert value.shape == () and value.is_meta
    value.backward()
    nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    update_average(average, model, 0, 0.999)
    assert all(p.grad is not None for p in trained)


@pytest.mark.parametrize(
    "plan", [CIFAR10, FOLDER_256, *QUICK.values()], ids=lambda plan: f"{plan.name}-{plan.batch_size}"
)
def test_both_stages_from_end_to_end_on_meta(plan: Plan):
    latent = {"cifar10": (8, 8, 8), "folder-256": (4, 32, 32)}[plan.name]
    with torch.device("meta"):
        autoencoder, x = plan.new_autoencoder(), torch.zeros(2, 3, plan.side, plan.side)
        labels, t = torch.zeros(2, dtype=torch.int64), torch.zeros(2, dtype=torch.int64)
    step_on_meta(autoencoder, first_loss(None), (x,))
    with torch.device("meta"):
        model = plan.new_model(autoencoder, num_classes=10)
    step_on_meta(model, second_loss(), (x, labels))
    z = model.encode(x)
    v = model(z, t, labels)
    assert z.shape == v.shape == (2, *latent) and model.decode(v).shape == x.shape


@pytest.fixture
def two_steps(monkeypatch, tmp_path):
    """The quick plans with two steps a stage, run in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    for name, plan in QUICK.items():
        first, second = replace(plan.first, num_steps=2), replace(plan.second, num_steps=2)
        monkeypatch.setitem(QUICK, name, replace(plan, first=first, second=second))
    return tmp_path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # of jax, which other tests import
def test_a_folder_becomes_a_model_that_samples(two_steps, capsys):
    noise = np.random.default_rng(0).integers(0, 255, (6, 4, 5, 3)).astype(np.uint8)
    for i, pixels in enumerate(noise):
        path = two_steps / "images" / "abc"[i % 3] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).resize((300, 270)).save(path)
    (two_steps / "images" / "bad.png").touch()
    common = ["--images", "images", "--quick", "--device", "cpu"]
    with pytest.raises(SystemExit, match="holds no autoencoder yet: first `python -m ldm_teach train folder-256-auto"):
        cli.main(["train", "folder-256-class", *common])
    cli.main(["train", "folder-256-autoencoder", *common, "--batch-size", "4", "--accumulate", "2"])
    cli.main(["train", "folder-256-class", *common, "--workers", "1"])
    told = capsys.readouterr().err
    assert "left out bad.png: cannot identify" in told and "6 images, classes from 0 on: a, b, c" in told
    model = LatentDiffusion.load(two_steps / "runs" / "folder-256-class-quick")
    assert model.encoder.config["num_classes"] == 3
    assert model.sample([0, 2], num_steps=2).shape == (2, 3, 256, 256)


@pytest.mark.slow
def test_without_the_weights_of_vgg_a_full_training_says_what_it_wants(tmp_path, monkeypatch):
    def unreachable():
        raise URLError("no route to host")

    monkeypatch.setattr(larger, "VGGFeatures", unreachable)
    with pytest.raises(
        SystemExit, match=r"VGG-16 are not here, and cannot be fetched \(<urlopen error no route to host>"
    ):
        cli.main(["train", "folder-256-autoencoder", "--images", str(tmp_path)])


def write_cifar10(root, monkeypatch) -> None:
    """CIFAR-10 in torchvision's own layout: twenty images of noise."""
    folder, generator = root / "cifar-10-batches-py", np.random.default_rng(0)
    folder.mkdir()
    pixels = generator.integers(0, 255, (20, 3072)).astype(np.uint8)
    for name, content in {
        "data_batch_1": dict(data=pixels, labels=[i % 10 for i in range(20)]),
        "batches.meta": dict(label_names=list("abcdefghij")),
    }.items():
        (folder / name).write_bytes(pickle.dumps(content))
    sums = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [["data_batch_1", sums["data_batch_1"]]])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [])
    meta = dict(filename="batches.meta", key="label_names", md5=sums["batches.meta"])
    monkeypatch.setattr(datasets.CIFAR10, "meta", meta)


@pytest.mark.slow
def test_cifar10_becomes_a_model_that_samples(two_steps, monkeypatch):
    monkeypatch.setattr(larger, "image_dataset", functools.partial(image_dataset, root=two_steps))
    with pytest.raises(SystemExit, match="cifar10 is not in .*: pass download=True to fetch it"):
        cli.main(["train", "cifar10-autoencoder", "--quick"])
    write_cifar10(two_steps, monkeypatch)
    for stage in ("autoencoder", "class"):
        cli.main(["train", f"cifar10-{stage}", "--quick", "--device", "cpu"])
    model = LatentDiffusion.load(two_steps / "runs" / "cifar10-class-quick")
    assert not torch.equal(model.latent_std, torch.ones(8, 1, 1))
    assert model.sample([0, 9], num_steps=2).shape == (2, 3, 32, 32)
