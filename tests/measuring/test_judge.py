import pytest
import torch

from ldm_teach.measuring.judge import floor, judge_images
from ldm_teach.models.classifier import ImageClassifier


def test_judge_sees_the_same_in_one_batch_and_in_many():
    judge, x = ImageClassifier(widths=(4, 8, 8)).eval(), torch.randn(10, 1, 28, 28)
    features, predicted = judge_images(judge, x, batch_size=3)
    torch.testing.assert_close(features, judge_images(judge, x)[0], rtol=1e-4, atol=1e-5)
    assert torch.equal(predicted, judge(x).argmax(1))


@pytest.fixture(scope="module")
def judge() -> ImageClassifier:
    return ImageClassifier.load("fashion-judge")


def test_the_floor_is_that_of_real_images(judge):
    distance, accuracy = floor(judge, 2_000)
    assert 0 < distance < 0.1 and accuracy > 0.88
