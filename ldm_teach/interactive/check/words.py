"""The exercises of notebook 11: conditioning on words."""

import torch

from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Law

LOOKUPS = [
    dict(q=torch.randn(n, d, generator=g), k=torch.randn(m, d, generator=g), v=torch.randn(m, c, generator=g))
    for n, m, d, c, g in (
        (7, 5, 3, 3, torch.Generator().manual_seed(0)),
        (4, 9, 6, 6, torch.Generator().manual_seed(1)),
    )
]


def _soft_lookup(q, k, v, *, root=0.5, dim=-1, swapped=False, hard=False, total=1.0):
    if swapped:
        k, v = v, k
    scores = q @ k.T / q.shape[-1] ** root  # (N, L)
    weights = scores.softmax(dim) if not hard else (scores == scores.amax(-1, keepdim=True)).to(scores)
    return weights * scores.exp().sum(dim, keepdim=True) ** (1 - total) @ v


soft_lookup = Exercise(
    "implement",
    stars=2,
    minutes=10,
    judge=Law(
        _soft_lookup,
        LOOKUPS,
        {
            "the scores are not divided by sqrt(d)": dict(root=0.0),
            "the scores are divided by d, want its square root": dict(root=1.0),
            "the softmax runs over the queries: want the weights of one query to sum to 1": dict(dim=0),
            "keys and values are swapped: look up by the keys, bring home the values": dict(swapped=True),
            "only the best key counts: that is a hard lookup, through which no gradient finds its way": dict(hard=True),
            "the weights do not sum to 1: exp is not yet softmax": dict(total=0.0),
        },
    ),
    praise="softmax(q k^T / sqrt(d)) v, the softmax over the keys",
    hints=(
        "Compare each query with each key, turn a row of comparisons into weights, average the values.",
        "softmax(q k^T / sqrt(d)) v; d is the width of a key.",
        "The softmax runs over the last axis, the keys; then a matrix product with v.",
    ),
    right=(
        lambda q, k, v: (q @ k.T / q.shape[-1] ** 0.5).softmax(-1) @ v,
        torch.nn.functional.scaled_dot_product_attention,
        lambda q, k, v: torch.einsum(
            "nl,lc->nc", torch.softmax(torch.einsum("nd,ld->nl", q, k) / q.shape[1] ** 0.5, 1), v
        ),
    ),
)
