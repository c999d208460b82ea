"""The trainings of the course, each one command: what is trained, on what, for how long.

A recipe is a function (quick) -> Training. `quick` is about a minute on two cores; the full run made the checkpoint
that the repository ships.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ldm_teach.models.autoencoder import KLAutoencoder, VQAutoencoder, load_autoencoder
from ldm_teach.models.classifier import ImageClassifier, NoisyClassifier
from ldm_teach.models.conditioning import ClassEncoder
from ldm_teach.models.critic import CriticizedAutoencoder, PatchCritic
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.unet import UNet
from ldm_teach.practice.data import Batches, fashion_mnist
from ldm_teach.practice.losses import (
    adversarial_loss,
    autoencoder_loss,
    classification_loss,
    codebook_loss,
    diffusion_loss,
    kl_per_element,
    mirrored,
    noisy_classification_loss,
)
from ldm_teach.practice.training import Loss, Step, cosine_decay, fit
from ldm_teach.theory.schedule import NoiseSchedule


@dataclass
class Training:
    """A model with its loss, its batches and the settings of `fit`; `average` is what is saved and used."""

    model: nn.Module
    loss: Loss
    batches: Batches
    settings: dict[str, Any]
    average: nn.Module = field(init=False)

    def __post_init__(self):
        self.average = copy.deepcopy(self.model).eval()

    @property
    def num_steps(self) -> int:
        return self.settings["num_steps"]

    def fit(self, **overrides) -> Iterator[Step]:
        """Run the training; keyword arguments replace the recipe's settings of `practice.training.fit`."""
        return fit(self.model, self.loss, self.batches, average=self.average, **self.settings | overrides)


Recipe = Callable[[bool], Training]


def seeded(build: Callable[[], Any], seed: int) -> Any:
    """The module, or modules, that `build` makes with torch's default generator at `seed`, then put back as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def fashion_judge(quick: bool = False) -> Training:
    """The classifier that the metrics judge with. It only ever sees real images."""
    model = seeded(lambda: ImageClassifier(widths=(32, 64, 128)), seed=1)
    batches = Batches(*fashion_mnist(), batch_size=128, seed=1)
    settings = dict(
        num_steps=200 if quick else 4_000, learning_rate=4e-3, weight_decay=0.05, decay=cosine_decay, seed=1
    )
    return Training(model, mirrored(classification_loss), batches, settings)


def fashion_perceptual(quick: bool = False) -> Training:
    """The smaller classifier whose features the perceptual loss compares; another network than the judge."""
    model = seeded(lambda: ImageClassifier(widths=(16, 32, 64)), seed=2)
    batches = Batches(*fashion_mnist(), batch_size=128, seed=2)
    settings = dict(
        num_steps=400 if quick else 1_400, learning_rate=4e-3, weight_decay=0.05, decay=cosine_decay, seed=2
    )
    return Training(model, classification_loss, batches, settings)


def fashion_autoencoder(quick: bool = False) -> Training:
    """The KL autoencoder with f = 4 whose 8x8x4 latents the latent models diffuse."""
    model = seeded(lambda: KLAutoencoder(downsampling=4), seed=3)
    eyes = ImageClassifier.load("fashion-perceptual").requires_grad_(False)
    loss = autoencoder_loss(eyes, regularizer=kl_per_element, weight=3e-4, perceptual_weight=4e-2)
    settings = dict(num_steps=200 if quick else 10_000, learning_rate=2e-3, decay=cosine_decay, seed=3)
    return Training(model, loss, Batches(*fashion_mnist(), batch_size=32, seed=3), settings)


def compress(
    build: Callable[..., nn.Module],
    architecture: dict,
    regularizer: Callable[[Any], Tensor],
    weight: float,
    perceptual_weight: float = 4e-2,
    num_steps: int = 1_875,
) -> Recipe:
    """The recipe of an autoencoder to be compared with others: all see every image once, in the same order."""

    def recipe(quick: bool = False) -> Training:
        eyes = ImageClassifier.load("fashion-perceptual").requires_grad_(False)
        loss = autoencoder_loss(eyes, regularizer=regularizer, weight=weight, perceptual_weight=perceptual_weight)
        settings = dict(num_steps=200 if quick else num_steps, learning_rate=2e-3, decay=cosine_decay, seed=3)
        model = seeded(lambda: build(**architecture), seed=3)
        return Training(model, loss, Batches(*fashion_mnist(), batch_size=32, seed=3), settings)

    return recipe


# The ladder: every rung does about the same work (fewer channels where the resolution is high) and has half as many
# numbers in its latent as the one before.
RUNGS = {
    1: dict(downsampling=1, latent_channels=1, widths=(24,), depths=(3,)),
    2: dict(downsampling=2, latent_channels=2, widths=(48,), depths=(3,)),
    4: dict(downsampling=4, latent_channels=4, widths=(48, 96), depths=(1, 3)),
    8: dict(downsampling=8, latent_channels=8, widths=(48, 96, 96), depths=(1, 2, 2)),
}
LADDER = {
    **{f"fashion-kl-f{f}": compress(KLAutoencoder, RUNGS[f], kl_per_element, 3e-4) for f in (1, 2, 4, 8)},
    **{
        f"fashion-vq-f{f}": compress(VQAutoencoder, RUNGS[f] | dict(num_codes=8192), codebook_loss, 1.0) for f in (4, 8)
    },
}

# Rate against distortion: small autoencoders with f = 4, on the squared error alone, as the ELBO has it.
SMALL = dict(downsampling=4, latent_channels=4, widths=(24, 48), depths=(1, 2))
RATES = {
    f"fashion-kl-weight-{weight}": compress(KLAutoencoder, SMALL, kl_per_element, float(weight), perceptual_weight=0)
    for weight in ("1e-6", "1e-4", "1e-3", "1e-2", "1e-1", "1e0", "1e1", "1e2")
}


def criticized(quick: bool = False) -> Training:
    """The f = 4 KL autoencoder of the ladder with a critic that is heard in the second half of the training."""
    training = LADDER["fashion-kl-f4"](quick)
    eyes = ImageClassifier.load("fashion-perceptual").requires_grad_(False)
    model = CriticizedAutoencoder(training.model, seeded(PatchCritic, seed=5))
    settings = dict(regularizer=kl_per_element, weight=3e-4, perceptual_weight=4e-2)
    loss = adversarial_loss(eyes, critic_weight=0.5, critic_start=training.num_steps // 2, **settings)
    return Training(model, loss, training.batches, training.settings)


# What makes it sharp: fashion-kl-f4 without its perceptual term, and with a critic on top of it.
SHARPNESS = {
    "fashion-kl-f4-pixels": compress(KLAutoencoder, RUNGS[4], kl_per_element, 3e-4, perceptual_weight=0),
    "fashion-kl-f4-critic": criticized,
}


@torch.no_grad()
def posterior_moments(
    autoencoder: KLAutoencoder | VQAutoencoder, x: Tensor, batch_size: int = 250
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of q(z|x) for images x (N, C, H, W), both (N, c, h, w): encoded only once."""
    posteriors = [autoencoder.encode(chunk) for chunk in x.split(batch_size)]
    return torch.cat([p.mean for p in posteriors]), torch.cat([p.std for p in posteriors])


