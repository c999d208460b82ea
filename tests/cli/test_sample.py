from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ldm_teach.cli import main as cli
from ldm_teach.data.blur import blurred
from ldm_teach.data.captions import MAX_WORDS, WORDS
from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.data.shapes import shapes
from ldm_teach.interactive import pictures
from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.conditioning import ClassEncoder, ImageEncoder, MapEncoder, TextEncoder
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.unet import UNet
from ldm_teach.theory.schedule import NoiseSchedule
from tests.helpers import seeded

pytestmark = pytest.mark.slow


def test_sample_writes_a_picture(tmp_path, capsys):
    out = tmp_path / "folder" / "grid.png"
    cli.main(["sample", "--condition", "0", "9", "--w", "0", "2", "--count", "2", "--steps", "2", "--out", str(out)])
    assert f"wrote {out}" in capsys.readouterr().out
    assert np.asarray(Image.open(out).convert("RGBA")).std() > 10


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
    drawn, draw = [], pictures.labelled_grid
    monkeypatch.setattr(pictures, "labelled_grid", lambda *arguments: drawn.append(arguments) or draw(*arguments))
    return drawn


SAMPLE = ["--count", "3", "--steps", "2", "--w", "0", "2"]


def test_guidance_can_be_kept_to_an_interval(tmp_path, grids):
    directory = tmp_path / "model"
    model = untrained("fashion-autoencoder", ClassEncoder(token_width=32), directory)
    for words in ([], ["--interval", "300", "700"]):
        cli.main(["sample", str(directory), "--condition", "3", *SAMPLE, *words, "--out", str(tmp_path / "x.png")])
    everywhere, limited = (x.unflatten(0, (1, 2, 3))[0] for x, *_ in grids)  # (w, count, C, H, W)
    want = model.sample([3, 3, 3], w=2.0, interval=(300, 700), num_steps=2, generator=seeded())
    torch.testing.assert_close(limited[1], want)
    assert torch.equal(limited[0], everywhere[0]) and not torch.allclose(limited[1], everywhere[1])


def test_without_a_weight_the_recommended_one_is_drawn_and_named(tmp_path, grids):
    model = untrained("fashion-autoencoder", ClassEncoder(token_width=32), tmp_path / "model")
    few = ["--condition", "3", "--count", "2", "--steps", "2", "--out", str(tmp_path / "x.png")]
    cli.main(["sample", str(tmp_path / "model"), *few])
    x, _, columns, title, _ = grids[0]
    torch.testing.assert_close(x, model.sample([3, 3], num_steps=2, generator=seeded()))
    assert columns == ["w = 2"] and title == "Samples, w = 2 at t = 300 to 700, 2 steps"


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
    assert np.asarray(Image.open(out).convert("RGBA")).std() > 10


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
    torch.testing.assert_close(asked, pictures.map_picture(maps))
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


def test_a_picture_without_an_ending_is_a_png_and_a_gif_moves(tmp_path, capsys):
    few = ["--condition", "0", "--count", "2", "--steps", "2", "--w", "0", "2"]
    cli.main(["sample", *few, "--out", str(tmp_path / "grid")])
    cli.main(["sample", *few, "--out", str(tmp_path / "film.gif")])
    assert f"wrote {tmp_path / 'grid.png'}" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.gif", "grid.png"]
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 2


def test_a_second_run_writes_beside_the_first_and_a_name_that_is_given_is_overwritten(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    few = ["sample", "--condition", "0", "--count", "1", "--steps", "1"]
    cli.main(few)
    first = (tmp_path / "samples.png").read_bytes()
    cli.main([*few, "--seed", "1"])
    assert capsys.readouterr().out.splitlines() == ["wrote samples.png", "wrote samples-2.png"]
    second = (tmp_path / "samples-2.png").read_bytes()
    assert (tmp_path / "samples.png").read_bytes() == first != second
    cli.main([*few, "--seed", "1", "--out", "samples.png"])
    assert (tmp_path / "samples.png").read_bytes() == second and len(list(tmp_path.iterdir())) == 2


def test_a_negative_condition_stands_in_the_place_of_none(tmp_path, grids):
    model = untrained("fashion-autoencoder", ClassEncoder(token_width=32), tmp_path / "model")
    few = ["--condition", "3", "--negative", "bag", *SAMPLE, "--out", str(tmp_path / "x.png")]
    cli.main(["sample", str(tmp_path / "model"), *few])
    want = model.sample([3, 3, 3], w=2.0, negative=[8], num_steps=2, generator=seeded())
    torch.testing.assert_close(grids[0][0][3:], want)
