"""What is measured of conditioned samples, on models whose samples are known: real pictures, and pictures of others."""

import math

import pytest
import torch

from ldm_teach.data.blur import blurred
from ldm_teach.data.captions import held_out, parse
from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.data.shapes import shapes
from ldm_teach.measuring.adherence import share_whole
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.studies.conditioning import (
    CAPTIONS,
    Row,
    asked_scenes,
    choose_w,
    follow_blur,
    follow_captions,
    follow_maps,
    table,
)

pytestmark = pytest.mark.slow


class Oracle:
    """A model whose samples are the given pictures, batch by batch, whatever the noise."""

    def __init__(self, x: torch.Tensor):
        self.x, self.encoder, self.given = x, self, 0

    def check(self, captions):
        return torch.zeros(len(captions), 14, dtype=torch.int64)

    def denoiser(self, condition, w, interval=None):
        return w

    def draw(self, denoiser, batch_size, **settings):
        first, self.given = self.given % len(self.x), self.given + batch_size
        return self.x[first : first + batch_size]


@pytest.mark.parametrize("name", CAPTIONS)
def test_real_pictures_follow_their_captions_and_shuffled_ones_do_not(name):
    asked = asked_scenes(name, 300)
    row, *parts = follow_captions(Oracle(asked.x), name, 0.0, num_samples=300)
    assert (row.asked, row.value) == (name, 1.0) and 0 <= row.chance < 0.25
    assert [part.value for part in parts] == [1.0] * (3 + name.startswith("two"))
    shuffled = follow_captions(Oracle(asked.x.roll(1, 0)), name, 0.0, num_samples=300)[0]
    assert shuffled.value < 0.3


class Guided(Oracle):
    """An oracle that draws what is asked for at one weight alone, and other pictures at the others."""

    def draw(self, denoiser, batch_size, **settings):
        x = super().draw(denoiser, batch_size)
        return x if denoiser == 2.0 else x.roll(1, 0)


def test_the_weight_is_chosen_at_which_most_captions_are_met():
    asked = [asked_scenes(name, 100, seed=3).x for name in ("one item", "two items")]
    assert choose_w(Guided(torch.cat(asked)), num_samples=100) == 2.0


def test_captions_are_of_the_kind_that_their_name_says():
    for name, want in zip(CAPTIONS, (None, "pair", None, "combination"), strict=True):
        asked = [parse(caption) for caption in asked_scenes(name, 100).captions]
        assert {held_out(one) for one in asked} == {want}
        assert {len(one.items) for one in asked} == {1 if "one" in name else 2}


def test_maps_are_read_back_from_real_pictures():
    iou, whole = follow_maps(Oracle(shapes(300, 1, train=False).x), 1.0, num_samples=300)
    assert iou.value == 1 and iou.error == 0 and 0.1 < iou.chance < 0.4 and whole.value == 1
    assert share_whole(torch.zeros(2, 3, 32, 32)) == 0  # nothing is drawn


def test_blur_of_the_image_itself_and_of_a_shifted_contrast():
    x = fashion_mnist(train=False).x[:100]
    psnr, apart = follow_blur(Oracle(x), 0.0, num_samples=100)
    assert psnr.value == math.inf and apart.value == 0 and 5 < psnr.chance < 25
    psnr, _ = follow_blur(Oracle(x + 0.02), 0.0, num_samples=100)
    assert psnr.value == pytest.approx(10 * math.log10(4 / 0.02**2), abs=0.01)
    assert blurred(x).std() < x.std()


def test_the_table_has_a_line_for_each_figure_and_chance_where_it_was_counted():
    rows = [Row("one item", "as asked", 2.0, 0.951, 0.007, 0.03), Row("one item", "items", 2.0, 0.96, 0.006)]
    _, first, second = table(rows).splitlines()
    assert first.split() == ["one", "item:", "as", "asked", "2", "0.951", "±", "0.007", "0.030"]
    assert second.split() == ["one", "item:", "items", "2", "0.960", "±", "0.006"]


def test_the_shipped_models_follow_their_conditions():
    """With room for the noise of a few samples; `python -m ldm_teach conditioning` counts a thousand."""
    text, maps, blur = map(LatentDiffusion.load, ("shapes-text", "shapes-map", "fashion-blur"))
    few = dict(num_samples=60, num_steps=12)
    shares = {name: follow_captions(text, name, 3.0, **few)[0].value for name in CAPTIONS}
    assert min(shares["one item"], shares["one item, pair never seen"]) > 0.8
    assert min(shares["two items"], shares["two items, combination never seen"]) > 0.7
    assert follow_maps(maps, 1.0, **few)[0].value > 0.9
    psnr, apart = follow_blur(blur, 0.0, **few)
    assert psnr.value > 30 and apart.value > 0.1
