"""What many tests build: a tiny model, a tiny training, a model on a GPU that is not there."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.conditioning import ClassEncoder, ConditionEncoder, WordsAndStyleEncoder
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.unet import UNet
from ldm_teach.theory.schedule import NoiseSchedule
from ldm_teach.training.batches import Batches
from ldm_teach.training.loop import fit
from ldm_teach.training.losses import diffusion_loss

# A program that saves over one model again and again, all weights of a save alike: what kills and readers are tried on.
SAVE = """
import itertools, sys, torch
from ldm_teach.models.classifier import ImageClassifier
model = ImageClassifier(widths=(4, 4, 4))
for number in itertools.count():
    for p in model.parameters():
        p.data.fill_(number % 50)
    model.save(sys.argv[1])
    print(number, flush=True)
"""

# The command line with the arguments of the program, once it has printed that it is there.
COMMAND = """
import signal, sys
from ldm_teach.cli.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs us in the background has it ignored
print("ready", flush=True)
main(sys.argv[1:])
"""


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def weights(module: nn.Module) -> Tensor:
    """All parameters of a module in one vector."""
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def make_class_encoder() -> ClassEncoder:
    return ClassEncoder(num_classes=3, token_width=8, num_tokens=2)


def make_prompt_encoder() -> WordsAndStyleEncoder:
    return WordsAndStyleEncoder(("red", "blue", "heart"), ("oil", "ink"), max_words=2, token_width=8, depth=1, heads=2)


def make_tiny_model(
    seed: int = 0, make_encoder: Callable[[], ConditionEncoder] = make_class_encoder
) -> LatentDiffusion:
    """A whole model of a few thousand parameters, none of them at zero: 12x12 images, 4x4x2 latents, three classes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LatentDiffusion(
            KLAutoencoder(image_size=(12, 12), latent_channels=2, widths=(16, 16), depths=(1, 2)),
            UNet(channels=2, widths=(16, 32), heads=(0, 2), token_width=8),
            make_encoder(),
            NoiseSchedule.cosine(),
        )
        for parameter in model.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
        model.latent_mean += 0.1
        model.latent_std *= 1.5
    return model.eval()


def randomized(module: nn.Module) -> nn.Module:
    """The module with no parameter at zero: the zero-initialized ends would hide what is inside."""
    generator = seeded()
    for parameter in module.parameters():
        parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)
    return module.eval()


def unet_inputs(batch: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    """x, t and tokens for the U-Net of tests/models/conftest.py."""
    generator = seeded(1)
    x, tokens = torch.randn(batch, 3, 8, 8, generator=generator), torch.randn(batch, 5, 8, generator=generator)
    return x, torch.arange(batch) * 100, tokens


def latents(n: int = 64) -> tuple[Tensor, ...]:
    """Mean, standard deviation and labels of n posteriors of the tiny model's latents."""
    return torch.randn(n, 2, 4, 4, generator=seeded()), torch.full((n, 2, 4, 4), 0.1), torch.arange(n) % 3


def training(**settings):
    """A tiny latent diffusion training: (model, average, generator of steps)."""
    model = make_tiny_model()
    average = copy.deepcopy(model)
    loss = diffusion_loss(model.schedule, drop=0.2)
    batches = Batches(*latents(), batch_size=8)
    settings = dict(num_steps=12, device="cpu") | settings
    return model, average, fit(model, loss, batches, average=average, **settings)


def to_fake_gpu(model: nn.Module) -> None:
    """Put a fake CUDA tensor in the place of each parameter and buffer; the schedule's table stays on the CPU."""
    for module in model.modules():
        for name, p in module._parameters.items():
            if p is not None:
                module._parameters[name] = nn.Parameter(torch.empty(p.shape, device="cuda"))
        for name, buffer in module._buffers.items():
            module._buffers[name] = torch.empty(buffer.shape, device="cuda")
