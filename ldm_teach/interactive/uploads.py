"""Images from wherever a user has them: a file, the number of a test picture, or an upload that a text carries."""

import base64
import binascii
import functools
import io
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ldm_teach import checks
from ldm_teach.data.emoji import EMOJI_SIDE, as_images, emoji
from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.data.image_folder import decoded, decoded_bytes
from ldm_teach.data.shapes import shapes
from ldm_teach.models.latent_diffusion import LatentDiffusion

CARRIED = "data:image/png;base64,"
CARRIED_SIDE = 64  # pixels: as large as the largest images of the course
TEST_PICTURES = 100  # that have a number


def carried(content: bytes) -> str:
    """An image file as words that carry it: its middle, 64 x 64 pixels, as a PNG in base 64.

    Raises ValueError for what is no image, or a damaged one.
    """
    try:
        x = decoded_bytes(content, CARRIED_SIDE)
    except Exception as error:  # each decoder has errors of its own for what is damaged
        reason = " ".join(str(error).split())
        raise ValueError(f"the upload cannot be read ({reason}); want an image, PNG or JPEG say") from error
    buffer = io.BytesIO()
    Image.fromarray(x.permute(1, 2, 0).numpy()).save(buffer, "PNG", optimize=True)
    return CARRIED + base64.b64encode(buffer.getvalue()).decode()


def content_of(words: str) -> io.BytesIO | None:
    """The file that words carry, or None where they carry none. Raises ValueError where they are damaged."""
    if not words.startswith(CARRIED):
        return None
    try:
        return io.BytesIO(base64.b64decode(words.removeprefix(CARRIED), validate=True))
    except binascii.Error as error:
        raise ValueError(f"the image that the text carries is damaged ({error}); want it whole") from error


def short(words: str) -> str:
    """Words as they can be shown: those that carry an image are thousands of letters long."""
    return "upload" if words.startswith(CARRIED) else words


def image_for(model: LatentDiffusion, words: Path | str, name: str = "image") -> Tensor:
    """An image as the model takes one, (C, H, W) in [-1, 1]; grey where it has one channel.

    words: the path of a file, the number of a test picture, one of `numbered_pictures`, or an upload that they carry.
    Raises ValueError for a file that is not there or holds no image, and for a model whose images are no squares.
    """
    config, words = model.autoencoder.config, str(words)
    (height, width), channels = config["image_size"], config["image_channels"]
    if height != width:
        raise ValueError(f"model has images of {width}x{height} pixels; want one of squares")
    if words.isdecimal() and (k := int(words)) < TEST_PICTURES:
        return as_model(numbered_pictures(height, channels)[k], height, channels)
    try:
        content = content_of(words)
        x = decoded(words, height) if content is None else decoded_bytes(content.getvalue(), height)
    except Exception as error:  # each decoder has errors of its own for what is damaged
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ValueError(f"{name} is {short(words)!r} ({reason}); want the path of an image file") from error
    return as_model(x / 127.5 - 1, height, channels)


def as_model(x: Tensor, side: int, channels: int) -> Tensor:
    """An image (1 or 3, H, W) in [-1, 1] in the size and the channels of a model: (channels, side, side)."""
    if x.shape[1:] != (side, side):
        x = torch.nn.functional.interpolate(x[None], (side, side), mode="bilinear", antialias=True)[0]
    if channels == len(x):
        return x
    luma = torch.tensor([0.299, 0.587, 0.114])[:, None, None]  # ITU-R BT.601, what Pillow makes grey with
    return (x * luma).sum(0, keepdim=True) if channels == 1 else x.expand(3, -1, -1)


@functools.cache
def numbered_pictures(side: int, channels: int) -> Tensor:
    """The first TEST_PICTURES test pictures of the set that a model is like: garments, scenes or emoji."""
    checks.counts(side=side, channels=channels)
    if channels == 1:
        return fashion_mnist(train=False).x[:TEST_PICTURES]
    if side < EMOJI_SIDE:
        return shapes(TEST_PICTURES, seed=1, train=False).x
    return as_images(emoji("pairs").x[:TEST_PICTURES])
