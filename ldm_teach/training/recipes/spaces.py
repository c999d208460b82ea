"""The trainings of latent against pixel: one U-Net, one schedule, one condition, in five spaces."""

from typing import NamedTuple

from ldm_teach import checks
from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.models.conditioning import ClassEncoder
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.pixels import Pixels
from ldm_teach.models.unet import UNet
from ldm_teach.models.vector_quantization import load_autoencoder
from ldm_teach.theory.schedule import NoiseSchedule
from ldm_teach.training.loop import FitSettings, constant
from ldm_teach.training.recipes.latent import latent_training
from ldm_teach.training.recipes.recipe import Training, seeded


class Space(NamedTuple):
    """Where diffusion works: on the latents of an autoencoder, or (None) on pixels; widths and heads of the U-Net."""

    autoencoder: str | None = None
    widths: tuple[int, ...] = (64, 128)
    heads: tuple[int, ...] = (0, 4)


# All have the same U-Net, but for `pixels-deep`: of as many parameters within 2 %, it halves the image twice, so that
# its widest layers and its attention work at 7x7. A step takes it a third of the multiplications.
SPACES = {
    "pixels": Space(),
    "pixels-deep": Space(widths=(32, 48, 128), heads=(0, 0, 4)),
    "f2": Space("fashion-kl-f2"),
    "f4": Space("fashion-kl-f4"),
    "f8": Space("fashion-kl-f8"),
}


def untrained(space: str, seed: int = 0) -> LatentDiffusion:
    """The new model of a space."""
    where = SPACES[checks.word("space", space, SPACES)]
    autoencoder = Pixels() if where.autoencoder is None else load_autoencoder(where.autoencoder)
    shape = dict(channels=autoencoder.latent_shape[0], widths=where.widths, heads=where.heads)
    unet, encoder = seeded(lambda: (UNet(**shape), ClassEncoder()), seed)
    return LatentDiffusion(autoencoder, unet, encoder, NoiseSchedule.cosine())


def in_space(space: str, seed: int, num_steps: int) -> Training:
    """The training in a space. The learning rate is constant, so that each moment of it is the end of a shorter one."""
    model = untrained(space, seed)
    settings = FitSettings(num_steps=num_steps, learning_rate=1e-3, decay=constant, seed=seed)
    return latent_training(model.autoencoder, *fashion_mnist(), model.encoder, model.unet, settings)
