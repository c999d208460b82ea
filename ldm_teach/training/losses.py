"""What each training minimizes: a loss is a function (model, batch, generator) -> scalar."""

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldm_teach import checks
from ldm_teach.data.emoji import as_images
from ldm_teach.models.autoencoder import DiagonalGaussian
from ldm_teach.models.classifier import ImageClassifier
from ldm_teach.models.conditioning import WordsAndStyleEncoder
from ldm_teach.models.critic import CriticizedAutoencoder
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.vector_quantization import Codes
from ldm_teach.models.vgg import VGGFeatures
from ldm_teach.theory.parameterization import v_from_eps
from ldm_teach.theory.schedule import NoiseSchedule
from ldm_teach.theory.tensors import Draws, Share, draw, draw_like, shared


def classification_loss(model: nn.Module, batch: tuple[Tensor, Tensor], generator: Draws) -> Tensor:
    """Cross-entropy -log p(y|x) in nats, averaged over the batch (x (B, C, H, W), y (B,))."""
    x, y = batch
    return F.cross_entropy(model(x), y, label_smoothing=0.05)


def with_pixels(x: Tensor) -> Tensor:
    """x itself. Raises ValueError unless it is (B, C, H, W) with a pixel or more."""
    if not checks.shaped("x", x, "B", "C", "H", "W").numel():
        raise ValueError(f"x is {checks.describe(x)}; want one pixel or more")
    return x


def mirror(x: Tensor, generator: Draws) -> Tensor:
    """Images x (B, C, H, W), a random half of them mirrored left to right."""
    chosen = draw(torch.rand, checks.shaped("x", x, "B", "C", "H", "W").shape[:1], x, generator) < 0.5
    return torch.where(chosen[:, None, None, None], x.flip(-1), x)


def mirrored(loss):
    """The same loss on batches (x (B, C, H, W), ...) of which a random half of the images is mirrored left to right."""

    checks.function("loss", loss, "(model, batch, generator)")

    def on_mirrored(model: nn.Module, batch: tuple[Tensor, ...], generator: Draws) -> Tensor:
        x, *rest = batch
        return loss(model, (mirror(x, generator), *rest), generator)

    return on_mirrored


def of_bytes(loss):
    """The same loss on batches whose images x (B, C, H, W) are uint8: a quarter of the memory of float32 ones."""
    checks.function("loss", loss, "(model, batch, generator)")

    def on_bytes(model: nn.Module, batch: tuple[Tensor, ...], generator: Draws) -> Tensor:
        x, *rest = batch
        return loss(model, (as_images(x), *rest), generator)

    return on_bytes


def jitter(x: Tensor, generator: Draws, shift: float = 0.06, zoom: float = 0.15) -> Tensor:
    """Images x (B, C, H, W) on white, each moved and made smaller or larger at random.

    Each is seen through a window whose side is 1 - zoom to 1 + zoom of its own, off its middle by up to `shift` of it,
    each uniform.
    """
    shift, zoom = checks.between("shift", shift, 0, 1), checks.between("zoom", zoom, 0, 0.9)
    u = 2 * draw(torch.rand, (len(with_pixels(x)), 3), x, generator) - 1  # in [-1, 1]
    theta = torch.zeros(len(x), 2, 3, dtype=x.dtype, device=x.device)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 + zoom * u[:, 0]
    theta[:, :, 2] = 2 * shift * u[:, 1:]
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x - 1, grid, align_corners=False) + 1


def cut(x: Tensor, generator: Draws, share: float = 5 / 8) -> Tensor:
    """A part of each image x (B, C, H, W), anywhere in it: (B, C, h, w), of `share` of its height and width."""
    height, width = with_pixels(x).shape[2:]
    h, w = (max(1, round(checks.between("share", share, 0, 1) * side)) for side in (height, width))
    u = draw(torch.rand, (len(x), 2), x, generator)
    rows = (u[:, :1] * (height - h + 1)).long() + torch.arange(h, device=x.device)  # (B, h)
    columns = (u[:, 1:] * (width - w + 1)).long() + torch.arange(w, device=x.device)  # (B, w)
    each = torch.arange(len(x), device=x.device)[:, None, None]
    return x.movedim(1, 3)[each, rows[:, :, None], columns[:, None]].movedim(3, 1)


def judgement_loss(model: nn.Module, batch: tuple[Tensor, Tensor, Tensor, Tensor], generator: Draws) -> Tensor:
    """Cross-entropies of a PictureJudge in nats, added: batches (x (B, C, H, W), names, styles, groups (B,) each).

    Name and group are read from the picture, moved a little; the style from a part of it, mirrored or not: from how it
    is drawn, not from what is drawn.
    """
    x, *labels = batch
    said = model(jitter(x, generator), mirror(cut(x, generator), generator))
    parts = zip(said, labels, strict=True)
    return torch.stack([F.cross_entropy(logits, y, label_smoothing=0.05) for logits, y in parts]).sum()


