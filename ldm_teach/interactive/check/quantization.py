"""The exercises of notebook 02: vector quantization."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Guess, Law, Number, as_number, cases, far, shown

# Rows, codes and channels are of different number, and there are enough of them for two distances to disagree.
CODES = [
    dict(z=z, codebook=codebook)
    for z, codebook in (
        (torch.randn(200, 3, generator=g, dtype=torch.float64), torch.randn(11, 3, generator=g, dtype=torch.float64))
        for g in (torch.Generator().manual_seed(seed) for seed in range(2))
    )
]


def _nearest_code(z, codebook, *, lengths=1.0, dot=-2.0, norm=None, best=torch.argmin, give="index"):
    distance = z.square().sum(1)[:, None] + lengths * codebook.square().sum(1) + dot * z @ codebook.T  # (N, K)
    if norm is not None:
        distance = (z[:, None] - codebook).norm(p=norm, dim=2)
    if give == "distances":
        return torch.cdist(z, codebook)
    if give == "least":
        return torch.cdist(z, codebook).amin(dim=1)
    if give == "flat":
        return best(distance)
    index = best(distance, dim=0 if give == "codes" else 1)
    return codebook[index] if give == "vectors" else index


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
            "this is the sum of absolute differences; want the sum of squares": dict(norm=1),
            "this is the largest difference of a channel; want the sum of squares": dict(norm=math.inf),
            "argmin runs over the wrong axis: want a code for each latent, not a latent for each code": dict(
                give="codes"
            ),
            "argmin has no axis: it gives one place in the whole table, want one for each row": dict(give="flat"),
            "these are the codes themselves; want their numbers": dict(give="vectors"),
            "these are all the distances; want the number of the smallest in each row": dict(give="distances"),
            "these are the smallest distances (min); want where they are (argmin)": dict(give="least"),
        },
    ),
    praise="argmin_k |z - e_k|^2 = argmin_k |e_k|^2 - 2 z . e_k",
    hints=(
        "For each row of z, compare its distances to all codes: a table of N rows and K columns.",
        "|z - e|^2 = |z|^2 - 2 z.e + |e|^2, and |z|^2 is the same for all codes.",
        "argmin(dim=1) of |e|^2 - 2 z @ codebook.T, where |e|^2 has shape (K,)",
    ),
    right=(
        lambda z, codebook: torch.cdist(z, codebook).argmin(1),
        lambda z, codebook: (z[:, None] - codebook).square().sum(-1).argmin(1),
        lambda z, codebook: (codebook.square().sum(1) - 2 * z @ codebook.T).argmin(dim=1),
        lambda z, codebook: torch.stack([(codebook - row).norm(dim=1).argmin() for row in z]),
    ),
)


# --- a quantizer with a gradient ---------------------------------------------------------------------------------


def _places(z: Tensor, codebook: Tensor, moved: bool = True) -> Tensor:
    """The nearest codes to z (B, c, h, w); with moved=False, as they are where z was reshaped and not transposed."""
    points = z.movedim(1, -1).flatten(0, 2) if moved else z.reshape(-1, z.shape[1])
    codes = codebook[torch.cdist(points, codebook).argmin(1)]
    return codes.unflatten(0, (len(z), *z.shape[2:])).movedim(-1, 1) if moved else codes.reshape(z.shape)


def _judge_round_through(answer: Any) -> str | None:
    if not callable(answer):
        return f"want a function of (z, codebook), got {shown(answer)}"
    g = torch.Generator().manual_seed(0)
    z = torch.randn(2, 3, 5, 4, generator=g, dtype=torch.float64, requires_grad=True)
    codebook = torch.randn(7, 3, generator=g, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 3, 5, 4, generator=g, dtype=torch.float64)
    out, want = answer(z.clone(), codebook.clone()), _places(z, codebook)
    if not isinstance(out, Tensor):
        return f"the function returns {shown(out)}; want a tensor"
    if out.shape != z.shape:
        return f"the result has shape {tuple(out.shape)}; want that of z, {tuple(z.shape)}"
    if torch.allclose(out, z):
        return "forward, the result is z itself: nothing is rounded"
    if torch.allclose(out, _places(z, codebook, moved=False)):
        return "z is reshaped before its channels are moved last, so that a row mixes several positions"
    if torch.allclose(out, want.movedim(1, -1).reshape(z.shape)):
        return "on the way back the codes are reshaped, where their channels must be moved to the second place"
    if not torch.allclose(out, want):
        return f"forward, it differs from the nearest codes by up to {float((out - want).detach().abs().max()):.2g}"
    if not out.requires_grad:
        return "no gradient comes back at all: everything is detached"
    to_z, to_codes = torch.autograd.grad((out * weight).sum(), (z, codebook), allow_unused=True)
    if to_z is None or not to_z.any():
        return "no gradient reaches z: that of the rounding is zero, so it must go round it"
    if not torch.allclose(to_z, weight):
        return "the gradient at z is not that at the output, unchanged"
    if to_codes is not None and to_codes.any():
        return "the codebook gets this gradient, too: what is added to z must be a constant as a whole"
    return None


class _Copied(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z, q):
        return q.clone()

    @staticmethod
    def backward(ctx, *grad):
        return grad[0], None


round_through = Exercise(
    "build",
    stars=3,
    minutes=15,
    judge=_judge_round_through,
    praise="forward the nearest codes; backward the gradient at the output goes to z as it is, and to no code",
    hints=(
        "Three parts: latents as rows, the lookup, the way back to (B, c, h, w). Then the gradient: z plus a constant.",
        "The rows are z.movedim(1, -1).flatten(0, 2). The constant is z_q - z with its gradient stopped by .detach().",
        "codebook[numbers].unflatten(0, (B, h, w)).movedim(-1, 1) is z_q; return z plus the detached z_q - z.",
    ),
    right=(
        lambda z, codebook: z + (_places(z, codebook) - z).detach(),
        lambda z, codebook: _places(z, codebook).detach() + (z - z.detach()),
        lambda z, codebook: _Copied.apply(z, _places(z, codebook)),
    ),
    slips={
        "no gradient reaches z": lambda z, codebook: _places(z, codebook),
        "no gradient comes back at all": lambda z, codebook: _places(z, codebook).detach(),
        "the codebook gets this gradient, too": lambda z, codebook: z + _places(z, codebook) - z.detach(),
        "nothing is rounded": lambda z, codebook: z,
        "a row mixes several positions": lambda z, codebook: z + (_places(z, codebook, moved=False) - z).detach(),
        "the gradient at z is not that at the output": lambda z, codebook: (
            2 * z + (_places(z, codebook) - 2 * z).detach()
        ),
        "on the way back the codes are reshaped": lambda z, codebook: (
            z + (_places(z, codebook).movedim(1, -1).reshape(z.shape) - z).detach()
        ),
        "want that of z": lambda z, codebook: _places(z, codebook).movedim(1, -1),
    },
)


# --- its bias ----------------------------------------------------------------------------------------------------


def _bias(mu, a, *, sign=1.0, slope=2.0, exact=1.0, border=1.0, code=torch.floor):
    through = slope * (mu - a)
    return sign * (through - exact * (2 * code(mu) + border - 2 * a))


straight_through_bias = Exercise(
    "derive",
    stars=3,
    minutes=15,
    judge=Law(
        _bias,
        [case | dict(mu=4 * case["mu"]) for case in cases("mu a", a=(-1.0, 1.0))],
        {
            "this is exact minus straight-through; want it the other way round": dict(sign=-1.0),
            "the derivative of the square lacks its factor 2": dict(slope=1.0),
            "the exact gradient is not zero: the scatter of z carries some of it over the border": dict(exact=0.0),
            "the exact gradient is L(k+1) - L(k) = 2 (k - a) + 1: the 1 is missing": dict(border=0.0),
            "k is the code below mu: floor, not the nearest code": dict(code=torch.round),
            "k is the code below mu: floor, not ceil": dict(code=torch.ceil),
        },
    ),
    praise="2 (mu - a) - (2k + 1 - 2a) = 2 (mu - k) - 1: no matter what a is, and zero on average between two codes",
    hints=(
        "Between k and k + 1 only these two codes are chosen. How often is each, as mu moves?",
        "With u = mu - k: P(k + 1) = u. Exact: d/dm [(1 - u) L(k) + u L(k + 1)]. Straight-through: the mean of L'.",
        "The exact one is L(k + 1) - L(k) = 2 (k - a) + 1, the other 2 (mu - a); k = torch.floor(mu).",
    ),
    right=(
        lambda mu, a: 2 * (mu - torch.floor(mu)) - 1,
        lambda mu, a: 2 * (mu - a) - ((mu.floor() + 1 - a) ** 2 - (mu.floor() - a) ** 2),
        lambda mu, a: 2 * (mu % 1) - 1,
    ),
)


# --- the loss that holds codes and latents together ------------------------------------------------------------------


def _judge_codebook_terms(answer: Any) -> str | None:
    if not callable(answer):
        return f"want a function of (z, z_q, beta), got {shown(answer)}"
    g, beta = torch.Generator().manual_seed(0), 0.2
    z, z_q = (torch.randn(2, 3, 4, 4, generator=g, dtype=torch.float64, requires_grad=True) for _ in range(2))
    value = answer(z.clone(), z_q.clone(), beta)
    if not isinstance(value, Tensor):
        return f"the function returns {shown(value)}; want a tensor"
    if value.shape != ():
        return f"the result has shape {tuple(value.shape)}; want one number, the mean"
    if not value.requires_grad:
        return "no gradient comes back at all: everything is detached"
    pull = 2 * (z - z_q).detach() / z.numel()
    gradients = torch.autograd.grad(value, (z, z_q), allow_unused=True)
    parts = [0.0 if part is None else float((part * pull).sum() / pull.square().sum()) for part in gradients]
    on_z, on_q = round(parts[0], 6), round(-parts[1], 6)
    if (on_z, on_q) == (beta, 1.0):
        want = (1 + beta) * float((z - z_q).detach().square().mean())
        right = math.isclose(float(value.detach()), want, rel_tol=1e-5)
        return None if right else "the gradients are right, the value is not"
    n = z.numel()
    for times, words in ((1, ""), (n, ", and the sum is taken, want the mean")):
        known = {
            (times * (1 + beta), 0.0): "no code gets a gradient: both terms stop it at z_q",
            (0.0, times * (1 + beta)): "no latent gets a gradient: both terms stop it at z",
            (times * (1 + beta), times * (1 + beta)): "nothing is detached: each term pulls at both",
            (times * 1.0, times * beta): "the two detach() are on the wrong sides: beta belongs to the pull on z",
            (times * (1 + beta), times * 1.0): "the first term is not detached: it pulls at both",
            (0.0, times * 1.0): "the commitment is missing: nothing keeps latents near their codes",
            (times * beta, 0.0): "the codebook term is missing: nothing moves the codes",
            (times * 1.0, times * 1.0): "beta is missing",
            (n * beta, n * 1.0): "the sum is taken, want the mean",
        }
        for (a, b), said in known.items():
            if math.isclose(on_z, a, rel_tol=1e-4, abs_tol=1e-9) and math.isclose(on_q, b, rel_tol=1e-4, abs_tol=1e-9):
                return said + (words if "sum" not in said else "")
    return f"the pull on z has weight {on_z:.3g}, want beta; that on the codes {on_q:.3g}, want 1"


codebook_terms = Exercise(
    "debug",
    stars=2,
    minutes=10,
    judge=_judge_codebook_terms,
    praise="codes move to the latents that chose them with weight 1, latents to their codes with weight beta",
    hints=(
        "Which of z and z_q may the first term move? And which does it move as it stands?",
        "|sg[z] - e|^2 moves the codes: sg, the detach, is on z. beta |z - sg[e]|^2 moves the latents.",
        "F.mse_loss(z_q, z.detach()) + beta * F.mse_loss(z, z_q.detach())",
    ),
    right=(
        lambda z, z_q, beta: F.mse_loss(z_q, z.detach()) + beta * F.mse_loss(z, z_q.detach()),
        lambda z, z_q, beta: ((z.detach() - z_q) ** 2).mean() + beta * ((z - z_q.detach()) ** 2).mean(),
        lambda z, z_q, beta: (z_q - z.detach()).square().add(beta * (z - z_q.detach()).square()).sum() / z.numel(),
    ),
    slips={
        "no code gets a gradient": lambda z, z_q, beta: (
            F.mse_loss(z_q.detach(), z) + beta * F.mse_loss(z, z_q.detach())
        ),
        "no latent gets a gradient": lambda z, z_q, beta: (
            F.mse_loss(z_q, z.detach()) + beta * F.mse_loss(z.detach(), z_q)
        ),
        "nothing is detached": lambda z, z_q, beta: (1 + beta) * F.mse_loss(z, z_q),
        "on the wrong sides": lambda z, z_q, beta: F.mse_loss(z, z_q.detach()) + beta * F.mse_loss(z_q, z.detach()),
        "the commitment is missing": lambda z, z_q, beta: F.mse_loss(z_q, z.detach()),
        "the codebook term is missing": lambda z, z_q, beta: beta * F.mse_loss(z, z_q.detach()),
        "beta is missing": lambda z, z_q, beta: F.mse_loss(z_q, z.detach()) + F.mse_loss(z, z_q.detach()),
        "the first term is not detached": lambda z, z_q, beta: F.mse_loss(z_q, z) + beta * F.mse_loss(z, z_q.detach()),
        "the sum is taken": lambda z, z_q, beta: (
            (z_q - z.detach()).square().sum() + beta * (z - z_q.detach()).square().sum()
        ),
        "everything is detached": lambda z, z_q, beta: (1 + beta) * F.mse_loss(z, z_q).detach(),
    },
)


# --- dead codes, and bits --------------------------------------------------------------------------------------------

codes_in_use = Exercise(
    "predict",
    stars=1,
    minutes=3,
    judge=Guess(usual=11, factor=1.5),
    praise="about a third of the codes serve all eight clusters; the others were never nearest to anything",
    hints=(
        "A code moves only when it is the nearest to some latent. Where do the 32 codes begin?",
        "From far away, a bunch of codes is seen from outside only: which of a bunch can be nearest?",
        "Those on the outside of the bunch: more than the eight clusters, far fewer than 32.",
    ),
    right=(11, 10, 12.0, torch.tensor(9)),
    slips={
        "2.9 times too large": 32,
        "2.2 times too large": 24,
        "11 times too small": 1,
        "2.8 times too small": 4,
        "of the wrong sign": -11,
        "want a number": "a few",
    },
)


def _judge_revival(answer: Any) -> str | None:
    if not isinstance(answer, dict):
        return f"want a dict of threshold: error, got {shown(answer)}"
    try:
        errors = {as_number(threshold): as_number(error) for threshold, error in answer.items()}
    except ValueError as problem:
        return str(problem)
    middle = [error for threshold, error in errors.items() if 0 < threshold <= 0.9]
    if 0 not in errors:
        return "the control is missing: measure threshold 0, no revival"
    if len(middle) < 3:
        return "too few thresholds between 0 and 0.9: measure three or more, over a factor of ten"
    high = [error for threshold, error in errors.items() if threshold >= 1]
    if not high:
        return "measure a threshold of 1 or more, too: what if every code below its fair share is moved?"
    if min(errors.values()) <= 0 or max(errors.values()) > 5:
        return "these are not errors, which lie between 0 and 5: did you keep the number of codes in use?"
    best = min(middle)
    if max(errors.values()) < 1.02 * best:
        return "all errors are the same: does each run start from the same codebook, with the threshold passed on?"
    if errors[0] < 1.3 * best:
        return f"without revival the error is {far(errors[0], best)} beside that with it; the runs share a codebook?"
    if min(high) < 1.04 * best:
        return "at 1 and above the error should be larger; average it over several seeds and over the last steps"
    return None


revival = Exercise(
    "experiment",
    stars=2,
    minutes=15,
    judge=_judge_revival,
    praise="too low leaves codes dead, too high moves codes that work; between the two the threshold hardly matters",
    hints=(
        "A loop over thresholds, and in it one over seeds; keep a mean error for each threshold.",
        "Thresholds 0 (the control), 0.01, 0.1, 0.5 and 1.5, say; a fresh start codebook for each run.",
        "errors[threshold] = the mean of final_error(threshold, seed) over seeds 0 to 3",
    ),
    right=(
        {0: 0.47, 0.01: 0.105, 0.1: 0.107, 0.5: 0.1, 1.0: 0.124},
        {0.0: 0.55, 0.003: 0.104, 0.03: 0.11, 0.3: 0.108, 0.9: 0.108, 1.5: 0.2},
        {0: torch.tensor(0.5), 0.1: torch.tensor(0.1), 0.2: torch.tensor(0.11), 0.6: torch.tensor(0.1), 2: 0.3},
    ),
    slips={
        "want a dict": 0.1,
        "the control is missing": {0.01: 0.105, 0.1: 0.107, 0.5: 0.1, 1.0: 0.124},
        "too few thresholds": {0: 0.47, 0.1: 0.107, 1.0: 0.124},
        "a threshold of 1 or more": {0: 0.47, 0.01: 0.105, 0.1: 0.107, 0.5: 0.1},
        "the number of codes in use": {0: 11, 0.01: 32, 0.1: 32, 0.5: 32, 1.0: 32},
        "all errors are the same": {0: 0.1, 0.01: 0.1, 0.1: 0.1, 0.5: 0.1, 1.0: 0.1},
        "the runs share a codebook": {0: 0.11, 0.01: 0.1, 0.1: 0.1, 0.5: 0.1, 1.0: 0.12},
        "average it over several seeds": {0: 0.4, 0.01: 0.1, 0.1: 0.11, 0.5: 0.1, 1.0: 0.1},
    },
)

bits_of_codes = Exercise(
    "derive",
    stars=1,
    minutes=5,
    judge=Number(
        2048,
        {
            "this is what all codes alike would cost, log2 K at each position": 2560,
            "these are nats; want bits, a logarithm to base 2": 2048 * math.log(2),
            "this is one position; an image has 16 x 16": 8,
            "the perplexity is a number of codes; its logarithm is in bits": 256 * 256,
            "this is what is saved": 512,
            "each position holds one whole number, however many channels its code has": 4 * 2048,
        },
    ),
    praise="16 x 16 positions of log2 256 = 8 bits, against 10 with codes of one length",
    hints=(
        "What is the perplexity in terms of the entropy?",
        "perplexity = exp(H) with H in nats, so H / ln 2 = log2(perplexity) bits at each position.",
        "positions times log2 of the perplexity",
    ),
    right=(2048, 16 * 16 * math.log2(256), torch.tensor(2048.0)),
)
