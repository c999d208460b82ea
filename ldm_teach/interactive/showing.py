"""What is drawn as pictures: the samples of one frame, or a strip of the frames of a film."""

import base64
from collections.abc import Sequence

import numpy as np
from PIL import Image

from ldm_teach.interactive.drawing import Drawn
from ldm_teach.interactive.pictures import tile

ACROSS, STRIP = 4, 8  # pictures side by side, and frames in a strip, at most
WIDTH = 128  # pixels that a sample takes on the screen, at most


def frame_picture(drawn: Sequence[Drawn], frame: int) -> Image.Image:
    """The samples of a frame, four in a row, right of what was given; those of several drawings one below the other.

    A drawing with fewer frames shows its last.
    """
    return _stacked([_tiled(one, min(frame, len(one.frames) - 1)) for one in drawn])


def strip(drawn: Sequence[Drawn]) -> Image.Image:
    """Up to eight frames of each film, from left to right, evenly chosen; a row for each sample."""
    return _stacked([_strip(one) for one in drawn])


def _tiled(drawn: Drawn, frame: int) -> Image.Image:
    x = drawn.frames[frame]
    columns = min(len(x), ACROSS)
    rows = -(-len(x) // columns)
    asked = None if drawn.asked is None else drawn.asked.expand(rows, -1, -1, -1)
    return _large(tile(x, columns, asked=asked), x.shape[-1])


def _strip(drawn: Drawn) -> Image.Image:
    chosen = np.linspace(0, len(drawn.frames) - 1, min(STRIP, len(drawn.frames))).round().astype(int)
    x = drawn.frames[chosen.tolist()].transpose(0, 1)  # (N, F, C, H, W)
    return _large(tile(x.flatten(0, 1), len(chosen)), x.shape[-1], WIDTH // 2)


def _large(canvas: np.ndarray, side: int, width: int = WIDTH) -> Image.Image:
    zoom = max(1, width // side)
    return Image.fromarray(canvas.repeat(zoom, axis=0).repeat(zoom, axis=1))


def _stacked(parts: Sequence[Image.Image], gap: int = 12) -> Image.Image:
    height = sum(part.height + gap for part in parts) - gap
    canvas, top = Image.new("RGBA", (max(part.width for part in parts), height)), 0
    for part in parts:
        canvas.paste(part, (0, top))
        top += part.height + gap
    return canvas


def download(content: bytes, name: str, words: str) -> str:
    """A link that saves a file, in HTML: no server has a part in it."""
    kind = "image/" + name.rpartition(".")[2]
    address = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    return f'<a download="{name}" href="{address}" style="text-decoration: underline">{words}</a>'
