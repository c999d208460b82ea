"""The network of the perceptual loss for photographs: torchvision's VGG-16, where its weights can be had."""

from typing import cast

import torch
from torch import Tensor, nn


class VGGFeatures(nn.Module):
    """VGG-16 up to the last activation before each of its five poolings, the layers of LPIPS (Zhang et al. 2018).

    weights: a name of torchvision's, which asks for a download of 528 MB the first time, or None for random ones. Takes
    grey or colour images (B, 1 or 3, H, W) in [-1, 1] of at least 16 pixels a side; `features` is all that
    `perceptual_distance` asks for, so it may stand where an ImageClassifier stands.
    """

    LAYERS = (3, 8, 15, 22, 29)

    def __init__(self, weights: str | None = "IMAGENET1K_V1"):
        super().__init__()
        from torchvision.models import vgg16  # slow to import, and only photographs need it

        layers = cast(nn.Sequential, vgg16(weights=weights).features)
        self.layers = layers[: self.LAYERS[-1] + 1].eval().requires_grad_(False)
        for layer in self.layers:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False  # an activation is read again after the next layer
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None])

    def features(self, x: Tensor) -> list[Tensor]:
        """The activations, from (B, 64, H, W) to (B, 512, H / 16, W / 16). Raises ValueError for other images."""
        if x.ndim != 4 or x.shape[1] not in (1, 3) or min(x.shape[-2:]) < 16:
            raise ValueError(f"x has shape {tuple(x.shape)}; want (B, 1 or 3, H, W) with H and W at least 16")
        x = ((x + 1) / 2 - self.mean) / self.std  # one channel becomes three here
        activations = []
        for number, layer in enumerate(self.layers):
            x = layer(x)
            if number in self.LAYERS:
                activations.append(x)
        return activations
