"""Every training by its name, in an order in which they can be run: each finds what it needs."""

from ldm_teach.training.recipes.autoencoders import (
    LADDER,
    RATES,
    SHARPNESS,
    fashion_autoencoder,
    shapes_autoencoder,
)
from ldm_teach.training.recipes.classifiers import CLASSIFIERS, fashion_judge, fashion_perceptual
from ldm_teach.training.recipes.conditioned import COMPARISON, shapes_text
from ldm_teach.training.recipes.emoji import emoji_autoencoder, emoji_judge, emoji_model
from ldm_teach.training.recipes.larger import CIFAR10, FOLDER_256, both_stages
from ldm_teach.training.recipes.latent import DOWNSTREAM, fashion_class
from ldm_teach.training.recipes.recipe import Build, Recipe


def of_family(family: str, notebook: str, builds: dict[str, Build], of_images: bool = False) -> dict[str, Recipe]:
    """Recipes of one family, which `notebook` is the first to use."""
    return {name: Recipe(build, family, notebook, of_images) for name, build in builds.items()}


RECIPES = {
    **of_family("classifiers", "01", {"fashion-perceptual": fashion_perceptual}),
    **of_family("classifiers", "00", {"fashion-judge": fashion_judge}),
    **of_family("autoencoders", "01", {"fashion-autoencoder": fashion_autoencoder, **LADDER, **SHARPNESS, **RATES}),
    **of_family("latent", "00", {"fashion-class": fashion_class}),
    **of_family("latent", "02", DOWNSTREAM),
    **of_family("classifiers", "08", CLASSIFIERS),
    **of_family("autoencoders", "11", {"shapes-autoencoder": shapes_autoencoder}),
    **of_family("conditioned", "11", {"shapes-text": shapes_text}),
    **of_family("conditioned", "12", COMPARISON),
    **of_family(
        "emoji", "13", {"emoji-judge": emoji_judge, "emoji-autoencoder": emoji_autoencoder, "emoji": emoji_model}
    ),
    **of_family("larger", "", both_stages(CIFAR10)),
    **of_family("larger", "", both_stages(FOLDER_256), of_images=True),
}
