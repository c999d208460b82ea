"""The public functions of the package, each with one valid call and the kinds of its arguments: `DOORS`.

What `tests/wrong_arguments.py` tries. A kind says which values an argument takes, in the words of its docstring.
"""

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor, nn

from ldm_teach.data import (
    blur,
    captions,
    emoji,
    emoji_captions,
    emoji_splits,
    fashion,
    image_captions,
    image_folder,
    shapes,
    shapes_reader,
)
from ldm_teach.interactive import controls, drawing, pictures, plots, settings, uploads
from ldm_teach.measuring import adherence, footprint, judge, metrics, retrieval, statistics, tables, timing
from ldm_teach.models import (
    attention,
    autoencoder,
    checkpoint,
    classifier,
    conditioning,
    critic,
    guided,
    latent_diffusion,
    layers,
    picture_judge,
    pixels,
    score_network,
    unet,
    vector_quantization,
    vgg,
)
from ldm_teach.theory import editing, flow, guidance, langevin, mixture, parameterization, samplers, schedule, tensors
from ldm_teach.training import batches, device, loop, losses
from tests.helpers import make_prompt_encoder, make_tiny_model, seeded


@dataclass(frozen=True)
class Kind:
    """Which values an argument takes. path: then an OSError may say what is wrong; function: any that can be called."""

    takes: Callable[[Any], bool]
    path: bool = False
    function: bool = False

    def __or__(self, other: "Kind") -> "Kind":
        return Kind(
            lambda value: self.takes(value) or other.takes(value),
            self.path or other.path,
            self.function or other.function,
        )


def fits(shape: Sequence[int], want: Sequence[int | None]) -> bool:
    return len(shape) == len(want) and all(w in (None, n) for n, w in zip(shape, want, strict=True))


def number(low: float = -math.inf, high: float = math.inf) -> Kind:
    """A finite number of Python's or numpy's in [low, high]; True and False are none."""

    def takes(value: Any) -> bool:
        real = isinstance(value, Real) and not isinstance(value, bool | Fraction)
        return real and -1e300 < value < 1e300 and low <= value <= high

    return Kind(takes)


def whole(low: int = 1, high: int = 2**31 - 1) -> Kind:
    """An int in [low, high]."""
    return Kind(lambda v: isinstance(v, int) and not isinstance(v, bool) and low <= v <= high)


def floats(*shape: int | None, dtype: torch.dtype | None = None) -> Kind:
    """A floating-point tensor, of this shape (None: any number there) and dtype where they are given."""

    def takes(value: Any) -> bool:
        floating = isinstance(value, Tensor) and value.is_floating_point() and dtype in (None, value.dtype)
        return floating and (not shape or fits(value.shape, shape))

    return Kind(takes)


def ints(*shape: int | None, low: int = 0, high: int = 2**62) -> Kind:
    """An int64 tensor of this shape with values in [low, high]."""

    def takes(value: Any) -> bool:
        right = isinstance(value, Tensor) and value.dtype == torch.int64 and fits(value.shape, shape)
        return right and (value.is_meta or all(low <= v <= high for v in value.flatten().tolist()))

    return Kind(takes)


def spreads(*shape: int) -> Kind:
    """A floating-point tensor that broadcasts to this shape."""

    def takes(value: Any) -> bool:
        if not isinstance(value, Tensor) or not value.is_floating_point():
            return False
        try:
            return torch.broadcast_shapes(value.shape, shape) == torch.Size(shape)
        except RuntimeError:
            return False

    return Kind(takes)


def several(kind: Kind, *lengths: int) -> Kind:
    """A list or tuple (a range, an array) of a kind, of one of these lengths where they are given."""

    def takes(value: Any) -> bool:
        if not isinstance(value, list | tuple | range | np.ndarray) or (lengths and len(value) not in lengths):
            return False
        return all(kind.takes(one) for one in (value.tolist() if isinstance(value, np.ndarray) else value))

    return Kind(takes)


def one_of(*values: Any) -> Kind:
    return Kind(lambda value: any(type(value) is type(one) and value == one for one in values))


def a(*classes: type) -> Kind:
    """An instance of one of these classes."""
    return Kind(lambda value: isinstance(value, classes))


NONE = a(type(None))
FLAG = a(bool)
WORDS = a(str)
PATH = Kind(lambda value: isinstance(value, str | Path), path=True)
FUNCTION = Kind(callable, function=True)
GENERATOR = NONE | a(torch.Generator, tensors.Share) | several(a(torch.Generator), 2)
SEED = whole(1 - 2**31, 2**31 - 1)


@dataclass(frozen=True)
class Argument:
    """valid: what the valid call has.  called: the name in the messages, where it is another."""

    valid: Any
    kind: Kind
    called: str | None = None


@dataclass(frozen=True)
class Door:
    """A public function, its arguments, and what is done with what it returns: a denoiser is called, say."""

    name: str
    function: Callable[..., Any]
    arguments: Mapping[str, Argument]
    then: Callable[[Any], Any] | None = None

    def __call__(self, arguments: Mapping[str, Any]) -> Any:
        result = self.function(**arguments)
        if self.then is not None:
            result = self.then(result)
        return next(result) if isinstance(result, Iterator) else result


DOORS: list[Door] = []


def door(
    function: Callable[..., Any], *, of: str | None = None, after: Callable[[Any], Any] | None = None, **arguments
):
    """Enter a function. Its arguments are pairs (valid, kind), or triples with the name that messages have."""
    module = getattr(function, "__module__", "").removeprefix("ldm_teach.")
    name = of or f"{module}.{getattr(function, '__qualname__', function)}"
    DOORS.append(Door(name, function, {key: Argument(*each) for key, each in arguments.items()}, after))


def rand(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, dtype=dtype, generator=seeded())


# What the valid calls are made with.
X = rand(2, 3)
T = torch.tensor([10, 500])
SCHEDULE = schedule.NoiseSchedule.linear()
MIXTURE = mixture.GaussianMixture(torch.tensor([0.5, 0.5]), rand(2, 2), torch.eye(2).expand(2, 2, 2).contiguous())
LINE = mixture.GaussianMixture(torch.tensor([0.5, 0.5]), rand(2, 1), torch.ones(2, 1, 1))
MODEL = make_tiny_model()
IMAGES = rand(2, 1, 12, 12).clamp(-1, 1)
LATENTS = rand(2, 2, 4, 4)
LABELS = torch.tensor([0, 1])
LIKE_X = floats(2, 3, dtype=torch.float32)
TIMES = ints(2)
SCHEDULES = a(schedule.NoiseSchedule)


def arrow(x_t: Tensor, t: Tensor) -> Tensor:
    return 0.1 * x_t


def log_prob(x_t: Tensor, t: Tensor) -> Tensor:
    return -x_t.square()[..., None].flatten(1).sum(1)


def run(denoiser: Callable) -> Tensor:
    return denoiser(X, T)


