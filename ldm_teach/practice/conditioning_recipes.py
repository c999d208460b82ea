"""The trainings of notebook 09: text, semantic maps and blurred images as conditions, by attention or concatenation."""

from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.conditioning import ImageEncoder, MapEncoder, TextEncoder
from ldm_teach.models.unet import UNet
from ldm_teach.practice.data import Batches, blurred, fashion_mnist
from ldm_teach.practice.losses import autoencoder_loss, kl_per_element
from ldm_teach.practice.recipes import Recipe, Training, latent_training, seeded
from ldm_teach.practice.scenes import KINDS, MAX_WORDS, WORDS
from ldm_teach.practice.shapes import shapes
from ldm_teach.practice.training import cosine_decay

NUM_SCENES = 40_000


def shapes_autoencoder(quick: bool = False) -> Training:
    """The autoencoder of both models of shapes: squared error alone, for flat colours have no texture to miss."""
    model = seeded(lambda: KLAutoencoder(image_size=(32, 32), image_channels=3, widths=(48, 96), depths=(1, 2)), seed=7)
    loss = autoencoder_loss(None, regularizer=kl_per_element, weight=1e-4, perceptual_weight=0)
    settings = dict(num_steps=200 if quick else 4_000, learning_rate=2e-3, decay=cosine_decay, seed=7)
    return Training(model, loss, Batches(scenes(quick).x, batch_size=32, seed=7), settings)


def scenes(quick: bool):
    """The training scenes, fewer of them where it must be quick."""
    return shapes(2_000 if quick else NUM_SCENES)


def shapes_text(quick: bool = False) -> Training:
    """Captions to shapes, by cross-attention at both resolutions."""
    data = scenes(quick)
    encoder = seeded(lambda: TextEncoder(WORDS, max_words=MAX_WORDS), seed=8)
    unet = seeded(lambda: UNet(heads=(4, 4), positions=True), seed=8)
    autoencoder = KLAutoencoder.load("shapes-autoencoder")
    captions = encoder.check(data.captions)
    return latent_training(autoencoder, data.x, captions, encoder, unet, num_steps=150 if quick else 4_000, seed=8)


def reading(concatenate: bool) -> tuple[dict, dict]:
    """Arguments of the spatial encoder and of the U-Net: cross-attention to the tokens, or their concatenation to z_t.

    Without the parameters of the cross-attention the second has wider tokens: both models are of one size within 5 %.
    """
    width = 144 if concatenate else 128
    return dict(token_width=width), dict(token_width=width, heads=(4, 4), positions=True, concatenate=concatenate)


def shapes_map(concatenate: bool = False, seed: int = 9, num_steps: int = 4_000) -> Recipe:
    """Semantic maps to shapes: what is where is given, the colours are free."""

    def recipe(quick: bool = False) -> Training:
        data, (tokens, attention) = scenes(quick), reading(concatenate)
        encoder = seeded(lambda: MapEncoder(1 + len(KINDS), **tokens), seed=seed)
        unet = seeded(lambda: UNet(**attention), seed=seed)
        steps = 150 if quick else num_steps
        autoencoder = KLAutoencoder.load("shapes-autoencoder")
        return latent_training(autoencoder, data.x, data.maps, encoder, unet, num_steps=steps, seed=seed)

    return recipe


def fashion_blur(concatenate: bool = False, seed: int = 10, num_steps: int = 4_000) -> Recipe:
    """Blurred garments to sharp ones: super-resolution on real images."""

    def recipe(quick: bool = False) -> Training:
        x, (tokens, attention) = fashion_mnist().x[: 2_000 if quick else None], reading(concatenate)
        encoder = seeded(lambda: ImageEncoder(**tokens), seed=seed)
        unet = seeded(lambda: UNet(**attention), seed=seed)
        steps = 150 if quick else num_steps
        autoencoder = KLAutoencoder.load("fashion-autoencoder")
        return latent_training(autoencoder, x, blurred(x), encoder, unet, num_steps=steps, seed=seed)

    return recipe


CONDITIONING = {
    "shapes-autoencoder": shapes_autoencoder,
    "shapes-text": shapes_text,
    "shapes-map": shapes_map(),
    "fashion-blur": fashion_blur(),
}
