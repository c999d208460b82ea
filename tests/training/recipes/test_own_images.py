"""What is chosen for a folder of one's own images, what is kept of it, and both stages from end to end."""

from dataclasses import replace

import pytest
import torch

from ldm_teach.data import image_folder
from ldm_teach.data.image_folder import ImageFolder
from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.conditioning import ClassEncoder, TextEncoder
from ldm_teach.training.recipes import own_images
from ldm_teach.training.recipes.own_images import (
    EXAMPLES,
    SIDES,
    WIDTHS,
    Chosen,
    autoencoder_training,
    check_side,
    choose,
    conditions_of,
    diffusion_training,
    divided,
    kept_folder,
    kept_moments,
    plan_of,
    usual_side,
)
from tests.helpers import weights, write_images

CHOSEN = Chosen(32, None, 1.0, 32, batch_size=8, first=2, second=2, first_seconds=0.1, second_seconds=0.1)


@pytest.fixture
def images(tmp_path):
    write_images(tmp_path / "images", 24)
    return tmp_path / "images"


@pytest.mark.parametrize("side", SIDES)
def test_a_plan_holds_together_at_every_side(side):
    plan = plan_of(CHOSEN._replace(side=side, width=[*WIDTHS][side % len(WIDTHS)]))
    with torch.device("meta"):
        autoencoder, x, t = plan.new_autoencoder(), torch.zeros(1, 3, side, side), torch.zeros(1, dtype=torch.int64)
        unet = own_images.UNet(channels=autoencoder.latent_shape[0], **plan.unet)
        reconstruction, posterior = autoencoder(x)
        tokens = torch.zeros(1, 4, plan.unet["token_width"])
    assert reconstruction.shape == x.shape and unet(posterior.mean, t, tokens).shape == posterior.mean.shape
    assert posterior.mean.numel() * 12 <= x.numel()  # compressed


def test_the_side_is_that_of_the_images_or_one_that_is_asked_for(images, tmp_path):
    assert usual_side(images) == 32
    write_images(tmp_path / "large", 3, (300, 200))
    assert usual_side(tmp_path / "large") == 64
    assert check_side(256) == 256
    for side in (31, 48, 288):
        with pytest.raises(ValueError, match=f"side is {side}; want a multiple of 32 from 32 to 256 pixels"):
            check_side(side)


def test_sub_folders_are_classes_and_without_any_there_is_one(images):
    asked = conditions_of(ImageFolder(images, 8))
    assert asked.encoder().config["names"] == ["blue", "red"] and asked.words == "2 classes (blue, red)"
    assert asked.condition.bincount().tolist() == [12, 12]
    one = conditions_of(ImageFolder(images / "red", 8))
    assert one.encoder().config["names"] == [""] and one.words == "one class, that of all"


def test_captions_are_read_where_half_of_the_images_have_one(images):
    folder = ImageFolder(images, 8)
    for k, name in enumerate(folder.files[:12]):
        (images / name).with_suffix(".txt").write_text(f"a {['red', 'house'][k % 2]} number{k}")
    asked = conditions_of(folder)
    encoder = asked.encoder()
    assert isinstance(encoder, TextEncoder) and encoder.config["vocabulary"] == ["a", "house", "red"]
    assert asked.condition[:13].tolist() == [[1, 3 - k % 2, 0] for k in range(12)] + [[0, 0, 0]]
    assert asked.words == "captions of 12 of them with 3 words"
    assert encoder.config["examples"] == ["a", "house", "red"]  # for no caption has known words alone
    (images / folder.files[0]).with_suffix(".txt").unlink()
    asked = conditions_of(folder)
    assert isinstance(asked.encoder(), ClassEncoder)
    assert asked.words == "2 classes (blue, red); the captions, which 11 of them have, are not read"


def test_examples_are_captions_that_the_model_takes(images):
    folder = ImageFolder(images, 8)
    rows = "".join(f"{name},a house of {['red', 'blue'][k % 2]} {k // 2}\n" for k, name in enumerate(folder.files))
    (images / "metadata.csv").write_text("file_name,text\n" + rows)
    encoder = conditions_of(folder).encoder()
    examples = encoder.config["examples"]
    assert len(set(examples)) == EXAMPLES == len(encoder.check(examples))


def choice(monkeypatch, folder, seconds, minutes, **options) -> Chosen:
    """What is chosen where a step of either stage at width w takes seconds * w / 32."""
    timed = lambda training, **how: seconds * training.batches.columns[0].shape[0] ** 0 * width_of(training) / 32
    monkeypatch.setattr(own_images, "seconds_of", timed)
    return choose(folder, conditions_of(folder), minutes=minutes, **options)


def width_of(training) -> int:
    autoencoder = getattr(training.model, "autoencoder", training.model)
    return autoencoder.config["widths"][0]