# theory/parameterization
FROM_ONE = (
    parameterization.score_from_eps,
    parameterization.eps_from_score,
    parameterization.ve_from_vp,
    parameterization.vp_from_ve,
)
FROM_ONE += (flow.straight_from_vp, flow.vp_from_straight)
for law, name in zip(FROM_ONE, ("eps", "score", "x_t", "x_ve", "x_t", "x_tau"), strict=True):
    door(law, **{name: (X, floats()), "alpha_bar": (0.5, number(0, 1) | spreads(2, 3))})
for law, name in {
    parameterization.score_from_x0: "x0",
    parameterization.x0_from_score: "score",
    parameterization.score_from_v: "v",
    parameterization.v_from_score: "score",
    parameterization.x0_from_eps: "eps",
    parameterization.eps_from_x0: "x0",
    parameterization.v_from_eps: "eps",
    parameterization.eps_from_v: "v",
    parameterization.v_from_x0: "x0",
    parameterization.x0_from_v: "v",
    flow.velocity_from_eps: "eps",
    flow.velocity_from_x0: "x0",
    flow.velocity_from_v: "v",
    flow.velocity_from_score: "score",
    flow.eps_from_velocity: "u",
    flow.x0_from_velocity: "u",
    flow.v_from_velocity: "u",
    flow.score_from_velocity: "u",
}.items():
    level = torch.tensor([[0.5], [0.9]]) if name == "v" else 0.5
    door(law, **{"x_t": (X, LIKE_X), name: (X + 1, LIKE_X), "alpha_bar": (level, number(0, 1) | spreads(2, 3))})
door(parameterization.sigma_from_alpha_bar, alpha_bar=(0.5, number(1e-300, 1) | floats()))
door(flow.tau_from_alpha_bar, alpha_bar=(0.5, number(0, 1) | floats()))
door(flow.alpha_bar_from_tau, tau=(0.5, number(0, 1) | floats()))
door(parameterization.alpha_bar_from_sigma, sigma=(0.5, number(0) | floats()))

# theory/schedule
TABLE = SCHEDULE.alpha_bar[::100].clone()


def falls(value: Any) -> bool:
    return value.ndim == 1 and all(p > q for p, q in zip([1.0, *value.tolist()], [*value.tolist(), 0.0], strict=True))


door(
    schedule.NoiseSchedule,
    alpha_bar=(TABLE, Kind(lambda v: floats(None, dtype=torch.float64).takes(v) and not v.is_meta and falls(v))),
)
door(
    schedule.NoiseSchedule.from_betas,
    betas=(torch.tensor([0.1, 0.2]), Kind(lambda v: floats(None).takes(v) and bool(((v > 0) & (v < 1)).all()))),
)
beta = number(1e-300, 1 - 1e-16) | NONE
for make in (schedule.NoiseSchedule.linear, schedule.NoiseSchedule.scaled_linear):
    door(
        make,
        num_steps=(1000, whole(1, 10**6)),
        beta_start=(1e-4, beta, "beta_start"),
        beta_end=(1e-2, beta, "beta_end"),
    )
door(schedule.NoiseSchedule.cosine, num_steps=(10, whole(1, 10**6)))
door(
    SCHEDULE.at, t=(T, ints(2, low=-1, high=999)), x=(X, Kind(lambda v: isinstance(v, Tensor) and v.shape[:1] == (2,)))
)
door(SCHEDULE.add_noise, x0=(X, LIKE_X), t=(T, ints(2, low=-1, high=999)), eps=(X, LIKE_X))
door(SCHEDULE.timesteps, n=(10, whole(1, 1000), "num_steps"))
door(SCHEDULE.until, t=(500, whole(0, 999)))
door(SCHEDULE.walk, n=(10, whole(1, 1000), "num_steps"))

# theory/mixture
finite = Kind(lambda v: not v.is_meta and bool(v.isfinite().all()))


def also(one: Kind, other: Kind) -> Kind:
    return Kind(lambda v: one.takes(v) and other.takes(v))


door(
    mixture.GaussianMixture,
    weights=(torch.tensor([0.5, 0.5]), also(floats(2), finite)),
    means=(rand(2, 2), also(floats(2, 2), finite)),
    covariances=(torch.eye(2).expand(2, 2, 2).clone(), also(floats(2, 2, 2), finite)),
)
for method in (MIXTURE.log_prob, MIXTURE.score, MIXTURE.log_posterior):
    door(method, x=(rand(3, 2), floats(None, 2)))
door(LINE.cdf, x=(rand(3, 1), floats(None, 1)))
door(LINE.quantile, u=(torch.rand(3, 1, generator=seeded()), floats(None, 1)))
door(MIXTURE.sample, n=(2, whole()), generator=(seeded(), GENERATOR))
SOME = torch.tensor([True, False])
door(
    MIXTURE.given,
    x=(rand(2), also(floats(2), Kind(lambda v: not v.is_meta and bool(v[1].isfinite())))),
    mask=(SOME, Kind(lambda v: isinstance(v, Tensor) and v.dtype == torch.bool and not v.is_meta and v.sum() == 1)),
)
door(MIXTURE.component, k=(1, whole(0, 1)))
door(MIXTURE.diffuse, alpha_bar=(0.5, number(0, 1)))
door(MIXTURE.denoiser, schedule=(SCHEDULE, SCHEDULES), after=lambda d: d(X[:, :2], T))
door(
    lambda x_t, t: MIXTURE.denoiser(SCHEDULE)(x_t, t),
    of="theory.mixture.GaussianMixture.denoiser()",
    x_t=(X[:, :2], floats(2, 2), "x|x_t"),
    t=(T, ints(2, low=-1, high=999)),
)

# theory/langevin
door(
    langevin.langevin,
    score=(lambda x: -x, FUNCTION),
    x=(X, floats()),
    step_size=(0.1, number(1e-300) | FUNCTION),
    num_steps=(3, whole()),
    generator=(seeded(), GENERATOR),
)
door(
    langevin.mala,
    log_prob=(lambda x: -x.square()[..., None].flatten(1).sum(1), FUNCTION),
    x=(X, floats()),
    step_size=(0.1, number(1e-300)),
    num_steps=(3, whole()),
    generator=(seeded(), GENERATOR),
)


def falling(value: Any) -> bool:
    numbers = value.tolist() if isinstance(value, Tensor | np.ndarray) else value
    return isinstance(numbers, list | tuple) and all(isinstance(v, Real) for v in numbers)


door(
    langevin.annealed_langevin,
    score=(lambda x, sigma: -x, FUNCTION),
    x=(X, floats()),
    sigmas=([1.0, 0.5], Kind(falling)),
    step_size=(0.1, number(1e-300)),
    steps_per_level=(2, whole(), "num_steps|steps_per_level"),
    generator=(seeded(), GENERATOR),
)

# theory/samplers
SAMPLER = dict(
    denoiser=(arrow, FUNCTION),
    schedule=(SCHEDULE, SCHEDULES),
    x_T=(X, floats()),
    num_steps=(3, whole(1, 1000)),
    generator=(seeded(), GENERATOR),
)
door(samplers.ddpm, **SAMPLER, variance=("small", one_of("small", "large")), resampling=(2, whole()))
door(samplers.ddim, **SAMPLER, eta=(0.5, number(0, 1)))
door(samplers.heun, **SAMPLER)
door(samplers.dpm_solver, **SAMPLER)
door(
    samplers.predictor_corrector,
    **SAMPLER,
    corrector=(arrow, FUNCTION | NONE),
    corrector_steps=(1, whole()),
    step_ratio=(0.1, number(1e-300) | NONE),
)
door(samplers.final, steps=([samplers.Step(0, X, X)], several(a(samplers.Step))))

