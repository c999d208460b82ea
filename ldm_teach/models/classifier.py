"""Classifiers: of clean images, for the metrics and the perceptual loss, and of noisy latents, for guidance."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ldm_teach import checks
from ldm_teach.models import checkpoint
from ldm_teach.models.conditioning import check_labels
from ldm_teach.models.layers import ResidualBlock, TimeEmbedding, normalize
from ldm_teach.theory.guidance import LogProb
from ldm_teach.theory.schedule import NoiseSchedule


def convolution(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1), normalize(out_channels), nn.SiLU()
    )


def check_images(name: str, x: Tensor, channels: int, weight: Tensor) -> None:
    """Raises ValueError unless it is (B, channels, H, W) with pixels, of the dtype and on the device of the weight."""
    if not min(checks.shaped(name, x, "B", channels, "H", "W", like=weight).shape[2:]):
        raise ValueError(f"{name} has shape {tuple(x.shape)}; want H and W of at least 1")


@checkpoint.registered
class ImageClassifier(nn.Module):
    """A small convolutional classifier, p(y|x) for clean images x: (B, image_channels, H, W).

    `widths` are the channels at full, half and quarter resolution. `features` gives the activations of each layer,
    `embed` the pooled last ones (B, widths[-1]), the call itself the logits (B, num_classes).
    """

    def __init__(self, image_channels: int = 1, num_classes: int = 10, widths: tuple[int, int, int] = (32, 64, 128)):
        super().__init__()
        checks.counts(image_channels=image_channels, num_classes=num_classes)
        full, half, quarter = checks.sizes("widths", widths, 3)
        self.config: dict[str, Any] = dict(image_channels=image_channels, num_classes=num_classes, widths=tuple(widths))
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
        check_images("x", x, self.config["image_channels"], self.head.weight)
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
        checkpoint.save(self, directory)

    @classmethod
    def load(cls, name_or_dir: Path | str) -> "ImageClassifier":
        """The classifier saved in a directory or shipped under a name, in evaluation mode."""
        return checkpoint.load(cls, name_or_dir)


@checkpoint.registered
class NoisyClassifier(nn.Module):
    """f_phi(y|z_t, t), which knows noise: latents (B, channels, H, W) and t (B,) int64 -> logits (B, num_classes).

    The downward half of a U-Net: `widths` are the channels at full and half resolution, `depth` the residual blocks at
    each. It reads the standardized latents of the diffusion model that it shall guide, and its timesteps.

    The logits are sqrt(alpha_bar_t) times what the network says: with the signal, what an input tells of its class goes
    to zero, and so must the gradient, for the noisiest steps of a sampler multiply it by 1 / sqrt(alpha_bar_t) in x_0
    (20,000 on the cosine schedule). Source: Dhariwal & Nichol 2021, sec. 4.1, with average pooling.
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        channels: int = 4,
        num_classes: int = 10,
        widths: tuple[int, int] = (64, 128),
        depth: int = 1,
    ):
        super().__init__()
        checks.counts(channels=channels, num_classes=num_classes, depth=depth)
        self.schedule = checks.instance("schedule", schedule, NoiseSchedule)
        fine, coarse = checks.sizes("widths", widths, 2)
        self.config: dict[str, Any] = dict(
            channels=channels, num_classes=num_classes, widths=tuple(widths), depth=depth
        )
        self.embed_time = TimeEmbedding(fine, 2 * coarse)
        self.enter = nn.Conv2d(channels, fine, 3, padding=1)
        self.fine = nn.ModuleList(ResidualBlock(fine, fine, 2 * coarse) for _ in range(depth))
        self.shrink = nn.Conv2d(fine, coarse, 3, stride=2, padding=1)
        self.coarse = nn.ModuleList(ResidualBlock(coarse, coarse, 2 * coarse) for _ in range(depth))
        self.leave = nn.Sequential(normalize(coarse), nn.SiLU())
        self.head = nn.Linear(coarse, num_classes)
        self.to(memory_format=torch.channels_last)

    def forward(self, z_t: Tensor, t: Tensor) -> Tensor:
        check_images("z_t", z_t, self.config["channels"], self.head.weight)
        checks.same_device("t", checks.timesteps(t, z_t), z_t)
        embedding = self.embed_time(t)  # (B, 2 * coarse)
        h = self.enter(z_t.contiguous(memory_format=torch.channels_last))
        for block in self.fine:
            h = block(h, embedding)
        h = self.shrink(h)
        for block in self.coarse:
            h = block(h, embedding)
        signal = self.schedule.at(t, z_t).sqrt().flatten(1).to(z_t.dtype)  # (B, 1)
        return signal * self.head(self.leave(h).mean(dim=(2, 3))).to(z_t.dtype)

    def log_prob(self, labels: Tensor | Sequence[int]) -> LogProb:
        """(z_t, t) -> log f_phi(y|z_t, t) (B,) of the wanted labels (B,), in nats: what `classifier_guidance` takes."""
        weight = self.head.weight
        y = checks.movable("labels", check_labels(labels, self.config["num_classes"]), weight).to(weight.device)

        def log_prob(z_t: Tensor, t: Tensor) -> Tensor:
            if len(z_t) != len(y):
                raise ValueError(f"x has {len(z_t)} rows and the condition {len(y)} labels; want as many")
            index = y.clone()[:, None]  # labels made in inference mode, as a panel's are, cannot be saved for backward
            return self(z_t, t).log_softmax(dim=1).gather(1, index)[:, 0]

        return log_prob

    def save(self, directory: Path | str) -> None:
        """Write the classifier to a directory, in half precision (the schedule in double)."""
        checkpoint.save(self, directory)

    @classmethod
    def load(cls, name_or_dir: Path | str) -> "NoisyClassifier":
        """The classifier saved in a directory or shipped under a name, in evaluation mode."""
        return checkpoint.load(cls, name_or_dir)
