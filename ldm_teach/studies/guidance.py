"""Both kinds of guidance on the shipped model, over grids of scales and seeds: the curves of notebooks 08 and 09.

Samples of balanced classes, judged in the features of the judge, beside real training images in their place.
"""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ldm_teach.data.fashion import FASHION_CLASSES
from ldm_teach.measuring import tables
from ldm_teach.measuring.judge import balanced, judge_set, real_images, reference
from ldm_teach.measuring.metrics import accuracy
from ldm_teach.measuring.statistics import Estimate, estimate
from ldm_teach.models.classifier import NoisyClassifier
from ldm_teach.models.guided import Method, classifier_free, free_on, rescaled_free, sample_all, with_classifier
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.paths import MEASURED
from ldm_teach.progress import progress

PATH = MEASURED / "guidance.json"
FIGURES = ("frechet", "precision", "recall", "accuracy", "diversity", "milliseconds")


class Row(NamedTuple):
    """One method at one scale and one seed: the figures of `judge.Judged`, and the time of a sample.

    milliseconds: of sampling and decoding one image, on this machine.
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
        "classifier-free, interval": (free_on((300, 700)), (0.5, 1.0, 2.0, 4.0)),
        "classifier-free, rescaled": (rescaled_free, (1.0, 4.0)),
    }


def facts(**options: object) -> dict[str, float]:
    """What holds for all rows: the accuracy of samples of no class in particular."""
    return dict(chance=1 / len(FASHION_CLASSES))


def run(num_samples: int = 1_500, num_steps: int = 12, num_seeds: int = 3) -> Iterator[Row]:
    """Measure real images and every method at every scale of its grid; yields each Row as soon as it is known.

    A seed means the same noise for all methods and scales. "real" is the floor: training images in the place of samples
    (their accuracy is that of the test images, which the judge has not seen either).
    """
    model, seen, labels = LatentDiffusion.load("fashion-class"), reference(), balanced(num_samples)
    share, _ = accuracy(seen.predicted, seen.labels)
    for seed in range(num_seeds):
        x, y = real_images(num_samples, seed)
        yield Row("real", 0.0, seed, *judge_set(x, y, seen)._replace(accuracy=share), milliseconds=0.0)
    scaled = [(name, method, scale) for name, (method, scales) in methods().items() for scale in scales]
    cases = [(*case, seed) for case in scaled for seed in range(num_seeds)]
    for name, method, scale, seed in progress(cases, "guidance", "row"):
        start = time.perf_counter()
        x = sample_all(model, labels, scale, num_steps, seed, method=method)
        milliseconds = 1e3 * (time.perf_counter() - start) / num_samples
        yield Row(name, scale, seed, *judge_set(x, labels, seen), milliseconds=milliseconds)


def summarize(rows: Sequence[Row]) -> dict[tuple[str, float], dict[str, Estimate]]:
    """(method, scale) -> figure -> Estimate over the seeds, in the order of the rows."""
    groups: dict[tuple[str, float], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.method, row.scale), []).append(row)
    return {
        key: {figure: estimate([getattr(row, figure) for row in found]) for figure in FIGURES}
        for key, found in groups.items()
    }


def table(rows: Sequence[Row]) -> str:
    """A line for each method and scale: mean ± half-width of the 95 % interval over the seeds."""
    summary = summarize(rows).items()
    lines = [(method, f"{scale:g}", *map(str, figures.values())) for (method, scale), figures in summary]
    return tables.aligned([("", "scale", *FIGURES[:-1], "ms a sample"), *lines])
