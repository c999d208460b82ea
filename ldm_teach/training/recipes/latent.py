"""The class-conditional latent diffusion models."""

import torch
from torch import Tensor

from ldm_teach.data.emoji import as_images
from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.data.image_folder import ImageFolder
from ldm_teach.models import checkpoint
from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.conditioning import ClassEncoder, ConditionEncoder
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.pixels import Pixels
from ldm_teach.models.unet import UNet
from ldm_teach.models.vector_quantization import Autoencoder, load_autoencoder
from ldm_teach.progress import progress
from ldm_teach.theory.schedule import NoiseSchedule
from ldm_teach.training.batches import Batches
from ldm_teach.training.loop import FitSettings
from ldm_teach.training.losses import diffusion_loss
from ldm_teach.training.recipes.recipe import Build, Training, run_folder, seeded


def first_stage(name: str, quick: bool) -> KLAutoencoder:
    """The autoencoder of a recipe: kept among the shipped models, or under runs/.

    Raises FileNotFoundError that says how to train it.
    """
    shipped = {} if quick else checkpoint.shipped()
    where = shipped.get(name, run_folder(name, quick))
    if not (where / "model.json").is_file():
        command = f"python -m ldm_teach train {name}{' --quick' * quick}"
        raise FileNotFoundError(f"{where} holds no autoencoder yet: first `{command}`, on the same images")
    return KLAutoencoder.load(where)


@torch.no_grad()
def posterior_moments(
    autoencoder: Autoencoder | Pixels,
    x: Tensor | ImageFolder,
    batch_size: int = 250,
    device: str | torch.device = "cpu",
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of q(z|x) for images x (N, C, H, W), both (N, c, h, w): encoded only once.

    x: in [-1, 1], or uint8, of which a batch at a time is made floats.  device: where the autoencoder is; what is
    returned is on the CPU.
    """

    def encoded(rows: Tensor) -> tuple[Tensor, Tensor]:
        chunk = x[rows]
        posterior = autoencoder.encode((as_images(chunk) if chunk.dtype == torch.uint8 else chunk).to(device))
        return posterior.mean.cpu(), posterior.std.cpu()

    rows = torch.arange(len(x)).split(batch_size)
    mean, std = zip(*(encoded(some) for some in progress(rows, "encoding", "batch")), strict=True)
    return torch.cat(mean), torch.cat(std)


def latent_training(
    autoencoder: Autoencoder | Pixels,
    x: Tensor,
    condition: Tensor,
    encoder: ConditionEncoder,
    unet: UNet,
    settings: FitSettings,
    batch_size: int = 128,
) -> Training:
    """The diffusion model of images x (N, C, H, W) under their conditions (k N, ...), on the autoencoder's latents.

    Each image has k conditions: condition i is one of image i modulo N.
    """
    moments = posterior_moments(autoencoder, x)
    return moments_training(autoencoder, moments, condition, encoder, unet, settings, batch_size)


def moments_training(
    autoencoder: Autoencoder | Pixels,
    moments: tuple[Tensor, Tensor],
    condition: Tensor,
    encoder: ConditionEncoder,
    unet: UNet,
    settings: FitSettings,
    batch_size: int,
) -> Training:
    """`latent_training` where the images are encoded already, to what `posterior_moments` returns."""
    mean, std = moments
    model = LatentDiffusion(autoencoder, unet, encoder, NoiseSchedule.cosine())
    model.measure_latents(mean, std)
    columns = (
        m.repeat(len(condition) // len(mean), 1, 1, 1) for m in (model.standardize(mean), std / model.latent_std)
    )
    batches = Batches(*columns, condition, batch_size=batch_size, seed=settings.seed)
    return Training(model, diffusion_loss(model.schedule, drop=0.15), batches, settings)


def fashion_class(
    quick: bool = False,
    autoencoder: Autoencoder | None = None,
    widths: tuple[int, int] = (64, 128),
    num_steps: int = 24_000,
) -> Training:
    """The class-conditional latent diffusion model on the latents of an autoencoder, by default the shipped one."""
    autoencoder = autoencoder or KLAutoencoder.load("fashion-autoencoder")
    x, y = fashion_mnist()
    if quick:
        x, y, num_steps = x[:10_000], y[:10_000], 150
    unet, encoder = seeded(lambda: (UNet(widths=widths), ClassEncoder()), seed=4)
    settings = FitSettings(num_steps=num_steps, learning_rate=1.5e-3, seed=4)
    return latent_training(autoencoder, x, y, encoder, unet, settings)


DOWNSTREAM_STEPS = 4_000


def on_latents_of(name: str) -> Build:
    """The recipe of a small latent diffusion model on an autoencoder of the ladder, for the same time on each."""
    return lambda quick=False: fashion_class(quick, load_autoencoder(name), widths=(32, 64), num_steps=DOWNSTREAM_STEPS)


DOWNSTREAM = {f"fashion-class-{kind}": on_latents_of(f"fashion-{kind}-f4") for kind in ("kl", "vq")}
