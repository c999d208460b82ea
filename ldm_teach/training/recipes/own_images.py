"""A model of one's own images, in both stages: what there is decides how large, the time one gives how long."""

import contextlib
import functools
import itertools
import json
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from ldm_teach import checks
from ldm_teach.data.image_captions import image_captions, vocabulary_of
from ldm_teach.data.image_folder import ImageFolder, Looked, typical_side
from ldm_teach.files import whole
from ldm_teach.models import checkpoint
from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.conditioning import ClassEncoder, TextEncoder
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.unet import UNet
from ldm_teach.training.batches import Batches
from ldm_teach.training.device import choose_device
from ldm_teach.training.loop import FitSettings, cosine_decay
from ldm_teach.training.losses import diffusion_loss, on_images
from ldm_teach.training.recipes.larger import SCHEDULE, Plan, first_loss
from ldm_teach.training.recipes.latent import moments_training, posterior_moments
from ldm_teach.training.recipes.recipe import Training, seeded
from ldm_teach.words import split_words

SIDES = range(32, 257, 32)  # pixels: at f = 4 or 8 a U-Net can halve the latent as often as it wants to
MEMORY = 2**30  # bytes of decoded pictures, and then their latents, that are kept; larger sets are read batch by batch
ONE_IN = 20  # images is held out of the first stage, to measure it
MOST_WORDS = 24  # of a caption; the rest is not read
EXAMPLES = 8  # captions that go with the model
TOKEN_WIDTH = 128
WIDTHS = {32: 0, 48: 1_000, 64: 10_000}  # of the finest layers, and how many images each wants
ENOUGH = 3_000  # steps in each stage, without which a wider network is not chosen
FIRST, SECOND = 0.4, 0.5  # of the time, for each stage; a tenth is left for looking, encoding and the sheets
TIMED = 6  # steps
MOST_PASSES = 1_000  # through the images, in each stage


class Asked(NamedTuple):
    """What each image of a folder is asked for by.

    condition: (N,) numbers of classes or (N, L) of words, int64.  encoder: makes the encoder that reads it.  words:
    what it is, in a few.
    """

    condition: Tensor
    encoder: Callable[[], ClassEncoder | TextEncoder]
    words: str


class Chosen(NamedTuple):
    """What is settled before a training of one's own images begins, and kept, so that it goes on as it was.

    side: of the images, in pixels.  most: of the images, None for all.  minutes: asked for.  width: a key of WIDTHS.
    batch_size: of both stages.  first, second: their steps, each of which took so many seconds when it was tried.
    """

    side: int
    most: int | None
    minutes: float
    width: int
    batch_size: int
    first: int
    second: int
    first_seconds: float
    second_seconds: float

    @classmethod
    def load(cls, path: Path) -> "Chosen":
        """What `save` wrote. Raises FileNotFoundError where there is nothing, and ValueError for anything else."""
        try:
            return cls(**json.loads(path.read_text("utf-8")))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} is not the plan of a training: {error}") from error

    def save(self, path: Path) -> None:
        """Write it to a file, whole or not at all."""
        with whole(path) as part:
            part.write_text(json.dumps(self._asdict(), indent=2) + "\n", "utf-8")


def check_side(side: int) -> int:
    """The side itself. Raises ValueError unless it is one of SIDES."""
    if checks.count("side", side) not in SIDES:
        raise ValueError(f"side is {side}; want a multiple of {SIDES.step} from {SIDES.start} to {SIDES[-1]} pixels")
    return side


def usual_side(images: Path) -> int:
    """The side without another wish: 64, or 32 where most of the images are nearer to that."""
    return 64 if typical_side(images) >= 48 else 32


def conditions_of(folder: ImageFolder) -> Asked:
    """Captions, where at least half of the images have one; else classes, the sub-folders.

    Of the captions, words count that two have or more, as `vocabulary_of` says; images without a caption are shown
    with an empty one. Raises what `image_captions` raises.
    """
    captions = image_captions(folder.root, folder.files)
    told, vocabulary = sum(map(bool, captions)), vocabulary_of(captions)
    if vocabulary and 2 * told >= len(captions):
        longest = min(MOST_WORDS, max(len(split_words(caption)) for caption in captions))
        examples = examples_of(captions, vocabulary, longest)
        text = functools.partial(TextEncoder, vocabulary, longest, TOKEN_WIDTH, examples=examples)
        words = f"captions of {told:,} of them with {len(vocabulary):,} words"
        return Asked(seeded(text, 0).known(captions), text, words)
    number = len(folder.classes)
    names = ", ".join(name or "the folder itself" for name in folder.classes[:8]) + ", ..." * (number > 8)
    words = "one class, that of all" if number == 1 else f"{number} classes ({names})"
    words += f"; the captions, which {told:,} of them have, are not read" if told else ""
    return Asked(folder.labels, functools.partial(ClassEncoder, number, TOKEN_WIDTH, names=folder.classes), words)


