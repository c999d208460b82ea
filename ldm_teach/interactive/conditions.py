"""What a user asks a model for, read from words as they stand in a line of text, for each kind of condition."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ldm_teach import checks
from ldm_teach.data.blur import blurred
from ldm_teach.data.captions import is_layout, parse_layout
from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.data.shapes import render_map, shapes
from ldm_teach.interactive.controls import class_names
from ldm_teach.interactive.uploads import content_of, short
from ldm_teach.models.conditioning import (
    ClassEncoder,
    ConditionEncoder,
    ImageEncoder,
    MapEncoder,
    TextEncoder,
    WordsAndStyleEncoder,
)
from ldm_teach.words import did_you_mean

EXAMPLE_CAPTIONS = (
    "a red circle above a blue square",
    "a blue square above a red circle",
    "a small green triangle",
    "a white cross left of a magenta circle",
    "a large yellow square, a cyan triangle and a black circle",
)
EXAMPLE_PROMPTS = (
    "fluent: cat face",
    "noto: cat face",
    "twemoji: red heart",
    "emojione: pizza",
    "noto: a cat with sunglasses",
    "flag",
)
FIRST_FOUR = ("0", "1", "2", "3")
NUMBERED_SCENES = 1_000  # test scenes that have a number
NUMBERED_IMAGES = 10_000  # test images of Fashion-MNIST
OTHER_MAPS = f"a layout such as 'large circle at 9 9', a number from 0 to {NUMBERED_SCENES - 1}"


class Requests(NamedTuple):
    """N things asked of a model: the condition as its encoder takes it, a name for each, and what to show of them.

    condition: labels (N,), word numbers (N, L) or maps (N, H, W), int64, or images (N, C, H, W) float32 in [-1, 1].
    pictures: the maps or the images of the condition; None where it is no picture.
    """

    condition: Tensor
    names: list[str]
    pictures: Tensor | None = None


def requested(encoder: ConditionEncoder, words: Sequence[str] | None = None, sigma: float = 2.0) -> Requests:
    """What `words`, one for each request, ask of a model with this encoder; without words, a telling few.

    ClassEncoder: names or numbers of classes (all).
    TextEncoder: captions (the examples that the model carries, or EXAMPLE_CAPTIONS).
    WordsAndStyleEncoder: prompts, the style before a colon, words, or one of the two (EXAMPLE_PROMPTS).
    MapEncoder: numbers of test scenes, those of `shapes(..., seed=1, train=False)`, layouts as `captions.parse_layout`
    reads them, or image files of mode L or P whose pixels are classes (the first four).
    ImageEncoder: numbers of test images of Fashion-MNIST, blurred by `sigma` pixels, or image files, made grey, cut to
    their middle, resized and not blurred again (the first four).
    In the place of a file there may be an upload, as `uploads.carried` makes it.
    What can be read as a number is one; ./3 is a file. Raises ValueError for another encoder, words it has no use for,
    a file it cannot read, and a sigma not in (0, 9].
    """
    if isinstance(words, str) or not all(isinstance(word, str) for word in words or ()):
        raise ValueError(f"words is {words!r}; want a list of str, one for each request")
    if isinstance(encoder, ClassEncoder):
        return requested_classes(encoder, words or class_names(encoder))
    if isinstance(encoder, TextEncoder):
        captions = list(words or encoder.config.get("examples") or EXAMPLE_CAPTIONS)
        return Requests(encoder.check(captions), captions)
    if isinstance(encoder, WordsAndStyleEncoder):
        return Requests(encoder.check(words or EXAMPLE_PROMPTS), list(words or EXAMPLE_PROMPTS))
    if isinstance(encoder, MapEncoder):
        return requested_maps(encoder, words or FIRST_FOUR)
    if isinstance(encoder, ImageEncoder):
        return requested_images(encoder, words or FIRST_FOUR, sigma)
    raise ValueError(
        f"encoder is a {type(encoder).__name__}; want a Class-, Text-, WordsAndStyle-, Map- or ImageEncoder"
    )


def requested_classes(encoder: ClassEncoder, words: Sequence[str]) -> Requests:
    """Classes by their names, those of `class_names`, by a part of one alone, or by their numbers."""
    names = class_names(encoder)
    labels = [class_number(word, names) for word in words]
    return Requests(encoder.check(labels), [names[k] for k in labels])


def class_number(word: str, names: Sequence[str]) -> int:
    """The number of a class that a word names, or is. Raises ValueError that says what it may have meant."""
    lower = [name.lower() for name in names]
    for known, asked in ((list(names), word), (lower, word.lower())):
        if asked in known:
            return known.index(asked)
    label = number(word, len(names), "a class")
    if label is not None:
        return label
    found = [k for k, name in enumerate(lower) if word.lower() in name.split()]
    if len(found) != 1:
        want = f"a class, a number from 0 to {len(names) - 1} or one of {', '.join(names)}"
        raise ValueError(f"condition is {word!r}; want {want}{did_you_mean(word.lower(), lower)}")
    return found[0]


def requested_maps(encoder: MapEncoder, words: Sequence[str]) -> Requests:
    """Semantic maps (N, H, W) int64, of test scenes or from files."""
    size, num_classes = encoder.config["image_size"], encoder.config["num_classes"]

    def numbered(k: int) -> Tensor:
        return shapes(NUMBERED_SCENES, seed=1, train=False).maps[k]

    def read(word: str) -> Tensor:
        if is_layout(word):
            return render_map(parse_layout(word))
        return read_classes(word, open_image(word, OTHER_MAPS), size, num_classes)

    maps, names = numbered_or_read(words, NUMBERED_SCENES, "map", numbered, read)
    return Requests(encoder.check(maps), names, maps)


def requested_images(encoder: ImageEncoder, words: Sequence[str], sigma: float) -> Requests:
    """Blurred images (N, 1, H, W) float32 in [-1, 1], of Fashion-MNIST's test images or from files."""
    height, width = encoder.config["image_size"]
    largest = (min(height, width) - 1) / 3  # `blurred` wants images larger than three sigma
    if checks.positive("sigma", sigma) > largest:
        raise ValueError(f"sigma is {sigma:g}; want at most {largest:g} pixels for images of {width}x{height}")

    def numbered(k: int) -> Tensor:
        return blurred(fashion_mnist(train=False).x[k : k + 1], sigma)[0]

    def read(word: str) -> Tensor:
        image = open_image(word, f"a number from 0 to {NUMBERED_IMAGES - 1}")
        if image.mode.startswith(("I", "F")):  # PIL would clip all that is above 255
            raise ValueError(f"condition {short(word)!r} has mode {image.mode}; want 8 bits a channel")
        pixels = np.asarray(ImageOps.fit(image.convert("L"), (width, height), Image.Resampling.BICUBIC))  # antialiased
        return torch.tensor(pixels)[None] / 127.5 - 1  # (H, W) uint8 -> (1, H, W)

    images, names = numbered_or_read(words, NUMBERED_IMAGES, "image", numbered, read)
    return Requests(encoder.check(images), names, images)


