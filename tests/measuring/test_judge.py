from pathlib import Path

import pytest
import torch

from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.measuring.judge import balanced, floor, judge_images, judge_set, make_reference, real_images, reference
from ldm_teach.measuring.metrics import frechet_distance
from ldm_teach.models.classifier import ImageClassifier

pytestmark = pytest.mark.slow


def test_judge_sees_the_same_in_one_batch_and_in_many():
    judge, x = ImageClassifier(widths=(4, 8, 8)).eval(), torch.randn(10, 1, 28, 28)
    features, predicted = judge_images(judge, x, batch_size=3)
    torch.testing.assert_close(features, judge_images(judge, x)[0], rtol=1e-4, atol=1e-5)
    assert torch.equal(predicted, judge(x).argmax(1))


def test_the_reference_is_the_test_images_and_is_made_once():
    seen, test = reference(), fashion_mnist(train=False)
    assert make_reference(Path("fashion-judge")) is make_reference(Path("fashion-judge"))
    assert torch.equal(seen.labels, test.y) and len(seen.features) == 10_000
    torch.testing.assert_close(seen.features[:50], judge_images(seen.judge, test.x[:50])[0], rtol=1e-4, atol=1e-4)


def test_what_is_done_to_a_reference_does_not_reach_the_next_one():
    seen = reference()
    weight, labels = seen.judge.head.weight.detach().clone(), seen.labels.clone()
    seen.judge.head.weight.data.zero_()
    for tensor in seen[1:]:
        tensor.zero_()
    again = reference()
    assert torch.equal(again.judge.head.weight, weight) and torch.equal(again.labels, labels)
    assert again.features.abs().sum() > 0 and again.predicted.sum() > 0


def test_real_images_are_training_images_with_their_labels_as_many_of_each_class_as_asked_for():
    x, y = real_images(25, seed=3)
    assert y.bincount(minlength=10).tolist() == balanced(25).bincount(minlength=10).tolist() == [3] * 5 + [2] * 5
    train = fashion_mnist()
    for image, label in zip(x, y, strict=True):
        rows = (train.x == image).all(dim=(1, 2, 3)).nonzero().flatten()
        assert len(rows) and label in train.y[rows]
    assert torch.equal(real_images(25, seed=3).x, x) and not torch.equal(real_images(25, seed=4).x, x)


def test_the_floor_is_the_distance_of_real_images_and_falls_with_their_number():
    seen = reference()
    distance = floor(2_000, seed=1)
    features = judge_images(seen.judge, real_images(2_000, seed=1).x)[0]
    assert distance == pytest.approx(frechet_distance(features, seen.features)) and 0 < distance < 0.05
    assert floor(500) > floor(4_000)


def test_the_test_images_judged_against_themselves_are_at_no_distance():
    test, seen = fashion_mnist(train=False), reference()
    found = judge_set(test.x[:500], test.y[:500], seen)
    assert found.precision == found.recall == 1 and 0.9 < found.accuracy < 1 and found.frechet > 0
    assert found.diversity > judge_set(test.x[:1].expand(500, -1, -1, -1), balanced(500), seen).diversity
