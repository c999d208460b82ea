"""The trainings of the emoji: from words to a sample with --quick, and what ships is small enough."""

import pytest
import torch

from ldm_teach import paths
from ldm_teach.cli import main as cli
from ldm_teach.data.emoji import EMOJI_STYLES, as_images
from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.picture_judge import PictureJudge
from ldm_teach.theory.schedule import NoiseSchedule
from ldm_teach.training.recipes import emoji as recipes
from ldm_teach.training.recipes.emoji import AUTOENCODER, emoji_first_stage, new_networks
from ldm_teach.training.recipes.latent import posterior_moments
from tests.helpers import make_tiny_model, weights


def megabytes(model: torch.nn.Module) -> float:
    """Its size in half precision."""
    return sum(2 * value.numel() for value in model.state_dict().values()) / 1e6


def test_a_model_and_its_judge_are_at_most_16_megabytes():
    autoencoder, judge = KLAutoencoder(**AUTOENCODER), PictureJudge(1880, 5, 9)
    model = LatentDiffusion(autoencoder, *new_networks(), NoiseSchedule.cosine())
    assert autoencoder.latent_shape == (8, 8, 8)
    assert megabytes(model) + megabytes(judge) < 16


def test_without_a_training_of_its_own_the_autoencoder_is_the_one_inside_the_shipped_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path / "checkpoints")
    with pytest.raises(FileNotFoundError, match="first `python -m ldm_teach train emoji-autoencoder`"):
        emoji_first_stage(quick=False)
    model = make_tiny_model()
    model.save(tmp_path / "checkpoints" / "emoji" / "emoji")
    inside = emoji_first_stage(quick=False)
    torch.testing.assert_close(weights(inside), weights(model.autoencoder), rtol=1e-3, atol=1e-4)
    other = make_tiny_model(seed=1).autoencoder
    other.save(tmp_path / "runs" / "emoji-autoencoder")
    torch.testing.assert_close(weights(emoji_first_stage(quick=False)), weights(other), rtol=1e-3, atol=1e-4)


def test_the_moments_of_bytes_are_those_of_the_images_they_mean():
    autoencoder, x = make_tiny_model().autoencoder, torch.arange(432, dtype=torch.int64).reshape(3, 1, 12, 12)
    x = (x % 256).to(torch.uint8)
    for found, want in zip(
        posterior_moments(autoencoder, x, batch_size=2), posterior_moments(autoencoder, as_images(x)), strict=True
    ):
        torch.testing.assert_close(found, want)


@pytest.mark.slow
def test_quick_trainings_become_a_model_that_draws_what_is_typed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recipes.checkpoint, "shipped", dict)  # as if nothing were
    monkeypatch.setattr(recipes, "QUICK_STEPS", 2)
    with pytest.raises(SystemExit, match="holds no autoencoder yet: first `python -m ldm_teach train emoji-autoencod"):
        cli.main(["train", "emoji", "--quick", "--device", "cpu"])
    for name in ("emoji-judge", "emoji-autoencoder", "emoji"):
        cli.main(["train", name, "--quick", "--device", "cpu"])
    model = LatentDiffusion.load("runs/emoji-quick")
    x = model.sample(["noto: cat face", "twemoji: red heart"], w=2.0, num_steps=2)
    assert x.shape == (2, 3, 64, 64) and not torch.equal(model.latent_std, torch.ones(8, 1, 1))
    cli.main(
        ["sample", "runs/emoji-quick", "--condition", "noto: a cat with sunglasses", "--steps", "2", "--count", "1"]
    )
    assert (tmp_path / "samples.png").is_file()
    judge = PictureJudge.load("runs/emoji-judge-quick")
    assert judge(x).styles.shape == (2, len(EMOJI_STYLES))


@pytest.mark.slow
def test_the_shipped_model_draws_what_is_typed_and_says_which_word_it_does_not_know():
    model, judge = LatentDiffusion.load("emoji"), PictureJudge.load("emoji-judge")
    x = model.sample(["noto: cat face", "twemoji: red heart"], w=2.0, generator=torch.Generator().manual_seed(0))
    assert x.shape == (2, 3, 64, 64) and float(x.abs().max()) <= 1
    red, green, blue = x[1].mean(dim=(1, 2))
    assert red > max(green, blue) + 0.3  # a heart on white
    assert judge(x).names.shape == (2, 1880)
    with pytest.raises(ValueError, match="unknown word 'caat'; did you mean 'cat'"):
        model.sample(["noto: caat face"])