# theory/guidance
WEIGHT = number() | Kind(lambda v: isinstance(v, Tensor) and v.shape == (2,) and not v.is_complex())
door(guidance.w_from_s, s=(2.0, number()))
door(guidance.s_from_w, w=(2.0, number()))
door(guidance.guide, eps_cond=(X, LIKE_X), eps_uncond=(X, LIKE_X), w=(2.0, WEIGHT))
door(guidance.guide, eps_cond=(X, LIKE_X), eps_uncond=(X, LIKE_X), w=(torch.ones(2), WEIGHT))
door(
    guidance.classifier_free_guidance,
    conditional=(arrow, FUNCTION, "conditional|eps_cond"),
    unconditional=(arrow, FUNCTION, "unconditional|eps_uncond"),
    w=(1.0, WEIGHT),
    after=run,
)
door(
    guidance.autoguidance,
    strong=(arrow, FUNCTION, "strong|eps_cond"),
    weak=(arrow, FUNCTION, "weak|eps_uncond"),
    w=(1.0, WEIGHT),
    after=run,
)
pair = Kind(lambda v: isinstance(v, tuple | list) and len(v) == 2 and callable(v[0]) and WEIGHT.takes(v[1]))
door(
    guidance.compose,
    conditions=([(arrow, 1.0), (arrow, 0.5)], several(pair)),
    unconditional=(arrow, FUNCTION),
    after=run,
)
door(
    guidance.nested_guidance,
    both=(arrow, FUNCTION, "both|eps_cond"),
    first=(arrow, FUNCTION),
    unconditional=(arrow, FUNCTION, "unconditional|eps_uncond"),
    w_first=(1.0, WEIGHT, "w"),
    w_second=(torch.ones(2), WEIGHT, "w"),
    after=run,
)
door(
    guidance.gradient,
    log_prob=(log_prob, FUNCTION),
    x_t=(X, Kind(lambda v: floats().takes(v) and v.shape[:1] == (2,)), "x|x_t"),
    t=(T, TIMES),
)
door(
    guidance.classifier_guidance,
    denoiser=(arrow, FUNCTION),
    log_prob=(log_prob, FUNCTION),
    schedule=(SCHEDULE, SCHEDULES),
    scale=(1.0, WEIGHT),
    after=run,
)
door(
    guidance.clip_x0,
    denoiser=(arrow, FUNCTION),
    schedule=(SCHEDULE, SCHEDULES),
    low=(-1.0, number(high=0.999)),
    high=(1.0, number(-0.999)),
    after=run,
)
door(
    guidance.on_interval,
    guided=(arrow, FUNCTION),
    plain=(arrow, FUNCTION),
    first=(3, whole(-(10**18), 5)),
    last=(5, whole(3, 10**18)),
    after=run,
)
door(guidance.blend, first=(arrow, FUNCTION), second=(arrow, FUNCTION), weight=(0.3, WEIGHT), after=run)
door(
    guidance.rescaled,
    guided=(arrow, FUNCTION),
    conditional=(arrow, FUNCTION),
    schedule=(SCHEDULE, SCHEDULES),
    phi=(0.7, number(0, 1)),
    after=run,
)

# theory/editing
door(
    editing.image_to_image,
    x0=(X, LIKE_X),
    eps=(X, LIKE_X),
    schedule=(SCHEDULE, SCHEDULES),
    strength=(0.5, number(1e-300, 1)),
    num_steps=(20, whole(1, 1000)),
)
MASK = torch.tensor([True, False, True])
door(
    editing.inpainting,
    denoiser=(arrow, FUNCTION),
    schedule=(SCHEDULE, SCHEDULES),
    known=(X, LIKE_X, "known|mask"),
    mask=(MASK, Kind(lambda v: v.dtype == torch.bool and v.shape in ((), (1,), (3,), (1, 1), (1, 3), (2, 1), (2, 3)))),
    after=run,
)
door(
    editing.ddim_inversion,
    denoiser=(arrow, FUNCTION),
    schedule=(SCHEDULE, SCHEDULES),
    x0=(X, floats()),
    num_steps=(3, whole(1, 1000)),
    looks=(2, whole()),
)
door(editing.slerp, first=(X, LIKE_X), second=(X + 1, LIKE_X), weight=(0.5, WEIGHT))

# theory/tensors
door(tensors.Share, generator=(seeded(), a(torch.Generator)), index=(1, whole(0, 1)), count=(2, whole(2)))
door(tensors.draw_like, x=(X, floats()), generator=(seeded(), GENERATOR))

# models
SIDES = several(whole(), 2)
TINY = dict(image_size=((12, 12), SIDES), image_channels=(1, whole()), downsampling=(4, one_of(1, 2, 4, 8)))
TINY |= dict(latent_channels=(2, whole()), widths=((16, 16), several(whole(), 2)), depths=((1, 2), several(whole(), 2)))
door(autoencoder.Architecture, **TINY)
door(pixels.Pixels, image_size=((12, 12), SIDES), image_channels=(1, whole()))
door(pixels.Pixels((12, 12)).encode, x=(IMAGES, floats(None, 1, 12, 12)))
door(pixels.Pixels((12, 12)).decode, z=(IMAGES, floats(None, 1, 12, 12)))
door(autoencoder.KLAutoencoder, **TINY)
door(
    vector_quantization.VQAutoencoder,
    num_codes=(8, whole()),
    dead_below=(0.03, number(0, 1)),
    **TINY,
)
VQ = vector_quantization.VQAutoencoder(8, image_size=(12, 12), latent_channels=2, widths=(16, 16), depths=(1, 2))
picture = floats(None, 1, 12, 12, dtype=torch.float32)
latent = floats(None, 2, 4, 4, dtype=torch.float32)
for each in (MODEL.autoencoder, VQ):
    door(each.encode, x=(IMAGES, picture))
    door(each.decode, z=(LATENTS, latent))
    door(each.__call__, of=f"{type(each).__name__}()", x=(IMAGES, picture), generator=(seeded(), GENERATOR))
