"""The autoencoders: for the latent models, the ladder of factors, the rates, and what makes them sharp."""

from collections.abc import Callable
from typing import Any, cast

from torch import Tensor, nn

from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.data.shapes import Shapes, shapes
from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.classifier import ImageClassifier
from ldm_teach.models.critic import CriticizedAutoencoder, PatchCritic
from ldm_teach.models.vector_quantization import VQAutoencoder
from ldm_teach.training.batches import Batches
from ldm_teach.training.loop import FitSettings, cosine_decay
from ldm_teach.training.losses import adversarial_loss, autoencoder_loss, codebook_loss, kl_per_element
from ldm_teach.training.recipes.recipe import Build, Training, seeded


def fashion_autoencoder(quick: bool = False) -> Training:
    """The KL autoencoder with f = 4 whose 8x8x4 latents the latent models diffuse."""
    model = seeded(lambda: KLAutoencoder(downsampling=4), seed=3)
    perceptual = ImageClassifier.load("fashion-perceptual").requires_grad_(False)
    loss = autoencoder_loss(perceptual, regularizer=kl_per_element, weight=3e-4, perceptual_weight=4e-2)
    settings = FitSettings(num_steps=200 if quick else 10_000, learning_rate=2e-3, decay=cosine_decay, seed=3)
    return Training(model, loss, Batches(*fashion_mnist(), batch_size=32, seed=3), settings)


def compress(
    build: Callable[..., nn.Module],
    architecture: dict,
    regularizer: Callable[[Any], Tensor],
    weight: float,
    perceptual_weight: float = 4e-2,
    num_steps: int = 1_875,
) -> Build:
    """The recipe of an autoencoder to be compared with others: all see every image once, in the same order."""

    def recipe(quick: bool = False) -> Training:
        perceptual = ImageClassifier.load("fashion-perceptual").requires_grad_(False)
        loss = autoencoder_loss(perceptual, regularizer=regularizer, weight=weight, perceptual_weight=perceptual_weight)
        settings = FitSettings(num_steps=200 if quick else num_steps, learning_rate=2e-3, decay=cosine_decay, seed=3)
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
    """The f = 4 KL autoencoder of the ladder with a critic that joins in for the second half of the training."""
    training = LADDER["fashion-kl-f4"](quick)
    perceptual = ImageClassifier.load("fashion-perceptual").requires_grad_(False)
    model = CriticizedAutoencoder(cast(KLAutoencoder, training.model), seeded(PatchCritic, seed=5))
    loss = adversarial_loss(
        perceptual,
        regularizer=kl_per_element,
        weight=3e-4,
        perceptual_weight=4e-2,
        critic_weight=0.5,
        critic_start=training.num_steps // 2,
    )
    return Training(model, loss, training.batches, training.settings)


# What makes it sharp: fashion-kl-f4 without its perceptual term, and with a critic on top of it.
SHARPNESS = {
    "fashion-kl-f4-pixels": compress(KLAutoencoder, RUNGS[4], kl_per_element, 3e-4, perceptual_weight=0),
    "fashion-kl-f4-critic": criticized,
}


NUM_SCENES = 40_000


def shapes_autoencoder(quick: bool = False) -> Training:
    """The autoencoder of both models of shapes: squared error alone, for flat colours have no texture to miss."""
    model = seeded(lambda: KLAutoencoder(image_size=(32, 32), image_channels=3, widths=(48, 96), depths=(1, 2)), seed=7)
    loss = autoencoder_loss(None, regularizer=kl_per_element, weight=1e-4, perceptual_weight=0)
    settings = FitSettings(num_steps=200 if quick else 4_000, learning_rate=2e-3, decay=cosine_decay, seed=7)
    return Training(model, loss, Batches(scenes(quick).x, batch_size=32, seed=7), settings)


def scenes(quick: bool) -> Shapes:
    """The training scenes, fewer of them where it must be quick."""
    return shapes(2_000 if quick else NUM_SCENES)
