"""The exercises of notebook 12: conditioning on pictures."""

from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Law, cases


def _two_conditions(eps_text, eps_map, eps_null, w_text, w_map, *, by=1.0, kept=1.0, start=0.0, swapped=False):
    if swapped:
        w_text, w_map = w_map, w_text
    return (
        kept * eps_null
        + (by + w_text) * (eps_text - eps_null)
        + (by + w_map) * (eps_map - (1 - start) * eps_null - start * eps_text)
    )


two_conditions = Exercise(
    "implement",
    stars=2,
    minutes=8,
    judge=Law(
        _two_conditions,
        cases("eps_text eps_map eps_null w_text w_map", w_text=(0.5, 2.0), w_map=(0.2, 0.9)),
        {
            "the weights are taken for scales: the pull of a condition is 1 + w": dict(by=0.0),
            "the unconditional prediction itself is missing: the pulls start from it": dict(kept=0.0),
            "the pull of the map starts from the text's prediction, want the unconditional one": dict(start=1.0),
            "the two weights are swapped": dict(swapped=True),
        },
    ),
    praise="eps_null + (1 + w_text) (eps_text - eps_null) + (1 + w_map) (eps_map - eps_null)",
    hints=(
        "Each condition pulls away from the unconditional prediction; the pulls add.",
        "The pull of one condition is (1 + w) (eps_cond - eps_null).",
        "eps_null plus both pulls; the null prediction is counted once",
    ),
    right=(
        lambda t, m, null, w_t, w_m: null + (1 + w_t) * (t - null) + (1 + w_m) * (m - null),
        lambda t, m, null, w_t, w_m: (1 + w_t) * t + (1 + w_m) * m - (1 + w_t + w_m) * null,
        lambda t, m, null, w_t, w_m: (t - null).mul_(1 + w_t).add_((m - null).mul_(1 + w_m)).add_(null),
    ),
)
