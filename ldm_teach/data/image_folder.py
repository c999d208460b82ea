"""The images of a folder of one's own, classes by sub-folder, from disk when they are wanted or once for all."""

import contextlib
import copy
import hashlib
import io
import math
import mimetypes
import os
import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ldm_teach import checks
from ldm_teach.progress import progress

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # what Pillow decodes by itself: none starts a program
NOT_PICTURES = "__MACOSX"  # what a Mac adds to an archive: files that are called after the images, and are none
SMALLEST = 8  # an image of less than an eighth of the side that is wanted shows nothing


def decoded(path: Path | str, side: int) -> Tensor:
    """An image file as a viewer shows it, its centre cropped to a square: (3, side, side) uint8.

    Turned as its EXIF orientation says, what is transparent laid on white, grey made colour, of an animation the first
    frame; resized with antialiasing (Lanczos). Raises whatever Pillow raises for a file that is missing or damaged, and
    ValueError for an image whose shorter side is less than an eighth of `side`.
    """
    checks.count("side", side)
    return _square(checks.path("path", path), f"path is {path}", side)


def decoded_bytes(content: bytes, side: int) -> Tensor:
    """What `decoded` returns and raises, of the content of a file; ValueError where it is that of no image."""
    checks.count("side", side)
    try:
        return _square(io.BytesIO(checks.instance("content", content, bytes)), "content is an image", side)
    except UnidentifiedImageError:
        raise ValueError(f"content is no image; want one of {', '.join(FORMATS)}") from None


