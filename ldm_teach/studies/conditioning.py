"""How well samples follow a condition that can be read back: captions, semantic maps, blurred images.

"As asked" is every kind, colour, size that was named, and the relation; chance is a scene of the same line, drawn at
random. A share or a mean has its standard error.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from ldm_teach.data.blur import blurred
from ldm_teach.data.captions import OPPOSITE
from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.data.shapes import Shapes, shapes
from ldm_teach.data.shapes_reader import read_map
from ldm_teach.measuring import tables
from ldm_teach.measuring.adherence import adherence, chance, mean_iou, share_whole
from ldm_teach.measuring.metrics import peak_signal_to_noise, rms
from ldm_teach.measuring.statistics import mean_error, share_error
from ldm_teach.models.guided import sample_all
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.paths import MEASURED
from ldm_teach.progress import progress

PATH = MEASURED / "conditioning.json"
# name -> arguments of `shapes`: captions that training says too, and captions that it never says
CAPTIONS: dict[str, dict[str, Any]] = {
    "one item": dict(num_items=1),
    "one item, pair never seen": dict(num_items=1, held_out_for="pair"),
    "two items": dict(num_items=2),
    "two items, combination never seen": dict(held_out_for="combination"),
}
PARTS = ("kinds", "colours", "items")
WEIGHTS = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0)


class Row(NamedTuple):
    """What was asked for, and how much of it was found: a mean, its standard error, and the same by chance."""

    asked: str
    figure: str
    w: float
    value: float
    error: float
    chance: float | None = None


def asked_scenes(name: str, num_samples: int, seed: int = 1) -> Shapes:
    """Test scenes of one line of CAPTIONS."""
    return shapes(num_samples, seed, train=False, **CAPTIONS[name])


def follow_captions(
    model: LatentDiffusion, name: str, w: float, num_samples: int = 1_000, num_steps: int = 20, seed: int = 0
) -> list[Row]:
    """The share of samples that read back as their captions say: kinds, colours, sizes named and relation.

    Then the same of kinds, of colours and of the items, each colour on its kind, alone and, where there are two, of the
    relation among samples with the right items. chance: the share for scenes drawn for other captions of the same line.
    """
    asked = asked_scenes(name, num_samples)
    found = adherence(sample_all(model, model.encoder.check(asked.captions), w, num_steps, seed), asked.captions)
    others = asked_scenes(name, num_samples, seed=2).scenes
    right = round(found.items * num_samples)  # samples whose relation can be read
    rows = [
        Row(
            name, "as asked", w, found.overall, share_error(found.overall, num_samples), chance(asked.captions, others)
        ),
        *(Row(name, part, w, p, share_error(p, num_samples)) for part in PARTS for p in (getattr(found, part),)),
        Row(name, "relation of right items", w, found.relation, share_error(found.relation, right), 1 / len(OPPOSITE)),
    ]
    return rows if name.startswith("two") else rows[:-1]


def choose_w(model: LatentDiffusion, num_samples: int = 300, num_steps: int = 20) -> float:
    """The one of WEIGHTS at which most captions of one and two items are met, with noise that no Row is measured on."""
    asked = [asked_scenes(name, num_samples, seed=3).captions for name in ("one item", "two items")]
    captions = asked[0] + asked[1]

    def met(w: float) -> float:
        x = sample_all(model, model.encoder.check(captions), w, num_steps, seed=3)
        return adherence(x, captions).overall

    return max(progress(WEIGHTS, "choosing w", "weight"), key=met)


def follow_maps(
    model: LatentDiffusion, w: float, num_samples: int = 1_000, num_steps: int = 20, seed: int = 0
) -> list[Row]:
    """Mean intersection over union of the maps read from samples and those asked for; chance: of two test maps.

    Then the share of samples in which all that is drawn can be made out: each item of one kind and one colour.
    """
    maps = shapes(num_samples, 1, train=False).maps
    x = sample_all(model, maps, w, num_steps, seed)
    found, whole = read_map(x), share_whole(x)
    error = mean_error([mean_iou(a, b) for a, b in zip(found.tensor_split(10), maps.tensor_split(10), strict=True)])
    return [
        Row("maps", "mean IoU", w, mean_iou(found, maps), error, mean_iou(maps.roll(1, 0), maps)),
        Row("maps", "all items whole", w, whole, share_error(whole, num_samples)),
    ]


def follow_blur(
    model: LatentDiffusion, w: float, num_samples: int = 1_000, num_steps: int = 20, seed: int = 0, sigma: float = 2.0
) -> list[Row]:
    """PSNR of samples, blurred again, against the blurred images asked for; chance: of two test images.

    Then how much samples of other noise differ: the root mean square over pixels of two samples' difference.
    """
    asked = blurred(fashion_mnist(train=False).x[:num_samples], sigma)
    one, two = (sample_all(model, asked, w, num_steps, seed + k) for k in range(2))
    again = blurred(one, sigma)
    psnr = [peak_signal_to_noise(*parts) for parts in zip(again.tensor_split(10), asked.tensor_split(10), strict=True)]
    apart = [rms(part) for part in (one - two).tensor_split(10)]
    unrelated = peak_signal_to_noise(asked.roll(1, 0), asked)
    return [
        Row(
            "blurred images",
            "PSNR, blurred again",
            w,
            peak_signal_to_noise(again, asked),
            mean_error(psnr),
            unrelated,
        ),
        Row("blurred images", "difference between seeds", w, rms(one - two), mean_error(apart)),
    ]


def run(num_samples: int = 1_000, num_steps: int = 20) -> Iterator[Row]:
    """The three shipped models at w = 0 and at another weight, the text model at its best; yields each Row at once."""
    settings = dict(num_samples=num_samples, num_steps=num_steps)
    text = LatentDiffusion.load("shapes-text")
    best = choose_w(text, num_steps=num_steps)
    follows = [(partial(follow_captions, text, name), sorted({0.0, best})) for name in CAPTIONS]
    follows += [(partial(follow_maps, LatentDiffusion.load("shapes-map")), [0.0, 1.0])]
    follows += [(partial(follow_blur, LatentDiffusion.load("fashion-blur")), [0.0, 1.0])]
    for follow, w in progress([(f, w) for f, weights in follows for w in weights], "conditioning", "case"):
        yield from follow(w, **settings)


def table(rows: Sequence[Row]) -> str:
    """A line for each figure: value ± standard error, and chance where it was counted."""
    lines = [
        (
            f"{row.asked}: {row.figure}",
            f"{row.w:g}",
            f"{row.value:.3f} ± {row.error:.3f}",
            "" if row.chance is None else f"{row.chance:.3f}",
        )
        for row in rows
    ]
    return tables.aligned([("", "w", "value", "chance"), *lines])
