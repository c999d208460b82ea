"""The exercises of the course, each a law with a knob for each known slip."""

import torch

from ldm_teach.interactive.exercise import Exercise, inputs


def _langevin_step(x, score, delta, noise, *, sign=1.0, half=0.5, power=0.5, kept=1.0, at=1.0):
    return at * x + sign * half * delta * score + kept * delta**power * noise


langevin_step = Exercise(
    _langevin_step,
    dict(zip(("x", "score", "delta", "noise"), (*inputs(2), 0.3, inputs(3)[2]), strict=True)),
    {
        "the drift has the wrong sign: climb the density, do not fall": dict(sign=-1.0),
        "the drift lacks its factor 1/2": dict(half=1.0),
        "the noise is scaled with delta, want sqrt(delta)": dict(power=1.0),
        "the noise is not scaled at all, want sqrt(delta)": dict(power=0.0),
        "the noise is missing": dict(kept=0.0),
        "the noise is scaled with sqrt(2 delta), as for a drift without its 1/2": dict(kept=2**0.5),
        "the step is returned without x, where it starts": dict(at=0.0),
    },
    "x + delta/2 score + sqrt(delta) noise",
)


def _score_target(x_noisy, x0, sigma, *, sign=1.0, power=2):
    return sign * (x0 - x_noisy) / sigma**power


score_target = Exercise(
    _score_target,
    dict(zip(("x_noisy", "x0", "sigma"), (*inputs(2), 0.7), strict=True)),
    {
        "the sign is wrong: the score points from the noisy sample back to the clean one": dict(sign=-1.0),
        "it is divided by sigma, want the variance sigma^2": dict(power=1),
        "it is not divided by the variance sigma^2": dict(power=0),
        "it is multiplied by sigma^2, want divided": dict(power=-2),
    },
    "grad log q(x_noisy|x0) = (x0 - x_noisy) / sigma^2",
)


def _ddim_step(x_t, eps, alpha_bar, alpha_bar_s, *, sign=-1.0, old_level=False, root=0.5, divide=True):
    x0 = x_t + sign * (1 - alpha_bar) ** root * eps
    x0 = x0 / alpha_bar**root if divide else x0
    noise = 1 - (alpha_bar if old_level else alpha_bar_s)
    return alpha_bar_s**root * x0 + noise**root * eps


ddim_step = Exercise(
    _ddim_step,
    dict(zip(("x_t", "eps", "alpha_bar", "alpha_bar_s"), (*inputs(2), 0.4, 0.7), strict=True)),
    {
        "in x0 the noise is added, want taken away": dict(sign=1.0),
        "x0 is not divided by sqrt(alpha_bar)": dict(divide=False),
        "the noise that is put back is that of the old level, want sqrt(1 - alpha_bar_s)": dict(old_level=True),
        "the square roots are missing: alpha_bar is a power, its root an amplitude": dict(root=1),
    },
    "sqrt(alpha_bar_s) x0 + sqrt(1 - alpha_bar_s) eps, with x0 = (x_t - sqrt(1 - alpha_bar) eps) / sqrt(alpha_bar)",
)


def _v_from_eps(z_t, eps, signal, noise, *, sign=-1.0, divide=1.0):
    return (eps + sign * noise * z_t) / signal**divide


v_from_eps = Exercise(
    _v_from_eps,
    dict(zip(("z_t", "eps", "signal", "noise"), (*inputs(2), 0.8, 0.6), strict=True)),
    {
        "the noise term has the wrong sign": dict(sign=1.0),
        "the numerator is right, divide it by signal": dict(divide=0.0),
        "it is multiplied by signal, want divided": dict(divide=-1.0),
        "the term with z_t is missing": dict(sign=0.0),
    },
    "v = (eps - noise z_t) / signal",
)


def _guided_noise(eps_cond, eps_uncond, s, *, start=0.0, shift=0.0, sign=1.0, swapped=False):
    if swapped:
        eps_cond, eps_uncond = eps_uncond, eps_cond
    base = start * eps_cond + (1 - start) * eps_uncond
    return base + sign * (s + shift) * (eps_cond - eps_uncond)


