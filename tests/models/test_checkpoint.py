import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from ldm_teach.models import checkpoint
from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.latent_diffusion import LatentDiffusion


def rewrite_header(directory, **changes):
    path = directory / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_loading_says_what_is_wrong(tiny_model, tmp_path):
    tiny_model.save(tmp_path)
    with pytest.raises(ValueError, match="has kind 'LatentDiffusion'; this loader wants 'KLAutoencoder'"):
        KLAutoencoder.load(tmp_path)
    rewrite_header(tmp_path, version=99)
    with pytest.raises(ValueError, match="has version 99; this loader wants 1"):
        LatentDiffusion.load(tmp_path)
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(ValueError, match="is not the header of an ldm_teach checkpoint"):
        LatentDiffusion.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="no checkpoint 'nowhere'.*train it with"):
        LatentDiffusion.load("nowhere")


def test_loading_refuses_damaged_missing_and_misshapen_weights(tiny_model, tmp_path):
    tiny_model.save(tmp_path)
    weights = tmp_path / "model.safetensors"
    tensors = load_file(weights)
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged: its SHA-256 is not the one in model.json"):
        LatentDiffusion.load(tmp_path)
    save_file(tensors | {"latent_mean": torch.zeros(7)}, weights)
    rewrite_header(tmp_path, sha256=checkpoint.sha256(weights))
    with pytest.raises(ValueError, match=r"latent_mean has shape \(7,\), the model wants \(2, 1, 1\)"):
        LatentDiffusion.load(tmp_path)
    del tensors["latent_std"]
    save_file(tensors | {"extra": torch.zeros(1)}, weights)
    rewrite_header(tmp_path, sha256=checkpoint.sha256(weights))
    with pytest.raises(ValueError, match="latent_std is missing; extra is unknown"):
        LatentDiffusion.load(tmp_path)
    weights.unlink()
    with pytest.raises(FileNotFoundError, match="named by .* are missing"):
        LatentDiffusion.load(tmp_path)
