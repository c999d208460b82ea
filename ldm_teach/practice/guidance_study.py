"""Both kinds of guidance on the shipped model, over grids of scales and seeds: the curves of notebooks 06 and 07."""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ldm_teach.models.classifier import ImageClassifier, NoisyClassifier
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.practice import measured
from ldm_teach.practice.data import DATA, FASHION_CLASSES, fashion_mnist
from ldm_teach.practice.metrics import (
    accuracy,
    diversity_within,
    frechet_distance,
    judge_images,
    precision_recall,
)
from ldm_teach.theory.guidance import classifier_guidance, on_interval, rescaled
from ldm_teach.theory.schedule import Denoiser

MEASURED = DATA / "measured" / "guidance.json"
INTERVAL = 300, 700  # the timesteps of guidance on an interval

Method = Callable[[LatentDiffusion, Tensor, float], Denoiser]  # (model, labels (B,), scale) -> guided denoiser


class Measurement(NamedTuple):
    """One method at one scale and one seed: samples of balanced classes, judged in the features of the judge.

    frechet: to the 10,000 test images.  precision, recall: against as many test images as there are samples.
    accuracy: the share that the judge sees as the class asked for.  diversity: the mean distance between two samples of
    a class.  milliseconds: of sampling and decoding one image, on this machine.
    """

    method: str
    scale: float
    seed: int
    frechet: float
    precision: float
    recall: float
    accuracy: float
    diversity: float
    milliseconds: float


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


def methods() -> dict[str, tuple[Method, tuple[float, ...]]]:
    """What is compared, each with its grid of scales: s for the unconditional model, w for the conditional one."""
    noisy, clean = (NoisyClassifier.load(f"fashion-classifier{kind}") for kind in ("", "-clean"))
    return {
        "unconditional + classifier": (with_classifier(noisy, False), (0.0, 1.0, 2.0, 4.0, 8.0)),
        "unconditional + clean classifier": (with_classifier(clean, False, blind=True), (1.0, 4.0)),
        "conditional + classifier": (with_classifier(noisy, True), (0.5, 1.0, 2.0, 4.0)),
        "classifier-free": (classifier_free, (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)),
        "classifier-free, interval": (on_the_interval, (0.5, 1.0, 2.0, 4.0)),
        "classifier-free, rescaled": (rescaled_free, (1.0, 4.0)),
    }


class Reference(NamedTuple):
    """What the judge sees in the test images: features (10,000, F), classes predicted and true."""

    features: Tensor
    predicted: Tensor
    labels: Tensor


def judge_set(x: Tensor, labels: Tensor, judge: ImageClassifier, reference: Reference) -> dict[str, float]:
    """The five figures of a Measurement for images x (N, C, H, W) that should show `labels` (N,)."""
    features, predicted = judge_images(judge, x)
    precision, recall = precision_recall(reference.features[: len(x)], features)
    return dict(
        frechet=frechet_distance(features, reference.features),
        precision=precision,
        recall=recall,
        accuracy=accuracy(predicted, labels)[0],
        diversity=diversity_within(features, labels),
    )


@torch.no_grad()
def study(num_samples: int = 1_500, num_steps: int = 12, seeds: Sequence[int] = (0, 1, 2)) -> Iterator[Measurement]:
    """Measure real images and every method at every scale of its grid; yields each Measurement as soon as it is known.

    A seed means the same noise for all methods and scales. "real" is the floor: training images in the place of samples
    (their accuracy is that of the test images, which the judge has not seen either).
    """
    model, judge = LatentDiffusion.load("fashion-class"), ImageClassifier.load("fashion-judge")
    train, test = fashion_mnist(True), fashion_mnist(False)
    reference = Reference(*judge_images(judge, test.x), test.y)
    seen = accuracy(reference.predicted, reference.labels)[0]
    labels = torch.arange(num_samples) % len(FASHION_CLASSES)
    for seed in seeds:
        order = torch.randperm(len(train.x), generator=torch.Generator().manual_seed(seed))
        rows = torch.cat([order[train.y[order] == k][: (labels == k).sum()] for k in range(len(FASHION_CLASSES))])
        real = judge_set(train.x[rows], train.y[rows], judge, reference) | dict(accuracy=seen)
        yield Measurement("real", 0.0, seed, milliseconds=0.0, **real)
    for name, (method, scales) in methods().items():
        for scale in scales:
            for seed in seeds:
                generator, start = torch.Generator().manual_seed(seed), time.perf_counter()
                x = [
                    model.draw(method(model, y, scale), len(y), num_steps=num_steps, generator=generator)
                    for y in labels.split(500)
                ]
                milliseconds = 1e3 * (time.perf_counter() - start) / num_samples
                figures = judge_set(torch.cat(x), labels, judge, reference)
                yield Measurement(name, scale, seed, milliseconds=milliseconds, **figures)


class Estimate(NamedTuple):
    """The mean over the seeds and the half-width of its 95 % confidence interval (Student's t; nan for one seed)."""

    mean: float
    half_width: float


FIGURES = ("frechet", "precision", "recall", "accuracy", "diversity", "milliseconds")


def summarize(measurements: Sequence[Measurement]) -> dict[tuple[str, float], dict[str, Estimate]]:
    """(method, scale) -> figure -> Estimate, in the order of the measurements."""
    groups: dict[tuple[str, float], list[Measurement]] = {}
    for row in measurements:
        groups.setdefault((row.method, row.scale), []).append(row)
    table = {}
    for key, rows in groups.items():
        table[key] = {figure: estimate([getattr(row, figure) for row in rows]) for figure in FIGURES}
    return table


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of values of independent seeds, with its confidence interval."""
    from scipy.stats import t as student  # slow to import

    n = len(values)
    deviation = statistics.stdev(values) if n > 1 else math.nan
    return Estimate(statistics.fmean(values), float(student.ppf(0.975, n - 1)) * deviation / n**0.5)


def read(path: Path = MEASURED) -> tuple[list[Measurement], dict]:
    """The measurements and the settings that `python -m ldm_teach guidance` kept; raises what `measured.read` does."""
    return measured.read(Measurement, path)