door(VQ.quantize, z=(LATENTS, floats(None, 2, None, None, dtype=torch.float32)))
door(
    vector_quantization.straight_through,
    z=(LATENTS, floats(2, 2, 4, 4, dtype=torch.float32)),
    quantized=(LATENTS, floats(2, 2, 4, 4, dtype=torch.float32)),
)
door(MODEL.autoencoder.encode(IMAGES).sample, of="DiagonalGaussian.sample", generator=(seeded(), GENERATOR))
door(
    unet.UNet,
    channels=(2, whole()),
    widths=((8, 16), several(whole(), 2)),
    heads=((0, 2), several(whole(0), 2)),
    depth=(1, whole()),
    token_width=(8, whole()),
    positions=(False, FLAG),
    concatenate=(False, FLAG),
)
door(
    MODEL.unet.__call__,
    of="UNet()",
    x=(LATENTS, floats(2, 2, None, None, dtype=torch.float32)),
    t=(T, ints(2)),
    tokens=(rand(2, 5, 8), floats(2, None, 8, dtype=torch.float32)),
)
door(score_network.ScoreNetwork, dimensions=(2, whole()), width=(8, whole()), depth=(1, whole()))
door(
    score_network.ScoreNetwork(3, 8, 1).__call__,
    of="ScoreNetwork()",
    x=(X, LIKE_X, "x|sigma"),
    sigma=(torch.ones(2), floats(2, dtype=torch.float32)),
)
door(critic.PatchCritic, image_channels=(1, whole()), width=(4, whole()))
door(
    critic.PatchCritic(1, 4).__call__, of="PatchCritic()", x=(IMAGES, floats(None, 1, None, None, dtype=torch.float32))
)
CRITIC = critic.CriticizedAutoencoder(MODEL.autoencoder, critic.PatchCritic(1, 4))
door(
    critic.CriticizedAutoencoder,
    autoencoder=(VQ, a(autoencoder.KLAutoencoder, vector_quantization.VQAutoencoder)),
    critic=(critic.PatchCritic(1, 4), a(critic.PatchCritic)),
)
door(CRITIC.__call__, of="CriticizedAutoencoder()", x=(IMAGES, picture), generator=(seeded(), GENERATOR))
door(
    attention.TransformerBlock,
    channels=(8, whole()),
    token_width=(8, whole(0)),
    heads=(2, whole()),
    positions=(True, FLAG),
)
door(layers.ResidualBlock, in_channels=(8, whole()), out_channels=(8, whole()), embedding=(8, whole(0)))
door(
    classifier.ImageClassifier,
    image_channels=(1, whole()),
    num_classes=(3, whole()),
    widths=((4, 4, 4), several(whole(), 3)),
)
SEES = classifier.ImageClassifier(1, 3, (4, 4, 4)).eval()
seen = floats(None, 1, None, None, dtype=torch.float32)
for each in (SEES.features, SEES.embed, SEES.__call__):
    door(each, of=f"ImageClassifier.{each.__name__}" if hasattr(each, "__name__") else None, x=(IMAGES, seen))
door(
    classifier.NoisyClassifier,
    schedule=(SCHEDULE, SCHEDULES),
    channels=(2, whole()),
    num_classes=(3, whole()),
    widths=((8, 8), several(whole(), 2)),
    depth=(1, whole()),
)
NOISY = classifier.NoisyClassifier(SCHEDULE, 2, 3, (8, 8)).eval()
door(
    NOISY.__call__,
    of="NoisyClassifier()",
    z_t=(LATENTS, floats(2, 2, None, None, dtype=torch.float32), "z_t|x"),
    t=(T, ints(2, low=-1, high=999)),
)
door(
    picture_judge.PictureJudge,
    num_names=(4, whole()),
    num_styles=(2, whole()),
    num_groups=(3, whole()),
    image_channels=(1, whole()),
    widths=((4, 4, 4, 4), several(whole(), 4)),
    style_widths=((4, 4, 4, 4), several(whole(), 4)),
    width=(4, whole()),
    scale=(16.0, number(1e-300)),
)
PICTURE_JUDGE = picture_judge.PictureJudge(4, 2, 3, 1, (4, 4, 4, 4), (4, 4, 4, 4), 4).eval()
for each in (PICTURE_JUDGE.embed, PICTURE_JUDGE.look, PICTURE_JUDGE.__call__):
    name = getattr(each, "__name__", "()")
    door(each, of=f"PictureJudge.{name}", x=(IMAGES, seen))
LABELLING = ints(None, high=2) | several(whole(0, 2))
door(NOISY.log_prob, labels=(LABELS, LABELLING, "condition|labels"))
door(conditioning.check_labels, labels=(LABELS, LABELLING, "condition|labels"), num_classes=(3, whole()))
NAMES = Kind(lambda v: several(WORDS, 0, 3).takes(v) and len(set(v)) == len(v))
door(
    conditioning.ClassEncoder,
    num_classes=(3, whole(3, 3), "num_classes|names"),
    token_width=(8, whole()),
    num_tokens=(2, whole()),
    names=(["a", "b", "c"], NAMES),
)
VOCABULARY = "a", "red", "circle"
door(
    conditioning.TextEncoder,
    vocabulary=(VOCABULARY, several(WORDS)),
    max_words=(4, whole()),
    token_width=(8, whole()),
    depth=(1, whole()),
    heads=(2, whole()),
    examples=(["a red house"], several(WORDS)),
)
door(conditioning.TextEncoder(VOCABULARY, 4, 8, 1, 2).known, captions=(["a red house"], several(WORDS)))
door(controls.class_names, encoder=(conditioning.ClassEncoder(3, 8, 2), a(conditioning.ClassEncoder)))
door(
    conditioning.WordsAndStyleEncoder,
    vocabulary=(VOCABULARY, several(WORDS)),
    styles=(("oil", "ink"), several(WORDS)),
    max_words=(4, whole()),
    token_width=(8, whole()),
    depth=(1, whole()),
    heads=(2, whole()),
)
PROMPTS = make_prompt_encoder()
NUMBERS = ints(2, 3, high=3)
rows = Kind(lambda v: isinstance(v, Tensor) and v.shape == (2,) and v.dtype == torch.bool)
door(
    PROMPTS.drop,
    prompts=(["ink: red", "blue"], several(WORDS, 2) | NUMBERS, "condition|prompt|words"),
    style=(True, FLAG | rows),
    words=(torch.tensor([True, False]), FLAG | rows),
)
door(
    conditioning.MapEncoder,
    num_classes=(5, whole()),
    image_size=((8, 8), SIDES),
    patch=(4, whole()),
    token_width=(8, whole()),
)
door(
    conditioning.ImageEncoder,
    image_channels=(1, whole()),
    image_size=((8, 8), SIDES),
    patch=(4, whole()),
    token_width=(8, whole()),
)
READERS = {
    conditioning.ClassEncoder(3, 8, 2): ("labels", LABELS, LABELLING),
    conditioning.TextEncoder(VOCABULARY, 4, 8, 1, 2): (
        "captions",
        ["a red circle", "a circle"],
        several(WORDS) | ints(None, 4, high=3),
    ),
    conditioning.MapEncoder(5, (8, 8), 4, 8): (
        "maps",
        torch.zeros(2, 8, 8, dtype=torch.int64),
        ints(None, 8, 8, high=4),
    ),
    conditioning.ImageEncoder(1, (8, 8), 4, 8): ("x", rand(2, 1, 8, 8), floats(None, 1, 8, 8)),
}
for each, (name, valid, kind) in READERS.items():
    door(each.check, **{name: (valid, kind, f"condition|{name}")})