def _square(file: Path | io.BytesIO, what: str, side: int) -> Tensor:
    with Image.open(file, formats=FORMATS) as image:
        if SMALLEST * min(image.size) < side:
            size = f"{image.width}x{image.height} pixels"
            raise ValueError(f"{what}, of {size}; want {-(-side // SMALLEST)} or more both ways for {side}")
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):  # which Pillow would clip to 255
            image = Image.fromarray((np.asarray(image) // 256).astype(np.uint8))
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = ImageOps.fit(image.convert("RGB"), (side, side), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)  # (side, side, 3) -> (3, side, side)


def read_image(path: Path | str, side: int) -> Tensor:
    """What `decoded` returns and raises, as float32 in [-1, 1]."""
    return decoded(path, side) / 127.5 - 1


def looks_like_an_image(name: str) -> bool:
    """Whether a file's name is that of an image, of a kind that can be read or of another (a telephone's HEIC, say)."""
    known = Image.registered_extensions().get(Path(name).suffix.lower()) in FORMATS
    return known or (mimetypes.guess_type(name)[0] or "").startswith("image/")


def image_files(root: Path) -> list[str]:
    """The paths from root, in their order, of all files below it that look like images.

    Not those that are hidden, or in a folder that is or that a Mac has added. Links to folders are followed, each
    folder once, so that a loop ends. Raises NotADirectoryError where root is no folder, and OSError for one that cannot
    be read.
    """
    found, seen = [], set()
    if not root.is_dir():
        raise NotADirectoryError(f"root is {root}, and no folder; want one with images")

    def failed(error: OSError) -> None:
        raise error

    for folder, folders, names in os.walk(root, followlinks=True, onerror=failed):
        if (real := os.path.realpath(folder)) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if name != NOT_PICTURES and not name.startswith("."))
        named = (Path(folder, name) for name in names if not name.startswith(".") and looks_like_an_image(name))
        found += [path.relative_to(root).as_posix() for path in named if path.is_file() or path.is_symlink()]
    return sorted(found)


def typical_side(root: Path | str, most: int = 500) -> int:
    """The median of the shorter sides, in pixels, of the images below root that can be opened; 0 where none can.

    most: look at no more than so many, evenly spread; only the beginning of each is read.
    """
    found, sides = image_files(checks.path("root", root)), []
    for path in found[:: math.ceil(len(found) / checks.count("most", most)) or 1]:
        with contextlib.suppress(Exception), Image.open(Path(root) / path, formats=FORMATS) as image:
            sides.append(min(image.size))
    return int(statistics.median(sides)) if sides else 0


class Looked(NamedTuple):
    """What is known of a folder once each file was read: worth keeping, to spare the next one.

    fingerprint: of the paths, the sizes and the times of the files, and of the side.  left_out: those that cannot be
    read, and why.  pixels: all files', (files, 3, side, side) uint8, black where left out; None where there is not the
    memory.
    """

    fingerprint: str
    left_out: dict[str, str]
    pixels: Tensor | None


class ImageFolder:
    """The N images below a folder, a column of `Batches`: folder[rows] gives these, (n, 3, side, side).

    The class of an image is the first folder on the way to it from `root`, "" for one that lies in root itself. Images
    are in the order of their paths and classes in that of their names, on every machine; `image_files` says which are
    looked at.
    files: the paths of the images.  classes: their names.  labels: (N,) int64, numbers of classes.  left_out: what
    looked like an image and cannot be read, by its path, and why; each file is read once to know.
    most: take at most so many files, evenly spread, which spares the reading of a large folder.  memory: pictures are
    kept in it, (N, 3, side, side) uint8, if they fill no more than so many bytes, else read whenever they are wanted.
    looked: what an ImageFolder of the same has found, its `looked`; where nothing has changed, no file is read.
    Raises NotADirectoryError where root is no folder, and ValueError where nothing in it can be read.
    """

    def __init__(
        self, root: Path | str, side: int, most: int | None = None, memory: int = 0, looked: Looked | None = None
    ):
        self.root, self.side = checks.path("root", root), checks.count("side", side)
        checks.count("memory", memory, low=0)
        checks.instance("looked", looked, Looked, type(None))
        found = image_files(self.root)
        if most is not None:
            found = found[:: math.ceil(len(found) / checks.count("most", most)) or 1]
        fingerprint = self._fingerprint(found)
        if looked is None or looked.fingerprint != fingerprint:
            pixels = torch.zeros(len(found), 3, side, side, dtype=torch.uint8) if self._fits(found, memory) else None
            looked = Looked(fingerprint, self._left_out(found, pixels), pixels)
        self.looked, self.left_out = looked, looked.left_out
        kept = [k for k, path in enumerate(found) if path not in self.left_out]
        self.files, self._rows = [found[k] for k in kept], torch.tensor(kept)
        if not self.files:
            seen = "".join(f"; {path}: {reason}" for path, reason in [*self.left_out.items()][:3])
            kinds = sorted(suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS)
            raise ValueError(f"root {root} holds no image that can be read{seen}; want {', '.join(kinds)}")
        names = [path.split("/")[0] if "/" in path else "" for path in self.files]
        self.classes = sorted(set(names))
        self.labels = torch.tensor([self.classes.index(name) for name in names])

    def _fits(self, files: list[str], memory: int) -> bool:
        return len(files) * 3 * self.side**2 <= memory

    def _fingerprint(self, files: list[str]) -> str:
        digest = hashlib.sha256(f"{self.side}".encode())
        for path in files:
            whole = self.root / path
            stat = whole.stat() if whole.exists() else whole.lstat()  # a link to nowhere
            digest.update(os.fsencode(path) + f" {stat.st_size} {stat.st_mtime_ns}\n".encode())
        return digest.hexdigest()[:16]

    def _left_out(self, files: list[str], pixels: Tensor | None) -> dict[str, str]:
        """Those of the files that cannot be read, and why; the pictures of the others are written into `pixels`."""

        def reason(row: int) -> str:
            try:
                picture = decoded(self.root / files[row], self.side)
            except Exception as error:  # each decoder has errors of its own for what is damaged
                return " ".join(str(error).split()) or type(error).__name__
            if pixels is not None:
                pixels[row] = picture
            return ""

        with (
            ThreadPoolExecutor() as pool,
            contextlib.closing(cast(Any, pool.map(reason, range(len(files))))) as reasons,
        ):
            told = progress(reasons, "looking at images", "image", len(files))
            return {path: why for path, why in zip(files, told, strict=True) if why}

    def part(self, rows: Tensor) -> "ImageFolder":
        """The images of these rows, (n,) int64 with n at least 1, as a folder of their own; it shares what is kept."""
        if not len(checks.shaped("rows", rows, "n", dtype=torch.int64, read=True)):
            raise ValueError("rows is empty; want one row or more")
        part = copy.copy(self)
        part.files = [self.files[row] for row in rows.tolist()]
        part.labels, part._rows = self.labels[rows], self._rows[rows]
        return part

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, 3, side, side)."""
        return len(self.files), 3, self.side, self.side

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, rows: Tensor) -> Tensor:
        """The images of these rows, (n,) int64 with n at least 1: (n, 3, side, side) in [-1, 1]."""
        if not len(checks.shaped("rows", rows, "n", dtype=torch.int64, read=True)):
            raise ValueError("rows is empty; want one row or more")
        if self.looked.pixels is not None:
            return self.looked.pixels[self._rows[rows]] / 127.5 - 1
        return torch.stack([read_image(self.root / self.files[row], self.side) for row in rows.tolist()])
