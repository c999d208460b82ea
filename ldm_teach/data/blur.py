"""Gaussian blur: what makes a sharp image a condition."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ldm_teach import checks


def blurred(x: Tensor, sigma: float = 2.0) -> Tensor:
    """Images (B, C, H, W) convolved with a Gaussian of standard deviation `sigma` pixels, the border repeated.

    Raises ValueError for a sigma that is not positive, and for images smaller than three sigma.
    """
    radius = math.ceil(3 * checks.positive("sigma", sigma))
    if checks.floating("x", x).ndim != 4 or min(x.shape[2:]) <= radius:
        raise ValueError(
            f"x has shape {tuple(x.shape)}; want (B, C, H, W), H and W above {radius} at sigma = {sigma:g}"
        )
    bell = torch.exp(-torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype).square() / (2 * sigma**2))
    bell = (bell / bell.sum()).expand(x.shape[1], 1, 1, -1)  # (C, 1, 1, 2 radius + 1), a kernel for each channel
    x = F.pad(x, (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(x, bell, groups=x.shape[1]), bell.mT, groups=x.shape[1])
