"""Larger models of classes, for a GPU: CIFAR-10, and images of 256 pixels from a folder of one's own.

Nobody has trained them in full; `python -m ldm_teach estimate` counts what that would take.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ldm_teach.data.image_folder import ImageFolder
from ldm_teach.data.image_sets import image_dataset
from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.conditioning import ClassEncoder
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.unet import UNet
from ldm_teach.models.vgg import VGGFeatures
from ldm_teach.progress import progress, say
from ldm_teach.theory.schedule import NoiseSchedule
from ldm_teach.training.batches import Batches
from ldm_teach.training.loop import FitSettings, Loss, constant, cosine_decay
from ldm_teach.training.losses import autoencoder_loss, diffusion_loss, kl_per_element, mirrored, on_images
from ldm_teach.training.recipes.latent import first_stage, posterior_moments
from ldm_teach.training.recipes.recipe import Build, Training, seeded

SCHEDULE = NoiseSchedule.cosine()
QUICK_IMAGES = 256


@dataclass(frozen=True)
class Plan:
    """A latent diffusion model of classes, and how its two stages are trained.

    name: the trainings are NAME-autoencoder and NAME-class.  side: of the images, in pixels.  autoencoder, unet: what
    is not the default of KLAutoencoder and UNet.  batch_size: of both stages.  first, second: their settings.
    """

    name: str
    side: int
    autoencoder: dict[str, Any]
    unet: dict[str, Any]
    batch_size: int
    first: FitSettings
    second: FitSettings

    def new_autoencoder(self) -> KLAutoencoder:
        """The first stage, untrained."""
        size = dict(image_size=(self.side, self.side), image_channels=3)
        return seeded(lambda: KLAutoencoder(**size, **self.autoencoder), self.first.seed)

    def new_model(self, autoencoder: KLAutoencoder, num_classes: int) -> LatentDiffusion:
        """The second stage, untrained, on the latents of the first."""
        unet, encoder = seeded(
            lambda: (
                UNet(channels=autoencoder.latent_shape[0], **self.unet),
                ClassEncoder(num_classes, token_width=self.unet["token_width"]),
            ),
            self.second.seed,
        )
        return LatentDiffusion(autoencoder, unet, encoder, SCHEDULE)


def first_loss(network: VGGFeatures | None) -> Loss:
    """What the first stage minimizes, on batches of images; without a network the squared error alone."""
    return mirrored(autoencoder_loss(network, regularizer=kl_per_element, weight=1e-4, perceptual_weight=4e-2))


def second_loss() -> Loss:
    """What the second stage minimizes, on batches of images and labels."""
    return mirrored(on_images(diffusion_loss(SCHEDULE, drop=0.1)))


# 3x32x32 -> 8x8x8. Learning rate and batch of Ho et al. 2020, appendix B, for CIFAR-10.
CIFAR10 = Plan(
    "cifar10",
    side=32,
    autoencoder=dict(downsampling=4, latent_channels=8, widths=(128, 256), depths=(2, 3)),
    unet=dict(widths=(256, 512), heads=(8, 16), depth=2, token_width=512),
    batch_size=128,
    first=FitSettings(40_000, 5e-4, 1_000, cosine_decay, average_decay=0.9999, seed=20),
    second=FitSettings(200_000, 2e-4, 1_000, constant, average_decay=0.9999, seed=21),
)
# 3x256x256 -> 4x32x32. Channels, heads, width of the tokens and learning rate of an image of the batch are those of
# LDM-8 for ImageNet in the published code of Rombach et al. 2022 (cin-ldm-vq-f8).
FOLDER_256 = Plan(
    "folder-256",
    side=256,
    autoencoder=dict(downsampling=8, latent_channels=4, widths=(128, 256, 512), depths=(2, 3, 4)),
    unet=dict(widths=(256, 512, 1024), heads=(8, 16, 32), depth=3, token_width=512),
    batch_size=64,
    first=FitSettings(100_000, 1e-4, 1_000, cosine_decay, average_decay=0.9999, seed=22),
    second=FitSettings(400_000, 6.4e-5, 1_000, constant, average_decay=0.9999, seed=23),
)
# With --quick: the same two stages, narrow, on QUICK_IMAGES images.
QUICK = {
    "cifar10": Plan(
        "cifar10",
        side=32,
        autoencoder=dict(downsampling=4, latent_channels=8, widths=(32, 64), depths=(1, 2)),
        unet=dict(widths=(64, 128), heads=(0, 4), token_width=128),
        batch_size=32,
        first=FitSettings(200, 2e-3, decay=cosine_decay, seed=20),
        second=FitSettings(200, 1e-3, seed=21),
    ),
    "folder-256": Plan(
        "folder-256",
        side=256,
        autoencoder=dict(downsampling=8, latent_channels=4, widths=(16, 32, 64), depths=(1, 1, 2)),
        unet=dict(widths=(32, 64, 128), heads=(0, 0, 4), token_width=128),
        batch_size=8,
        first=FitSettings(100, 2e-3, decay=cosine_decay, seed=22),
        second=FitSettings(100, 1e-3, seed=23),
    ),
}


def labelled(plan: Plan, quick: bool, images: Path | None) -> tuple[Tensor | ImageFolder, Tensor]:
    """The images (N, 3, side, side) of a plan and their labels (N,): of the folder, else torchvision's set by name."""
    most = QUICK_IMAGES if quick else None
    if images is None:
        dataset: Any = image_dataset(plan.name, image_size=plan.side)
        rows = range(len(dataset))[:most]
        x, y = zip(*(dataset[i] for i in progress(rows, "reading", "image")), strict=True)
        return torch.stack(x), torch.tensor(y)
    folder = ImageFolder(images, plan.side, most)
    if os.environ.get("RANK", "0") == "0":  # of several processes the first tells
        for path, reason in folder.left_out.items():
            say(f"left out {path}: {reason}", sys.stderr)
        say(f"{len(folder):,} images, classes from 0 on: {', '.join(folder.classes)}", sys.stderr)
    return folder, folder.labels


