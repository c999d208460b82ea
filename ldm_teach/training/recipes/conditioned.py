"""The trainings of notebooks 11 and 12: captions, maps and blurred images, by attention or concatenation."""

import torch

from ldm_teach.data.blur import blurred
from ldm_teach.data.captions import KINDS, MAX_WORDS, WORDS
from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.data.shapes import recaption
from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.conditioning import ImageEncoder, MapEncoder, TextEncoder
from ldm_teach.models.unet import UNet
from ldm_teach.training.loop import FitSettings
from ldm_teach.training.recipes.autoencoders import scenes
from ldm_teach.training.recipes.latent import latent_training
from ldm_teach.training.recipes.recipe import Build, Training, seeded

BLURS = (1.0, 2.0, 3.0, 4.0)  # standard deviations in pixels
BATCH_SIZE = 64  # half of the others': more steps from as many images


def shapes_text(quick: bool = False) -> Training:
    """Captions to shapes, by cross-attention at both resolutions; each scene is told in three ways."""
    data, autoencoder = scenes(quick), KLAutoencoder.load("shapes-autoencoder")
    encoder = seeded(lambda: TextEncoder(WORDS, max_words=MAX_WORDS), seed=8)
    unet = seeded(lambda: UNet(heads=(4, 4), positions=True), seed=8)
    captions = encoder.check(data.captions + recaption(data.scenes, seed=1) + recaption(data.scenes, seed=2))
    settings = FitSettings(num_steps=150 if quick else 16_000, learning_rate=1e-3, seed=8)
    return latent_training(autoencoder, data.x, captions, encoder, unet, settings, BATCH_SIZE)


def reading(concatenate: bool) -> tuple[int, UNet]:
    """The width of the spatial tokens and the U-Net that reads them: by cross-attention, or concatenated to z_t.

    Without the parameters of the cross-attention the second has wider tokens: both models are of one size within 5 %.
    """
    width = 96 if concatenate else 64
    return width, UNet(token_width=width, heads=(4, 4), positions=True, concatenate=concatenate)


def num_steps_for(concatenate: bool, quick: bool) -> int:
    """As many as take the same time: a step with cross-attention takes 1.1 times one with concatenation."""
    return 150 if quick else 2_200 if concatenate else 2_000


def shapes_map(concatenate: bool, seed: int) -> Build:
    """Semantic maps to shapes: what is where is given, the colours are free."""

    def recipe(quick: bool = False) -> Training:
        data, autoencoder = scenes(quick), KLAutoencoder.load("shapes-autoencoder")
        width, unet = seeded(lambda: reading(concatenate), seed)
        encoder = seeded(lambda: MapEncoder(1 + len(KINDS), token_width=width), seed)
        settings = FitSettings(num_steps=num_steps_for(concatenate, quick), learning_rate=1e-3, seed=seed)
        return latent_training(autoencoder, data.x, data.maps, encoder, unet, settings, BATCH_SIZE)

    return recipe


def fashion_blur(concatenate: bool, seed: int) -> Build:
    """Blurred garments to sharp ones: super-resolution on real images, a quarter of them at each of BLURS."""

    def recipe(quick: bool = False) -> Training:
        x, autoencoder = fashion_mnist().x[: 2_000 if quick else None], KLAutoencoder.load("fashion-autoencoder")
        width, unet = seeded(lambda: reading(concatenate), seed)
        encoder = seeded(lambda: ImageEncoder(token_width=width), seed)
        condition = torch.empty_like(x)
        for k, sigma in enumerate(BLURS):
            condition[k :: len(BLURS)] = blurred(x[k :: len(BLURS)], sigma)
        settings = FitSettings(num_steps=num_steps_for(concatenate, quick), learning_rate=1e-3, seed=seed)
        return latent_training(autoencoder, x, condition, encoder, unet, settings, BATCH_SIZE)

    return recipe


# The comparison: each spatial task read in both ways, from three seeds; the first of each by attention is shipped.
SPATIAL_TASKS = {"shapes-map": shapes_map, "fashion-blur": fashion_blur}
WAYS = {"attention": False, "concatenation": True}
SEEDS = (1, 2, 3)


def compared(task: str, way: str, seed: int) -> str:
    """The name of a training of the comparison; the first by attention has the name of its task, and is shipped."""
    return task if (way, seed) == ("attention", SEEDS[0]) else f"{task}-{way}-{seed}"


COMPARISON = {
    compared(task, way, seed): recipe(concatenate, seed)
    for task, recipe in SPATIAL_TASKS.items()
    for way, concatenate in WAYS.items()
    for seed in SEEDS
}
