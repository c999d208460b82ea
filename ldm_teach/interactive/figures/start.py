"""The figures of notebook 00."""

from collections.abc import Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ldm_teach.data.fashion import FASHION_CLASSES
from ldm_teach.interactive.pictures import labelled_grid


def real_and_decoded(real: Tensor, decoded: Tensor, psnr: float) -> Figure:
    """Real images (B, 1, H, W) above what the autoencoder makes of them, with the PSNR in decibels in the title."""
    title = f"Decoded from an 8×8×4 latent: {psnr:.1f} dB"
    return labelled_grid(torch.cat([real, decoded]), ["real", "decoded"], [""], title)


def every_class(samples: Tensor, w: float) -> Figure:
    """Samples (10 N, 1, H, W), a row of N for each class."""
    return labelled_grid(samples, FASHION_CLASSES, [""], f"{len(samples) // 10} samples of each class at w = {w:g}")


def film_strip(samples: Sequence[Tensor], classes: Sequence[int], weights: Sequence[float]) -> Figure:
    """For each weight samples (rows * N, 1, H, W) of the same noise: a row for each class, a column for each weight."""
    columns = [column.unflatten(0, (len(classes), -1)) for column in samples]  # (rows, N, 1, H, W)
    rows, heads = [FASHION_CLASSES[k] for k in classes], [f"w = {w:g}" for w in weights]
    title = "Each garment keeps its noise; the columns differ in w alone"
    return labelled_grid(torch.stack(columns, dim=1).flatten(0, 2), rows, heads, title)
