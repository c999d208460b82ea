import pytest
import torch
from PIL import Image, ImageDraw

from ldm_teach.cli import main as cli
from ldm_teach.interactive.uploads import image_for
from tests.cli.test_edit import grids, model  # noqa: F401 (fixtures)
from tests.helpers import seeded


def mask_file(path: str, box: tuple[int, int, int, int] | None) -> None:
    """A black picture of 48x24 pixels with a white box, its edges included."""
    image = Image.new("L", (48, 24))
    if box:
        ImageDraw.Draw(image).rectangle(box, fill=255)
    image.save(path)


def test_inpaint_draws_under_the_mask_alone(model, grids, capsys):  # noqa: F811
    mask_file("mask.png", (12, 0, 23, 23))  # the left half of the square in the middle
    few = ["--condition", "2", "0", "--count", "2", "--steps", "3", "--resampling", "2", "--w", "1"]
    cli.main(["inpaint", "model", "image.png", "--mask", "mask.png", *few])
    assert capsys.readouterr().out == "wrote inpainted.png\n"
    x, rows, columns, _ = grids[0]
    assert rows == ["class 2", "class 0"] and columns == ["image", "known", "1", "2"]
    given, known, *samples = x.unflatten(0, (2, 4)).unbind(1)  # (2, 1, 12, 12) each
    assert torch.equal(given, image_for(model, "image.png").expand(2, 1, 12, 12))
    assert (known[..., :6] == 0).all() and torch.equal(known[..., 6:], given[..., 6:])
    free, generator = torch.zeros(12, 12, dtype=torch.bool), seeded()
    free[:, :6] = True
    for sample in samples:
        want = model.inpaint(given, free, [2, 0], w=1.0, num_steps=3, resampling=2, generator=generator)
        torch.testing.assert_close(sample, want)
        assert torch.equal(sample[..., 6:], given[..., 6:])
    assert not torch.allclose(samples[0], samples[1])


@pytest.mark.parametrize(
    "mask, words",
    [
        ("nothing.png", "mask is 'nothing.png'.*want the path of an image file"),
        ("black.png", "mask is 'black.png', and has no white pixel"),
    ],
)
def test_a_mask_that_is_none_is_refused(model, mask, words):  # noqa: F811
    mask_file("black.png", None)
    with pytest.raises(SystemExit, match=words):
        cli.main(["inpaint", "model", "image.png", "--mask", mask])
