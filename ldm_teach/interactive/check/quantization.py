"""The exercises of notebook 02: vector quantization."""

import torch

from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Law

# Rows, codes and channels are of different number; one case is as the codes of an image are, before it is flattened.
CODES = [
    dict(z=z, codebook=codebook)
    for z, codebook in (
        (torch.randn(200, 3, generator=g, dtype=torch.float64), torch.randn(11, 3, generator=g, dtype=torch.float64))
        for g in (torch.Generator().manual_seed(seed) for seed in range(2))
    )
]


def _nearest_code(z, codebook, *, best=torch.argmin, lengths=1.0, dot=-2.0):
    return best(lengths * codebook.square().sum(1) + dot * z @ codebook.T, dim=1)


nearest_code = Exercise(
    "implement",
    stars=1,
    minutes=8,
    judge=Law(
        _nearest_code,
        CODES,
        {
            "these are the codes farthest away, want argmin": dict(best=torch.argmax),
            "the length of the codes is left out: the largest product is not the nearest code": dict(lengths=0.0),
            "the product with z has the wrong sign": dict(dot=2.0),
            "the factor 2 of the product is missing": dict(dot=-1.0),
        },
    ),
    praise="argmin_k |z - e_k|^2 = argmin_k |e_k|^2 - 2 z . e_k",
    hints=(
        "For each row of z, compare its distances to all codes.",
        "|z - e|^2 = |z|^2 - 2 z.e + |e|^2, and |z|^2 is the same for all codes.",
        "argmin over the codes of |e|^2 - 2 z @ codebook.T",
    ),
    right=(
        lambda z, codebook: torch.cdist(z, codebook).argmin(1),
        lambda z, codebook: (z[:, None] - codebook).square().sum(-1).argmin(1),
        lambda z, codebook: (codebook.square().sum(1) - 2 * z @ codebook.T).argmin(dim=1),
    ),
)
