import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from ldm_teach.cli import main as cli
from ldm_teach.interactive import pictures
from ldm_teach.interactive.uploads import image_for
from ldm_teach.models.latent_diffusion import LatentDiffusion
from tests.helpers import make_tiny_model, seeded


@pytest.fixture
def grids(monkeypatch):
    """The arguments (x, rows, columns, title) of each grid that is drawn."""
    drawn, draw = [], pictures.labelled_grid
    monkeypatch.setattr(pictures, "labelled_grid", lambda *arguments: drawn.append(arguments) or draw(*arguments))
    return drawn


@pytest.fixture
def model(tmp_path, monkeypatch) -> LatentDiffusion:
    """The tiny model, saved to ./model beside ./image.png, a colour picture twice as wide as high."""
    monkeypatch.chdir(tmp_path)
    make_tiny_model().save("model")
    pixels = np.random.default_rng(0).integers(0, 256, (24, 48, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("image.png")
    return LatentDiffusion.load("model")


def test_edit_draws_a_column_for_each_strength_beside_the_image(model, grids, capsys):
    few = ["--condition", "2", "0", "--strength", "0.3", "1", "--steps", "4", "--seed", "3", "--w", "1.5"]
    cli.main(["edit", "model", "image.png", *few])
    assert capsys.readouterr().out == "wrote edited.png\n"
    x, rows, columns, _ = grids[0]
    assert rows == ["class 2", "class 0"] and columns == ["image", "0.3", "1"]
    given = image_for(model, "image.png").expand(2, 1, 12, 12)
    cells = x.unflatten(0, (2, 3))
    assert torch.equal(cells[:, 0], given)
    for column, strength in ((1, 0.3), (2, 1.0)):
        want = model.edit(given, [2, 0], strength=strength, w=1.5, num_steps=4, generator=seeded(3))
        torch.testing.assert_close(cells[:, column], want)
    assert np.asarray(Image.open("edited.png").convert("RGBA")).std() > 10


def test_a_negative_condition_and_an_interval_are_heard(model, grids):
    few = ["--condition", "2", "0", "--strength", "0.9", "0.5", "--steps", "2", "--w", "3", "--out", "x"]
    for words in ([], ["--negative", "1"], ["--negative", "1", "--interval", "300", "700"]):
        cli.main(["edit", "model", "image.png", *few, *words])
    given = image_for(model, "image.png").expand(2, 1, 12, 12)
    settings = dict(strength=0.9, num_steps=2, w=3.0, generator=seeded())
    want = model.edit(given, [2, 0], negative=[1], **settings)
    torch.testing.assert_close(grids[1][0].unflatten(0, (2, 3))[:, 1], want)
    assert not torch.allclose(grids[0][0], grids[1][0]) and not torch.allclose(grids[1][0], grids[2][0])


def test_an_image_is_cropped_to_a_square_and_grey_where_the_model_is(model):
    x = image_for(model, "image.png")
    with Image.open("image.png") as image:
        want = ImageOps.fit(image, (12, 12), Image.Resampling.LANCZOS).convert("L")
    torch.testing.assert_close(x[0], torch.tensor(np.asarray(want)) / 127.5 - 1, rtol=0, atol=1 / 127.5)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["nothing.png"], "image is 'nothing.png' (No such file or directory); want the path of an image file"),
        (["model"], "image is 'model' (Is a directory); want the path of an image file"),
        (["image.png", "--strength", "0"], "strength is 0.0; want a number above 0, at most 1"),
        (["image.png", "--out", "x.gif"], "out is x.gif; want a file that ends in .png"),
        (["image.png", "--negative", "7"], "condition is '7'; want a class, a number from 0 to 2"),
    ],
)
def test_what_cannot_be_edited_is_named_and_nothing_is_written(model, arguments, words, tmp_path):
    with pytest.raises(SystemExit, match=f"ldm_teach: {words}".replace("(", r"\(").replace(")", r"\)")):
        cli.main(["edit", "model", *arguments])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.png", "model"]