door(PROMPTS.check, prompts=(["ink: red", "blue"], several(WORDS) | ints(None, 3, high=3), "condition|prompt"))
door(
    latent_diffusion.LatentDiffusion,
    autoencoder=(VQ, a(autoencoder.KLAutoencoder, vector_quantization.VQAutoencoder, pixels.Pixels)),
    unet=(MODEL.unet, a(unet.UNet)),
    encoder=(MODEL.encoder, a(*map(type, READERS))),
    schedule=(SCHEDULE, SCHEDULES),
)
door(
    MODEL.measure_latents,
    mean=(LATENTS, also(floats(2, 2, 4, 4), finite)),
    std=(LATENTS, also(floats(2, 2, 4, 4), finite)),
)
door(MODEL.standardize, z=(LATENTS, latent))
door(MODEL.encode, x=(IMAGES, picture))
door(MODEL.decode, z=(LATENTS, latent))
door(
    MODEL.__call__,
    of="LatentDiffusion()",
    z_t=(LATENTS, floats(2, 2, 4, 4, dtype=torch.float32), "z_t|x"),
    t=(T, ints(2)),
    condition=(LABELS, ints(2, high=2) | several(whole(0, 2), 2), "condition|dropped"),
    dropped=(torch.tensor([True, False]), Kind(lambda v: isinstance(v, Tensor)) | NONE),
)
INTERVAL = Kind(lambda v: several(whole(0), 2).takes(v) and v[0] <= v[1])
GUIDED = dict(condition=(LABELS, LABELLING | NONE), w=(1.0, WEIGHT), interval=((3, 5), INTERVAL | NONE))
AWAY = dict(negative=(LABELS, LABELLING | NONE, "negative|condition"))
WEAKER = dict(weaker=(MODEL, a(latent_diffusion.LatentDiffusion) | FUNCTION | NONE))
GUIDED["w"] = (1.0, WEIGHT | NONE)
ASKED = dict(condition=(LABELS, LABELLING, "condition|negative"))
door(MODEL.denoiser, **GUIDED | ASKED | AWAY, after=lambda d: d(LATENTS, T))
door(MODEL.denoiser, **GUIDED | WEAKER, after=lambda d: d(LATENTS, T))
door(MODEL.noise, batch_size=(2, whole()), generator=(seeded(), GENERATOR))
SAMPLING = dict(
    x_T=(LATENTS, floats(2, 2, 4, 4, dtype=torch.float32) | NONE),
    num_steps=(2, whole(1, 1000)),
    generator=(seeded(), GENERATOR),
    batch_size=(2, one_of(2) | NONE),
    sampler=(samplers.ddim, FUNCTION, "sampler|steps"),
)
door(MODEL.sample, **GUIDED, **SAMPLING)
EDITED = dict(images=(IMAGES, floats(2, 1, 12, 12, dtype=torch.float32), "images|condition|mask"))
EDITED |= dict(num_steps=(2, whole(1, 1000)))
GENERATOR_OF = dict(generator=(seeded(), GENERATOR))
door(
    MODEL.edit,
    **GUIDED | EDITED | GENERATOR_OF,
    strength=(0.5, number(1e-300, 1)),
    sampler=(samplers.ddim, FUNCTION, "sampler|steps"),
)
MASKS = Kind(lambda v: isinstance(v, Tensor) and v.dtype == torch.bool and not v.is_meta and v.shape[-2:] == (12, 12))
door(
    MODEL.inpaint,
    **GUIDED | EDITED | GENERATOR_OF,
    mask=(IMAGES[:, 0] > 0, MASKS),
    resampling=(2, whole()),
)
door(MODEL.latent_mask, mask=(IMAGES[:, 0] > 0, MASKS))
door(MODEL.invert, **GUIDED | EDITED, looks=(2, whole()))
door(MODEL.draw, denoiser=(lambda z, t: 0 * z, FUNCTION), **SAMPLING | dict(batch_size=(2, whole() | NONE)))
door(guided.free_on, interval=((3, 5), INTERVAL | NONE), after=lambda m: m(MODEL, LABELS, 1.0)(LATENTS, T))
for law in (guided.classifier_free, guided.rescaled_free):
    door(
        law,
        model=(MODEL, a(latent_diffusion.LatentDiffusion)),
        condition=(LABELS, LABELLING | NONE),
        scale=(1.0, WEIGHT, "w|scale"),
        after=lambda d: d(LATENTS, T),
    )
PROMPTED = make_tiny_model(make_encoder=make_prompt_encoder)
door(
    guided.style_and_words,
    model=(PROMPTED, a(latent_diffusion.LatentDiffusion)),
    prompts=(["ink: red", "blue"], several(WORDS, 2) | NUMBERS, "condition|prompt|x"),
    w_style=(1.0, WEIGHT, "w|w_style"),
    w_words=(torch.ones(2), WEIGHT, "w|w_words"),
    after=lambda d: d(LATENTS, T),
)
door(
    guided.with_classifier,
    classifier=(NOISY, a(classifier.NoisyClassifier)),
    conditional=(True, FLAG),
    blind=(False, FLAG),
    after=lambda m: m(MODEL, LABELS, 1.0)(LATENTS, T),
)
door(
    guided.sample_all,
    model=(MODEL, a(latent_diffusion.LatentDiffusion)),
    condition=(LABELS, ints(None, high=2)),
    scale=(1.0, WEIGHT, "w|scale"),
    num_steps=(2, whole(1, 1000)),
    seed=(0, SEED),
    method=(guided.classifier_free, FUNCTION, "method|denoiser"),
    sampler=(samplers.ddim, FUNCTION, "sampler|steps"),
    batch_size=(2, whole()),
)
SAVED = tempfile.TemporaryDirectory()
for each in (SEES, MODEL, VQ, PICTURE_JUDGE):
    path = Path(SAVED.name) / type(each).__name__
    each.save(path)
    door(each.save, directory=(path, PATH))
    door(type(each).load, name_or_dir=(path, PATH))
door(vector_quantization.load_autoencoder, name_or_dir=(Path(SAVED.name) / "VQAutoencoder", PATH))
door(checkpoint.locate, name_or_dir=(Path(SAVED.name) / "VQAutoencoder", PATH))
door(checkpoint.header, directory=(Path(SAVED.name) / "VQAutoencoder", PATH))
door(checkpoint.save, model=(SEES, a(nn.Module)), directory=(Path(SAVED.name) / "again", PATH))
door(
    checkpoint.load,
    cls=(classifier.ImageClassifier, Kind(lambda v: isinstance(v, type) and issubclass(v, nn.Module))),
    name_or_dir=(Path(SAVED.name) / "ImageClassifier", PATH),
    build=(classifier.ImageClassifier, FUNCTION | NONE),
)
door(checkpoint.made, part=(checkpoint.part(SEES), a(dict)))