def numbered_or_read(
    words: Sequence[str],
    count: int,
    kind: str,
    numbered: Callable[[int], Tensor],
    read: Callable[[str], Tensor],
) -> tuple[Tensor, list[str]]:
    """numbered(k) where a word is the number k < count, read(word) where it is none; and their names."""
    rows, names = [], []
    for word in words:
        k = number(word, count, f"a test {kind}")
        rows.append(numbered(k) if k is not None else read(word))
        names.append(f"{kind} {k}" if k is not None else Path(short(word)).name)
    return torch.stack(rows), names


def number(word: str, count: int, what: str) -> int | None:
    """The number that a word is, or None. Raises ValueError for a number that is not from 0 to count - 1."""
    try:
        k = int(word)
    except ValueError:
        return None
    if not 0 <= k < count:
        raise ValueError(f"condition is {word!r}; want {what}, a number from 0 to {count - 1}")
    return k


def open_image(path: str, otherwise: str) -> Image.Image:
    """The image in a file. Raises ValueError for a file that is not there or holds none."""
    try:
        with Image.open(content_of(path) or path) as image:
            return ImageOps.exif_transpose(image).copy()  # as it is seen, however the camera was held
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:  # as PIL has it
        reason = getattr(error, "strerror", None) or error
        raise ValueError(
            f"condition is {short(path)!r} ({reason}); want {otherwise} or the path of an image file"
        ) from error


def read_classes(path: str, image: Image.Image, size: tuple[int, int], num_classes: int) -> Tensor:
    """The map (H, W) int64 whose classes are the pixel values of an image of mode L (grey) or P (palette).

    Raises ValueError that names the file, for another size (H, W) or mode, and for a value that is no class.
    """
    height, width = size
    if image.mode not in ("L", "P") or image.size != (width, height):
        got = f"{image.width}x{image.height} pixels of mode {image.mode}"
        raise ValueError(
            f"condition {short(path)!r} has {got}; want {width}x{height} of mode L or P, the values are classes"
        )
    pixels = torch.tensor(np.asarray(image), dtype=torch.int64)  # (H, W)
    if pixels.max() >= num_classes:
        wrong = sorted(set(pixels[pixels >= num_classes].tolist()))
        values = ", ".join(map(str, wrong[:5])) + (", ..." if len(wrong) > 5 else "")
        raise ValueError(
            f"condition {short(path)!r} has pixels of value {values}; want classes, 0 to {num_classes - 1}"
        )
    return pixels
