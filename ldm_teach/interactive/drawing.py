"""From settings to pictures: one function, which knows no widget."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from ldm_teach import checks
from ldm_teach.interactive.conditions import Requests, requested
from ldm_teach.interactive.pictures import map_picture
from ldm_teach.interactive.settings import ALL_SAMPLERS, Settings
from ldm_teach.interactive.uploads import image_for
from ldm_teach.models import checkpoint
from ldm_teach.models.classifier import NoisyClassifier
from ldm_teach.models.guided import style_and_words, with_classifier
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.theory.editing import Start, image_to_image, inpainting, slerp
from ldm_teach.theory.guidance import blend, on_interval
from ldm_teach.theory.samplers import Sampler, ddpm
from ldm_teach.theory.schedule import Denoiser

CLASSIFIER_OF_MODEL = {"fashion-class": "fashion-classifier"}  # by model, the classifier of its noisy latents


class Drawn(NamedTuple):
    """frames (F, N, C, H, W) in [-1, 1], one where there is no film; asked (1, C, H, W), what was given, or None."""

    frames: Tensor
    asked: Tensor | None = None


def draw_settings(settings: Settings, going: Callable[[], bool] = lambda: True) -> Drawn | None:
    """The pictures of the settings, `beside` left aside; None where `going`, asked at each step, says False.

    Raises ValueError for words, an image or a mask that the model does not take, and FileNotFoundError for a model that
    is not there.
    """
    model = model_named(checks.instance("settings", settings, Settings).model)
    with torch.no_grad():
        denoiser, noise = _arrow_and_noise(settings, model)
        given = None if settings.task == "sample" else image_for(model, settings.image)[None]
        free = as_pixels(grid_of(settings.mask, *squares(model)), model) if settings.task == "inpaint" else None
        begin = Start(model.schedule, noise, settings.steps)
        if given is not None:
            z = model.encode(given).expand_as(noise)
            if free is None:
                begin = image_to_image(z, noise, model.schedule, settings.strength, settings.steps)
            else:
                denoiser = inpainting(denoiser, model.schedule, z, model.latent_mask(free))
        steps = _sampler(settings)(denoiser, *begin, generator=_draws(settings, noise))
        frames = _frames(settings, model, steps, going)
    if frames is None or given is None:
        return None if frames is None else Drawn(frames, _shown(settings, model))
    if free is None:
        return Drawn(frames, given)
    return Drawn(torch.where(free, frames, given), torch.where(free, 0.0, given))


def _sampler(settings: Settings) -> Sampler:
    if settings.task == "inpaint" and settings.sampler == "ddpm":
        return cast(Sampler, functools.partial(ddpm, resampling=settings.resampling))
    return ALL_SAMPLERS[settings.sampler]


def _frames(settings: Settings, model: LatentDiffusion, steps: Any, going: Callable[[], bool]) -> Tensor | None:
    """The frames (F, N, C, H, W) that a sampler's steps lead to."""
    kept = []
    for step in steps:
        if not going():
            return None
        kept = [*kept, step.x0] if settings.film == "steps" else [step.x]
    if settings.film == "steps":
        kept[-1] = step.x  # where the sampler ends
    return model.decode(torch.cat(kept)).cpu().unflatten(0, (-1, settings.count))


def _arrow_and_noise(settings: Settings, model: LatentDiffusion) -> tuple[Denoiser, Tensor]:
    """The guided denoiser of all samples, and the noise that they start from; for a walk, frame by frame."""
    rows = settings.count * (settings.frames if settings.film == "walk" else 1)
    arrow = guided_arrow(settings, model, settings.condition, rows)
    noise = model.noise(settings.count, _seeded(settings.seed))
    if settings.film != "walk":
        return arrow, noise
    u = torch.linspace(0, 1, settings.frames).repeat_interleave(settings.count)
    noise = noise.repeat(settings.frames, 1, 1, 1)
    if settings.to_seed is not None:
        end = model.noise(settings.count, _seeded(settings.to_seed)).repeat(settings.frames, 1, 1, 1)
        noise = slerp(noise, end, u)
    if settings.to:
        arrow = blend(arrow, guided_arrow(settings, model, settings.to, rows), u)
    return arrow, noise