def perceptual_network() -> VGGFeatures:
    """VGG-16 with torchvision's weights. Raises FileNotFoundError where they can be found neither here nor there."""
    try:
        return VGGFeatures()
    except OSError as error:
        want = "want a network for the first training, or vgg16-397923af.pth in the folder `checkpoints` of TORCH_HOME"
        raise FileNotFoundError(
            f"the weights of VGG-16 are not here, and cannot be fetched ({error}): {want}"
        ) from error


def both_stages(full: Plan) -> dict[str, Build]:
    """The recipes of a plan, by name: its autoencoder, and the diffusion model on the latents of that."""

    def autoencoder(quick: bool = False, images: Path | None = None) -> Training:
        plan = QUICK[full.name] if quick else full
        network = None if quick else perceptual_network()
        x, _ = labelled(plan, quick, images)
        batches = Batches(x, batch_size=min(plan.batch_size, len(x)), seed=plan.first.seed)
        return Training(plan.new_autoencoder(), first_loss(network), batches, plan.first)

    def of_classes(quick: bool = False, images: Path | None = None) -> Training:
        plan = QUICK[full.name] if quick else full
        trained = first_stage(f"{full.name}-autoencoder", quick)
        x, y = labelled(plan, quick, images)
        model = plan.new_model(trained, num_classes=int(y.max()) + 1)
        batches = Batches(x, y, batch_size=min(plan.batch_size, len(x)), seed=plan.second.seed)
        model.measure_latents(*posterior_moments(trained, batches[0][0]))  # of one batch, as Rombach et al. 2022, G
        return Training(model, second_loss(), batches, plan.second)

    return {f"{full.name}-autoencoder": autoencoder, f"{full.name}-class": of_classes}
