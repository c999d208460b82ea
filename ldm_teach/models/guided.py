"""Guidance of a whole model: each way of guiding is a function (model, condition, scale) -> denoiser."""

from collections.abc import Callable

import torch
from torch import Tensor

from ldm_teach.models.classifier import NoisyClassifier
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.theory.guidance import classifier_guidance, on_interval, rescaled
from ldm_teach.theory.schedule import Denoiser

INTERVAL = 300, 700  # the timesteps of guidance on an interval

Method = Callable[[LatentDiffusion, Tensor, float], Denoiser]  # (model, labels (B,), scale) -> guided denoiser


def with_classifier(classifier: NoisyClassifier, conditional: bool, blind: bool = False) -> Method:
    """Classifier guidance of the conditional or of the unconditional model.

    blind: the classifier takes every input for a clean one (t = 0), as one that never saw noise does.
    """

    def method(model: LatentDiffusion, labels: Tensor, scale: float) -> Denoiser:
        knowing = classifier.log_prob(labels)
        log_prob = (lambda z_t, t: knowing(z_t, torch.zeros_like(t))) if blind else knowing
        return classifier_guidance(model.denoiser(labels if conditional else None), log_prob, model.schedule, scale)

    return method


def classifier_free(model: LatentDiffusion, labels: Tensor, scale: float) -> Denoiser:
    """Classifier-free guidance with weight w = scale."""
    return model.denoiser(labels, w=scale)


def on_the_interval(model: LatentDiffusion, labels: Tensor, scale: float) -> Denoiser:
    """Classifier-free guidance with weight w = scale at the timesteps of INTERVAL, none elsewhere."""
    return on_interval(model.denoiser(labels, w=scale), model.denoiser(labels), *INTERVAL)


def rescaled_free(model: LatentDiffusion, labels: Tensor, scale: float) -> Denoiser:
    """Classifier-free guidance with weight w = scale, its prediction shrunk to the size of the conditional one."""
    return rescaled(model.denoiser(labels, w=scale), model.denoiser(labels), model.schedule)
