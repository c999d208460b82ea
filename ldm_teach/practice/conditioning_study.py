"""How well samples follow a condition that can be read back: captions, semantic maps, blurred images."""

from typing import NamedTuple

import torch
from torch import Tensor

from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.practice.data import blurred, fashion_mnist
from ldm_teach.practice.metrics import peak_signal_to_noise
from ldm_teach.practice.shapes import Shapes, shapes
from ldm_teach.practice.shapes_reader import adherence, chance, mean_iou, read_map

# name -> arguments of `shapes`: captions that training says, in new layouts, and captions that it never says
CAPTIONS = {
    "one item": dict(num_items=1),
    "one item, pair never seen": dict(num_items=1, held_out_for="pair"),
    "two items": dict(num_items=2),
    "two items, combination never seen": dict(held_out_for="combination"),
}


class Row(NamedTuple):
    """What was asked for, and how much of it was found: a mean, its standard error, and the same at chance."""

    asked: str
    figure: str
    w: float
    value: float
    error: float
    chance: float


def sample_all(model: LatentDiffusion, condition: Tensor, w: float, num_steps: int, seed: int) -> Tensor:
    """A sample (N, C, H, W) for each of N conditions, in batches, from the noise of a seed."""
    generator = torch.Generator().manual_seed(seed)
    settings = dict(w=w, num_steps=num_steps, generator=generator)
    return torch.cat([model.sample(chunk, **settings) for chunk in condition.split(250)])


def asked_scenes(name: str, num_samples: int, seed: int = 1) -> Shapes:
    """Test scenes of one line of CAPTIONS."""
    return shapes(num_samples, seed, train=False, **CAPTIONS[name])


def follow_captions(
    model: LatentDiffusion, name: str, w: float, num_samples: int = 1_000, num_steps: int = 20, seed: int = 0
) -> Row:
    """The share of samples that read back as their captions say: kinds, colours, sizes named and relation.

    chance: the same share for scenes that were drawn for other captions of the same line.
    """
    asked = asked_scenes(name, num_samples)
    x = sample_all(model, model.encoder.check(asked.captions), w, num_steps, seed)
    p = adherence(x, asked.captions).overall
    others = asked_scenes(name, num_samples, seed=2).scenes
    return Row(name, "as asked", w, p, (p * (1 - p) / num_samples) ** 0.5, chance(asked.captions, others))


def follow_maps(model: LatentDiffusion, w: float, num_samples: int = 1_000, num_steps: int = 20, seed: int = 0) -> Row:
    """Mean intersection over union of the maps read from samples and those asked for; chance: of two test maps."""
    maps = shapes(num_samples, 1, train=False).maps
    found = read_map(sample_all(model, maps, w, num_steps, seed))
    parts = torch.tensor([mean_iou(a, b) for a, b in zip(found.chunk(10), maps.chunk(10), strict=True)])
    error = float(parts.std() / len(parts) ** 0.5)
    return Row("maps", "mean IoU", w, mean_iou(found, maps), error, mean_iou(maps.roll(1, 0), maps))


def follow_blur(
    model: LatentDiffusion, w: float, num_samples: int = 500, num_steps: int = 20, seed: int = 0
) -> tuple[Row, float]:
    """PSNR of samples, blurred again, against the blurred images asked for; chance: of two test images.

    Also how much samples of other noise differ: the root mean square over pixels of two samples' difference.
    """
    asked = blurred(fashion_mnist(train=False).x[:num_samples])
    one, two = (sample_all(model, asked, w, num_steps, seed + k) for k in range(2))
    parts = [peak_signal_to_noise(blurred(a), b) for a, b in zip(one.chunk(10), asked.chunk(10), strict=True)]
    error = float(torch.tensor(parts).std() / len(parts) ** 0.5)
    value = peak_signal_to_noise(blurred(one), asked)
    row = Row("blurred images", "PSNR, blurred again", w, value, error, peak_signal_to_noise(asked.roll(1, 0), asked))
    return row, float((one - two).square().mean().sqrt())