def guided_arrow(settings: Settings, model: LatentDiffusion, words: str, rows: int) -> Denoiser:
    """The denoiser of `rows` samples of one condition, guided as the settings say. Raises as `draw_settings`."""
    condition = _requested(model, words, settings.sigma).condition.repeat_interleave(rows, dim=0)
    if settings.guidance == "classifier-free" and settings.w_style is None:
        away = _requested(model, settings.negative, settings.sigma).condition if settings.negative else None
        return model.denoiser(condition, w=settings.w, interval=settings.interval, negative=away)
    if settings.negative:
        raise ValueError(f"negative is {settings.negative!r}; want it with classifier-free guidance of one weight")
    if settings.guidance != "classifier-free":
        conditional = settings.guidance == "classifier"
        method = with_classifier(classifier_of(settings.model), conditional)
        guided, plain = method(model, condition, settings.w), model.denoiser(condition if conditional else None)
    else:
        guided = style_and_words(model, condition, cast(float, settings.w_style), settings.w)
        plain = model.denoiser(condition)
    return guided if settings.interval is None else on_interval(guided, plain, *settings.interval)


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _draws(settings: Settings, noise: Tensor) -> Any:
    """What a sampler draws with: after the first noise; in a walk the same at each frame, or the film would flicker."""
    if settings.film == "walk":
        return [_seeded(settings.seed + k % settings.count) for k in range(len(noise))]
    generator = _seeded(settings.seed)
    torch.randn(noise.shape, generator=generator)
    return generator


def _shown(settings: Settings, model: LatentDiffusion) -> Tensor | None:
    """The condition as a picture (1, C, H, W), where it is one."""
    shown = _requested(model, settings.condition, settings.sigma).pictures
    return map_picture(shown) if shown is not None and shown.ndim == 3 else shown


@functools.lru_cache(maxsize=64)
def _requested(model: LatentDiffusion, words: str, sigma: float) -> Requests:
    return requested(model.encoder, [words], sigma)


@functools.lru_cache(maxsize=4)
def _loaded(directory: Path, written: int) -> LatentDiffusion:
    return LatentDiffusion.load(directory)


def model_named(name: str) -> LatentDiffusion:
    """The model of a shipped name or a directory, kept from call to call until it is written anew.

    Raises FileNotFoundError where there is none, and ValueError for another kind of model.
    """
    directory = checkpoint.locate(name).resolve()
    return _loaded(directory, (directory / "model.json").stat().st_mtime_ns)


@functools.cache
def _classifier(name: str) -> NoisyClassifier:
    return NoisyClassifier.load(name)


def classifier_of(name: str) -> NoisyClassifier:
    """The classifier of a model's noisy latents. Raises ValueError for a model without one."""
    if name not in CLASSIFIER_OF_MODEL:
        raise ValueError(f"guidance by a classifier has none for {name!r}; want {' or '.join(CLASSIFIER_OF_MODEL)}")
    return _classifier(CLASSIFIER_OF_MODEL[name])


def diffusion_models() -> list[str]:
    """The names of the shipped models that draw."""
    kinds = {name: checkpoint.header(directory)["kind"] for name, directory in checkpoint.shipped().items()}
    return [name for name, kind in kinds.items() if kind == LatentDiffusion.__name__]


def grid_of(mask: str, height: int, width: int) -> Tensor:
    """A mask in words, "..##/..##", as (height, width) bool, True at "#". Raises ValueError for one of another form."""
    checks.counts(height=height, width=width)
    rows = checks.word("mask", mask).split("/")
    if len(rows) != height or any(len(row) != width or set(row) - {".", "#"} for row in rows):
        raise ValueError(f"mask is {mask!r}; want {height} rows of {width} times . or #, apart by /")
    if "#" not in mask:
        raise ValueError("mask marks nothing; want a square or more to be drawn anew")
    return torch.tensor([[square == "#" for square in row] for row in rows])


def squares(model: LatentDiffusion) -> tuple[int, int]:
    """How many squares of the latent's grid lie over a model's images, whole or in part: the rows and the columns."""
    height, width = model.autoencoder.config["image_size"]
    return -(-height // model.autoencoder.downsampling), -(-width // model.autoencoder.downsampling)


def as_pixels(grid: Tensor, model: LatentDiffusion) -> Tensor:
    """The pixels (H, W) of a grid of `squares`, bool, True where the grid is."""
    f, (height, width) = model.autoencoder.downsampling, model.autoencoder.config["image_size"]
    return grid.repeat_interleave(f, 0).repeat_interleave(f, 1)[:height, :width]


def quick(settings: Settings, steps: int = 3) -> Settings:
    """The settings of a preview: no more than so many steps."""
    few = replace(settings, steps=min(steps, settings.steps), resampling=1)
    return few if few.beside is None else replace(few, beside=quick(few.beside, steps))