def perceptual_distance(network: ImageClassifier | VGGFeatures, x: Tensor, y: Tensor) -> Tensor:
    """How differently a classifier sees two batches of images (B, C, H, W): scalar, 0 where they are equal.

    At each layer the activations are scaled to unit length over the channels; the squared distances are averaged over
    the image and summed over the layers. Source: Zhang et al. 2018 (LPIPS), eq. 1 with all weights one, on the features
    of a network of the same domain.
    """
    checks.instance("network", network, ImageClassifier, VGGFeatures)
    checks.same_shape(x=x, y=y)
    distance = torch.zeros((), device=x.device)
    for a, b in zip(network.features(x), network.features(y), strict=True):
        a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)  # (B, C_l, H_l, W_l), unit length over C_l
        distance = distance + (a - b).square().sum(dim=1).mean()
    return distance


def kl_per_element(posterior: DiagonalGaussian) -> Tensor:
    """KL(q(z|x) || N(0, I)) in nats, averaged over the images and the elements of the latent: scalar."""
    return checks.instance("posterior", posterior, DiagonalGaussian).kl().mean()


def kl_per_image(posterior: DiagonalGaussian) -> Tensor:
    """KL(q(z|x) || N(0, I)) in nats an image: the sum over the latent, averaged over the images. Scalar."""
    return checks.instance("posterior", posterior, DiagonalGaussian).kl().flatten(1).sum(1).mean()


def codebook_loss(codes: Codes, commitment: float = 0.25) -> Tensor:
    """|sg[z] - e|^2 + commitment |z - sg[e]|^2, averaged: codes move to the latents, and latents stay near codes.

    sg stops the gradient. Source: van den Oord et al. 2017, eq. 3.
    """
    checks.instance("codes", codes, Codes)
    commitment = checks.between("commitment", commitment, 0, math.inf)
    return F.mse_loss(codes.quantized, codes.z.detach()) + commitment * F.mse_loss(codes.z, codes.quantized.detach())


def edge_distance(x: Tensor, y: Tensor) -> Tensor:
    """Mean absolute difference of the steps from pixel to pixel, down and to the right, of images (B, C, H, W): scalar.

    A blurred edge costs what it lacks in height. Source: Mathieu et al. 2016, eq. 6, with exponent 1.
    """
    checks.same_shape(x=x, y=y)
    difference = checks.shaped("x", x, "B", "C", "H", "W") - y
    return difference.diff(dim=2).abs().mean() + difference.diff(dim=3).abs().mean()


def reconstruction_loss(
    network: ImageClassifier | VGGFeatures | None,
    perceptual_weight: float,
    absolute_weight: float = 0.0,
    edge_weight: float = 0.0,
):
    """(x, y) -> mean squared error a pixel + each weight times its distance: scalar.

    That of perceptual_weight is perceptual_distance(network, x, y), of absolute_weight the mean absolute error, of
    edge_weight edge_distance(x, y). `network` = None leaves the perceptual term out.
    """
    checks.instance("network", network, ImageClassifier, VGGFeatures, type(None))
    perceptual_weight = checks.between("perceptual_weight", perceptual_weight, 0, math.inf)
    absolute_weight = checks.between("absolute_weight", absolute_weight, 0, math.inf)
    edge_weight = checks.between("edge_weight", edge_weight, 0, math.inf)

    def distance(x: Tensor, y: Tensor) -> Tensor:
        value = F.mse_loss(x, y)
        if network is not None and perceptual_weight:
            value = value + perceptual_weight * perceptual_distance(network.to(x.device), x, y)
        if absolute_weight:
            value = value + absolute_weight * F.l1_loss(x, y)
        if edge_weight:
            value = value + edge_weight * edge_distance(x, y)
        return value

    return distance


def checked(regularizer: Callable[[Any], Tensor]) -> Callable[[Any], Tensor]:
    """The regularizer, which raises ValueError where it is no function of the latent that returns a scalar."""
    checks.function("regularizer", regularizer, "the latent")
    return lambda latent: checks.shaped("what regularizer returns", regularizer(latent))


def autoencoder_loss(
    network: ImageClassifier | VGGFeatures | None,
    *,
    regularizer: Callable[[Any], Tensor],
    weight: float,
    perceptual_weight: float,
    absolute_weight: float = 0.0,
    edge_weight: float = 0.0,
):
    """reconstruction_loss + weight * regularizer(posterior or codes): Rombach et al. 2022, appendix G, without critic.

    Returns a loss on batches (x (B, C, H, W), ...) for an autoencoder.
    """
    distance = reconstruction_loss(network, perceptual_weight, absolute_weight, edge_weight)
    penalty = checked(regularizer)
    weight = checks.between("weight", weight, 0, math.inf)

    def loss(model: nn.Module, batch: tuple[Tensor, ...], generator: Draws) -> Tensor:
        reconstruction, latent = model(batch[0], generator)
        return distance(reconstruction, batch[0]) + weight * penalty(latent)

    return loss