def examples_of(captions: list[str], vocabulary: list[str], longest: int) -> list[str]:
    """Some of the captions that a model of this vocabulary takes, evenly spread; words where it takes none."""
    known = set(vocabulary)
    whole = [one for one in dict.fromkeys(captions) if known.issuperset(split_words(one)) and split_words(one)]
    taken = [one for one in whole if len(split_words(one)) <= longest]
    return taken[:: math.ceil(len(taken) / EXAMPLES) or 1] or [word for word in vocabulary if word.isalnum()][:EXAMPLES]


def plan_of(chosen: Chosen) -> Plan:
    """Both stages: f = 4 to 4 channels below 64 pixels, else f = 8 to 8; the U-Net halves the latent once or twice."""
    f, w = 4 if chosen.side < 64 else 8, chosen.width
    levels = 2 if chosen.side // f <= 16 else 3
    ladder = dict(widths=(w, 2 * w), depths=(1, 2)) if f == 4 else dict(widths=(w, 2 * w, 3 * w), depths=(1, 1, 2))
    unet = dict(widths=(2 * w, *[4 * w] * (levels - 1)), heads=(0, *[4] * (levels - 1)))
    rate = math.sqrt(32 / w)  # a wider network takes shorter steps
    return Plan(
        "own-images",
        side=chosen.side,
        autoencoder=dict(downsampling=f, latent_channels=f, **ladder),
        unet=dict(**unet, token_width=TOKEN_WIDTH, positions=True),
        batch_size=chosen.batch_size,
        first=FitSettings(chosen.first, 2e-3 * rate, min(100, chosen.first // 10), cosine_decay, seed=30),
        second=FitSettings(chosen.second, 1e-3 * rate, min(100, chosen.second // 10), seed=31),
    )


def divided(folder: ImageFolder) -> tuple[ImageFolder, ImageFolder]:
    """What the first stage is trained on, and one image in ONE_IN to measure it; all for both where there are fewer."""
    if len(folder) < ONE_IN:
        return folder, folder
    held_out = torch.arange(len(folder)) % ONE_IN == ONE_IN // 2
    return folder.part((~held_out).nonzero()[:, 0]), folder.part(held_out.nonzero()[:, 0])


def autoencoder_training(plan: Plan, images: ImageFolder) -> Training:
    """The first stage, on images mirrored at random: an autoencoder loses nothing by it."""
    batches = Batches(images, batch_size=min(plan.batch_size, len(images)), seed=plan.first.seed)
    return Training(plan.new_autoencoder(), first_loss(None), batches, plan.first)


def diffusion_training(
    plan: Plan, autoencoder: KLAutoencoder, moments: tuple[Tensor, Tensor] | None, images: ImageFolder, asked: Asked
) -> Training:
    """The second stage, on moments of the latents, or where these are None on images that each step encodes.

    Nothing is mirrored: words such as "left", letters and hands would be wrong.
    """
    unet, encoder = seeded(
        lambda: (UNet(channels=autoencoder.latent_shape[0], **plan.unet), asked.encoder()), plan.second.seed
    )
    size = min(plan.batch_size, len(asked.condition))
    if moments is not None:
        return moments_training(autoencoder, moments, asked.condition, encoder, unet, plan.second, size)
    model = LatentDiffusion(autoencoder, unet, encoder, SCHEDULE)
    some = torch.arange(0, len(images), -(-len(images) // 250))
    model.measure_latents(*posterior_moments(autoencoder, images.part(some)))
    batches = Batches(images, asked.condition, batch_size=size, seed=plan.second.seed)
    return Training(model, on_images(diffusion_loss(SCHEDULE, drop=0.1)), batches, plan.second)


def tried(plan: Plan, folder: ImageFolder, asked: Asked) -> tuple[Training, Training]:
    """Both stages as they will be, but on latents of noise, for there is no autoencoder yet."""
    first = autoencoder_training(plan, divided(folder)[0])
    rows = min(plan.batch_size, len(folder))
    autoencoder = cast(KLAutoencoder, first.average)
    mean = torch.randn((rows, *autoencoder.latent_shape), generator=torch.Generator().manual_seed(0))
    moments = None if folder.looked.pixels is None else (mean, 0.1 * torch.ones_like(mean))
    few = asked if moments is None else asked._replace(condition=asked.condition[:rows])
    return first, diffusion_training(plan, autoencoder, moments, folder, few)


def seconds_of(training: Training, **how: Any) -> float:
    """The median time of a step; the training is of no other use afterwards."""
    times = [time.perf_counter() for _ in training.fit(**how)]
    return statistics.median(after - before for before, after in itertools.pairwise(times))


def choose(
    folder: ImageFolder, asked: Asked, *, minutes: float, batch_size: int = 32, most: int | None = None, **how: Any
) -> Chosen:
    """The widest networks that the images and the time allow, and as many steps as the time allows on this machine.

    Widths are tried from the narrowest on, as long as there are enough images (WIDTHS) and either stage gets ENOUGH
    steps; no stage goes through the images more than MOST_PASSES times.  how: those of `fit`, device, workers and
    accumulate. Raises ValueError for minutes that are no number above 0.
    """
    checks.positive("minutes", minutes)
    found: Chosen | None = None
    for width in (width for width, images in WIDTHS.items() if len(folder) >= images):
        draft = Chosen(folder.side, most, minutes, width, checks.count("batch_size", batch_size), TIMED, TIMED, 0, 0)
        stages = tried(plan_of(draft), folder, asked)
        seconds = [seconds_of(stage, **how) for stage in stages]
        steps = [int(60 * minutes * share / each) for share, each in zip((FIRST, SECOND), seconds, strict=True)]
        if found is not None and min(steps) < ENOUGH:
            break
        counts = len(divided(folder)[0]), len(folder)
        most_steps = [MOST_PASSES * n // stage.batches.batch_size for n, stage in zip(counts, stages, strict=True)]
        first, second = (max(1, min(both)) for both in zip(steps, most_steps, strict=True))
        found = draft._replace(first=first, second=second, first_seconds=seconds[0], second_seconds=seconds[1])
        if min(steps) < 2 * ENOUGH:  # the next width has twice the work, about
            break
    return checks.instance("found", found, Chosen)


def kept_folder(images: Path, side: int, most: int | None, run: Path) -> ImageFolder:
    """The folder, its pictures in memory if they fit; what was seen of it is kept in run/pictures, and not looked up
    again while the files are the same.
    """
    looked = None
    with contextlib.suppress(FileNotFoundError, ValueError):  # none yet, or damaged
        config, tensors = checkpoint.read_tensors(run / "pictures", "Pictures")
        looked = Looked(config["fingerprint"], config["left_out"], tensors.get("pixels"))
    folder = ImageFolder(images, side, most, MEMORY, looked)
    if folder.looked is not looked:
        fingerprint, left_out, pixels = folder.looked
        tensors = {} if pixels is None else dict(pixels=pixels)
        config = dict(fingerprint=fingerprint, left_out=left_out)
        checkpoint.write_tensors(run / "pictures", "Pictures", config, tensors)
    return folder


def kept_moments(
    autoencoder: KLAutoencoder, folder: ImageFolder, run: Path, device: str | None = None
) -> tuple[Tensor, Tensor] | None:
    """What `posterior_moments` makes of the folder with the autoencoder saved in run/autoencoder; kept in run/latents,
    and not made again while both are the same. None where the pictures are not kept in memory either.
    """
    if folder.looked.pixels is None:
        return None
    of = f"{folder.looked.fingerprint} {checkpoint.header(run / 'autoencoder')['sha256']}"
    with contextlib.suppress(FileNotFoundError, ValueError):  # none yet, or damaged
        config, tensors = checkpoint.read_tensors(run / "latents", "Latents")
        if config["of"] == of:
            return tensors["mean"], tensors["std"]
    place = choose_device(device)
    moments = posterior_moments(autoencoder.to(place), folder, device=place)
    mean, std = (moment.contiguous() for moment in moments)  # as they are when read: sums differ in the last digit
    autoencoder.cpu()
    checkpoint.write_tensors(run / "latents", "Latents", dict(of=of), dict(mean=mean, std=std))
    return mean, std
