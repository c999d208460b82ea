"""What is measured of conditioned samples, on models whose samples are known: real pictures, and pictures of others."""

import math

import pytest
import torch

from ldm_teach.practice.conditioning_study import CAPTIONS, asked_scenes, follow_blur, follow_captions, follow_maps
from ldm_teach.practice.data import blurred, fashion_mnist
from ldm_teach.practice.scenes import held_out, parse
from ldm_teach.practice.shapes import shapes


class Oracle:
    """A model whose samples are the given pictures, batch by batch, whatever the noise."""

    def __init__(self, x: torch.Tensor):
        self.x, self.encoder, self.given = x, self, 0

    def check(self, captions):
        return torch.zeros(len(captions), 14, dtype=torch.int64)

    def sample(self, condition, **settings):
        first, self.given = self.given % len(self.x), self.given + len(condition)
        return self.x[first : first + len(condition)]


@pytest.mark.parametrize("name", CAPTIONS)
def test_real_pictures_follow_their_captions_and_shuffled_ones_do_not(name):
    asked = asked_scenes(name, 300)
    row = follow_captions(Oracle(asked.x), name, 0.0, num_samples=300)
    assert (row.asked, row.value, row.error) == (name, 1.0, 0.0) and 0 <= row.chance < 0.25
    shuffled = follow_captions(Oracle(asked.x.roll(1, 0)), name, 0.0, num_samples=300)
    assert shuffled.value < 0.3 and shuffled.error == pytest.approx(
        (shuffled.value * (1 - shuffled.value) / 300) ** 0.5
    )


def test_captions_are_of_the_kind_that_their_name_says():
    for name, want in zip(CAPTIONS, (None, "pair", None, "combination"), strict=True):
        asked = [parse(caption) for caption in asked_scenes(name, 100).captions]
        assert {held_out(one) for one in asked} == {want}
        assert {len(one.items) for one in asked} == {1 if "one" in name else 2}


def test_maps_are_read_back_from_real_pictures():
    row = follow_maps(Oracle(shapes(300, 1, train=False).x), 1.0, num_samples=300)
    assert row.value == 1 and row.error == 0 and 0.1 < row.chance < 0.4


def test_blur_of_the_image_itself_and_of_a_shifted_contrast():
    x = fashion_mnist(train=False).x[:100]
    row, apart = follow_blur(Oracle(x), 0.0, num_samples=100)
    assert row.value == math.inf and apart == 0 and 5 < row.chance < 25
    row, _ = follow_blur(Oracle(x + 0.02), 0.0, num_samples=100)
    assert row.value == pytest.approx(10 * math.log10(4 / 0.02**2), abs=0.01)
    assert blurred(x).std() < x.std()