guided_noise = Exercise(
    _guided_noise,
    dict(zip(("eps_cond", "eps_uncond", "s"), (*inputs(2), 2.5), strict=True)),
    {
        "that is the rule with w: s is 1 + w, and s = 1 must be no guidance": dict(start=1.0),
        "s is one too small: s = 1 must give the conditional prediction": dict(shift=-1.0),
        "the condition and the null condition are swapped": dict(swapped=True),
        "the difference has the wrong sign: walk from the unconditional to the conditional one": dict(sign=-1.0),
    },
    "eps_uncond + s (eps_cond - eps_uncond), s = 1 + w",
)


def _sharpening_step(
    x, eps_cond, eps_uncond, w, alpha_bar, delta, noise, *, sign=-1.0, root=0.5, half=0.5, power=0.5, by=1.0, plain=0.0
):
    eps = (by + w) * eps_cond - (by + w - 1) * eps_uncond
    eps = plain * eps_cond + (1 - plain) * eps
    return x + sign * half * delta * eps / (1 - alpha_bar) ** root + delta**power * noise


sharpening_step = Exercise(
    _sharpening_step,
    dict(
        zip(
            ("x", "eps_cond", "eps_uncond", "w", "alpha_bar", "delta", "noise"),
            (*inputs(3), 1.5, 0.6, 0.2, inputs(4)[3]),
            strict=True,
        )
    ),
    {
        "the score is minus eps over the root: the drift has the wrong sign": dict(sign=1.0),
        "eps is no score yet: divide by sqrt(1 - alpha_bar)": dict(root=0.0),
        "eps is divided by 1 - alpha_bar, want its root": dict(root=1.0),
        "the drift lacks its factor 1/2": dict(half=1.0),
        "the noise is scaled with delta, want sqrt(delta)": dict(power=1.0),
        "w is taken for s": dict(by=0.0),
        "the step follows the conditional density, want the guided one": dict(plain=1.0),
    },
    "x + delta/2 score + sqrt(delta) noise, score = -((1 + w) eps_cond - w eps_uncond) / sqrt(1 - alpha_bar)",
)


def _gaussian_kl(mean, log_variance, *, half=0.5, sign=-1.0, log_scale=1.0, power=1.0, one=1.0):
    return half * (mean**2 + (power * log_variance).exp() - one + sign * log_scale * log_variance)


gaussian_kl = Exercise(
    _gaussian_kl,
    dict(zip(("mean", "log_variance"), inputs(2), strict=True)),
    {
        "the factor 1/2 is missing": dict(half=1.0),
        "the sign of the logarithm is wrong: a thin density is dear": dict(sign=1.0),
        "the logarithm is that of the variance: log sigma = log_variance / 2": dict(log_scale=2.0),
        "exp(log_variance / 2) is sigma, want the variance": dict(power=0.5),
        "exp(2 log_variance) is the variance squared": dict(power=2.0),
        "the -1 is missing: the divergence of N(0, 1) from itself must be 0": dict(one=0.0),
        "the whole has the wrong sign": dict(half=-0.5),
    },
    "(mean^2 + exp(log_variance) - 1 - log_variance) / 2",
)


def _nearest_code(z, codebook, *, best=torch.argmin, lengths=1.0, dot=-2.0):
    return best(lengths * codebook.square().sum(1) + dot * z @ codebook.T, dim=1)


nearest_code = Exercise(
    _nearest_code,
    dict(zip(("z", "codebook"), inputs(2), strict=True)),
    {
        "these are the codes farthest away, want argmin": dict(best=torch.argmax),
        "the length of the codes is left out: the largest product is not the nearest code": dict(lengths=0.0),
        "the product with z has the wrong sign": dict(dot=2.0),
        "the factor 2 of the product is missing": dict(dot=-1.0),
    },
    "argmin_k |z - e_k|^2 = argmin_k |e_k|^2 - 2 z . e_k",
)


def _classifier_guidance_step(eps, gradient, alpha_bar, scale, *, sign=-1.0, root=0.5, level=None, power=1.0, kept=1.0):
    variance = (1 - alpha_bar) if level is None else alpha_bar
    return kept * eps + sign * scale**power * variance**root * gradient


