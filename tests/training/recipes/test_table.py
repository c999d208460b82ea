from ldm_teach.models import checkpoint
from ldm_teach.paths import CHECKPOINTS, CLONE
from ldm_teach.training.recipes.table import RECIPES


def test_every_shipped_model_has_a_recipe_and_lies_in_the_folder_of_its_family():
    for name, directory in checkpoint.shipped().items():
        assert directory == CHECKPOINTS / RECIPES[name].family / name


def test_a_family_is_a_file_and_a_notebook_is_there():
    notebooks = {path.name[:2] for path in (CLONE / "course").glob("*.md")}
    for recipe in RECIPES.values():
        assert (CLONE / "ldm_teach" / "training" / "recipes" / f"{recipe.family}.py").is_file()
        assert recipe.notebook in notebooks or recipe.family == "larger"


def test_what_a_training_needs_stands_above_it():
    order = list(RECIPES)
    for name, needs in {
        "fashion-autoencoder": "fashion-perceptual",
        "fashion-class": "fashion-autoencoder",
        "fashion-class-vq": "fashion-vq-f4",
        "fashion-classifier": "fashion-class",
        "shapes-text": "shapes-autoencoder",
        "fashion-blur": "fashion-autoencoder",
        "emoji": "emoji-autoencoder",
        "cifar10-class": "cifar10-autoencoder",
        "folder-256-class": "folder-256-autoencoder",
    }.items():
        assert order.index(needs) < order.index(name)
