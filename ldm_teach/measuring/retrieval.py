"""What a judge of emoji makes of pictures: which of some names each shows, and which known picture it is nearest to."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ldm_teach import checks
from ldm_teach.data.emoji import as_images
from ldm_teach.models.picture_judge import PictureJudge
from ldm_teach.progress import progress


class Sight(NamedTuple):
    """What a judge sees in pictures: embeddings (N, width), features (N, F), the most probable style of each (N,)."""

    embeddings: Tensor
    features: Tensor
    styles: Tensor


@torch.inference_mode()
def look(judge: PictureJudge, x: Tensor, batch_size: int = 250) -> Sight:
    """What the judge sees in pictures x (N, 3, H, W), uint8 or in [-1, 1]."""
    checks.instance("judge", judge, PictureJudge)
    checks.shaped("x", x, "N", "C", "H", "W", dtype=torch.uint8 if checks.tensor("x", x).dtype == torch.uint8 else None)
    chunks = progress(x.split(checks.count("batch_size", batch_size)), "judging", "batch")
    seen = [judge.look(as_images(chunk) if chunk.dtype == torch.uint8 else chunk) for chunk in chunks]
    return Sight(*(torch.cat(part) for part in zip(*seen, strict=True)))


def prototypes(embeddings: Tensor, names: Tensor, wanted: Tensor) -> Tensor:
    """What the judge takes a name to look like: the mean direction of its pictures, (M, width), of length 1.

    embeddings (N, width), names (N,): of known pictures.  wanted (M,): the names. Raises ValueError for one without a
    picture.
    """
    checks.shaped("embeddings", embeddings, "N", "width", read=True)
    checks.shaped("names", names, len(embeddings), dtype=torch.int64, read=True)
    shows = (checks.shaped("wanted", wanted, "M", dtype=torch.int64, read=True)[:, None] == names).to(embeddings)
    if not shows.any(dim=1).all():
        raise ValueError(f"wanted holds {wanted[~shows.any(dim=1)].tolist()}; want names that names holds, too")
    return F.normalize(shows @ embeddings, dim=1)


def ranks(embeddings: Tensor, candidates: Tensor, asked: Tensor) -> Tensor:
    """How many of M candidates are nearer to each picture than the one asked for: (N,) int64, 0 where it is the first.

    embeddings (N, width), candidates (M, width): directions.  asked (N,): which of the candidates was.
    """
    checks.shaped("embeddings", embeddings, "N", "width", read=True)
    checks.shaped("candidates", candidates, "M", embeddings.shape[1], dtype=embeddings.dtype, read=True)
    checks.shaped("asked", asked, len(embeddings), dtype=torch.int64, read=True)
    if len(asked) and not 0 <= int(asked.min()) <= int(asked.max()) < len(candidates):
        raise ValueError(
            f"asked holds {asked.min()} to {asked.max()}; want numbers of the {len(candidates)} candidates"
        )
    cosines = embeddings @ candidates.T  # (N, M)
    return (cosines > cosines.gather(1, asked[:, None])).sum(dim=1)


def nearest(x: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Of each picture x (N, C, H, W) the nearest of others (M, C, H, W): the distance (N,), and which it is (N,).

    Both in [-1, 1]. The distance is the root of the mean squared difference over pixels.
    """
    checks.shaped("x", x, "N", "C", "H", "W", dtype=torch.float32, read=True)
    checks.shaped("others", others, "M", *x.shape[1:], dtype=torch.float32, read=True)
    if not x.numel() or not others.numel():
        raise ValueError(
            f"x is {checks.describe(x)}, others is {checks.describe(others)}; want a picture or more in each"
        )
    distance, which = torch.cdist(x.flatten(1), others.flatten(1)).min(dim=1)
    return distance / x[0].numel() ** 0.5, which