def latent_training(
    autoencoder: KLAutoencoder | VQAutoencoder,
    x: Tensor,
    condition: Tensor,
    encoder: nn.Module,
    unet: UNet,
    *,
    num_steps: int,
    batch_size: int = 128,
    learning_rate: float = 1.5e-3,
    seed: int,
) -> Training:
    """The diffusion model of images x (N, C, H, W) under their conditions (k N, ...), on the autoencoder's latents.

    Each image has k conditions: condition i is one of image i modulo N.
    """
    mean, std = posterior_moments(autoencoder, x)
    model = LatentDiffusion(autoencoder, unet, encoder, NoiseSchedule.cosine())
    model.measure_latents(mean, std)
    moments = (m.repeat(len(condition) // len(x), 1, 1, 1) for m in (model.standardize(mean), std / model.latent_std))
    batches = Batches(*moments, condition, batch_size=batch_size, seed=seed)
    settings = dict(num_steps=num_steps, learning_rate=learning_rate, seed=seed)
    return Training(model, diffusion_loss(model.schedule, drop=0.15), batches, settings)


def fashion_class(
    quick: bool = False,
    autoencoder: KLAutoencoder | VQAutoencoder | None = None,
    widths: tuple[int, int] = (64, 128),
    num_steps: int = 24_000,
) -> Training:
    """The class-conditional latent diffusion model on the latents of an autoencoder, by default the shipped one."""
    autoencoder = autoencoder or KLAutoencoder.load("fashion-autoencoder")
    x, y = fashion_mnist()
    if quick:
        x, y, num_steps = x[:10_000], y[:10_000], 150
    unet, encoder = seeded(lambda: (UNet(widths=widths), ClassEncoder()), seed=4)
    return latent_training(autoencoder, x, y, encoder, unet, num_steps=num_steps, seed=4)


def noisy_classifier(levels: int | None, num_steps: int) -> Recipe:
    """The recipe of a classifier on the latents of fashion-class, trained at the first `levels` timesteps (all)."""

    def recipe(quick: bool = False) -> Training:
        diffusion = LatentDiffusion.load("fashion-class")
        x, y = fashion_mnist()
        if quick:
            x, y = x[:10_000], y[:10_000]
        mean, std = posterior_moments(diffusion.autoencoder, x)
        batches = Batches(diffusion.standardize(mean), std / diffusion.latent_std, y, batch_size=128, seed=6)
        loss = noisy_classification_loss(diffusion.schedule, num_steps=levels)
        settings = dict(num_steps=200 if quick else num_steps, learning_rate=1.5e-3, weight_decay=0.05, seed=6)
        model = seeded(lambda: NoisyClassifier(diffusion.schedule), seed=6)
        return Training(model, loss, batches, settings)

    return recipe


# The classifiers of guidance: one knows noise, one only ever saw clean latents.
CLASSIFIERS = {
    "fashion-classifier": noisy_classifier(None, num_steps=5_000),
    "fashion-classifier-clean": noisy_classifier(1, num_steps=1_500),
}


def on_latents_of(name: str) -> Recipe:
    """The recipe of a small latent diffusion model on an autoencoder of the ladder, for the same time on each."""
    return lambda quick=False: fashion_class(quick, load_autoencoder(name), widths=(32, 64), num_steps=4_000)


DOWNSTREAM = {f"fashion-class-{kind}": on_latents_of(f"fashion-{kind}-f4") for kind in ("kl", "vq")}
