import base64
import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.data.image_folder import decoded_bytes, read_image
from ldm_teach.data.shapes import shapes
from ldm_teach.interactive.uploads import CARRIED, CARRIED_SIDE, carried, content_of, image_for
from tests.helpers import write_odd_images


def model(side=64, channels=3, height=None):
    """What is asked of a model: of which images it is."""
    size = (side if height is None else height, side)
    return SimpleNamespace(autoencoder=SimpleNamespace(config=dict(image_size=size, image_channels=channels)))


def test_an_upload_of_any_kind_is_the_image_that_a_viewer_shows(tmp_path):
    """EXIF orientation, transparency, grey, 16 bits, palettes, CMYK, animations: as a folder of images is read."""
    readable, _ = write_odd_images(tmp_path)
    for name in readable:
        words = carried((tmp_path / name).read_bytes())
        assert torch.equal(image_for(model(), words), read_image(tmp_path / name, CARRIED_SIDE)), name
        assert image_for(model(28, 1), words).shape == (1, 28, 28)


def test_what_a_text_carries_is_a_png_of_the_middle(tmp_path):
    wide = np.zeros((70, 140, 3), np.uint8)
    wide[:, 35:105] = 200
    buffer = io.BytesIO()
    Image.fromarray(wide).save(buffer, "PNG")
    words = carried(buffer.getvalue())
    picture = Image.open(content_of(words))
    assert words.startswith(CARRIED) and picture.format == "PNG" and picture.size == (64, 64)
    assert (np.asarray(picture) > 190).all()


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n cut"])
def test_what_is_no_image_is_said_in_a_sentence(content):
    with pytest.raises(ValueError, match=r"^the upload cannot be read \([^<>]*\); want an image"):
        carried(content)


def test_a_tiny_or_damaged_upload_is_refused():
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG")
    with pytest.raises(ValueError, match="content is an image, of 4x4 pixels; want 8 or more both ways for 64"):
        carried(buffer.getvalue())
    with pytest.raises(ValueError, match="image is 'upload'"):
        image_for(model(), CARRIED + base64.b64encode(b"no image").decode())


def test_numbers_are_test_pictures_of_the_size_of_the_model():
    assert torch.equal(image_for(model(28, 1), "3"), fashion_mnist(train=False).x[3])
    assert torch.equal(image_for(model(32, 3), "3"), shapes(100, seed=1, train=False).x[3])
    x = image_for(model(64, 3), "7")
    assert x.shape == (3, 64, 64) and -1 <= float(x.min()) < float(x.max()) <= 1
    assert image_for(model(12, 1), "3").shape == (1, 12, 12)


def test_what_is_none_of_these_is_named():
    with pytest.raises(ValueError, match=r"image is '100' \(No such file or directory\)"):
        image_for(model(28, 1), "100")
    with pytest.raises(ValueError, match="model has images of 64x32 pixels; want one of squares"):
        image_for(model(64, height=32), "1")


def test_bytes_are_read_as_a_file_is(tmp_path):
    Image.new("RGBA", (9, 20), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    x = decoded_bytes((tmp_path / "clear.png").read_bytes(), 8)
    assert x.shape == (3, 8, 8) and (x == 255).all()
