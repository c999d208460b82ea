"""The exercises of notebook 09: classifier-free guidance."""

import torch

from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Law, cases


def _guided_noise(eps_cond, eps_uncond, s, *, start=0.0, shift=0.0, sign=1.0, swapped=False):
    if swapped:
        eps_cond, eps_uncond = eps_uncond, eps_cond
    base = start * eps_cond + (1 - start) * eps_uncond
    return base + sign * (s + shift) * (eps_cond - eps_uncond)


guided_noise = Exercise(
    "implement",
    stars=1,
    minutes=5,
    judge=Law(
        _guided_noise,
        cases("eps_cond eps_uncond s", s=(1.5, 4.0)),
        {
            "that is the rule with w: s is 1 + w, and s = 1 must be no guidance": dict(start=1.0),
            "s is one too small: s = 1 must give the conditional prediction": dict(shift=-1.0),
            "the condition and the null condition are swapped": dict(swapped=True),
            "the difference has the wrong sign: walk from the unconditional to the conditional one": dict(sign=-1.0),
        },
    ),
    praise="eps_uncond + s (eps_cond - eps_uncond), s = 1 + w",
    hints=(
        "Start at the prediction without the condition and walk towards the one with it.",
        "s = 0 must give the unconditional, s = 1 the conditional prediction.",
        "eps_uncond plus s times the difference",
    ),
    right=(
        lambda eps_cond, eps_uncond, s: eps_uncond + s * (eps_cond - eps_uncond),
        lambda eps_cond, eps_uncond, s: s * eps_cond + (1 - s) * eps_uncond,
        lambda eps_cond, eps_uncond, s: torch.lerp(eps_uncond, eps_cond, s),
    ),
)


def _sharpening_step(
    x, eps_cond, eps_uncond, w, alpha_bar, delta, noise, *, sign=-1.0, root=0.5, half=0.5, power=0.5, by=1.0, plain=0.0
):
    eps = (by + w) * eps_cond - (by + w - 1) * eps_uncond
    eps = plain * eps_cond + (1 - plain) * eps
    return x + sign * half * delta * eps / (1 - alpha_bar) ** root + delta**power * noise


sharpening_step = Exercise(
    "implement",
    stars=3,
    minutes=12,
    judge=Law(
        _sharpening_step,
        cases("x eps_cond eps_uncond w alpha_bar delta noise", w=(0.5, 2.0), alpha_bar=(0.3, 0.8), delta=(0.1, 0.4)),
        {
            "the score is minus eps over the root: the drift has the wrong sign": dict(sign=1.0),
            "eps is no score yet: divide by sqrt(1 - alpha_bar)": dict(root=0.0),
            "eps is divided by 1 - alpha_bar, want its root": dict(root=1.0),
            "the drift lacks its factor 1/2": dict(half=1.0),
            "the noise is scaled with delta, want sqrt(delta)": dict(power=1.0),
            "w is taken for s": dict(by=0.0),
            "the step follows the conditional density, want the guided one": dict(plain=1.0),
        },
    ),
    praise="x + delta/2 score + sqrt(delta) noise, score = -((1 + w) eps_cond - w eps_uncond) / sqrt(1 - alpha_bar)",
    hints=(
        "Guide the noise, turn it into a score, take a Langevin step along it.",
        "score = -eps / sqrt(1 - alpha_bar), eps = (1 + w) eps_cond - w eps_uncond.",
        "x - delta / 2 eps / sqrt(1 - alpha_bar) + sqrt(delta) noise",
    ),
    right=(
        lambda x, c, u, w, alpha_bar, delta, noise: (
            x - delta / 2 * ((1 + w) * c - w * u) / (1 - alpha_bar).sqrt() + delta.sqrt() * noise
        ),
        lambda x, c, u, w, alpha_bar, delta, noise: (
            x.sub_(delta * (c + w * (c - u)) / (2 * torch.sqrt(1 - alpha_bar))) + noise * torch.sqrt(delta)
        ),
        lambda x, c, u, w, a, d, noise: x + d / 2 * -(u + (1 + w) * (c - u)) / (1 - a) ** 0.5 + d**0.5 * noise,
    ),
)
