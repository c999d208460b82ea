"""The exercises of notebook 03: Langevin dynamics."""

import math

import torch

from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Law, cases


def _langevin_step(x, score, delta, noise, *, sign=1.0, half=0.5, step=1.0, power=0.5, kept=1.0, at=1.0):
    return at * x + sign * half * delta**step * score + kept * delta**power * noise


langevin_step = Exercise(
    "implement",
    stars=1,
    minutes=5,
    judge=Law(
        _langevin_step,
        cases("x score delta noise", delta=(0.1, 0.6)),
        {
            "the drift has the wrong sign: climb the density, do not fall": dict(sign=-1.0),
            "the drift lacks its factor 1/2": dict(half=1.0),
            "the drift is missing": dict(half=0.0),
            "the drift is not scaled with delta": dict(step=0.0),
            "the drift is scaled with sqrt(delta), want delta": dict(step=0.5),
            "the noise is scaled with delta, want sqrt(delta)": dict(power=1.0),
            "the noise is not scaled at all, want sqrt(delta)": dict(power=0.0),
            "the noise is missing": dict(kept=0.0),
            "the noise is scaled with sqrt(2 delta), as for a drift without its 1/2": dict(kept=2**0.5),
            "the noise is halved, too: the 1/2 belongs to the drift alone": dict(kept=0.5),
            "the step is returned without x, where it starts": dict(at=0.0),
        },
    ),
    praise="x + delta/2 score + sqrt(delta) noise",
    hints=(
        "A step has three parts: where it starts, a drift along the score, and noise.",
        "Welling & Teh 2011: the drift is delta / 2 times the score, the noise has variance delta.",
        "x plus half of delta times score plus the root of delta times the noise that is given.",
    ),
    right=(
        lambda x, score, delta, noise: x + delta / 2 * score + delta.sqrt() * noise,
        lambda x, score, delta, noise: x.add_(0.5 * delta * score).add_(torch.sqrt(delta) * noise),
        lambda x, score, delta, noise: torch.lerp(x, x + delta * score, 0.5) + math.sqrt(delta) * noise,
    ),
    slips={
        "the result changes from call to call": lambda x, score, delta, noise: (
            x + delta / 2 * score + delta**0.5 * torch.randn_like(x)
        ),
    },
)
