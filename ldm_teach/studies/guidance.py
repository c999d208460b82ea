"""Both kinds of guidance on the shipped model, over grids of scales and seeds: the curves of notebooks 06 and 07."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from ldm_teach.data.fashion import FASHION_CLASSES, fashion_mnist
from ldm_teach.measuring import tables as measured
from ldm_teach.measuring.judge import Reference, judge_images, judge_set
from ldm_teach.measuring.metrics import accuracy
from ldm_teach.measuring.statistics import Estimate, estimate
from ldm_teach.models.classifier import ImageClassifier, NoisyClassifier
from ldm_teach.models.guided import Method, classifier_free, on_the_interval, rescaled_free, with_classifier
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.paths import DATA

MEASURED = DATA / "measured" / "guidance.json"


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


def read(path: Path = MEASURED) -> tuple[list[Measurement], dict]:
    """The measurements and the settings that `python -m ldm_teach guidance` kept; raises what `measured.read` does."""
    return measured.read(Measurement, path)