# training
door(
    lambda x, y, batch_size, seed: batches.Batches(x, y, batch_size=batch_size, seed=seed),
    of="training.batches.Batches",
    x=(X, Kind(lambda v: isinstance(v, Tensor) and v.shape[:1] == (2,)), "columns"),
    y=(T, Kind(lambda v: isinstance(v, Tensor) and v.shape[:1] == (2,)), "columns"),
    batch_size=(1, whole(1, 2)),
    seed=(0, SEED),
    after=lambda b: b[0],
)
BATCHES = batches.Batches(X, batch_size=2)
door(BATCHES.__getitem__, index=(0, whole(0)))
door(device.choose_device, name=("cpu", one_of("cpu", "cuda", "mps") | NONE, "device|name"))
SETTINGS = dict(
    num_steps=(2, whole()),
    learning_rate=(1e-3, number(1e-300)),
    warmup_steps=(0, number(0)),
    decay=(loop.linear_decay, FUNCTION),
    weight_decay=(0.01, number(0)),
    max_gradient_norm=(1.0, number(1e-300)),
    average_decay=(0.9, number(0, 1)),
    seed=(0, SEED),
)
door(loop.FitSettings, **SETTINGS, after=lambda s: s.rate(0))
for law in (loop.constant, loop.linear_decay, loop.cosine_decay):
    door(law, progress=(0.5, number(0, 1)))


def square(model: nn.Module, batch: tuple[Tensor, ...], generator: torch.Generator | None) -> Tensor:
    return model(batch[0]).square().mean()


LINEAR = nn.Linear(3, 1)
door(
    loop.fit,
    model=(LINEAR, a(nn.Module)),
    loss=(square, FUNCTION),
    batches=(BATCHES, a(batches.Batches)),
    settings=(loop.FitSettings(2), a(loop.FitSettings) | NONE, "settings|num_steps"),
    average=(nn.Linear(3, 1), a(nn.Module) | NONE),
    device=("cpu", one_of("cpu") | NONE),
    mixed_precision=("no", one_of("no", "bf16", "fp16") | NONE),
    workers=(0, whole(0)),
    save_every=(1, whole()),
    resume=(False, FLAG),
)
door(
    lambda directory: loop.fit(nn.Linear(3, 1), square, BATCHES, num_steps=2, device="cpu", directory=directory),
    of="training.loop.fit(directory=)",
    directory=(None, PATH | NONE),
)
door(
    losses.diffusion_loss,
    schedule=(SCHEDULE, SCHEDULES),
    drop=(0.2, number(0, 1)),
    after=lambda loss: loss(MODEL, (LATENTS, LATENTS, LABELS), seeded()),
)
door(
    losses.noisy_classification_loss,
    schedule=(SCHEDULE, SCHEDULES),
    num_steps=(10, whole(1, 1000) | NONE),
    after=lambda loss: loss(NOISY, (LATENTS, LATENTS, LABELS), seeded()),
)


def positives(value: Any) -> bool:
    numbers = value.tolist() if isinstance(value, Tensor | np.ndarray) else value
    return (
        isinstance(numbers, list | tuple | range) and all(number(1e-300).takes(v) for v in numbers) and len(numbers) > 0
    )


door(
    losses.score_matching_loss,
    sigmas=([1.0, 0.5], Kind(positives)),
    after=lambda loss: loss(score_network.ScoreNetwork(3, 8, 1), (X,), seeded()),
)
door(
    losses.mirrored,
    loss=(losses.classification_loss, FUNCTION),
    after=lambda loss: loss(SEES, (IMAGES, LABELS), seeded()),
)
GREY_BYTES = torch.zeros(2, 1, 12, 12, dtype=torch.uint8)
door(
    losses.of_bytes,
    loss=(losses.classification_loss, FUNCTION),
    after=lambda loss: loss(SEES, (GREY_BYTES, LABELS), seeded()),
)
UNIT = number(0, 1)
SEEABLE = also(floats(None, None, None, None), Kind(lambda v: v.numel() > 0))
door(losses.mirror, x=(IMAGES, floats(None, None, None, None)), generator=(seeded(), GENERATOR))
door(
    losses.jitter,
    x=(IMAGES, SEEABLE),
    generator=(seeded(), GENERATOR),
    shift=(0.1, UNIT),
    zoom=(0.2, number(0, 0.9)),
)
door(losses.cut, x=(IMAGES, SEEABLE), generator=(seeded(), GENERATOR), share=(0.5, UNIT))
door(
    losses.captioned,
    loss=(losses.diffusion_loss(SCHEDULE, drop=0.2), FUNCTION),
    say=(lambda names, styles, generator: ["ink: red", "blue"], FUNCTION, "say|condition"),
    drop_style=(0.5, number(0, 0.8)),
    drop_words=(0.2, number(0, 1)),
    after=lambda loss: loss(PROMPTED, (LATENTS, LATENTS, LABELS, LABELS), seeded()),
)
LIKE_IMAGES = (IMAGES, floats(2, 1, 12, 12, dtype=torch.float32))
door(losses.edge_distance, x=LIKE_IMAGES, y=LIKE_IMAGES)
door(
    losses.perceptual_distance,
    network=(SEES, a(classifier.ImageClassifier, vgg.VGGFeatures)),
    x=(IMAGES, floats(2, 1, 12, 12, dtype=torch.float32)),
    y=(IMAGES, floats(2, 1, 12, 12, dtype=torch.float32)),
)
POSTERIOR = MODEL.autoencoder.encode(IMAGES)
for law in (losses.kl_per_element, losses.kl_per_image):
    door(law, posterior=(POSTERIOR, a(autoencoder.DiagonalGaussian)))
door(losses.codebook_loss, codes=(VQ.quantize(LATENTS), a(vector_quantization.Codes)), commitment=(0.25, number(0)))
door(
    losses.reconstruction_loss,
    network=(SEES, a(classifier.ImageClassifier) | NONE),
    perceptual_weight=(1.0, number(0)),
    absolute_weight=(0.1, number(0)),
    edge_weight=(0.1, number(0)),
    after=lambda loss: loss(IMAGES, IMAGES),
)
OBJECTIVE = dict(
    network=(SEES, a(classifier.ImageClassifier) | NONE),
    regularizer=(losses.kl_per_image, FUNCTION),
    weight=(1e-3, number(0)),
    perceptual_weight=(1.0, number(0)),
)
door(losses.autoencoder_loss, **OBJECTIVE, after=lambda loss: loss(MODEL.autoencoder, (IMAGES,), seeded()))
CRITICIZED = critic.CriticizedAutoencoder(
    autoencoder.KLAutoencoder(image_size=(12, 12), latent_channels=2, widths=(16, 16), depths=(1, 2)),
    critic.PatchCritic(1, 4),
)
door(
    losses.adversarial_loss,
    **OBJECTIVE,
    critic_weight=(0.5, number(0)),
    critic_start=(0, whole(0)),
    after=lambda loss: loss(CRITICIZED, (IMAGES,), seeded()),
)
door(losses.hinge_loss, real=(X, floats()), fake=(X, floats()))
door(
    losses.spread_timesteps,
    batch_size=(4, whole()),
    num_steps=(10, whole()),
    generator=(seeded(), NONE | a(torch.Generator, tensors.Share)),
    device=(torch.device("cpu"), a(torch.device)),
)
door(
    losses.draw_latents,
    mean=(LATENTS, floats(2, 2, 4, 4, dtype=torch.float32)),
    std=(LATENTS, floats(2, 2, 4, 4, dtype=torch.float32)),
    generator=(seeded(), GENERATOR),
)

