"""What many tests build: a tiny model, a tiny training, a model on a GPU that is not there."""

import copy
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
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


def write_images(folder: Path, count: int, size: tuple[int, int] = (40, 36)) -> None:
    """Images in two sub-folders, red: discs, blue: squares, each at a place of its own; size: (width, height)."""
    numbers = np.random.default_rng(0)
    rows, columns = np.mgrid[: size[1], : size[0]]
    for k in range(count):
        kind, (row, column) = ("blue", "red")[k % 2], numbers.uniform(0.3, 0.7, 2) * size[::-1]
        distance = np.stack([abs(rows - row), abs(columns - column)])
        inside = (distance.max(0) if kind == "blue" else np.hypot(*distance)) < 8
        pixels = np.full((size[1], size[0], 3), 230, np.uint8)
        pixels[inside] = (30, 40, 220) if kind == "blue" else (220, 40, 30)
        path = folder / kind / f"{k:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def write_odd_images(folder: Path) -> tuple[set[str], set[str]]:
    """Files as folders have them: the names of those that can be read, and of those that must be named and left out.

    Others are written beside them, which nobody looks at: hidden ones, what a Mac adds, notes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 255, (40, 48, 3)).astype(np.uint8)
    image, exif = Image.fromarray(noise), Image.Exif()
    exif[0x0112] = 6  # on its side
    image.save(folder / "good.jpg", exif=exif)
    image.convert("CMYK").save(folder / "print.jpg")
    Image.fromarray(noise[..., 0].astype(np.uint16) * 256).save(folder / "deep.png")
    image.convert("P").save(folder / "palette.png", transparency=3)
    image.convert("LA").save(folder / "clear.webp")
    frames = [Image.fromarray(np.roll(noise, k, 0)) for k in range(3)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    image.save(folder / "LOUD.BMP")
    image.save(folder / "a snow-white häuschen 雪.png")
    image.convert("1").save(folder / "fax.tiff")
    readable = {path.name for path in folder.iterdir()}
    content = (folder / "good.jpg").read_bytes()
    (folder / "half.jpg").write_bytes(content[: len(content) // 2])
    (folder / "words.png").write_text("not an image")
    (folder / "empty.png").touch()
    image.save(folder / "telephone.heic", "PNG")  # of a kind that is not read
    (folder / "telephone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    Image.new("RGB", (1, 1)).save(folder / "pixel.png")
    Image.new("RGB", (3000, 3)).save(folder / "line.png")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "gone.png").symlink_to("nowhere.png")
    left_out = {path.name for path in folder.iterdir() if path.is_symlink()} | {
        path.name for path in folder.iterdir() if path.name not in readable
    }
    if sys.platform == "linux":
        left_out.add("\udcff.png")
        (folder / "\udcff.png").touch()  # a name that is no UTF-8
    (folder / ".hidden.png").write_bytes(content)
    (folder / "notes.pdf").write_text("no image")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "._good.jpg").write_bytes(b"\0")
    (folder / "__MACOSX" / "good.jpg").write_bytes(b"\0")
    (folder / "back").symlink_to("..")  # a loop of folders
    return readable, left_out
