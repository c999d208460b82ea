"""The images of a folder of one's own, classes by sub-folder, each read from disk when it is wanted."""

import contextlib
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ldm_teach import checks
from ldm_teach.progress import progress

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # what Pillow decodes by itself: none starts a program


def read_image(path: Path | str, side: int) -> Tensor:
    """An image file as a viewer shows it, its centre cropped to a square: (3, side, side), float32 in [-1, 1].

    Turned as its EXIF orientation says, what is transparent laid on white, grey made colour, of an animation the first
    frame; resized with antialiasing (Lanczos). Raises whatever Pillow raises for a file that is missing or damaged.
    """
    checks.count("side", side)
    with Image.open(checks.path("path", path), formats=FORMATS) as image:
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):  # which Pillow would clip to 255
            image = Image.fromarray((np.asarray(image) // 256).astype(np.uint8))
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = ImageOps.fit(image.convert("RGB"), (side, side), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1) / 127.5 - 1  # (side, side, 3) -> (3, side, side)


class ImageFolder:
    """The N images below a folder, a column of `Batches`: folder[rows] reads only these, (n, 3, side, side).

    The class of an image is the first folder on the way to it from `root`, "" for one that lies in root itself. Images
    are in the order of their paths and classes in that of their names, on every machine.
    files: the paths of the images.  classes: their names.  labels: (N,) int64, numbers of classes.  left_out: what
    looked like an image and cannot be read, by its path, and why; each file is read once to know.
    most: take at most so many files, evenly spread, which spares the reading of a large folder.
    Raises NotADirectoryError where root is no folder, and ValueError where nothing in it can be read.
    """

    def __init__(self, root: Path | str, side: int, most: int | None = None):
        self.root, self.side = checks.path("root", root), checks.count("side", side)
        if not self.root.is_dir():
            raise NotADirectoryError(f"root is {root}, and no folder; want one with images")
        suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS}
        paths = (path for path in self.root.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
        found = sorted(path.relative_to(self.root).as_posix() for path in paths if not path.name.startswith("."))
        if most is not None:
            found = found[:: math.ceil(len(found) / checks.count("most", most)) or 1]
        reasons = self._reasons(found)
        self.left_out = {path: reason for path, reason in zip(found, reasons, strict=True) if reason}
        self.files = [path for path in found if path not in self.left_out]
        if not self.files:
            seen = "".join(f"; {path}: {reason}" for path, reason in [*self.left_out.items()][:3])
            raise ValueError(f"root {root} holds no image that can be read{seen}; want {', '.join(sorted(suffixes))}")
        names = [path.split("/")[0] if "/" in path else "" for path in self.files]
        self.classes = sorted(set(names))
        self.labels = torch.tensor([self.classes.index(name) for name in names])

    def _reasons(self, files: list[str]) -> list[str]:
        """Why each of these files cannot be read, "" for those that can."""

        def reason(path: str) -> str:
            try:
                read_image(self.root / path, self.side)
            except Exception as error:  # each decoder has errors of its own for what is damaged
                return " ".join(str(error).split()) or type(error).__name__
            return ""

        with ThreadPoolExecutor() as pool, contextlib.closing(cast(Any, pool.map(reason, files))) as found:
            return list(progress(found, "looking at images", "image", len(files)))

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
        return torch.stack([read_image(self.root / self.files[row], self.side) for row in rows.tolist()])
