"""Pictures: images as pixels, as PNG, as semantic maps in colours, and in labelled grids."""

import io
import math
from collections.abc import Sequence

import matplotlib.font_manager
import numpy as np
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ldm_teach import checks
from ldm_teach.data.captions import KINDS
from ldm_teach.interactive.plots import INK, PALETTE, figure_png, new_figure

APART = 8  # pixels between groups of pictures
# Of a semantic map, on grey: beside grey, the palette's green and pink are the ones that colour-blind readers lose.
MAP_COLOURS = dict(zip(KINDS, (PALETTE[5], PALETTE[1], PALETTE[7], "black"), strict=True))


def to_pixels(x: Tensor) -> np.ndarray:
    """Images (B, C, H, W) in [-1, 1] as uint8 (B, H, W, C). Raises ValueError unless C is 1 or 3."""
    if checks.content("x", checks.floating("x", x)).ndim != 4 or x.shape[1] not in (1, 3):
        raise ValueError(f"x has shape {tuple(x.shape)}; want (B, C, H, W) with C = 1 or 3")
    return ((x.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def tile(x: Tensor, columns: int, gap: int = 2, asked: Tensor | None = None, groups: int = 1) -> np.ndarray:
    """Images (B, C, H, W) in [-1, 1] side by side, row by row: uint8 RGBA (rows*(H+gap)-gap, ..., 4), the gaps clear.

    asked: one picture (C, H, W) for each row, for a column of their own to the left, well apart.  groups: of as many
    columns each, well apart.
    """
    pixels = to_pixels(x)
    if not pixels.size:
        raise ValueError(f"x has shape {tuple(x.shape)}; want one image or more")
    checks.count("columns", columns)
    checks.count("gap", gap, 1000, low=0)
    count, height, width, _ = pixels.shape
    rows = -(-count // columns)
    if asked is not None:
        checks.shaped("asked", asked, rows, "C", height, "W", read=True)
    apart = APART - gap  # from group to group, besides the gap
    size = rows * (height + gap) - gap, columns * (width + gap) - gap + (groups - 1) * apart
    canvas = np.zeros((*size, 4), np.uint8)
    for i, image in enumerate(pixels):
        row, column = divmod(i, columns)
        top, left = row * (height + gap), column * (width + gap) + column * groups // columns * apart
        canvas[top : top + height, left : left + width, :3] = image  # grey (H, W, 1) as RGB
        canvas[top : top + height, left : left + width, 3] = 255
    if asked is None:
        return canvas
    return np.concatenate([np.pad(tile(asked, 1, gap), ((0, 0), (0, APART), (0, 0))), canvas], axis=1)


def png(x: Tensor, columns: int, zoom: int = 3, asked: Tensor | None = None) -> bytes:
    """The tiled images as an encoded PNG, each pixel `zoom` pixels wide: what an `ipywidgets.Image` shows."""
    checks.count("zoom", zoom, 100)
    canvas = tile(x, columns, asked=asked).repeat(zoom, axis=0).repeat(zoom, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(canvas).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def written(words: str) -> bytes:
    """A line of words as an encoded PNG, for where a picture is still to come."""
    font = ImageFont.truetype(matplotlib.font_manager.findfont("DejaVu Sans"), 14)
    canvas = Image.new("RGBA", (int(font.getlength(words)) + 8, 24))
    ImageDraw.Draw(canvas).text((4, 12), words, fill=INK, font=font, anchor="lm")
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG")
    return buffer.getvalue()


def map_picture(maps: Tensor) -> Tensor:
    """Semantic maps in colours: (B, H, W) int64 -> (B, 3, H, W) in [-1, 1], grey where 0, else MAP_COLOURS of a kind.

    Raises ValueError for another shape or dtype, and for classes other than 0 to len(KINDS), 1 + i that of KINDS[i].
    """
    if not isinstance(maps, Tensor) or maps.ndim != 3 or maps.dtype != torch.int64:
        raise ValueError(f"maps is {checks.describe(maps)}; want int64 of shape (B, H, W)")
    if checks.content("maps", maps).numel() and not 0 <= int(maps.min()) <= int(maps.max()) <= len(KINDS):
        raise ValueError(f"maps hold classes from {maps.min()} to {maps.max()}; want 0 to {len(KINDS)}")
    colours = torch.tensor([(0.5, 0.5, 0.5), *map(to_rgb, MAP_COLOURS.values())], device=maps.device) * 2 - 1
    return colours[maps].movedim(-1, 1)  # (B, H, W, 3) -> (B, 3, H, W)


def film(frames: Sequence[Figure], values: Sequence[float], milliseconds: int = 250) -> bytes:
    """Figures as an endless GIF, to the last and back, each above a slider that stands at its value."""
    checks.instances("frames", frames, Figure)
    checks.count("milliseconds", milliseconds, 65_535)
    if not frames or len(checks.numbers("values", values)) != len(frames):
        raise ValueError(f"frames are {len(frames)} and values {len(values)}; want as many, one or more")
    low, high = min(values), max(values)
    places = [(value - low) / ((high - low) or 1) for value in values]
    drawn = above_sliders([figure_png(frame) for frame in frames], places, [f"w = {value:.2g}" for value in values])
    shown = [picture.quantize(128) for picture in drawn]
    shown += shown[-2:0:-1]
    buffer = io.BytesIO()
    options = dict(save_all=True, append_images=shown[1:], duration=milliseconds, loop=0, optimize=True)
    shown[0].save(buffer, "GIF", **options)
    return buffer.getvalue()


def short_film(frames: Sequence[tuple[str, bytes]], milliseconds: int = 700) -> bytes:
    """PNGs and what each shows, (label, png), as an endless WebP: each above a slider on its way from left to right."""
    if not frames:
        raise ValueError("frames are none; want one or more")
    checks.count("milliseconds", milliseconds, 65_535)
    labels, drawn = zip(*frames, strict=True)
    shown = above_sliders(drawn, np.linspace(0, 1, len(frames)).tolist(), labels)
    buffer = io.BytesIO()
    options = dict(save_all=True, append_images=shown[1:], duration=milliseconds, loop=0, quality=80, method=6)
    shown[0].save(buffer, "WEBP", **options)
    return buffer.getvalue()


def above_sliders(
    drawn: Sequence[bytes], places: Sequence[float], labels: Sequence[str], height: int = 44
) -> list[Image.Image]:
    """PNGs on white, each above a slider with its knob at a place from 0 to 1, and its value in words beside it."""
    font = ImageFont.truetype(matplotlib.font_manager.findfont("DejaVu Sans"), 18)
    room = math.ceil(max(font.getlength(label) for label in labels))
    shown = []
    for png, place, label in zip(drawn, places, labels, strict=True):
        picture = Image.open(io.BytesIO(png)).convert("RGBA")
        canvas = Image.new("RGB", (max(picture.width, 240 + room), picture.height + height), "white")
        canvas.paste(picture, ((canvas.width - picture.width) // 2, 0), mask=picture)
        left, right = canvas.width // 8, min(canvas.width * 3 // 4, canvas.width - room - 32)
        middle, knob = picture.height + height // 2 - 4, left + (right - left) * place
        pen = ImageDraw.Draw(canvas)
        pen.line((left, middle, right, middle), fill="#9AA0A6", width=4)
        pen.line((left, middle, knob, middle), fill=PALETTE[0], width=4)
        pen.ellipse((knob - 9, middle - 9, knob + 9, middle + 9), fill=PALETTE[0])
        pen.text((right + 24, middle), label, fill="black", font=font, anchor="lm")
        shown.append(canvas)
    return shown


def labelled_grid(
    x: Tensor, rows: Sequence[str], columns: Sequence[str], title: str, asked: Tensor | None = None
) -> Figure:
    """Images (B, C, H, W), row by row, with a name for each row and column and a title that says the finding.

    asked: one picture (C, H, W) a row of what its images were asked to show, for a first column of its own.
    Raises ValueError where the names do not fit the number of images, or the rows that of pictures asked for.
    """
    checks.word("title", title)
    if not checks.words("rows", rows) or not checks.words("columns", columns):
        raise ValueError(f"rows and columns are {rows!r} and {columns!r}; want one name or more for both")
    if not len(checks.shaped("x", x, "B", "C", "H", "W", read=True)) or len(x) % (len(rows) * len(columns)):
        raise ValueError(f"x holds {len(x)} images; want a multiple of {len(rows)} rows x {len(columns)} columns")
    if asked is not None and len(checks.batch("asked", asked)) != len(rows):
        raise ValueError(f"asked holds {len(asked)} pictures; want one for each of {len(rows)} rows")
    each = len(x) // (len(rows) * len(columns))  # images side by side in a cell of the grid
    gap, groups = (APART, len(columns)) if each > 1 else (2, 1)
    canvas = tile(x, columns=each * len(columns), asked=asked, groups=groups)
    first = 0 if asked is None else asked.shape[-1] + APART
    height, step = canvas.shape[0] / len(rows), (canvas.shape[1] - first + gap) / len(columns)
    ticks = {first + (i + 0.5) * step - gap / 2: name for i, name in enumerate(columns)}
    if asked is not None:
        ticks = {asked.shape[-1] / 2: "asked"} | ticks
    longest = max(len(line) for name in rows for line in name.split("\n"))
    margin = max(1.4, 0.5 + 0.09 * longest)  # inches for the names of the rows
    figure = new_figure(margin + canvas.shape[1] / 62, 0.55 + canvas.shape[0] / 62)
    axes = figure.subplots()
    axes.imshow(canvas, interpolation="nearest")
    axes.set_yticks([(i + 0.5) * height for i in range(len(rows))], rows)
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_anchor("E")  # what is to spare goes to the names of the rows
    axes.set_title(title, fontsize=10)
    return figure
