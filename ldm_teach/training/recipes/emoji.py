"""Words to colour pictures: the autoencoder of the emoji, the diffusion model of words and a style, and their judge."""

from typing import cast

from ldm_teach.data.emoji import EMOJI_GROUPS, EMOJI_SIDE, EMOJI_STYLES, Emoji, emoji, emoji_names
from ldm_teach.data.emoji_captions import MAX_EMOJI_WORDS, draw_emoji_captions, emoji_vocabulary
from ldm_teach.models import checkpoint
from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.conditioning import WordsAndStyleEncoder
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.picture_judge import PictureJudge
from ldm_teach.models.unet import UNet
from ldm_teach.theory.schedule import NoiseSchedule
from ldm_teach.training.batches import Batches
from ldm_teach.training.loop import FitSettings, cosine_decay
from ldm_teach.training.losses import (
    autoencoder_loss,
    captioned,
    diffusion_loss,
    judgement_loss,
    kl_per_element,
    mirrored,
    of_bytes,
)
from ldm_teach.training.recipes.latent import first_stage, posterior_moments
from ldm_teach.training.recipes.recipe import Training, seeded

QUICK_PICTURES, QUICK_STEPS = 1_000, 100
AUTOENCODER = dict(
    image_size=(EMOJI_SIDE, EMOJI_SIDE),
    image_channels=3,
    downsampling=8,
    latent_channels=8,
    widths=(32, 96, 160),
    depths=(1, 1, 2),
)


def pictures(quick: bool) -> Emoji:
    """The pictures of training, few of them where it must be quick."""
    data = emoji()
    return Emoji(*(column[:: len(data.x) // QUICK_PICTURES if quick else 1] for column in data))


def emoji_autoencoder(quick: bool = False, weight: float = 1e-4, num_steps: int = 22_000) -> Training:
    """3x64x64 -> 8x8x8. Absolute errors, of pixels and of edges, keep it sharp; mirrored pictures are twice as many.

    weight: of the KL divergence.
    """
    model = seeded(lambda: KLAutoencoder(**AUTOENCODER), seed=30)
    loss = autoencoder_loss(
        None, regularizer=kl_per_element, weight=weight, perceptual_weight=0, absolute_weight=0.1, edge_weight=0.2
    )
    settings = FitSettings(
        num_steps=QUICK_STEPS if quick else num_steps, learning_rate=2e-3, decay=cosine_decay, seed=30
    )
    batches = Batches(pictures(quick).x, batch_size=16, seed=30)
    return Training(model, of_bytes(mirrored(loss)), batches, settings)


def emoji_first_stage(quick: bool) -> KLAutoencoder:
    """The trained autoencoder: that of `first_stage`, or where there is none that inside the shipped model."""
    try:
        return first_stage("emoji-autoencoder", quick)
    except FileNotFoundError:
        if "emoji" not in checkpoint.shipped():
            raise
        return cast(KLAutoencoder, LatentDiffusion.load("emoji").autoencoder)


def new_networks() -> tuple[UNet, WordsAndStyleEncoder]:
    """The networks of the model, new: the U-Net, and what reads the words and the style."""
    unet = UNet(AUTOENCODER["latent_channels"], widths=(128, 176), heads=(4, 4), positions=True)
    return unet, WordsAndStyleEncoder(emoji_vocabulary(), EMOJI_STYLES, MAX_EMOJI_WORDS)


def emoji_model(quick: bool = False) -> Training:
    """Words and a style to pictures. Of 100 captions 72 are whole; 10 are dropped, 9 keep the style, 9 the words."""
    data, autoencoder = pictures(quick), emoji_first_stage(quick)
    unet, encoder = seeded(new_networks, seed=31)
    model = LatentDiffusion(autoencoder, unet, encoder, NoiseSchedule.cosine())
    mean, std = posterior_moments(autoencoder, data.x)
    model.measure_latents(mean, std)
    moments = model.standardize(mean), std / model.latent_std
    loss = captioned(diffusion_loss(model.schedule, drop=0.1), draw_emoji_captions, drop_style=0.1, drop_words=0.1)
    settings = FitSettings(
        num_steps=QUICK_STEPS if quick else 24_000, learning_rate=1e-3, average_decay=0.9995, seed=31
    )
    return Training(model, loss, Batches(*moments, data.names, data.styles, batch_size=64, seed=31), settings)


def emoji_judge(quick: bool = False) -> Training:
    """The network that the measurements of the emoji judge with. It only ever sees the designers' own pictures."""
    data, sizes = pictures(quick), (len(emoji_names()), len(EMOJI_STYLES), len(EMOJI_GROUPS))
    model = seeded(lambda: PictureJudge(*sizes), seed=32)
    settings = FitSettings(
        num_steps=QUICK_STEPS if quick else 8_000, learning_rate=2e-3, weight_decay=0.05, decay=cosine_decay, seed=32
    )
    batches = Batches(data.x, data.names, data.styles, data.groups, batch_size=32, seed=32)
    return Training(model, of_bytes(judgement_loss), batches, settings)
