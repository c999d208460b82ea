"""The exercises of notebook 14: editing."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Case, Guess, Law, Number, as_number, cases, shown
from ldm_teach.theory.schedule import NoiseSchedule

# Predict: what survives when all is noise.

SURVIVAL_SLIPS: Mapping[str, float] = {
    "a new sample may fall into the old mode by chance": 0.0,
    "so it would be with three modes of equal weight": 1 / 3,
    "that is the weight of the heaviest mode: the share where all samples went there": 0.5,
    "at strength 1 the noise hides next to everything": 1.0,
    "the chance of one mode after the other, and then the sum over the modes": 0.5 * 0.3 * 0.2,
    "weights are squared and then added; that is the root": 0.38**0.5,
}


survival_at_full_strength = Exercise(
    "predict",
    stars=1,
    minutes=4,
    judge=Guess(0.38, 1.12, SURVIVAL_SLIPS),
    praise="the old mode and the new one are two independent draws: sum_k w_k^2",
    hints=(
        "At strength 1 the noise says nothing of the old sample. So what are the old mode and the new one?",
        "Two independent draws with the weights 0.5, 0.3 and 0.2. What is the chance that they are equal?",
        "0.5^2 + 0.3^2 + 0.2^2",
    ),
    right=(0.38, 0.25 + 0.09 + 0.04, torch.tensor(0.38)),
)


# Implement: the prediction that keeps what is known.


def _kept(eps, x_t, known, mask, alpha_bar, *, turned=False, root=0.5, scaled=True, sign=1.0, data=False, everywhere=0):
    mask = ~mask if turned else mask
    if data:  # the known x_0 itself
        return torch.where(mask, eps, known)
    signal, noise = alpha_bar**0.5, (1 - alpha_bar) ** root
    leads = sign * (x_t - (signal if scaled else 1.0) * known) / noise
    if everywhere == 1:
        return leads
    if everywhere == 2:  # the noised known part, as if x_t were asked for
        return torch.where(mask, eps, signal * known + noise * eps)
    return torch.where(mask, eps, leads)


def _cases_of_masks() -> list[Case]:
    made = cases("eps x_t known mask alpha_bar", alpha_bar=(0.2, 0.8))
    return [case | dict(mask=case["mask"] > 0) for case in made]


keeping = Exercise(
    "implement",
    stars=2,
    minutes=8,
    judge=Law(
        _kept,
        _cases_of_masks(),
        {
            "the mask is upside down: True is where something new is wanted": dict(turned=True),
            "the known part is divided by 1 - alpha_bar, want its root": dict(root=1.0),
            "the known x_0 lacks its amplitude sqrt(alpha_bar) in x_t": dict(scaled=False),
            "the sign is wrong: the noise is what is in x_t besides the known part": dict(sign=-1.0),
            "that is the known x_0, want the noise that leads to it from x_t": dict(data=True),
            "the known part is kept everywhere: nothing new is drawn": dict(everywhere=1),
            "that is the known part noised; asked is the noise that is in x_t": dict(everywhere=2),
        },
    ),
    praise="eps where something new is wanted, (x_t - sqrt(alpha_bar) known) / sqrt(1 - alpha_bar) elsewhere",
    hints=(
        "Where x_0 is known, the noise in x_t is known, too: solve x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) e.",
        "e = (x_t - sqrt(alpha_bar) known) / sqrt(1 - alpha_bar), where the mask is False.",
        "torch.where(mask, eps, e)",
    ),
    right=(
        lambda eps, x, known, mask, a: torch.where(mask, eps, (x - a**0.5 * known) / (1 - a) ** 0.5),
        lambda eps, x, known, mask, a: mask * eps + ~mask * (x - a.sqrt() * known) / (1 - a).sqrt(),
        lambda eps, x, known, mask, a: ((x - a.sqrt() * known) * (1 - a).rsqrt()).masked_scatter(mask, eps[mask]),
    ),
)


# Experiment: resampling at equal cost.

STEPS_TIMES_RESAMPLING = 100
EQUAL_SLIPS: Mapping[str, Any] = {
    "want a dictionary": [0.46, 0.33, 0.23, 0.37, 0.62],
    "want the resamplings 1, 2, 5, 10 and 20": {1: 0.46, 5: 0.23, 10: 0.37},
    "one number for each resampling": {r: (0.47, 0.01) for r in (1, 2, 5, 10, 20)},
    "all walks give the same": dict.fromkeys((1, 2, 5, 10, 20), 0.47),
    "does num_steps fall as the resampling rises": {1: 0.46, 2: 0.32, 5: 0.17, 10: 0.07, 20: 0.09},
    "that is the table for x_1 = 0": {1: 1.15, 2: 1.08, 5: 0.93, 10: 0.89, 20: 0.89},
}


def _judge_equal(answer: Any) -> str | None:
    """Words for what was measured otherwise than asked; the bounds are wide: seeds differ."""
    if not isinstance(answer, dict):
        return f"want a dictionary {{resampling: distance}}, got {shown(answer)}"
    found = dict(answer)
    if set(found) != {1, 2, 5, 10, 20}:
        return f"want the resamplings 1, 2, 5, 10 and 20, got {shown(sorted(found))}"
    if any(isinstance(value, tuple | list) for value in found.values()):
        return "want one number for each resampling, the distance alone"
    once, _, five, ten, twenty = (as_number(found[r]) for r in (1, 2, 5, 10, 20))
    if max(once, five, twenty) - min(once, five, twenty) < 1e-6:
        return "all walks give the same: does the resampling reach `ddpm`?"
    if once > 0.8:
        return "that is the table for x_1 = 0; asked is x_1 = 1"
    if twenty < 0.25:
        words = "does num_steps fall as the resampling rises?"
        return f"at resampling 20 you found {twenty:.2f}, where 5 steps are too coarse: {words}"
    if not 0.35 < once < 0.6:
        return f"at resampling 1 you found {once:.2f}; the table above has about 0.47"
    fell_and_rose = five < min(once, ten, twenty) - 0.05
    return None if fell_and_rose else f"from 1 to 20 the distances should fall and rise, got {found}"


equal_calls = Exercise(
    "experiment",
    stars=2,
    minutes=10,
    judge=_judge_equal,
    praise="neither all calls in steps nor all in repetitions: in between the distance is smallest",
    hints=(
        "`inpainted(value, resampling, num_steps)` is above; num_steps * resampling shall be 100.",
        "num_steps is 100 // resampling; the distance is the first number that `distance` returns.",
        "{r: distance(inpainted(1.0, r, 100 // r), 1.0)[0] for r in (1, 2, 5, 10, 20)}",
    ),
    right=(
        {1: 0.46, 2: 0.33, 5: 0.23, 10: 0.37, 20: 0.62},
        {20: 0.61, 10: 0.35, 5: 0.24, 2: 0.32, 1: 0.45},
        {r: torch.tensor(value) for r, value in {1: 0.48, 2: 0.34, 5: 0.22, 10: 0.38, 20: 0.63}.items()},
    ),
    slips=EQUAL_SLIPS,
)


# Debug: an inversion that forgets where its step began.

_WALK = NoiseSchedule.cosine(100)


def look(x_s: Tensor, seen: Tensor, t: int, a: float, a_s: float) -> Tensor:
    """x_t from x_s as in the notebook, of a denoiser that bends and knows the time."""
    eps = torch.tanh(seen) * (t / 100 + 0.5)
    x0 = (seen - (1 - a) ** 0.5 * eps) / a**0.5
    turn = math.acos(a**0.5) - math.acos(a_s**0.5)
    return math.cos(turn) * x_s + math.sin(turn) * (a_s**0.5 * eps - (1 - a_s) ** 0.5 * x0)


def _inversion(look, schedule, x, num_steps, looks, *, moves=False, down=False, told=False, swapped=False, once=False):
    walk = schedule.walk(num_steps)
    for t, a, s, a_s in walk if down else reversed(walk):
        seen = x
        for _ in range(1 if once else looks):
            first, second = (seen, x) if swapped else (seen, seen) if moves else (x, seen)
            seen = look(first, second, max(s, 0) if told else t, a, a_s)
        x = seen
    return x


def _inversion_law(x: Tensor, num_steps: Tensor, looks: Tensor, **knobs: Any) -> Tensor:
    return _inversion(look, _WALK, x, int(num_steps), int(looks), **knobs)


_INVERSION = Law(
    _inversion_law,
    [
        case | dict(num_steps=torch.tensor(steps), looks=torch.tensor(looks))
        for case, steps, looks in zip(cases("x"), (5, 8, 10), (2, 3, 1), strict=True)
    ],
    {
        "a later look still moves on from where the one before has led; each begins at x_s": dict(moves=True),
        "the walk goes from noise to data; an inversion goes up": dict(down=True),
        "the network is told the time s; want t, for it shall say what it will say at x_t": dict(told=True),
        "x_s and what the network sees are exchanged": dict(swapped=True),
        "it looks once, however many looks are asked for": dict(once=True),
    },
)


def _judge_inversion(answer: Any) -> str | None:
    if not callable(answer):
        return f"want a function of (look, schedule, x, num_steps, looks), got {shown(answer)}"
    return _INVERSION(lambda x, num_steps, looks: answer(look, _WALK, x, int(num_steps), int(looks)))


def _by_recursion(look, schedule, x, num_steps, looks):
    for t, a, _, a_s in schedule.walk(num_steps)[::-1]:

        def seen(number, x_s=x, t=t, a=a, a_s=a_s):
            return x_s if number == 0 else look(x_s, seen(number - 1), t, a, a_s)

        x = seen(looks)
    return x


mended_inversion = Exercise(
    "debug",
    stars=2,
    minutes=8,
    judge=_judge_inversion,
    praise="each look begins at x_s, and only what the network sees is better",
    hints=(
        "With one look it is right. Where does the second look begin?",
        "x_t = cos x_s + sin v_s holds with x_s, the point where the step began, at every look.",
        "Keep `seen = x` apart from x: seen = look(x, seen, t, a, a_s), and after the looks x = seen.",
    ),
    right=(_inversion, _by_recursion, lambda *arguments: _inversion(*arguments).clone()),
    slips={words: partial(_inversion, **knobs) for words, knobs in _INVERSION.knobs.items()},
)


# Implement: between two noises.


def _between(a, b, u, *, line=False, unit=False, turned=False, batch=False, half=1.0, first=False, root=False):
    u = 1 - u if turned else u
    if line:
        return (1 - u) * a + u * b
    if root:
        return (1 - u) ** 0.5 * a + u**0.5 * b
    start = 0 if batch else 1
    rows = (1,) * a.ndim if batch else (-1, *(1,) * (a.ndim - 1))
    size_a, size_b = (x.flatten(start).norm(dim=-1).reshape(rows) for x in (a, b))
    theta = ((a / size_a) * (b / size_b)).flatten(start).sum(-1).acos().reshape(rows)
    size = 1.0 if unit else size_a if first else (1 - u) * size_a + u * size_b
    ends = ((1 - u) * half * theta).sin() * a / size_a + (u * half * theta).sin() * b / size_b
    return size * ends / (half * theta).sin()


def _right_between(a, b, u):
    rows = a.flatten(1), b.flatten(1)
    size = [x.norm(dim=1, keepdim=True) for x in rows]
    unit = [x / n for x, n in zip(rows, size, strict=True)]
    across = unit[1] - (unit[0] * unit[1]).sum(1, keepdim=True) * unit[0]  # at a right angle to the first
    theta = torch.atan2(across.norm(dim=1, keepdim=True), (unit[0] * unit[1]).sum(1, keepdim=True))
    turned = (u * theta).cos() * unit[0] + (u * theta).sin() * across / across.norm(dim=1, keepdim=True)
    return (torch.lerp(size[0], size[1], u) * turned).view_as(a)


between_noises = Exercise(
    "implement",
    stars=3,
    minutes=12,
    judge=Law(
        _between,
        cases("a b u", u=(0.15, 0.4)),
        {
            "that is the straight line: half-way its norm is too small": dict(line=True),
            "the result has norm 1: multiply by the norm between those of a and b": dict(unit=True),
            "u = 0 must give a, and u = 1 must give b": dict(turned=True),
            "the angle is one for the whole batch; each row has its own": dict(batch=True),
            "half of the angle is turned": dict(half=0.5),
            "the norm is that of a all the way; at u = 1 it must be that of b": dict(first=True),
            "that is the walk with the roots of the shares, which turns the angle unevenly": dict(root=True),
        },
    ),
    praise="the angle is turned evenly and the norm changes evenly, row by row",
    hints=(
        "Row by row: the two norms, the two unit vectors, and the angle theta between them: the acos of their product.",
        "(sin((1 - u) theta) a_unit + sin(u theta) b_unit) / sin(theta), times (1 - u) |a| + u |b|.",
        "x.flatten(1).norm(dim=1) are the norms of the rows; .view(-1, *[1] * (a.ndim - 1)) lets them meet a.",
    ),
    right=(_between, _right_between, lambda a, b, u: _between(b, a, 1 - u)),
)


# Derive: a negative condition on the line.

negative_mean = Exercise(
    "derive",
    stars=2,
    minutes=6,
    judge=Number(
        6.0,
        {
            "that is w taken for s = 1 + w": 2 * 1.0 + 1 * 1.5,
            "the negative density is multiplied; want it divided by": 3 * 1.0 - 2 * 1.5,
            "that is the mean of what is asked for, without guidance": 1.0,
            "that is the pull alone: it starts from what is asked for": 2 * 2.5,
            "that is the distance of the two means": 2.5,
            "that is guidance away from a null condition at 0; the negative one is at -1.5": 3.0,
        },
    ),
    praise="(1 + w) m_c - w m_n: beyond what is asked for, on the side away from the negative",
    hints=(
        "The logarithm of p_c^(1 + w) / p_n^w is a parabola; where is its top?",
        "-(1 + w) (x - m_c)^2 / 2 + w (x - m_n)^2 / 2: the factor of x^2 is -1/2.",
        "Its derivative is -(1 + w) (x - m_c) + w (x - m_n); set it to zero.",
    ),
    right=(6, 6.0, torch.tensor(6.0)),
)


# Debug: from a mask of pixels to a mask of latents.


def _latent_mask(mask, *, every=False, corner=False, most=False, turned=False, flat=False, batch=False):
    squares = mask.unflatten(2, (-1, 4)).unflatten(1, (-1, 4)).transpose(2, 3).flatten(3)  # (B, h, w, 16)
    squares = ~squares if turned else squares
    if every:
        free = squares.all(-1)
    elif corner:
        free = squares[..., 0]
    elif most:
        free = squares.double().mean(-1) > 0.5
    else:
        free = squares.any(-1)
    if batch:
        free = free.any(0, keepdim=True)
    return free if flat else free[:, None]


def _cases_of_pixels() -> list[Case]:
    generator = torch.Generator().manual_seed(0)
    shapes = (3, 16, 16), (2, 8, 24), (1, 32, 32)
    return [
        dict(mask=torch.rand(shape, generator=generator) < share)
        for shape, share in zip(shapes, (0.06, 0.9, 0.5), strict=True)
    ]


mended_latent_mask = Exercise(
    "debug",
    stars=1,
    minutes=6,
    judge=Law(
        _latent_mask,
        _cases_of_pixels(),
        {
            "a latent is drawn anew only where all of its 16 pixels are asked for; one is enough": dict(every=True),
            "still only one pixel in 16 is looked at": dict(corner=True),
            "a latent is drawn anew only where most of its pixels are asked for; one is enough": dict(most=True),
            "the mask is upside down: True is where something new is wanted": dict(turned=True),
            "the dimension of the channels is missing: want (B, 1, h, w)": dict(flat=True),
            "the masks of the batch are mixed: each picture has its own": dict(batch=True),
        },
    ),
    praise="a latent is free where the mask has one of its pixels",
    hints=(
        "Each latent stands for 4 x 4 pixels. When must it be drawn anew?",
        "When any of the 16 is asked for: the largest of them, with the mask as numbers.",
        "F.max_pool2d(mask[:, None].float(), 4) > 0",
    ),
    right=(
        lambda mask: F.max_pool2d(mask[:, None].float(), 4) > 0,
        lambda mask: F.avg_pool2d(mask[:, None].double(), 4) > 1e-6,
        lambda mask: mask.unflatten(2, (-1, 4)).unflatten(1, (-1, 4)).any(4).any(2)[:, None],
    ),
)
