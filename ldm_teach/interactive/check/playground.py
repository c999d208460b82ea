"""The exercises of notebook 15: the playground."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Guess, Law, Number, cases, shown
from ldm_teach.theory.editing import slerp

# Predict: what can be seen after one step.

FIRST_SLIPS: Mapping[str, float] = {
    "pure noise goes in, but the prediction is drawn with the class in hand: it is no guess among ten": 10.0,
    "the network is told the class at the first step as at every other": 0.5,
    "the first prediction is blurred, and shows its class all the same": 30.0,
    "it is seen in more than half of them, by far": 55.0,
    "nearer, and still too few": 72.0,
    "not in all: the first prediction is a blurred mean, and some means show another class": 100.0,
}

seen_at_once = Exercise(
    "predict",
    stars=1,
    minutes=3,
    judge=Guess(90.0, 1.09, FIRST_SLIPS),
    praise="what it is shows at once; what it looks like is settled later",
    hints=(
        "The prediction of x_0 at the first step is a mean over all garments that the noise may come from.",
        "Guided, it is the mean over garments of that class. Does the mean shirt look like a shirt?",
        "Nine in ten, or so.",
    ),
    right=(90, 88.0, torch.tensor(93)),
)


# Implement: between two conditions.


def _blended(eps_first, eps_second, u, *, swapped=False, root=False, guide=False, added=False, half=False):
    if swapped:
        u = 1 - u
    if root:
        return (1 - u).sqrt() * eps_first + u.sqrt() * eps_second
    if guide:
        return (1 + u) * eps_first - u * eps_second
    if added:
        return eps_first + u * eps_second
    if half:
        return (eps_first + eps_second) / 2
    return (1 - u) * eps_first + u * eps_second


blended_noise = Exercise(
    "implement",
    stars=1,
    minutes=5,
    judge=Law(
        _blended,
        cases("eps_first eps_second u", u=(0.15, 0.4)),
        {
            "the ends are exchanged: at u = 0 want the first": dict(swapped=True),
            "the weights are roots: variances add so, scores do not": dict(root=True),
            "that is guidance, which goes away from the second": dict(guide=True),
            "the first keeps its whole weight: at u = 1 want the second alone": dict(added=True),
            "u is not used: that is the middle": dict(half=True),
        },
    ),
    praise="the scores are weighted as the logarithms of the densities are, and eps is a score",
    hints=(
        "The logarithm of the density is (1 - u) log q_first + u log q_second. Take its gradient.",
        "The score is -eps / sqrt(1 - alpha_bar), with one factor for both: so eps is weighted as the score is.",
        "(1 - u) * eps_first + u * eps_second",
    ),
    right=(
        _blended,
        lambda a, b, u: a + u * (b - a),
        lambda a, b, u: torch.lerp(a, b, u),
    ),
)


# Derive: what a walk costs.

rows_of_a_walk = Exercise(
    "derive",
    stars=2,
    minutes=5,
    judge=Number(
        1536,
        {
            "a factor of 2 is missing: there are two conditions, and each is guided by a call without one": 768,
            "those are the pictures, step by step; each is predicted more than once": 384,
            "that is one step of the twelve": 128,
            "that is one frame of the eight": 192,
            "a factor of 2 too much: the frames at the ends are not special, and no call is made twice": 3072,
            "the call without a condition is made for each of the two, not once for both": 1152,
        },
        tolerance=0.001,
    ),
    praise="8 frames x 4 pictures x 12 steps x 2 conditions x 2 calls, with the condition and without",
    hints=(
        "How many pictures are there, over all frames? How many steps has each?",
        "At each step of each picture two guided predictions are mixed. How many calls does one of them take?",
        "8 * 4 * 12 * 2 * 2",
    ),
    right=(1536, 8 * 4 * 12 * 2 * 2, torch.tensor(1536.0)),
)


# Debug: between two noises.


def _judge_walk(answer: Any) -> str | None:
    """Words for what is wrong with a way from noise a (B, *D) to noise b: its ends, its size, its shape."""
    if not callable(answer):
        return f"want a function of (a, b, u), got {shown(answer)}"
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 3, 4, 16, 16, generator=generator)
    found = {u: answer(a.clone(), b.clone(), u) for u in (0.0, 0.25, 0.5, 0.75, 1.0)}
    for x in found.values():
        if not isinstance(x, Tensor) or x.shape != a.shape:
            return f"it returns {shown(x)}; want a tensor of the shape of a, {tuple(a.shape)}"
    if not torch.allclose(found[0.0], a, atol=0.02):
        return "at u = 0 it is not the first noise"
    if not torch.allclose(found[1.0], b, atol=0.02):
        return "at u = 1 it is not the second noise"
    sizes = {u: float(x.square().mean().sqrt()) for u, x in found.items()}
    worst = max(sizes.values(), key=lambda size: abs(size - 1))
    if abs(worst - 1) > 0.03:
        much = "small" if worst < 1 else "large"
        return f"on the way the noise is too {much}: the root of its mean square is {worst:.2f}, want 1"
    same = answer(a.clone(), a.clone(), 0.5)
    if not torch.allclose(same, a, atol=0.05):
        return "between a noise and itself it leaves it: it must not take for granted that the two are independent"
    return None


def _line(a, b, u):
    return (1 - u) * a + u * b


def _renormed(a, b, u):
    line, over = _line(a, b, u), (1, 2, 3)
    norms = [x.square().sum(over, keepdim=True).sqrt() for x in (a, b, line)]
    return line * ((1 - u) * norms[0] + u * norms[1]) / norms[2]


def _arc(a, b, u):
    na, nb = (x.flatten(1).norm(dim=1)[:, None, None, None] for x in (a, b))
    cosine = (a / na * b / nb).flatten(1).sum(1)[:, None, None, None].clamp(-1, 1)
    angle = cosine.arccos().clamp(min=1e-3)
    return (((1 - u) * angle).sin() * a + (u * angle).sin() * b) / angle.sin()


mended_walk = Exercise(
    "debug",
    stars=2,
    minutes=8,
    judge=_judge_walk,
    praise="on the sphere all the way: every noise on it is one that the model has seen",
    hints=(
        "Print the root of the mean square of `walk_noise(a, b, 0.5)`. What is it for a and for b?",
        "The variance of (1 - u) a + u b is (1 - u)^2 + u^2, at u = 1/2 one half. Give back the norm that is lost.",
        "Divide the line by its norm, row by row, and multiply by (1 - u) |a| + u |b|; or take `editing.slerp`.",
    ),
    right=(slerp, _renormed, _arc),
    slips={
        "too small: the root of its mean square is 0.7": _line,
        "between a noise and itself it leaves it": lambda a, b, u: (1 - u) ** 0.5 * a + u**0.5 * b,
        "at u = 0 it is not the first noise": lambda a, b, u: slerp(b, a, u),
        "at u = 1 it is not the second noise": lambda a, b, u: a,
        "too large": lambda a, b, u: slerp(a, b, u) * (1 + 2 * u * (1 - u)),
        "want a tensor of the shape of a": lambda a, b, u: a[0],
        "want a function of (a, b, u)": 0.5,
    },
)


# Experiment: how many steps are enough.

enough_steps = Exercise(
    "experiment",
    stars=2,
    minutes=8,
    judge=Number(
        12,
        {
            "at 2 steps they are still 0.31 apart": 2,
            "at 4 steps they are still 0.21 apart": 4,
            "at 6 steps they are still 0.16 apart": 6,
            "at 8 steps they are still 0.12 apart": 8,
            "that is enough, and more than is needed": 16,
            "that is far more than is needed": 24,
        },
    ),
    praise="twelve: what the panels of this course draw when a slider is released",
    hints=(
        "`apart` above measures it for one number of steps; try the others.",
        "apart(replace(start, sampler='dpm_solver', steps=n), reference) for each n.",
        "The distance falls from 0.31 at 2 steps to 0.05 at 16; where does it first lie below 0.1?",
    ),
    right=(12, 12.0, torch.tensor(12)),
)
