"""The judge: a classifier that saw real images only, and what it sees in real images beside the samples."""

import copy
import functools
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ldm_teach import checks
from ldm_teach.data.fashion import FASHION_CLASSES, Images, fashion_mnist
from ldm_teach.measuring.metrics import accuracy, diversity_within, frechet_distance, precision_recall
from ldm_teach.models.classifier import ImageClassifier
from ldm_teach.progress import progress


@torch.inference_mode()
def judge_images(judge: ImageClassifier, x: Tensor, batch_size: int = 250) -> tuple[Tensor, Tensor]:
    """What the judge sees in images x (N, C, H, W): features (N, F) and the most probable class (N,)."""
    checks.instance("judge", judge, ImageClassifier)
    checks.shaped("x", x, "N", judge.config["image_channels"], "H", "W", like=judge.head.weight)
    chunks = progress(x.split(checks.count("batch_size", batch_size)), "judging", "batch")
    features = torch.cat([judge.embed(chunk) for chunk in chunks])
    return features, judge.head(features).argmax(dim=1)


class Reference(NamedTuple):
    """A judge, and what it sees in the 10,000 test images: features (10,000, F), classes predicted and true."""

    judge: ImageClassifier
    features: Tensor
    predicted: Tensor
    labels: Tensor


def reference(name: Path | str = "fashion-judge") -> Reference:
    """The judge of this name and the test images as it sees them, which every study measures against.

    The images are judged once; each call returns a judge and tensors of its own.
    """
    seen = make_reference(checks.path("name", name))
    return Reference(copy.deepcopy(seen.judge), *(tensor.clone() for tensor in seen[1:]))


@functools.cache
def make_reference(name: Path) -> Reference:
    """What `reference` hands out copies of, kept from call to call: not to be changed."""
    judge, test = ImageClassifier.load(name), fashion_mnist(train=False)
    return Reference(judge, *judge_images(judge, test.x), test.y)


def real_images(num_images: int, seed: int = 0) -> Images:
    """Real training images in the place of samples: a random choice, as many of each class as `balanced` asks for."""
    checks.seed(seed)
    train, labels = fashion_mnist(), balanced(num_images)
    order = torch.randperm(len(train.x), generator=torch.Generator().manual_seed(seed))
    rows = [order[train.y[order] == k][: int((labels == k).sum())] for k in range(len(FASHION_CLASSES))]
    return Images(*(column[torch.cat(rows)] for column in train))


def balanced(num_images: int) -> Tensor:
    """Labels (N,), all classes in turn."""
    return torch.arange(checks.count("num_images", num_images)) % len(FASHION_CLASSES)


def floor(num_images: int, seed: int = 0, judge: Path | str = "fashion-judge") -> float:
    """The Fréchet distance of real training images to the test images: no sample can be expected below it."""
    seen = reference(judge)
    return frechet_distance(judge_images(seen.judge, real_images(num_images, seed).x)[0], seen.features)


class Judged(NamedTuple):
    """What the judge says of images that should show given classes, beside the 10,000 test images.

    frechet: to all of them.  precision, recall: against as many of them as there are images.  accuracy: the share seen
    as the class asked for.  diversity: the mean distance between two images of a class.
    """

    frechet: float
    precision: float
    recall: float
    accuracy: float
    diversity: float


def judge_set(x: Tensor, labels: Tensor, seen: Reference) -> Judged:
    """The five figures of images x (N, C, H, W) that should show `labels` (N,)."""
    checks.instance("seen", seen, Reference)
    checks.shaped("labels", labels, len(checks.batch("x", x)), dtype=torch.int64, read=True)
    features, predicted = judge_images(seen.judge, x)
    precision, recall = precision_recall(seen.features[: len(x)], features)
    distance = frechet_distance(features, seen.features)
    return Judged(distance, precision, recall, accuracy(predicted, labels)[0], diversity_within(features, labels))
