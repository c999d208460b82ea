"""Guidance of a whole model: each way of guiding is a function (model, condition, scale) -> denoiser."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ldm_teach import checks
from ldm_teach.models.classifier import NoisyClassifier
from ldm_teach.models.conditioning import WordsAndStyleEncoder
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.pixels import Pixels
from ldm_teach.processes import gathered, position
from ldm_teach.progress import progress
from ldm_teach.theory.guidance import classifier_guidance, clip_x0, nested_guidance, rescaled
from ldm_teach.theory.samplers import Sampler, dpm_solver
from ldm_teach.theory.schedule import Denoiser
from ldm_teach.theory.tensors import Share

Method = Callable[[LatentDiffusion, Tensor, float], Denoiser]  # (model, condition (B, ...), scale) -> guided denoiser


def makes_denoisers(model: LatentDiffusion) -> None:
    """Raises ValueError for a model that is none, or its class."""
    if isinstance(model, type) or not hasattr(model, "denoiser"):
        raise ValueError(f"model is {checks.describe(model)}; want a LatentDiffusion")


def with_classifier(classifier: NoisyClassifier, conditional: bool, blind: bool = False) -> Method:
    """Classifier guidance of the conditional or of the unconditional model.

    blind: the classifier takes every input for a clean one (t = 0), as one that never saw noise does.
    """

    checks.instance("classifier", classifier, NoisyClassifier)
    checks.flag("conditional", conditional)
    checks.flag("blind", blind)

    def method(model: LatentDiffusion, labels: Tensor, scale: float) -> Denoiser:
        aware = classifier.log_prob(labels)
        log_prob = (lambda z_t, t: aware(z_t, torch.zeros_like(t))) if blind else aware
        return classifier_guidance(model.denoiser(labels if conditional else None), log_prob, model.schedule, scale)

    return method


def weighted(
    model: LatentDiffusion, condition: Tensor, scale: float, interval: tuple[int, int] | None = None
) -> Denoiser:
    """The model's denoiser with w = scale. Raises ValueError for a model that is none and a scale that is no number."""
    makes_denoisers(model)
    return model.denoiser(condition, w=checks.finite("scale", scale), interval=interval)


def classifier_free(model: LatentDiffusion, condition: Tensor, scale: float) -> Denoiser:
    """Classifier-free guidance with weight w = scale."""
    return weighted(model, condition, scale)


def free_on(interval: tuple[int, int] | None) -> Method:
    """Classifier-free guidance, w = scale, from the first timestep of an interval to the last; None is all of them."""

    def method(model: LatentDiffusion, condition: Tensor, scale: float) -> Denoiser:
        return weighted(model, condition, scale, interval)

    return method


def rescaled_free(model: LatentDiffusion, condition: Tensor, scale: float) -> Denoiser:
    """Classifier-free guidance with weight w = scale, its prediction shrunk to the size of the conditional one."""
    return rescaled(weighted(model, condition, scale), model.denoiser(condition), model.schedule)


def clipped_free(model: LatentDiffusion, condition: Tensor, scale: float) -> Denoiser:
    """Classifier-free guidance with weight w = scale of a model of grey pixels, x_0 clipped to the range of pixels."""
    guided = weighted(model, condition, scale)
    if not isinstance(model.autoencoder, Pixels) or len(model.latent_mean) > 1:
        raise ValueError(f"model works on {type(model.autoencoder).__name__}; want a model of pixels of one channel")
    black, white = ((value - float(model.latent_mean)) / float(model.latent_std) for value in (-1, 1))
    return clip_x0(guided, model.schedule, black, white)


def style_and_words(
    model: LatentDiffusion, prompts: Sequence[str] | Tensor, w_style: float | Tensor, w_words: float | Tensor
) -> Denoiser:
    """Guidance with a weight for the style and one for the words, each a number, or (B,) for each sample its own.

    The `nested_guidance` of the words within the style. With equal weights it is `model.denoiser(prompts, w=w)`; where
    a prompt has only one of the two, only that one's weight counts. Raises ValueError for a model of another condition.
    """
    makes_denoisers(model)
    encoder = model.encoder
    if not isinstance(encoder, WordsAndStyleEncoder):
        raise ValueError(f"model reads its condition with {type(encoder).__name__}; want a WordsAndStyleEncoder")
    numbers = encoder.check(prompts)
    if not isinstance(w_style, Tensor) and not isinstance(w_words, Tensor) and w_style == w_words:
        return model.denoiser(numbers, w=w_words)  # the same, with two calls of the network in the place of three
    style = model.denoiser(encoder.drop(numbers, words=True))
    return nested_guidance(model.denoiser(numbers), style, model.denoiser(), w_style, w_words)


@torch.no_grad()
def sample_all(
    model: LatentDiffusion,
    condition: Tensor,
    scale: float,
    num_steps: int,
    seed: int,
    *,
    method: Method = classifier_free,
    sampler: Sampler = dpm_solver,
    batch_size: int = 250,
) -> Tensor:
    """A sample (N, C, H, W) for each of N conditions, guided by `method`, in batches, from the noise of one seed.

    condition: as the encoder's `check` returns it, (N, ...). The processes of a group (`processes.joined`) share each
    batch and what is drawn for it, and all have all samples in the end: those of one process, but for rounding.
    """
    makes_denoisers(model)
    if not checks.tensor("condition", condition).ndim or not len(condition):
        raise ValueError(f"condition is {checks.describe(condition)}; want (N, ...) with N at least 1")
    checks.function("method", method, "(model, condition, scale)")
    chunks = condition.split(checks.count("batch_size", batch_size))
    index, count = position()
    if len(chunks[-1]) < count or len(chunks[0]) < count:
        sizes = f"{len(condition)} conditions in batches of {batch_size}"
        raise ValueError(f"condition has {sizes}; want {count} or more in each, one for each process")
    generator, samples = torch.Generator().manual_seed(checks.seed(seed)), []
    for chunk in progress(chunks, "sampling", "batch"):
        own = chunk.tensor_split(count)[index]
        draws = generator if count == 1 else Share(generator, index, count, len(chunk) % count)
        images = model.draw(method(model, own, scale), len(own), num_steps=num_steps, generator=draws, sampler=sampler)
        samples.append(gathered(images))
    return torch.cat(samples)