classifier_guidance_step = Exercise(
    _classifier_guidance_step,
    dict(zip(("eps", "gradient", "alpha_bar", "scale"), (*inputs(2), 0.3, 2.5), strict=True)),
    {
        "the sign is wrong: eps points away from the data, the gradient towards the class": dict(sign=1.0),
        "the factor sqrt(1 - alpha_bar) is missing: the gradient is a score, not yet a noise": dict(root=0.0),
        "the factor is 1 - alpha_bar, want its square root": dict(root=1.0),
        "the gradient is divided by sqrt(1 - alpha_bar), want multiplied": dict(root=-0.5),
        "the factor is sqrt(alpha_bar), the amplitude of the signal; want that of the noise": dict(level="signal"),
        "the scale is forgotten": dict(power=0.0),
        "only the shift is returned, want eps with it": dict(kept=0.0),
    },
    "eps - scale sqrt(1 - alpha_bar) gradient",
)


def _shifted_mean(mean, gradient, variance, scale, *, sign=1.0, root=1.0, power=1.0, kept=1.0):
    return kept * mean + sign * scale**power * variance**root * gradient


shifted_mean = Exercise(
    _shifted_mean,
    dict(zip(("mean", "gradient", "variance", "scale"), (*inputs(2), 0.2, 2.5), strict=True)),
    {
        "the sign is wrong: a mean is shifted along the gradient, eps against it": dict(sign=-1.0),
        "the gradient is multiplied by the standard deviation, want the variance": dict(root=0.5),
        "the variance is missing: a step with little room moves little": dict(root=0.0),
        "the gradient is divided by the variance, want multiplied": dict(root=-1.0),
        "the scale is forgotten": dict(power=0.0),
        "only the shift is returned, want the mean with it": dict(kept=0.0),
    },
    "mean + scale variance gradient",
)


def _soft_lookup(q, k, v, *, root=0.5, dim=-1, swapped=False, hard=False, total=1.0):
    if swapped:
        k, v = v, k
    scores = q @ k.T / q.shape[-1] ** root  # (N, L)
    weights = scores.softmax(dim) if not hard else (scores == scores.amax(-1, keepdim=True)).to(scores)
    return weights * scores.exp().sum(dim, keepdim=True) ** (1 - total) @ v


soft_lookup = Exercise(
    _soft_lookup,
    dict(zip(("q", "k", "v"), (inputs(1)[0], inputs(2)[1][:4], inputs(3)[2][:4]), strict=True)),
    {
        "the scores are not divided by sqrt(d)": dict(root=0.0),
        "the scores are divided by d, want its square root": dict(root=1.0),
        "the softmax runs over the queries: want the weights of one query to sum to 1": dict(dim=0),
        "keys and values are swapped: look up by the keys, bring home the values": dict(swapped=True),
        "only the best key counts: that is a hard lookup, through which no gradient finds its way": dict(hard=True),
        "the weights do not sum to 1: exp is not yet softmax": dict(total=0.0),
    },
    "softmax(q k^T / sqrt(d)) v, the softmax over the keys",
)


def _two_conditions(eps_text, eps_map, eps_null, w_text, w_map, *, by=1.0, kept=1.0, start=0.0, swapped=False):
    if swapped:
        w_text, w_map = w_map, w_text
    return (
        kept * eps_null
        + (by + w_text) * (eps_text - eps_null)
        + (by + w_map) * (eps_map - (1 - start) * eps_null - start * eps_text)
    )


two_conditions = Exercise(
    _two_conditions,
    dict(zip(("eps_text", "eps_map", "eps_null", "w_text", "w_map"), (*inputs(3), 1.5, 0.5), strict=True)),
    {
        "the weights are taken for scales: the pull of a condition is 1 + w": dict(by=0.0),
        "the unconditional prediction itself is missing: the pulls start from it": dict(kept=0.0),
        "the pull of the map starts from the text's prediction, want the unconditional one": dict(start=1.0),
        "the two weights are swapped": dict(swapped=True),
    },
    "eps_null + (1 + w_text) (eps_text - eps_null) + (1 + w_map) (eps_map - eps_null)",
)
