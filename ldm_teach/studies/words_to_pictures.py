"""Words and a style to colour pictures: does the picture show what was asked for, and is it new?

The judge finds the name that was asked for again among 100, of which it knows the pictures in the other styles (chance
is 1 % for the first place, 5 % for the first five). Real pictures stand beside the samples, as they are and through the
autoencoder. A picture counts as a copy where it is as near to a training picture as 95 of 100 training pictures are to
their own reconstruction.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ldm_teach.data.emoji import EMOJI_SPLITS, EMOJI_STYLES, Emoji, as_images, emoji
from ldm_teach.data.emoji_captions import emoji_captions
from ldm_teach.measuring import tables
from ldm_teach.measuring.metrics import frechet_distance, peak_signal_to_noise
from ldm_teach.measuring.retrieval import Sight, look, nearest, prototypes, ranks
from ldm_teach.measuring.statistics import share_error
from ldm_teach.models.guided import Method, sample_all, style_and_words
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.picture_judge import PictureJudge
from ldm_teach.paths import MEASURED
from ldm_teach.progress import progress
from ldm_teach.theory.schedule import Denoiser

PATH = MEASURED / "words-to-pictures.json"
ASKED = {"trained": "train", "pair never seen": "pairs", "name never seen": "names"}  # and the split it is from
CANDIDATES = 100  # names among which the asked one is to be found
SAME = 0.95  # of the training pictures are as near to their own reconstruction as what counts as a copy
WEIGHT_PAIRS = ((0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (5.0, 5.0), (1.0, 3.0), (3.0, 1.0))


class Row(NamedTuple):
    """What was asked for, which pictures were judged, and what was found.

    pictures: "real", "reconstructed" or "samples", drawn with the weights w_style and w_words.  top1, top5, style: the
    shares whose name is the first, is among the first five, and whose style is right.  frechet: to the training
    pictures, in the judge's features.  distance: the median over the pictures of that to the nearest training picture.
    copies: the share that are copies.  psnr: in decibels, of reconstructions.
    """

    asked: str
    pictures: str
    w_style: float | None
    w_words: float | None
    images: int
    top1: float
    top5: float
    style: float
    frechet: float
    distance: float
    copies: float
    psnr: float | None = None


class Known(NamedTuple):
    """What samples are judged by: the judge, all pictures and what it sees in them, and those of training.

    near: the distance to a training picture below which a picture is a copy.
    """

    judge: PictureJudge
    pictures: Emoji
    sight: Sight
    train: Tensor
    train_features: Tensor
    near: float


def gather_known(model: LatentDiffusion, judge: PictureJudge) -> Known:
    """Look at every picture of the set, and reconstruct those of training."""
    splits = [emoji(split) for split in ASKED.values()]
    pictures = Emoji(*(torch.cat(column) for column in zip(*splits, strict=True)))
    sight, train = look(judge, pictures.x), as_images(splits[0].x)
    off = (through_latents(model, train) - train).square().mean(dim=(1, 2, 3)).sqrt()
    return Known(judge, pictures, sight, train, sight.features[: len(train)], float(off.quantile(SAME)))


def through_latents(model: LatentDiffusion, x: Tensor) -> Tensor:
    """Pictures x (N, 3, 64, 64) in [-1, 1] through the autoencoder of a model."""
    return torch.cat([model.decode(model.encode(chunk)) for chunk in x.split(250)])


def asked_pictures(name: str, of_each: int = CANDIDATES) -> Emoji:
    """The pictures of a line of ASKED, `of_each` of a style at most; each name is in another style, too."""
    pictures = emoji(ASKED[name])
    several = torch.cat([emoji(split).names for split in EMOJI_SPLITS]).bincount()[pictures.names] > 1
    order = torch.randperm(len(several), generator=torch.Generator().manual_seed(0))
    order = order[several[order]]
    styles = range(len(EMOJI_STYLES))
    rows = torch.cat([order[pictures.styles[order] == style][:of_each] for style in styles])
    return Emoji(*(column[rows] for column in pictures))


def found_again(known: Known, asked: Emoji, embeddings: Tensor) -> Tensor:
    """The rank of the asked name of each picture among those of its style: (N,) int64, 0 where it is the first.

    Each name is known by its pictures in all styles but the one asked for.
    """
    found = torch.zeros(len(asked.names), dtype=torch.int64)
    for style in range(len(EMOJI_STYLES)):
        rows, elsewhere = asked.styles == style, known.pictures.styles != style
        own, names = asked.names[rows], known.pictures.names[elsewhere]
        more = asked.names[torch.isin(asked.names, names) & ~torch.isin(asked.names, own)].unique()
        candidates = torch.cat([own, more])[:CANDIDATES]
        looks = prototypes(known.sight.embeddings[elsewhere], names, candidates)
        found[rows] = ranks(embeddings[rows], looks, torch.arange(len(own)))
    return found


def judge_emoji(known: Known, name: str, asked: Emoji, x: Tensor) -> dict[str, Any]:
    """The figures of pictures x (N, 3, 64, 64) in [-1, 1] that should show what was asked for."""
    seen = look(known.judge, x)
    rank = found_again(known, asked, seen.embeddings)
    distance, _ = nearest(x, known.train)
    return dict(
        asked=name,
        images=len(x),
        top1=float((rank < 1).double().mean()),
        top5=float((rank < 5).double().mean()),
        style=float((seen.styles == asked.styles).double().mean()),
        frechet=frechet_distance(seen.features, known.train_features),
        distance=float(distance.median()),
        copies=float((distance <= known.near).double().mean()),
    )


def run(
    model: Path | str = "emoji",
    judge: Path | str = "emoji-judge",
    weights: Sequence[tuple[float, float]] = WEIGHT_PAIRS,
    num_samples: int = 500,
    num_steps: int = 20,
    seed: int = 0,
) -> Iterator[Row]:
    """Judge real pictures, their reconstructions, and samples at each pair of weights (w_style, w_words).

    The captions say a style and the name; the noise is the same at all weights. Yields each Row at once.
    """
    drawing = LatentDiffusion.load(model)
    known = gather_known(drawing, PictureJudge.load(judge))
    for name in ASKED:
        asked = asked_pictures(name, num_samples // len(EMOJI_STYLES))
        real = as_images(asked.x)
        again = through_latents(drawing, real)
        yield Row(pictures="real", w_style=None, w_words=None, **judge_emoji(known, name, asked, real))
        psnr = peak_signal_to_noise(again, real)
        yield Row(
            pictures="reconstructed", w_style=None, w_words=None, psnr=psnr, **judge_emoji(known, name, asked, again)
        )
        captions = drawing.encoder.check(emoji_captions(asked.names, asked.styles))
        for w_style, w_words in progress(weights, f"words to pictures: {name}", "weight"):
            x = sample_all(drawing, captions, w_words, num_steps, seed, method=weighing(w_style))
            yield Row(pictures="samples", w_style=w_style, w_words=w_words, **judge_emoji(known, name, asked, x))


def weighing(w_style: float) -> Method:
    """The method of guidance whose scale is the weight of the words, beside this weight of the style."""

    def method(model: LatentDiffusion, condition: Tensor, scale: float) -> Denoiser:
        return style_and_words(model, condition, w_style, scale)

    return method


def at_the_best_weight(rows: Sequence[Row]) -> dict[str, dict[str, Row]]:
    """What was asked -> "real", "reconstructed" or "samples" -> the row at the best equal weights.

    They are those whose samples of trained pairs are found first most often: what was held out has no say.
    """
    equal = [row for row in rows if row.pictures == "samples" and row.w_style == row.w_words]
    best = max((row for row in equal if row.asked == "trained"), key=lambda row: row.top1).w_words
    kept = (row for row in rows if row.pictures != "samples" or (row.w_style, row.w_words) == (best, best))
    found: dict[str, dict[str, Row]] = {}
    for row in kept:
        found.setdefault(row.asked, {})[row.pictures] = row
    return found


class OverWeights(NamedTuple):
    """What guidance does: at each of the `weights`, and for real pictures, as `interactive.figures` draws it.

    drawn: what was asked -> figure -> its value and standard error at each weight.  real: what was asked -> figure ->
    its value for real pictures.
    """

    weights: list[float]
    drawn: dict[str, dict[str, list[tuple[float, float]]]]
    real: dict[str, dict[str, float]]


def over_weights(rows: Sequence[Row]) -> OverWeights:
    """The samples with equal weights of style and words. Shares have standard errors, the Fréchet distance has none."""
    equal = [row for row in rows if row.w_words is not None and row.w_words == row.w_style]
    weights, real, drawn = list(dict.fromkeys(row.w_words for row in equal if row.w_words is not None)), {}, {}
    for name in ASKED:
        real[name] = next(row for row in rows if (row.asked, row.pictures) == (name, "real"))._asdict()
        line = [row for row in equal if row.asked == name]
        drawn[name] = {
            part: [(p := getattr(row, part), share_error(p, row.images)) for row in line]
            for part in ("top1", "style", "copies")
        }
        drawn[name]["frechet"] = [(row.frechet, 0.0) for row in line]
    return OverWeights(weights, drawn, real)


def table(rows: Sequence[Row]) -> str:
    """A line for each: percentages with their standard errors, the Fréchet distance, the nearest, the copies."""

    def share(p: float, n: int) -> str:
        return f"{100 * p:.1f} ± {100 * share_error(p, n):.1f}"

    head = ("asked, pictures", "w style", "w words", "top 1 %", "top 5 %", "style %", "Fréchet", "nearest", "copies %")
    lines = [
        (
            f"{row.asked}: {row.pictures}",
            *("" if w is None else f"{w:g}" for w in (row.w_style, row.w_words)),
            *(share(p, row.images) for p in (row.top1, row.top5, row.style)),
            f"{row.frechet:.3f}",
            f"{row.distance:.3f}",
            f"{100 * row.copies:.1f}",
        )
        for row in rows
    ]
    return tables.aligned([head, *lines])
