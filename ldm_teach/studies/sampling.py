"""The figures of a class-conditional model of Fashion-MNIST, each beside its floor on real data."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch

from ldm_teach.data.fashion import FASHION_CLASSES, fashion_mnist
from ldm_teach.measuring.judge import judge_images
from ldm_teach.measuring.metrics import accuracy, frechet_distance, peak_signal_to_noise
from ldm_teach.models.classifier import ImageClassifier
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.theory.samplers import dpm_solver


class Row(NamedTuple):
    """A line of the table: what was judged, its distance to the real test images, its accuracy and its error."""

    name: str
    frechet: float
    accuracy: float
    accuracy_error: float


def evaluate(
    model: LatentDiffusion,
    judge: ImageClassifier,
    weights: Sequence[float],
    num_samples: int = 10_000,
    num_steps: int = 20,
    sampler: Callable = dpm_solver,
    seed: int = 0,
    batch_size: int = 500,
) -> Iterator[Row]:
    """Judge real images, reconstructions and samples at each guidance weight; yields a Row as soon as it is known.

    All distances are to the 10,000 real test images, in the judge's features. The first row is the floor: `num_samples`
    real training images. Classes are balanced and the noise is the same at every weight.
    """
    train, test = fashion_mnist(True), fashion_mnist(False)
    real, predicted = judge_images(judge, test.x)
    subset = torch.randperm(len(train.x), generator=torch.Generator().manual_seed(seed))[:num_samples]
    floor, _ = judge_images(judge, train.x[subset])
    yield Row("real (training set; accuracy on test)", frechet_distance(floor, real), *accuracy(predicted, test.y))

    decoded = torch.cat([model.decode(model.encode(x)) for x in test.x[:num_samples].split(batch_size)])
    features, predicted = judge_images(judge, decoded)
    psnr = peak_signal_to_noise(decoded, test.x[:num_samples])
    row = Row(
        f"reconstructed ({psnr:.2f} dB)", frechet_distance(features, real), *accuracy(predicted, test.y[:num_samples])
    )
    yield row

    labels = torch.arange(num_samples) % len(FASHION_CLASSES)
    for w in weights:
        generator = torch.Generator().manual_seed(seed)
        settings = dict(w=w, num_steps=num_steps, generator=generator, sampler=sampler)
        samples = [model.sample(y, **settings) for y in labels.split(batch_size)]
        features, predicted = judge_images(judge, torch.cat(samples))
        yield Row(f"samples, w = {w:g}", frechet_distance(features, real), *accuracy(predicted, labels))
