"""Classifiers of images: the judge of the metrics and the eyes of the perceptual loss."""

from pathlib import Path

import torch
from torch import Tensor, nn

from ldm_teach.models import checkpoint
from ldm_teach.models.layers import normalize


def convolution(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1), normalize(out_channels), nn.SiLU()
    )


class ImageClassifier(nn.Module):
    """A small convolutional classifier, p(y|x) for clean images x: (B, image_channels, H, W).

    `widths` are the channels at full, half and quarter resolution. `features` gives the activations of each layer,
    `embed` the pooled last ones (B, widths[-1]), the call itself the logits (B, num_classes).
    """

    def __init__(self, image_channels: int = 1, num_classes: int = 10, widths: tuple[int, int, int] = (32, 64, 128)):
        super().__init__()
        self.config = dict(image_channels=image_channels, num_classes=num_classes, widths=tuple(widths))
        full, half, quarter = widths
        self.layers = nn.ModuleList(
            [
                convolution(image_channels, full),
                convolution(full, half, stride=2),
                convolution(half, half),
                convolution(half, quarter, stride=2),
                convolution(quarter, quarter),
            ]
        )
        self.head = nn.Linear(quarter, num_classes)
        self.to(memory_format=torch.channels_last)

    def features(self, x: Tensor) -> list[Tensor]:
        """The activations of the five layers, from the finest (B, widths[0], H, W) on."""
        activations = []
        for layer in self.layers:
            x = layer(x)
            activations.append(x)
        return activations

    def embed(self, x: Tensor) -> Tensor:
        """The last activations averaged over the image: (B, image_channels, H, W) -> (B, widths[-1])."""
        return self.features(x)[-1].mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.embed(x))

    def save(self, directory: Path | str) -> None:
        """Write the classifier to a directory, in half precision."""
        checkpoint.write(directory, "ImageClassifier", self.config, checkpoint.to_half(self.state_dict()))

    @classmethod
    def load(cls, name_or_dir: Path | str) -> "ImageClassifier":
        """The classifier saved in a directory or shipped under a name, in evaluation mode."""
        directory = checkpoint.locate(name_or_dir)
        config, tensors = checkpoint.read(directory, "ImageClassifier")
        classifier = cls(**config)
        checkpoint.fill(classifier, tensors, directory)
        return classifier.eval()