door(
    losses.on_images,
    loss=(losses.diffusion_loss(SCHEDULE, drop=0.2), FUNCTION),
    after=lambda loss: loss(MODEL, (IMAGES, LABELS), seeded()),
)

# data
door(blur.blurred, x=(rand(2, 1, 9, 9), floats(None, None, None, None)), sigma=(1.0, number(1e-300)))
SCENE = shapes.shapes(1, num_items=2).scenes[0]
SCENES = a(captions.Scene)
ITEM = SCENE.items[0]
door(captions.parse, caption=("a red circle", WORDS))
door(captions.caption_of, scene=(SCENE, SCENES))
door(captions.relation, first=(ITEM, a(captions.Item)), second=(SCENE.items[1], a(captions.Item)))
door(captions.phrase, item=(ITEM, a(captions.Item)))
door(captions.held_out, scene=(SCENE, SCENES))
door(captions.layout_of, scene=(SCENE, SCENES))
door(captions.is_layout, words=("nothing", WORDS))
door(captions.parse_layout, words=("large circle at 9 9", WORDS))
door(captions.is_test_layout, scene=(SCENE, SCENES))
PICTURES = Path(SAVED.name) / "pictures"
PICTURES.mkdir()
Image.new("RGB", (8, 8)).save(PICTURES / "a.png")
door(image_folder.read_image, path=(PICTURES / "a.png", PATH), side=(8, whole()))
door(image_folder.decoded, path=(PICTURES / "a.png", PATH), side=(8, whole()))
door(
    image_folder.decoded_bytes,
    content=((PICTURES / "a.png").read_bytes(), one_of((PICTURES / "a.png").read_bytes())),
    side=(8, whole()),
)
door(
    image_folder.ImageFolder,
    root=(PICTURES, PATH),
    side=(8, whole()),
    most=(1, whole() | NONE),
    memory=(192, whole(0)),
    looked=(image_folder.ImageFolder(PICTURES, 8).looked, a(image_folder.Looked) | NONE),
)
door(image_folder.ImageFolder(PICTURES, 8).__getitem__, rows=(torch.tensor([0]), ints(None, high=0)))
door(image_folder.ImageFolder(PICTURES, 8).part, rows=(torch.tensor([0]), ints(None, high=0)))
door(image_folder.typical_side, root=(PICTURES, PATH), most=(1, whole()))
door(image_captions.image_captions, root=(PICTURES, PATH), files=(["a.png"], several(WORDS)))
door(image_captions.vocabulary_of, captions=(["a red house"], several(WORDS)), least=(2, whole()))
door(fashion.fashion_mnist, train=(False, FLAG), root=(fashion.DATA / "fashion-mnist", PATH))
EMOJI_FOLDER = (emoji.DATA / "emoji", PATH)
door(emoji.emoji, split=("names", one_of(*emoji.EMOJI_SPLITS)), root=EMOJI_FOLDER)
door(emoji.emoji_names, root=EMOJI_FOLDER)
BYTES = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
door(emoji.as_images, x=(BYTES, Kind(lambda v: isinstance(v, Tensor) and v.dtype == torch.uint8 and v.ndim == 4)))
EMOJI = {"names": (torch.tensor([0, 5]), ints(2, high=1879), "names|styles"), "styles": (LABELS, ints(2, high=4))}
door(emoji_captions.emoji_captions, **EMOJI)
door(emoji_captions.draw_emoji_captions, **EMOJI, generator=(seeded(), GENERATOR))
door(emoji_splits.split_of_each, pictures=([("cat face", "noto")], several(several(WORDS, 2)), "pictures"))
door(
    shapes.shapes,
    num_scenes=(2, whole()),
    seed=(0, SEED),
    train=(True, FLAG),
    num_items=(1, one_of(1, 2, 3) | NONE),
    held_out_for=(None, one_of("pair", "combination") | NONE),
)
door(shapes.coverage, kind=("circle", one_of(*captions.KINDS)), size=("small", one_of(*captions.SIZES)))
door(shapes.box, item=(ITEM, a(captions.Item)))
door(shapes.render, scene=(SCENE, SCENES))
door(shapes.render_map, scene=(SCENE, SCENES))
door(shapes.recaption, scenes=([SCENE], several(SCENES)), seed=(0, SEED))
DRAWN = shapes.render(SCENE)[None]
drawn = floats(None, 3, 32, 32)
door(shapes_reader.read_components, x=(DRAWN, drawn))
door(shapes_reader.read_scene, x=(DRAWN, drawn | floats(3, 32, 32)))
door(shapes_reader.read_map, x=(DRAWN, drawn))

# measuring
rows = also(floats(None, 3, dtype=torch.float32), finite)
WIDE = rand(20, 3)
NAMED_A = "a (is|and b)|(a|b) hold"  # not the article
for law in (metrics.frechet_distance, metrics.energy_distance):
    door(law, a=(WIDE, rows, NAMED_A), b=(WIDE + 1, rows))