def test_the_time_is_divided_between_the_stages_and_the_passes_are_bounded(images, monkeypatch):
    folder = ImageFolder(images, 32, memory=10**6)
    chosen = choice(monkeypatch, folder, 0.1, minutes=1, batch_size=8)
    assert (chosen.first, chosen.second, chosen.width) == (240, 300, 32)
    chosen = choice(monkeypatch, folder, 0.001, minutes=60, batch_size=8)
    assert (chosen.first, chosen.second) == (1000 * 23 // 8, 1000 * 24 // 8)  # one image is held out
    with pytest.raises(ValueError, match="minutes is 0; want a number above 0"):
        choose(folder, conditions_of(folder), minutes=0)


def test_networks_are_as_wide_as_images_and_time_allow(images, monkeypatch):
    folder = ImageFolder(images, 32, memory=10**6)
    assert choice(monkeypatch, folder, 0.01, minutes=60).width == 32  # few images
    monkeypatch.setattr(own_images, "WIDTHS", {32: 0, 48: 20, 64: 24, 96: 25})
    assert choice(monkeypatch, folder, 0.01, minutes=60).width == 64
    assert choice(monkeypatch, folder, 0.1, minutes=20).width == 32  # little time


def test_one_image_in_twenty_is_held_out_if_there_are_enough(images):
    folder = ImageFolder(images, 8)
    trained, held_out = divided(folder)
    assert sorted(trained.files + held_out.files) == folder.files and len(held_out) == 1
    few = folder.part(torch.arange(5))
    assert divided(few) == (few, few)


def test_the_plan_is_kept_and_a_damaged_one_is_named(tmp_path):
    path = tmp_path / "plan.json"
    CHOSEN.save(path)
    assert Chosen.load(path) == CHOSEN
    path.write_text('{"side": 32}')
    with pytest.raises(ValueError, match="plan.json is not the plan of a training"):
        Chosen.load(path)


def test_pictures_and_latents_are_made_once_and_again_when_something_changes(images, tmp_path, monkeypatch):
    run = tmp_path / "run"
    folder = kept_folder(images, 32, None, run)
    KLAutoencoder(image_size=(32, 32), image_channels=3, widths=(16, 16), depths=(1, 1)).save(run / "autoencoder")
    autoencoder = KLAutoencoder.load(run / "autoencoder")
    mean, std = kept_moments(autoencoder, folder, run)
    torch.testing.assert_close(mean[3:4], autoencoder.encode(folder[torch.tensor([3])]).mean)
    with monkeypatch.context() as patch:
        patch.setattr(image_folder, "decoded", lambda *_: pytest.fail("decoded again"))
        patch.setattr(own_images, "posterior_moments", lambda *_, **__: pytest.fail("encoded again"))
        folder = kept_folder(images, 32, None, run)
        again = kept_moments(autoencoder, folder, run)
    assert torch.equal(again[0], mean) and torch.equal(again[1], std)
    for path in (run / "pictures").glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])  # damaged: read again
    assert torch.equal(kept_folder(images, 32, None, run).looked.pixels, folder.looked.pixels)
    autoencoder.encoder[-1].bias.data += 1
    autoencoder.save(run / "autoencoder")
    assert not torch.allclose(kept_moments(autoencoder, folder, run)[0], mean)
    (images / "red" / "001.png").unlink()
    assert len(kept_moments(autoencoder, kept_folder(images, 32, None, run), run)[0]) == 23


@pytest.mark.parametrize("memory", [2**30, 0], ids=["in memory", "from disk"])
def test_both_stages_train_whether_the_images_fit_into_memory_or_not(images, tmp_path, memory, monkeypatch):
    monkeypatch.setattr(own_images, "MEMORY", memory)
    folder, plan = kept_folder(images, 32, None, tmp_path / "run"), plan_of(CHOSEN)
    first = autoencoder_training(plan, divided(folder)[0])
    list(first.fit(device="cpu"))
    first.save(tmp_path / "run" / "autoencoder")
    autoencoder = KLAutoencoder.load(tmp_path / "run" / "autoencoder")
    moments = kept_moments(autoencoder, folder, tmp_path / "run")
    assert (moments is None) == (memory == 0)
    second = diffusion_training(plan, autoencoder, moments, folder, conditions_of(folder))
    before = weights(second.model.unet)
    list(second.fit(device="cpu"))
    assert not torch.equal(weights(second.model.unet), before)
    assert second.average.sample([0, 1], num_steps=2).shape == (2, 3, 32, 32)


def test_a_wider_network_takes_shorter_steps():
    narrow, wide = plan_of(CHOSEN), plan_of(CHOSEN._replace(width=64))
    assert wide.first.learning_rate == pytest.approx(narrow.first.learning_rate / 2**0.5)
    assert replace(wide.second, learning_rate=1.0) == replace(narrow.second, learning_rate=1.0)
