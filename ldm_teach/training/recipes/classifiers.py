"""The classifiers: the judge, the network of the perceptual loss, and those that guide."""

from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.models.classifier import ImageClassifier, NoisyClassifier
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.training.batches import Batches
from ldm_teach.training.loop import FitSettings, cosine_decay
from ldm_teach.training.losses import classification_loss, mirrored, noisy_classification_loss
from ldm_teach.training.recipes.latent import posterior_moments
from ldm_teach.training.recipes.recipe import Build, Training, seeded


def fashion_judge(quick: bool = False) -> Training:
    """The classifier that the metrics judge with. It only ever sees real images."""
    model = seeded(lambda: ImageClassifier(widths=(32, 64, 128)), seed=1)
    batches = Batches(*fashion_mnist(), batch_size=128, seed=1)
    settings = FitSettings(
        num_steps=200 if quick else 4_000, learning_rate=4e-3, weight_decay=0.05, decay=cosine_decay, seed=1
    )
    return Training(model, mirrored(classification_loss), batches, settings)


def fashion_perceptual(quick: bool = False) -> Training:
    """The smaller classifier whose features the perceptual loss compares; another network than the judge."""
    model = seeded(lambda: ImageClassifier(widths=(16, 32, 64)), seed=2)
    batches = Batches(*fashion_mnist(), batch_size=128, seed=2)
    settings = FitSettings(
        num_steps=400 if quick else 1_400, learning_rate=4e-3, weight_decay=0.05, decay=cosine_decay, seed=2
    )
    return Training(model, classification_loss, batches, settings)


def noisy_classifier(levels: int | None, num_steps: int) -> Build:
    """The recipe of a classifier on the latents of fashion-class, trained at the first `levels` timesteps (all)."""

    def recipe(quick: bool = False) -> Training:
        diffusion = LatentDiffusion.load("fashion-class")
        x, y = fashion_mnist()
        if quick:
            x, y = x[:10_000], y[:10_000]
        mean, std = posterior_moments(diffusion.autoencoder, x)
        batches = Batches(diffusion.standardize(mean), std / diffusion.latent_std, y, batch_size=128, seed=6)
        loss = noisy_classification_loss(diffusion.schedule, num_steps=levels)
        settings = FitSettings(num_steps=200 if quick else num_steps, learning_rate=1.5e-3, weight_decay=0.05, seed=6)
        model = seeded(lambda: NoisyClassifier(diffusion.schedule), seed=6)
        return Training(model, loss, batches, settings)

    return recipe


# The classifiers of guidance: one knows noise, one only ever saw clean latents.
CLASSIFIERS = {
    "fashion-classifier": noisy_classifier(None, num_steps=5_000),
    "fashion-classifier-clean": noisy_classifier(1, num_steps=1_500),
}
