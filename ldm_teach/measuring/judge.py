"""The judge: a classifier that saw real images only, and what it sees in the real ones beside the samples."""

from typing import NamedTuple

import torch
from torch import Tensor

from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.measuring.metrics import (
    accuracy,
    diversity_within,
    frechet_distance,
    precision_recall,
)
from ldm_teach.models.classifier import ImageClassifier


@torch.inference_mode()
def judge_images(judge: ImageClassifier, x: Tensor, batch_size: int = 250) -> tuple[Tensor, Tensor]:
    """What the judge sees in images x (N, C, H, W): features (N, F) and the most probable class (N,)."""
    features = torch.cat([judge.embed(chunk) for chunk in x.split(batch_size)])
    return features, judge.head(features).argmax(dim=1)


def floor(judge: ImageClassifier, num_images: int, seed: int = 0) -> tuple[float, float]:
    """What real data reach: the distance of `num_images` training images to the test images, and the accuracy there."""
    train, test = fashion_mnist(True), fashion_mnist(False)
    subset = torch.randperm(len(train.x), generator=torch.Generator().manual_seed(seed))[:num_images]
    real, predicted = judge_images(judge, test.x[:num_images])
    others, _ = judge_images(judge, train.x[subset])
    return frechet_distance(others, real), accuracy(predicted, test.y[:num_images])[0]


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
