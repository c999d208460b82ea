"""What a picture of shapes shows, read from its pixels: scenes, semantic maps, and whether a caption is met.

Each pixel takes the nearest of nine colours, connected pixels are a component, and a component is the item of
`shapes.py` whose mask it overlaps best. No network judges, so a figure read here has no error but that of the sample.
"""

import functools
import itertools
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ldm_teach import checks
from ldm_teach.data.captions import COLOURS, KINDS, SIZES, Item, Scene, scene_of
from ldm_teach.data.shapes import IMAGE_SIZE, coverage

MIN_PIXELS = 8  # a smaller component is dirt; the smallest item has about 40
MIN_OVERLAP = 0.6  # a component whose best intersection over union is below this has no kind and no size
MIN_PURITY = 0.7  # a component with a smaller share of its commonest colour has no colour
REACH = 10  # pixels from a component's centre that are compared: half the largest item, off centre, and a shift


class Components(NamedTuple):
    """K components in B pictures: labels (B, 32, 32), 1 + k where component k is; the picture (K,) and item of each."""

    labels: np.ndarray
    picture: np.ndarray
    items: list[Item]


@functools.cache
def templates() -> tuple[np.ndarray, tuple[Item, ...]]:
    """The masks of all kinds and sizes about their centroids, each also shifted by a pixel in the eight directions.

    Returns masks (T, 2 REACH + 1, 2 REACH + 1) float32, and T items whose row and column are those of their centre,
    counted from the middle of the mask.
    """
    masks, items = [], []
    for kind, size, down, right in itertools.product(KINDS, SIZES, (0, -1, 1), (0, -1, 1)):
        pixels = (coverage(kind, size) > 0.5).nonzero().numpy()  # (P, 2)
        corner = np.array((down, right)) - np.rint(pixels.mean(axis=0)).astype(int)
        mask = np.zeros((2 * REACH + 1, 2 * REACH + 1), np.float32)
        mask[tuple((pixels + corner + REACH).T)] = 1
        masks.append(mask)
        items.append(Item(kind, None, size, *(corner + SIZES[size] // 2).tolist()))
    stacked = np.stack(masks)
    stacked.flags.writeable = False  # it is kept from call to call
    return stacked, tuple(items)


def nearest_colour(x: Tensor) -> np.ndarray:
    """For each pixel of x (B, 3, 32, 32) the nearest colour: 0 for the background, 1 + i for the i-th of COLOURS."""
    palette = torch.tensor([(0, 0, 0), *COLOURS.values()], dtype=torch.float32)
    distance = palette.square().sum(1) - 2 * x.movedim(1, -1) @ palette.T  # |x - c|^2 - |x|^2: (B, 32, 32, 9)
    return distance.argmin(dim=-1).numpy()


def label_components(foreground: np.ndarray) -> np.ndarray:
    """Components of pixels that touch by a side in masks (B, H, W): 0 for none, else 1, 2, ... through all masks."""
    from scipy import ndimage  # slow to import

    touching = np.zeros((3, 3, 3), int)
    touching[1] = ndimage.generate_binary_structure(2, 1)  # within a picture, never from one to the next
    labels, count = ndimage.label(foreground, touching)
    large = np.bincount(labels.ravel(), minlength=count + 1) >= MIN_PIXELS
    large[0] = False
    return np.where(large, np.cumsum(large), 0)[labels]


def best_templates(k: np.ndarray, row: np.ndarray, column: np.ndarray, area: np.ndarray) -> list[Item]:
    """For each component the item that overlaps it best, placed; without kind and size where the overlap is too small.

    k, row, column: (P,), the component and the place of each pixel.  area: (K,), the number of pixels of a component.
    """
    masks, items = templates()
    centre = [np.rint(np.bincount(k, weights=place) / area).astype(int) for place in (row, column)]
    near = [place - middle[k] + REACH for place, middle in zip((row, column), centre, strict=True)]
    kept = (np.minimum(*near) >= 0) & (np.maximum(*near) <= 2 * REACH)
    crops = np.zeros((len(area), *masks.shape[1:]), np.float32)
    crops[k[kept], near[0][kept], near[1][kept]] = 1
    shared = crops.reshape(len(area), masks[0].size) @ masks.reshape(len(masks), -1).T  # (K, T) pixels
    overlap = shared / (area[:, None] + masks.sum(axis=(1, 2)) - shared)
    found = []
    for i, row_k, column_k, value in zip(overlap.argmax(axis=1), *centre, overlap.max(axis=1), strict=True):
        item = items[i]._replace(row=int(row_k) + items[i].row, column=int(column_k) + items[i].column)
        found.append(item if value >= MIN_OVERLAP else Item(None, None, None, int(row_k), int(column_k)))
    return found


def read_components(x: Tensor) -> Components:
    """Everything in pictures x (B, 3, 32, 32) that is not background or dirt. Raises ValueError for another shape."""
    checks.shaped("x", x, "B", 3, IMAGE_SIZE, IMAGE_SIZE, read=True)
    colours = np.concatenate([nearest_colour(chunk) for chunk in x.float().cpu().split(1000)])
    labels = label_components(colours > 0)
    picture, row, column = labels.nonzero()  # (P,) each
    k = labels[picture, row, column] - 1
    votes = np.zeros((labels.max(initial=0), len(COLOURS)), int)  # (K, colours)
    np.add.at(votes, (k, colours[picture, row, column] - 1), 1)
    area = votes.sum(axis=1)
    names = list(COLOURS)
    items = [
        item._replace(colour=names[vote.argmax()] if vote.max() >= MIN_PURITY * vote.sum() else None)
        for item, vote in zip(best_templates(k, row, column, area), votes, strict=True)
    ]
    return Components(labels, picture[np.unique(k, return_index=True)[1]], items)


def read_scene(x: Tensor) -> list[Scene]:
    """What each of the pictures x (B, 3, 32, 32) shows, a list of B scenes; or x (3, 32, 32), a list of one.

    The items come from top to bottom; a scene may have any number of them, none included. An item that no kind fits has
    None for kind and size, and one of several colours has None for its colour. Raises ValueError for another shape.
    """
    found = read_components(x[None] if checks.tensor("x", x).ndim == 3 else x)
    items: list[list[Item]] = [[] for _ in found.labels]
    for picture, item in zip(found.picture, found.items, strict=True):
        items[picture].append(item)
    return [scene_of(*each) for each in items]


def read_map(x: Tensor) -> Tensor:
    """The semantic maps of pictures x (B, 3, 32, 32): (B, 32, 32) int64, classes as `render_map` gives them.

    Dirt, and what has no kind, counts as background. Raises ValueError for another shape.
    """
    found = read_components(x)
    classes = [0, *(0 if item.kind is None else 1 + KINDS.index(item.kind) for item in found.items)]
    return torch.tensor(classes)[torch.from_numpy(found.labels)]
