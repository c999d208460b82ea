"""The exercises of notebook 06: samplers."""

from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Law, cases


def _ddim_step(x_t, eps, alpha_bar, alpha_bar_s, *, sign=-1.0, old_level=False, root=0.5, divide=True):
    x0 = x_t + sign * (1 - alpha_bar) ** root * eps
    x0 = x0 / alpha_bar**root if divide else x0
    noise = 1 - (alpha_bar if old_level else alpha_bar_s)
    return alpha_bar_s**root * x0 + noise**root * eps


ddim_step = Exercise(
    "implement",
    stars=2,
    minutes=10,
    judge=Law(
        _ddim_step,
        cases("x_t eps alpha_bar alpha_bar_s", alpha_bar=(0.2, 0.5), alpha_bar_s=(0.6, 0.9)),
        {
            "in x0 the noise is added, want taken away": dict(sign=1.0),
            "x0 is not divided by sqrt(alpha_bar)": dict(divide=False),
            "the noise that is put back is that of the old level, want sqrt(1 - alpha_bar_s)": dict(old_level=True),
            "the square roots are missing: alpha_bar is a power, its root an amplitude": dict(root=1),
        },
    ),
    praise="sqrt(alpha_bar_s) x0 + sqrt(1 - alpha_bar_s) eps, x0 = (x_t - sqrt(1 - alpha_bar) eps) / sqrt(alpha_bar)",
    hints=(
        "First guess the clean sample from x_t and eps, then noise the guess again to the level s.",
        "x0 = (x_t - sqrt(1 - alpha_bar) eps) / sqrt(alpha_bar).",
        "sqrt(alpha_bar_s) x0 + sqrt(1 - alpha_bar_s) eps, with the same eps",
    ),
    right=(
        lambda x_t, eps, alpha_bar, alpha_bar_s: (
            alpha_bar_s.sqrt() * (x_t - (1 - alpha_bar).sqrt() * eps) / alpha_bar.sqrt()
            + (1 - alpha_bar_s).sqrt() * eps
        ),
        lambda x_t, eps, alpha_bar, alpha_bar_s: (
            (alpha_bar_s / alpha_bar) ** 0.5 * x_t
            + ((1 - alpha_bar_s) ** 0.5 - (alpha_bar_s * (1 - alpha_bar) / alpha_bar) ** 0.5) * eps
        ),
        lambda x_t, eps, a, b: b**0.5 * (x_t / a**0.5 + ((1 / b - 1) ** 0.5 - (1 / a - 1) ** 0.5) * eps),
    ),
)