door(metrics.energy_distance, a=(WIDE, rows, NAMED_A), b=(WIDE + 1, rows), blocks=(2, whole(2)))
door(metrics.nearest_distance, x=(WIDE, floats(None, None), "x|k"), k=(3, whole(1, 19)))
door(metrics.precision_recall, real=(WIDE, rows, "real|k"), fake=(WIDE + 1, rows, "fake|k"), k=(3, whole(1, 19)))
door(
    metrics.diversity_within,
    features=(rand(4, 3), floats(4, None), "features|labels"),
    labels=(torch.tensor([0, 0, 1, 1]), ints(4)),
)
door(
    metrics.accuracy,
    predicted=(T, TIMES, "predicted|wanted"),
    wanted=(T, TIMES),
)
door(metrics.peak_signal_to_noise, x=(X, LIKE_X), y=(X + 1, LIKE_X))
door(metrics.autocorrelation_time, x=(rand(200, 4), floats(None, None)), window=(5.0, number(1e-300)))
door(metrics.structural_similarity, x=(IMAGES, floats(2, 1, 12, 12)), y=(IMAGES, floats(2, 1, 12, 12)))
door(metrics.codebook_use, indices=(torch.tensor([0, 1, 1]), ints(None, high=4)), num_codes=(5, whole()))
door(metrics.rms, x=(X, floats()))
NAN = Kind(lambda v: isinstance(v, float) and math.isnan(v))
door(statistics.share_error, p=(0.5, number(0, 1) | NAN), n=(10, whole()))
NUMBERS = several(number()) | also(floats(None), finite) | ints(None)
door(statistics.mean_error, parts=([1.0, 2.0], several(number() | a(float))))
door(statistics.estimate, values=([1.0, 2.0], NUMBERS))
door(statistics.welch, a=([1.0, 2.0], NUMBERS, NAMED_A), b=([1.0, 3.0], NUMBERS))
MAPS = shapes.render_map(SCENE)[None]
door(
    adherence.mean_iou,
    maps_a=(MAPS, ints(1, 32, 32, high=4), "maps_a|maps_b"),
    maps_b=(MAPS, ints(1, 32, 32, high=4)),
    num_classes=(5, whole()),
)
door(adherence.matches, asked=(captions.parse("a red circle"), SCENES), scene=(SCENE, SCENES))
door(adherence.chance, captions=(["a red circle"], several(WORDS), "captions?"), scenes=([SCENE], several(SCENES)))
door(adherence.adherence, x=(DRAWN, drawn), captions=(["a red circle"], several(WORDS, 1), "captions?"))
door(adherence.share_whole, x=(DRAWN, drawn | floats(3, 32, 32)))
door(judge.judge_images, judge=(SEES, a(classifier.ImageClassifier)), x=(IMAGES, seen), batch_size=(2, whole()))
door(
    retrieval.look,
    judge=(PICTURE_JUDGE, a(picture_judge.PictureJudge)),
    x=(IMAGES, seen | Kind(lambda v: isinstance(v, Tensor) and v.dtype == torch.uint8 and fits(v.shape, IMAGES.shape))),
    batch_size=(2, whole()),
)
DIRECTIONS = rand(4, 3)
door(
    retrieval.prototypes,
    embeddings=(DIRECTIONS, floats(4, None), "embeddings|names"),
    names=(torch.tensor([0, 1, 1, 2]), ints(4), "names|wanted"),
    wanted=(torch.tensor([1, 2]), ints(None, high=2)),
)
door(
    retrieval.ranks,
    embeddings=(DIRECTIONS, floats(4, 3, dtype=torch.float32), "embeddings|candidates|asked"),
    candidates=(rand(5, 3), floats(None, 3, dtype=torch.float32), "candidates|asked"),
    asked=(torch.arange(4), ints(4, high=4)),
)
door(
    retrieval.nearest,
    x=(IMAGES, floats(None, 1, 12, 12, dtype=torch.float32), "x|others"),
    others=(IMAGES + 1, floats(None, 1, 12, 12, dtype=torch.float32)),
)
door(judge.balanced, num_images=(10, whole()))
REFERENCE = judge.Reference(SEES, *judge.judge_images(SEES, rand(20, 1, 12, 12)), torch.arange(20) % 2)
door(
    judge.judge_set,
    x=(rand(20, 1, 12, 12), floats(20, 1, None, None, dtype=torch.float32), "x|labels|fake"),
    labels=(torch.arange(20) % 2, ints(20)),
    seen=(REFERENCE, a(judge.Reference)),
)
for law in (timing.in_turn,):
    door(law, calls=({"a": lambda: None}, a(dict)), repeats=(2, whole()))
door(
    footprint.footprint,
    model=(LINEAR, a(nn.Module)),
    loss=(lambda model: model(torch.zeros(2, 3)).mean(), FUNCTION, "loss|model"),
)
door(timing.seconds, call=(lambda: None, FUNCTION), repeats=(2, whole()))
door(timing.ratios, ours=(lambda: None, FUNCTION), bare=(lambda: None, FUNCTION), repeats=(2, whole()))
WORDY = several(several(WORDS))
for law in (tables.aligned, tables.markdown):
    door(law, rows=([["a", "b"], ["c", "d"]], WORDY))

# interactive
shown = floats(None, 1, 12, 12) | floats(None, 3, None, None) | floats(None, 1, None, None)
door(pictures.to_pixels, x=(IMAGES, shown))
door(pictures.tile, x=(IMAGES, shown), columns=(2, whole()), gap=(2, whole(0)))
door(pictures.png, x=(IMAGES, shown), columns=(2, whole()), zoom=(1, whole()))
door(pictures.map_picture, maps=(MAPS, ints(None, None, None, high=4)))
door(
    pictures.labelled_grid,
    x=(IMAGES, shown, "x|asked"),
    rows=(["a"], several(WORDS, 1, 2)),
    columns=(["a", "b"], several(WORDS, 1, 2)),
    title=("title", WORDS),
    asked=(IMAGES[:1], floats(1, 1, None, None) | NONE, "asked|x"),
)
FIGURE = plots.new_figure(1, 1)
door(
    pictures.film,
    frames=([FIGURE, FIGURE], several(a(Figure), 2)),
    values=([0.0, 1.0], several(number(), 2) | ints(2)),
    milliseconds=(250, whole()),
)
door(plots.new_figure, width=(1.0, number(1e-300)), height=(1.0, number(1e-300)))
door(
    plots.panels,
    columns=(2, whole()),
    title=("title", WORDS),
    width=(1.0, number(1e-300)),
    height=(1.0, number(1e-300)),
)
door(plots.grid_points, extent=(1.0, number(1e-300)), resolution=(3, whole()))
AXES = plots.new_figure(1, 1).subplots()
door(plots.heatmap, axes=(AXES, a(type(AXES))), values=(rand(9), floats(None)), extent=(1.0, number(1e-300)))
door(plots.density, axes=(AXES, a(type(AXES))), log_prob=(MIXTURE.log_prob, FUNCTION), extent=(1.0, number(1e-300)))
door(plots.arrows, axes=(AXES, a(type(AXES))), field=(MIXTURE.score, FUNCTION), extent=(1.0, number(1e-300)))
door(plots.loss_curves, curves=({"a": [1.0, 2.0]}, a(dict)), title=("title", WORDS), every=(1, whole()))
door(plots.figure_png, figure=(FIGURE, a(Figure)))
door(plots.show, figure=(FIGURE, a(Figure)), alt=("a figure", WORDS))
SETTINGS, PICTURE = settings.Settings(count=1, steps=1), Image.new("RGB", (4, 4))
HELD = settings.as_png(PICTURE, SETTINGS)
door(
    settings.Settings,
    condition=("0", WORDS),
    sigma=(2.0, number(1e-300)),
    w=(1.0, number()),
    w_style=(1.0, number() | NONE),
    interval=((1, 2), several(whole(0), 2) | NONE),
    sampler=("ddim", one_of(*settings.ALL_SAMPLERS)),
    steps=(3, whole(1, 200)),
    seed=(0, whole(-(2**31) + 1)),
    count=(1, whole(1, 16)),
    task=("edit", one_of(*settings.TASKS)),
    strength=(0.5, number(0.01, 1)),
    film=("walk", one_of(*settings.FILMS)),
    to_seed=(1, whole(0) | NONE),
    frames=(3, whole(1, 24)),
    beside=(SETTINGS, a(settings.Settings) | NONE),
)
door(settings.Settings.from_line, line=(SETTINGS.to_line(), WORDS))
door(settings.as_png, picture=(PICTURE, a(Image.Image)), settings=(SETTINGS, a(settings.Settings)))
door(
    settings.as_gif,
    frames=([PICTURE, PICTURE], several(a(Image.Image))),
    settings=(SETTINGS, a(settings.Settings)),
    milliseconds=(100, whole(1, 65_535)),
)
door(settings.settings_in, content=(HELD, one_of(HELD)))
door(uploads.carried, content=(PNG := (PICTURES / "a.png").read_bytes(), one_of(PNG), "content|upload"))
door(drawing.draw_settings, settings=(SETTINGS, Kind(lambda v: v == SETTINGS)))
door(
    drawing.grid_of, mask=("#.", one_of("#.")), height=(1, one_of(1), "height|mask"), width=(2, one_of(2), "width|mask")
)
