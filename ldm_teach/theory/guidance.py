"""Guidance: functions from denoisers to a denoiser.

Each law stands twice: on tensors, and as a map from the arrows of `Denoiser` to a new one, which any sampler consumes.
Predictor-corrector guidance is the sampler `predictor_corrector` with a guided arrow as its corrector.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ldm_teach import checks
from ldm_teach.theory.parameterization import eps_from_score, eps_from_v, eps_from_x0, v_from_eps, x0_from_eps
from ldm_teach.theory.schedule import Denoiser, NoiseSchedule
from ldm_teach.theory.tensors import per_row

LogProb = Callable[[Tensor, Tensor], Tensor]  # (x_t (B, *D), t (B,)) -> log p(y|x_t) (B,) of the wanted y


def w_from_s(s: float) -> float:
    """The guidance weight w of Ho & Salimans 2022 from the scale s of the published code: w = s - 1."""
    return checks.finite("s", s) - 1


def s_from_w(w: float) -> float:
    """The guidance scale s from the weight w: s = 1 + w, so that s = 1 (w = 0) is no guidance."""
    return 1 + checks.finite("w", w)


def guide(eps_cond: Tensor, eps_uncond: Tensor, w: float | Tensor) -> Tensor:
    """Classifier-free guidance: (1 + w) eps_cond - w eps_uncond, which is eps_uncond + s (eps_cond - eps_uncond).

    eps_cond, eps_uncond: (B, *D).  w: a number, or (B,) for a weight of its own for each sample.  Returns (B, *D).
    w = 0 is the conditional prediction, w = -1 the unconditional one. Source: Ho & Salimans 2022, eq. 6.
    """
    checks.same_shape(eps_cond=eps_cond, eps_uncond=eps_uncond)
    w = over_rows("w", w, eps_cond)
    return (1 + w) * eps_cond - w * eps_uncond


def classifier_free_guidance(conditional: Denoiser, unconditional: Denoiser, w: float | Tensor) -> Denoiser:
    """The denoiser that calls both and combines them by `guide`. Source: Ho & Salimans 2022, algorithm 2."""
    denoisers(conditional=conditional, unconditional=unconditional)
    return lambda x_t, t: guide(conditional(x_t, t), unconditional(x_t, t), w)


def autoguidance(strong: Denoiser, weak: Denoiser, w: float | Tensor) -> Denoiser:
    """Guidance by a weaker version of the same model: (1 + w) eps_strong - w eps_weak, the law of `guide` once more.

    Both have the same condition, or none: what is subtracted is what the weaker one does worse, and not the condition,
    so that the variety which the condition leaves is kept. Weaker is a smaller network or one trained for less long.
    Source: Karras et al. 2024 (Guiding a diffusion model with a bad version of itself), sec. 4; their w is our 1 + w.
    """
    denoisers(strong=strong, weak=weak)
    return classifier_free_guidance(strong, weak, w)


def compose(conditions: Sequence[tuple[Denoiser, float | Tensor]], unconditional: Denoiser) -> Denoiser:
    """Several conditions at once, each with its own weight: eps + sum_i (1 + w_i) (eps_i - eps).

    conditions: pairs (denoiser with condition i bound, w_i).  With one condition this is `classifier_free_guidance`;
    with all w_i = 0 it is the score of q(x_t|y_1, y_2, ...) where the y_i are independent given x_t.
    Source: Liu et al. 2022, Composable Diffusion (their weight is our 1 + w).
    """
    pairs = conditions if isinstance(conditions, list | tuple) else [None]
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise ValueError(f"conditions is {checks.describe(conditions)}; want a list of pairs (denoiser, w)")
    denoisers(unconditional=unconditional, **{f"conditions[{i}][0]": d for i, (d, _) in enumerate(conditions)})

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        eps = checks.returned("unconditional", unconditional(x_t, t), x_t)
        return eps + sum(guide(conditional(x_t, t), eps, w) - eps for conditional, w in conditions)

    return denoise


def nested_guidance(
    both: Denoiser, first: Denoiser, unconditional: Denoiser, w_first: float | Tensor, w_second: float | Tensor
) -> Denoiser:
    """Two conditions, each with its own weight, the second within the first, of which it need not be independent.

    eps + (1 + w_first) (eps_first - eps) + (1 + w_second) (eps_both - eps_first): the score of what is proportional to
    q(x_t) q(y_1|x_t)^(1 + w_first) q(y_2|x_t, y_1)^(1 + w_second). both, first: denoisers with both conditions bound,
    and with the first. With equal weights it is the `classifier_free_guidance` of both.
    Source: Brooks et al. 2023 (InstructPix2Pix), eq. 3 (their scales are our 1 + w).
    """
    denoisers(both=both, first=first, unconditional=unconditional)

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        eps_first = checks.returned("first", first(x_t, t), x_t)
        from_first = guide(eps_first, unconditional(x_t, t), w_first)
        return from_first + guide(both(x_t, t), eps_first, w_second) - eps_first

    return denoise


def gradient(log_prob: LogProb, x_t: Tensor, t: Tensor) -> Tensor:
    """grad_{x_t} log p(y|x_t) by automatic differentiation, also where the caller runs without gradients: (B, *D).

    Raises ValueError where log_prob returns another shape than (B,).
    """
    checks.function("log_prob", log_prob, "(x_t, t)")
    checks.timesteps(t, checks.batch("x_t", x_t))
    with torch.inference_mode(False), torch.enable_grad():
        x, t = x_t.detach().clone().requires_grad_(), t.clone()
        value = checks.shaped("what log_prob returns", log_prob(x, t), len(x))
        return torch.autograd.grad(value.sum(), x)[0]


def classifier_guidance(
    denoiser: Denoiser, log_prob: LogProb, schedule: NoiseSchedule, scale: float | Tensor
) -> Denoiser:
    """eps - scale sqrt(1 - alpha_bar_t) grad_{x_t} log p(y|x_t): `scale` times the classifier's gradient.

    log_prob: (x_t (B, *D), t (B,)) -> log p(y|x_t) (B,) of the wanted y, differentiable in x_t, of a classifier that
    knows noisy inputs.  scale: a number, or (B,).  scale = 0 is the denoiser itself; scale = 1 makes exact
    unconditional scores conditional ones. Source: Dhariwal & Nichol 2021, eq. 14, algorithm 2, sec. 4.3.
    """
    denoisers(denoiser=denoiser, log_prob=log_prob)
    checks.instance("schedule", schedule, NoiseSchedule)

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        push = over_rows("scale", scale, x_t) * gradient(log_prob, x_t, t)
        return checks.returned("denoiser", denoiser(x_t, t), x_t) + eps_from_score(push, schedule.at(t, x_t))

    return denoise


def on_interval(guided: Denoiser, plain: Denoiser, first: int, last: int) -> Denoiser:
    """`guided` at timesteps first <= t <= last, `plain` at all others. Both are called at every step.

    At the noisiest steps guidance moves all samples to the same few places, at the cleanest it changes little.
    Raises ValueError unless first <= last are ints. Source: Kynkaanniemi et al. 2024, there by noise level.
    """
    denoisers(guided=guided, plain=plain)
    if not checks.count("first", first, low=-1) <= checks.count("last", last, low=-1):
        raise ValueError(f"first and last are {first!r} and {last!r}; want two timesteps, first <= last")

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        inside = per_row((first <= t) & (t <= last), x_t).to(x_t.device)
        both = checks.returned("guided", guided(x_t, t), x_t), checks.returned("plain", plain(x_t, t), x_t)
        return torch.where(inside, *both)

    return denoise


def blend(first: Denoiser, second: Denoiser, weight: float | Tensor) -> Denoiser:
    """Between two denoisers: (1 - u) eps_first + u eps_second, at u = 0 the first and at u = 1 the second.

    weight: u, a number or (B,). It follows the score of q_first(x_t)^(1-u) q_second(x_t)^u, at each noise level.
    """
    denoisers(first=first, second=second)

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        u = over_rows("weight", weight, x_t)
        both = checks.returned("first", first(x_t, t), x_t), checks.returned("second", second(x_t, t), x_t)
        return (1 - u) * both[0] + u * both[1]

    return denoise


def rescaled(guided: Denoiser, conditional: Denoiser, schedule: NoiseSchedule, phi: float = 0.7) -> Denoiser:
    """The guided prediction of v, shrunk to the size of the conditional one: against saturation at large weights.

    v <- v_guided (phi std(v_cond) / std(v_guided) + 1 - phi), the standard deviation taken over each sample (*D).
    phi = 0 leaves `guided` as it is. Source: Lin et al. 2024, sec. 3.4, whose network predicts v, too.
    """
    denoisers(guided=guided, conditional=conditional)
    checks.instance("schedule", schedule, NoiseSchedule)
    checks.between("phi", phi, 0, 1)

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        alpha_bar = schedule.at(t, x_t)
        both = checks.returned("guided", guided(x_t, t), x_t), checks.returned("conditional", conditional(x_t, t), x_t)
        v_guided, v_cond = (v_from_eps(x_t, eps, alpha_bar) for eps in both)
        ratio = v_cond.flatten(1).std(1) / v_guided.flatten(1).std(1)  # (B,)
        return eps_from_v(x_t, v_guided * over_rows("phi", phi * ratio + 1 - phi, x_t), alpha_bar)

    return denoise


def clip_x0(denoiser: Denoiser, schedule: NoiseSchedule, low: float = -1.0, high: float = 1.0) -> Denoiser:
    """The denoiser whose prediction of x_0 is clipped to [low, high], where data are known to lie, as pixels are.

    Latents have no such bounds. Strong guidance leaves them, and so do the first steps, which divide the error of a
    prediction by sqrt(alpha_bar). Raises ValueError unless low < high.
    Source: the published code of Ho et al. 2020 (clip_denoised); Saharia et al. 2022, sec. 2.3 (static thresholding).
    """
    denoisers(denoiser=denoiser)
    checks.instance("schedule", schedule, NoiseSchedule)
    if not checks.finite("low", low) < checks.finite("high", high):
        raise ValueError(f"low and high are {low!r} and {high!r}; want low < high")
    low, high = float(low), float(high)

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        alpha_bar = schedule.at(t, x_t)
        x0 = x0_from_eps(x_t, checks.returned("denoiser", denoiser(x_t, t), x_t), alpha_bar)
        return eps_from_x0(x_t, x0.clamp(low, high), alpha_bar)

    return denoise


def over_rows(name: str, value: float | Tensor, x: Tensor) -> float | Tensor:
    """A number as it is; one value for each row, (B,), shaped to broadcast against x (B, *D), on its device.

    Raises ValueError that names the value for a tensor of another shape and for what is no number.
    """
    if checks.is_number(value):
        return float(value)
    if not isinstance(value, Tensor) or value.shape != x.shape[:1]:
        raise ValueError(f"{name} is {checks.describe(value)}; want a finite number or a tensor of shape ({len(x)},)")
    if value.is_complex():
        raise ValueError(f"{name} is {checks.describe(value)}; want real numbers")
    checks.movable(name, value, x)
    return per_row(value.to(x.device, x.dtype if value.is_floating_point() else value.dtype), x)


def denoisers(**arrows: Denoiser) -> None:
    """Raises ValueError unless all are functions (x_t, t) -> ..."""
    for name, arrow in arrows.items():
        checks.function(name, arrow, "(x_t, t)")
