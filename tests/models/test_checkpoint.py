"""A checkpoint is read exactly or refused by name; saving over one leaves the old or the new, whatever happens."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file, save_file

from ldm_teach.models import checkpoint
from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.classifier import ImageClassifier
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.vector_quantization import VQAutoencoder
from ldm_teach.paths import CLONE
from tests.helpers import SAVE, make_tiny_model, weights


def the_weights(directory):
    (found,) = directory.glob("*.safetensors")
    return found


def rewrite_header(directory, **changes):
    """Change what model.json says and sign it anew, as somebody who means harm would."""
    path = directory / "model.json"
    header = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(header | dict(checksum=checkpoint.checksum(header))))


def test_loading_says_what_is_wrong(tiny_model, tmp_path):
    tiny_model.save(tmp_path)
    with pytest.raises(ValueError, match="has kind 'LatentDiffusion'; this loader wants 'KLAutoencoder'"):
        KLAutoencoder.load(tmp_path)
    rewrite_header(tmp_path, version=99)
    with pytest.raises(ValueError, match="has format 'ldm_teach', version 99; want 'ldm_teach' and 1 to 2"):
        LatentDiffusion.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="no checkpoint 'nowhere'.*data is looked for in"):
        LatentDiffusion.load("nowhere")
    with pytest.raises(FileNotFoundError, match="did you mean 'fashion-class'"):
        LatentDiffusion.load("fashion-clas")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": "ldm_teach"}', "[" * 100_000, '{"version": ' + "9" * 5000 + "}", "\x00"]
)
def test_what_is_no_header_is_named(tiny_model, tmp_path, text):
    tiny_model.save(tmp_path)
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(ValueError, match="model.json is not the header of an ldm_teach checkpoint"):
        LatentDiffusion.load(tmp_path)


def test_loading_refuses_damaged_missing_and_misshapen_weights(tiny_model, tmp_path):
    tiny_model.save(tmp_path)
    path = the_weights(tmp_path)
    tensors = load_file(path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged: its SHA-256 is not the one in model.json"):
        LatentDiffusion.load(tmp_path)

    def replaced(changes: dict) -> None:
        save_file({name: tensor for name, tensor in (tensors | changes).items() if tensor is not None}, path)
        rewrite_header(tmp_path, sha256=checkpoint.hashlib.sha256(path.read_bytes()).hexdigest())

    mean = tensors["latent_mean"]
    for changes, words in (
        ({"latent_mean": torch.zeros(7)}, r"latent_mean has shape \(7,\), the model wants \(2, 1, 1\)"),
        ({"latent_std": None, "extra": torch.zeros(1)}, "latent_std is missing; extra is unknown"),
        ({"latent_mean": mean.long()}, "latent_mean is torch.int64, the model wants torch.float32"),
        ({"latent_mean": mean * torch.nan}, "latent_mean holds numbers that are not finite"),
    ):
        replaced(changes)
        with pytest.raises(ValueError, match=words):
            LatentDiffusion.load(tmp_path)
    path.write_bytes(b"not safetensors")
    rewrite_header(tmp_path, sha256=checkpoint.hashlib.sha256(b"not safetensors").hexdigest())
    with pytest.raises(ValueError, match="is not a safetensors file"):
        LatentDiffusion.load(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="named by .* are missing"):
        LatentDiffusion.load(tmp_path)


def test_a_config_that_is_none_of_ours_is_named(tmp_path):
    ImageClassifier(widths=(4, 4, 4)).save(tmp_path)
    for config in ({"widths": [4, 4]}, {"widths": 3}, {"unknown": 1}, {"widths": [4, 4, -4]}, {"widths": [[4], 4, 4]}):
        rewrite_header(tmp_path, config=config)
        with pytest.raises(ValueError, match="model.json does not describe a ImageClassifier"):
            ImageClassifier.load(tmp_path)


def test_a_flipped_bit_of_the_header_is_noticed(tmp_path):
    """Every seventh bit: what is loaded is what was saved, or the file is named."""
    model = ImageClassifier(widths=(4, 4, 4))
    model.save(tmp_path)
    saved, path = weights(ImageClassifier.load(tmp_path)), tmp_path / "model.json"
    content = path.read_bytes()
    for bit in range(0, 8 * len(content), 7):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            found = ImageClassifier.load(tmp_path)
        except (ValueError, FileNotFoundError) as error:
            assert str(tmp_path) in str(error)
        else:
            assert found.config == model.config and torch.equal(weights(found), saved)


def test_a_changed_configuration_is_noticed_though_every_weight_fits(tmp_path):
    """`dead_below` shapes no tensor: without the checksum the change would pass in silence."""
    VQAutoencoder(num_codes=8, latent_channels=2, widths=(8, 8), depths=(1, 1)).save(tmp_path)
    path = tmp_path / "model.json"
    assert path.read_text().count('"dead_below": 0.03') == 1
    path.write_text(path.read_text().replace('"dead_below": 0.03', '"dead_below": 0.83'))
    with pytest.raises(ValueError, match="model.json is damaged: its checksum is not that of what it says"):
        VQAutoencoder.load(tmp_path)


def test_a_damaged_file_of_weights_is_noticed(tmp_path):
    """A hundred damages, half of them signed anew: cut, grown, bytes changed; and no error but ours."""
    ImageClassifier(widths=(4, 4, 4)).save(tmp_path)
    path, rng = the_weights(tmp_path), random.Random(0)
    content = path.read_bytes()
    for number in range(100):
        damaged = bytearray(content)
        if number % 3 == 0:
            del damaged[rng.randrange(len(damaged)) :]
        elif number % 3 == 1:
            damaged += rng.randbytes(rng.randrange(1, 50))
        for _ in range(rng.randrange(1, 9) if damaged else 0):
            damaged[rng.randrange(min(len(damaged), 600))] = rng.randrange(256)  # most in the table of contents
        path.write_bytes(damaged)
        if number % 2:
            rewrite_header(tmp_path, sha256=checkpoint.hashlib.sha256(damaged).hexdigest())
        try:
            ImageClassifier.load(tmp_path)
        except ValueError as error:
            assert str(tmp_path) in str(error)


def test_a_checkpoint_of_the_first_version_still_loads(tmp_path):
    """It had no checksum, and its weights no sum in their name; the shipped ones are of it."""
    header = checkpoint.header(checkpoint.locate("fashion-perceptual"))
    assert header["version"] == 1 and header["weights"] == "model.safetensors" and "checksum" not in header
    ImageClassifier.load("fashion-perceptual").save(tmp_path)
    assert checkpoint.header(tmp_path)["version"] == 2


def test_weights_that_are_not_finite_in_half_precision_are_not_saved(tmp_path):
    model = ImageClassifier(widths=(4, 4, 4))
    model.save(tmp_path)
    for bad in (torch.nan, 1e6):  # half precision ends at 65,504
        with torch.no_grad():
            model.head.weight[0, 0] = bad
        with pytest.raises(ValueError, match=r"not finite in half precision \(head.weight\); not saved"):
            model.save(tmp_path)
    assert weights(ImageClassifier.load(tmp_path)).isfinite().all()


def whole_model(directory) -> bool:
    """Whether a model is there and all its weights are of one save."""
    return len(weights(ImageClassifier.load(directory)).unique()) == 1


def test_a_save_that_is_killed_leaves_a_whole_model(tmp_path):
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", SAVE, tmp_path], cwd=CLONE, stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            if int(line) >= 5:
                process.send_signal(signal.SIGKILL)
                break
        process.communicate()
        assert whole_model(tmp_path)
    ImageClassifier(widths=(4, 4, 4)).save(tmp_path)
    assert set(os.listdir(tmp_path)) == {"model.json", the_weights(tmp_path).name}  # what the kills left is gone


def test_readers_and_two_writers_meet_whole_models_only(tmp_path):
    command = [sys.executable, "-c", SAVE, str(tmp_path)]
    ImageClassifier(widths=(4, 4, 4)).save(tmp_path)
    before = checkpoint.header(tmp_path)["weights"]
    writers = [subprocess.Popen(command, cwd=CLONE, stdout=subprocess.DEVNULL) for _ in range(2)]
    try:
        while checkpoint.header(tmp_path)["weights"] == before:
            time.sleep(0.05)
        assert all(whole_model(tmp_path) for _ in range(150))
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    assert whole_model(tmp_path)


def test_a_folder_keeps_what_is_not_ours(tmp_path):
    (tmp_path / "others.safetensors").write_bytes(b"x")
    model = make_tiny_model()
    model.save(tmp_path)
    model.save(tmp_path)
    assert (tmp_path / "others.safetensors").is_file() and len(list(tmp_path.glob("*.safetensors"))) == 2


def test_a_run_is_found_by_its_name_and_stands_in_the_place_of_nothing_shipped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "fashion-judge"):
        ImageClassifier(widths=(4, 4, 4)).save(tmp_path / "runs" / name)
    assert len(weights(ImageClassifier.load("mine"))) < len(weights(ImageClassifier.load("fashion-judge")))