def hinge_loss(real: Tensor, fake: Tensor) -> Tensor:
    """What a critic minimizes: E max(0, 1 - D(real)) / 2 + E max(0, 1 + D(fake)) / 2. Source: Lim & Ye 2017, eq. 5."""
    checks.floating("real", real)
    checks.floating("fake", fake)
    return (F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 2


def adaptive_weight(reconstruction: Tensor, adversarial: Tensor, layer: Tensor) -> Tensor:
    """|d reconstruction / d layer| / |d adversarial / d layer|, at most 10^4: both losses then push the layer alike.

    reconstruction, adversarial: scalar losses. Source: Esser et al. 2021 (VQGAN), eq. 7.
    """
    pulls = [torch.autograd.grad(loss, layer, retain_graph=True)[0].norm() for loss in (reconstruction, adversarial)]
    return (pulls[0] / (pulls[1] + 1e-4)).clamp(max=1e4)


def adversarial_loss(
    network: ImageClassifier | VGGFeatures | None,
    *,
    regularizer: Callable[[Any], Tensor],
    weight: float,
    perceptual_weight: float,
    critic_weight: float,
    critic_start: int,
):
    """autoencoder_loss - critic_weight * adaptive_weight * E D(reconstruction) from step `critic_start` on, and the
    critic's own hinge loss, which it minimizes from the first step.

    Returns a loss on batches (x (B, C, H, W), ...) for a CriticizedAutoencoder. Source: Esser et al. 2021, eq. 5 to 7;
    Rombach et al. 2022, appendix G.
    """
    distance = reconstruction_loss(network, perceptual_weight)
    penalty = checked(regularizer)
    weight = checks.between("weight", weight, 0, math.inf)
    critic_weight = checks.between("critic_weight", critic_weight, 0, math.inf)
    checks.count("critic_start", critic_start, low=0)

    def loss(model: nn.Module, batch: tuple[Tensor, ...], generator: Draws) -> Tensor:
        x = batch[0]
        seen = model(x, generator)
        reconstruction, adversarial = distance(seen.reconstruction, x), -seen.fooled.mean()
        layer = cast(CriticizedAutoencoder, getattr(model, "module", model)).last_layer
        balance = (seen.steps >= critic_start) * critic_weight * adaptive_weight(reconstruction, adversarial, layer)
        autoencoder_part = reconstruction + weight * penalty(seen.latent) + balance * adversarial
        return autoencoder_part + hinge_loss(seen.real, seen.fake)

    return loss


def spread_timesteps(batch_size: int, num_steps: int, generator: Draws, device: torch.device) -> Tensor:
    """A timestep for each sample, (B,) int64: each uniform on 0..num_steps-1, those of a batch spread evenly.

    Which makes the gradient less noisy. Of a Share, those of its rows. Source: Kingma et al. 2021, appendix I.1.
    """
    checks.counts(batch_size=batch_size, num_steps=num_steps)
    checks.instance("generator", generator, torch.Generator, Share, type(None))
    checks.instance("device", device, torch.device)

    def spread(rows: int, one: torch.Generator | None) -> Tensor:
        first = torch.randint(num_steps, (1,), generator=one, device=device)
        return (first + num_steps * torch.arange(rows, device=device) // rows) % num_steps

    return shared(spread, batch_size, generator)


def draw_latents(mean: Tensor, std: Tensor, generator: Draws) -> Tensor:
    """A fresh z_0 ~ N(mean, std^2) from the moments of the posterior of each image, all (B, c, h, w)."""
    checks.same_shape(mean=mean, std=std)
    return mean + std * draw_like(mean, generator)


def diffusion_loss(schedule: NoiseSchedule, *, drop: float):
    """|v_theta(z_t, t, y) - v|^2, averaged, at a random timestep, the condition dropped with probability `drop`.

    Returns a loss on batches (mean (B, c, h, w), std (B, c, h, w), condition): the moments of the posterior q(z|x) of
    standardized latents, from which z_0 is drawn afresh each time. Source: Ho et al. 2020, eq. 14, for v as in Salimans
    & Ho 2022, sec. 4; dropping, Ho & Salimans 2022, algorithm 1.
    """

    checks.instance("schedule", schedule, NoiseSchedule)
    checks.between("drop", drop, 0, 1)

    def loss(model: nn.Module, batch: tuple[Tensor, Tensor, Tensor], generator: Draws) -> Tensor:
        mean, std, condition = batch
        eps = draw_like(mean, generator)
        z0 = draw_latents(mean, std, generator)
        t = spread_timesteps(len(mean), schedule.num_steps, generator, mean.device)
        dropped = draw(torch.rand, mean.shape[:1], mean, generator) < drop
        z_t = schedule.add_noise(z0, t, eps)
        v = v_from_eps(z_t, eps, schedule.at(t, z_t))
        return F.mse_loss(model(z_t, t, condition, dropped), v)

    return loss


def on_images(loss):
    """A loss of posterior moments, on batches of images (x (B, C, H, W), condition): each step encodes its own.

    By the frozen autoencoder of the LatentDiffusion that is trained, to standardized moments. So no set is too large to
    be encoded beforehand, and images may be changed at random (`mirrored`), at the price of an encoding each time.
    """
    checks.function("loss", loss, "(model, batch, generator)")

    def encoding(model: nn.Module, batch: tuple[Tensor, Any], generator: Draws) -> Tensor:
        x, condition = batch
        diffusion = cast(LatentDiffusion, getattr(model, "module", model))  # inside what averages gradients
        with torch.no_grad():
            posterior = diffusion.autoencoder.encode(x)
        moments = diffusion.standardize(posterior.mean), posterior.std / diffusion.latent_std
        return loss(model, (*moments, condition), generator)

    return encoding


def captioned(loss, say, *, drop_style: float, drop_words: float):
    """A loss of posterior moments, on batches (mean, std, names, styles): captions are drawn anew in each step.

    say(names (B,), styles (B,), generator) -> prompts, which the WordsAndStyleEncoder of the LatentDiffusion reads.
    drop_style, drop_words: how often the style alone, and the words alone, are dropped; never both, which is left to
    the loss (`diffusion_loss(drop=...)`). Raises ValueError for probabilities whose sum is above 1.
    """
    checks.function("loss", loss, "(model, batch, generator)")
    checks.function("say", say, "(names, styles, generator)")
    checks.between("drop_words", drop_words, 0, 1)
    checks.between("drop_style", drop_style, 0, 1 - drop_words)

    def on_captions(model: nn.Module, batch: tuple[Tensor, Tensor, Tensor, Tensor], generator: Draws) -> Tensor:
        mean, std, names, styles = batch
        encoder = cast(WordsAndStyleEncoder, getattr(model, "module", model).encoder)
        prompts = encoder.check(say(names, styles, generator)).to(mean.device)
        u = draw(torch.rand, mean.shape[:1], mean, generator)
        prompts = encoder.drop(prompts, style=u < drop_style, words=u >= 1 - drop_words)
        return loss(model, (mean, std, prompts), generator)

    return on_captions


def noisy_classification_loss(schedule: NoiseSchedule, *, num_steps: int | None = None):
    """Cross-entropy -log f_phi(y|z_t, t) in nats, averaged, at timesteps 0..num_steps-1, by default all of them.

    num_steps = 1 makes a classifier that never saw noise to speak of. Returns a loss on batches (mean (B, c, h, w), std
    (B, c, h, w), y (B,)) as those of `diffusion_loss`. Source: Dhariwal & Nichol 2021, sec. 4.1.
    """
    checks.instance("schedule", schedule, NoiseSchedule)
    steps = schedule.num_steps if num_steps is None else checks.count("num_steps", num_steps, schedule.num_steps)

    def loss(model: nn.Module, batch: tuple[Tensor, Tensor, Tensor], generator: Draws) -> Tensor:
        mean, std, y = batch
        eps = draw_like(mean, generator)
        t = spread_timesteps(len(mean), steps, generator, mean.device)
        return F.cross_entropy(model(schedule.add_noise(draw_latents(mean, std, generator), t, eps), t), y)

    return loss


def score_matching_loss(sigmas: Sequence[float]):
    """Denoising score matching at a ladder of noise levels: E sigma^2 |s_theta(x0 + sigma eps, sigma) + eps / sigma|^2.

    The level is uniform over `sigmas`; the weight sigma^2 lets every level count alike. The mean is over the dimensions
    too. Returns a loss on batches (x0 (B, d),). Source: Vincent 2011, eq. 9; Song & Ermon 2019, eq. 5 and 6.
    """
    levels = torch.tensor([checks.positive("sigmas", sigma) for sigma in checks.numbers("sigmas", sigmas)])

    def loss(model: nn.Module, batch: tuple[Tensor], generator: Draws) -> Tensor:
        (x0,) = batch
        options = dict(device=x0.device)
        level = shared(lambda n, one: torch.randint(len(levels), (n,), generator=one, **options), len(x0), generator)
        sigma = levels.to(x0)[level]  # (B,)
        eps = draw_like(x0, generator)
        score = model(x0 + sigma[:, None] * eps, sigma)
        return (sigma[:, None] * score + eps).square().mean()

    return loss
