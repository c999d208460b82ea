"""The exercises of the course, a file for each notebook: `check.NAME(answer)`, `check.NAME.hint(1)`."""

from ldm_teach.interactive.check import (
    classifier_free,
    classifier_guidance,
    compression,
    diffusion,
    editing,
    langevin,
    latent_diffusion,
    noisy_classifier,
    pictures,
    playground,
    quantization,
    samplers,
    score_matching,
    start,
    words,
    words_to_pictures,
)
from ldm_teach.interactive.exercise import Exercise

MODULES = {
    "00": start,
    "01": compression,
    "02": quantization,
    "03": langevin,
    "04": score_matching,
    "05": diffusion,
    "06": samplers,
    "07": classifier_guidance,
    "08": noisy_classifier,
    "09": classifier_free,
    "10": latent_diffusion,
    "11": words,
    "12": pictures,
    "13": words_to_pictures,
    "14": editing,
    "15": playground,
}
NOTEBOOKS: dict[str, dict[str, Exercise]] = {  # by the number of a notebook, its exercises by name
    number: {name: value for name, value in vars(module).items() if isinstance(value, Exercise)}
    for number, module in MODULES.items()
}
EXERCISES = {name: exercise for exercises in NOTEBOOKS.values() for name, exercise in exercises.items()}


def __getattr__(name: str) -> Exercise:
    if name in EXERCISES:
        return EXERCISES[name]
    raise AttributeError(f"no exercise is called {name}; there are {', '.join(EXERCISES)}")
