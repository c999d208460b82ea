"""What the course costs on this machine, as ratios within one run where that is possible.

A time or a ratio is the median of several, with the smallest and the largest.
"""

import contextlib
import copy
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ldm_teach.data.fashion import FASHION_CLASSES
from ldm_teach.interactive.panel import PREVIEW_STEPS, guidance_panel
from ldm_teach.measuring import tables
from ldm_teach.measuring.timing import in_turn, ratios, seconds
from ldm_teach.models.autoencoder import DiagonalGaussian, KLAutoencoder, stage
from ldm_teach.models.classifier import NoisyClassifier
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.layers import normalize
from ldm_teach.paths import MEASURED, NOTEBOOKS
from ldm_teach.progress import progress
from ldm_teach.studies.latent_against_pixel import memory_of, samplings, training_steps
from ldm_teach.theory.guidance import classifier_guidance
from ldm_teach.theory.samplers import dpm_solver, final
from ldm_teach.training.batches import Batches
from ldm_teach.training.loop import fit
from ldm_teach.training.losses import autoencoder_loss, diffusion_loss, kl_per_element

PATH = MEASURED / "bench.json"


class Row(NamedTuple):
    """One figure: its median, smallest and largest. unit: "ms", "s", "GiB", or "" for a ratio."""

    what: str
    unit: str
    median: float
    low: float
    high: float


def row(what: str, values: Sequence[float], unit: str = "") -> Row:
    """The Row of several values."""
    return Row(what, unit, statistics.median(values), min(values), max(values))


OVER_PIXEL = "latents (f = 4) over pixels, one U-Net: "


def latent_over_pixel(repeats: int = 9, images: int = 50) -> Iterator[Row]:
    """Images a second in training and in sampling, and the peak of memory, of latents over pixels."""
    spaces = "f4", "pixels"
    steps = in_turn(training_steps(spaces, repeats), repeats)
    yield row(f"{OVER_PIXEL}training", [b / a for a, b in zip(*steps.values(), strict=True)])
    samples = in_turn(samplings(spaces, images), max(1, repeats // 3))
    yield row(f"{OVER_PIXEL}sampling", [b / a for a, b in zip(*samples.values(), strict=True)])
    yield row(f"{OVER_PIXEL}memory", [memory_of("f4") / memory_of("pixels")])


WAITING = """
import sys
from ldm_teach.cli.bench import preview
from ldm_teach.studies.latent_against_pixel import steps_of
from ldm_teach.training.recipes.spaces import untrained
if sys.argv[1] == "train":
    for _ in steps_of(untrained("f4"), 10**6):
        pass
print(*preview(15))
"""


def preview(repeats: int) -> list[float]:
    """The milliseconds of previews of 8 guided images."""
    panel = guidance_panel(LatentDiffusion.load("fashion-class"), FASHION_CLASSES)
    return [1e3 * s for s in seconds(lambda: panel.render(PREVIEW_STEPS), repeats)]


def waiting() -> Iterator[Row]:
    """A preview alone and beside a training, with OpenMP's own way of waiting and with that of the command line."""
    name, spins = "GOMP_SPINCOUNT", "1000"
    ways = {"OpenMP's own waiting": {}, f"{name}={spins}": {name: spins}}
    for way, setting in ways.items():
        environment = {key: value for key, value in os.environ.items() if key != name} | setting
        options: dict[str, Any] = dict(env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for place in ("alone", "beside a training"):
            with contextlib.ExitStack() as stack:
                if place != "alone":
                    busy = stack.enter_context(subprocess.Popen([sys.executable, "-c", WAITING, "train"], **options))
                    stack.callback(busy.kill)
                    time.sleep(10)  # until it trains
                done = subprocess.run([sys.executable, "-c", WAITING, "draw"], check=True, **options)
            yield row(f"preview {place}, {way}", [float(ms) for ms in done.stdout.split()], "ms")


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """What `--json` prints before the rows: the ratios of latents to pixels."""
    found = {row.what.removeprefix(OVER_PIXEL): row.median for row in rows if row.what.startswith(OVER_PIXEL)}
    return dict(latent_over_pixel=found)


def slider_to_picture(model: LatentDiffusion) -> Iterator[Row]:
    """From a slider's value to an encoded picture of 8 guided images, without the browser."""
    panel = guidance_panel(model, FASHION_CLASSES)
    for name, steps in (("preview", PREVIEW_STEPS), ("full quality", panel.steps.value)):
        milliseconds = [1e3 * s for s in seconds(lambda steps=steps: panel.render(steps), 15)]
        yield row(f"slider to picture, 8 guided images: {name}, {steps} steps", milliseconds, "ms")


@torch.inference_mode()
def sampling_overhead(model: LatentDiffusion, batch: int = 64, num_steps: int = 20) -> Row:
    """A sampling run, decoding excluded, over its network calls made bare, on 2B as guidance makes them."""
    labels, x_T = torch.arange(batch) % 10, torch.randn(batch, *model.autoencoder.latent_shape)
    tokens = model.encoder(labels)
    both = torch.cat([tokens, model.encoder.null.expand_as(tokens)])
    x, t = torch.cat([x_T, x_T]), torch.full((2 * batch,), 500)

    def walk():
        final(dpm_solver(model.denoiser(labels, w=1.0), model.schedule, x_T, num_steps))

    def bare():
        for _ in range(num_steps):
            model.unet(x, t, both)

    return row("a sampling run over its bare network calls", ratios(walk, bare))


@torch.no_grad()
def guidance_cost(model: LatentDiffusion, batch: int = 64) -> list[Row]:
    """A guided step over an unguided one: of the network on 2B, or on B with the gradient of the classifier."""
    labels, t = torch.arange(batch) % 10, torch.full((batch,), 500)
    z_t = torch.randn(batch, *model.autoencoder.latent_shape)
    log_prob = NoisyClassifier.load("fashion-classifier").log_prob(labels)
    plain = model.denoiser(labels)
    kinds = {
        "classifier-free": model.denoiser(labels, w=1.0),
        "classifier": classifier_guidance(plain, log_prob, model.schedule, 1.0),
    }
    return [
        row(
            f"a step of {name} guidance over one without",
            ratios(lambda guided=guided: guided(z_t, t), lambda: plain(z_t, t)),
        )
        for name, guided in kinds.items()
    ]


def training_overhead(model: LatentDiffusion, batch: int = 128, repeats: int = 15) -> Row:
    """A step of `fit`, averaging included, over the bare forward, backward and optimizer step of the same model."""
    shape = (4 * batch, *model.autoencoder.latent_shape)
    columns = torch.randn(shape), 0.1 * torch.rand(shape), torch.arange(shape[0]) % 10
    mean, _, y = (column[:batch] for column in columns)
    ours, average, plain = (copy.deepcopy(model).train() for _ in range(3))
    loss, batches = diffusion_loss(model.schedule, drop=0.15), Batches(*columns, batch_size=batch)
    steps = fit(ours, loss, batches, num_steps=repeats + 1, average=average, device="cpu")
    optimizer = torch.optim.AdamW([p for p in plain.parameters() if p.requires_grad], 1e-3)
    t, target = torch.full((batch,), 500), torch.randn(mean.shape)

    def bare():
        torch.nn.functional.mse_loss(plain(mean, t, y), target).backward()
        optimizer.step()
        optimizer.zero_grad()

    found = ratios(lambda: next(steps), bare, repeats)
    steps.close()
    return row("a training step over its bare forward, backward and optimizer", found)


class PlainAutoencoder(nn.Module):
    """The textbook's autoencoder for the same 8x8x4 latents: the first and the last blocks work at full resolution."""

    def __init__(self, widths: tuple[int, int, int] = (32, 48, 96), latent_channels: int = 4):
        super().__init__()
        a, b, c = widths
        self.encoder = nn.Sequential(
            nn.Conv2d(1, a, 3, padding=1), stage(a, 1),
            nn.Conv2d(a, b, 3, stride=2, padding=1), stage(b, 1),
            nn.Conv2d(b, c, 3, stride=2, padding=1), stage(c, 2),
            normalize(c), nn.SiLU(), nn.Conv2d(c, 2 * latent_channels, 1),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Conv2d(latent_channels, c, 3, padding=1), stage(c, 2),
            nn.Upsample(scale_factor=2), nn.Conv2d(c, b, 3, padding=1), stage(b, 1),
            nn.Upsample(scale_factor=2), nn.Conv2d(b, a, 3, padding=1), stage(a, 1),
            normalize(a), nn.SiLU(), nn.Conv2d(a, 1, 3, padding=1),
        )  # fmt: skip
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, DiagonalGaussian]:
        height, width = x.shape[-2:]
        padded = nn.functional.pad(x, (0, -width % 8, 0, -height % 8), mode="replicate")
        mean, log_std = self.encoder(padded).chunk(2, dim=1)
        posterior = DiagonalGaussian(mean, log_std.exp())
        return self.decoder(posterior.sample(generator))[..., :height, :width], posterior


def half_resolution(batch: int = 32, repeats: int = 15) -> Row:
    """Training steps of our autoencoder and of a plain one that works at full resolution, side by side."""
    loss = autoencoder_loss(None, regularizer=kl_per_element, weight=3e-4, perceptual_weight=0)
    x = torch.rand(batch, 1, 28, 28) * 2 - 1

    def stepper(model: nn.Module) -> Callable[[], None]:
        optimizer = torch.optim.AdamW(model.parameters(), 1e-3)

        def step() -> None:
            loss(model, (x,), None).backward()
            optimizer.step()
            optimizer.zero_grad()

        return step

    ours, plain = KLAutoencoder(), PlainAutoencoder()
    ours_size, plain_size = (sum(p.numel() for p in model.parameters()) for model in (ours, plain))
    what = f"training throughput of the autoencoder ({ours_size:,} parameters) over one at full resolution"
    return row(f"{what} ({plain_size:,})", ratios(stepper(plain), stepper(ours), repeats))


def import_overhead() -> Row:
    """`import ldm_teach` with the model and the theory loaded, over `import torch` alone, each in a fresh process."""

    def execute(code: str) -> None:
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)

    ours = "import torch, ldm_teach; ldm_teach.LatentDiffusion, ldm_teach.GaussianMixture"
    return row("import ldm_teach over import torch", ratios(lambda: execute(ours), lambda: execute("import torch")))


EXECUTE = """
import pathlib, sys, nbclient, nbformat
path = pathlib.Path(sys.argv[1])
notebook = nbformat.read(path, 4)
code = "from ldm_teach.measuring.memory import peak_memory; print(peak_memory())"  # as the kernel itself knows it
notebook.cells.append(nbformat.v4.new_code_cell(code))
nbclient.NotebookClient(notebook, timeout=600, resources=dict(metadata=dict(path=path.parent))).execute()
print(notebook.cells[-1].outputs[0].text)
"""


def notebook_cost(path: Path) -> Iterator[Row]:
    """The peak resident size of a notebook's kernel, executed in a process of its own, and how long that took.

    Raises ChildProcessError that says what it fails of.
    """
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", EXECUTE, str(path)], capture_output=True, text=True)
    if done.returncode:
        raise ChildProcessError(f"{path} cannot be executed: {done.stderr.strip().splitlines()[-1]}")
    yield row(f"notebook {path.stem}: peak memory", [float(done.stdout.split()[-1]) / 2**10], "GiB")
    yield row(f"notebook {path.stem}: time", [time.perf_counter() - start], "s")


def run(notebooks: bool = False) -> Iterator[Row]:
    """Every figure; with `notebooks` what each notebook costs, too, which takes minutes."""
    model = LatentDiffusion.load("fashion-class")
    figures: list[Callable[[], Iterable[Row]]] = [
        latent_over_pixel,
        lambda: slider_to_picture(model),
        lambda: [sampling_overhead(model)],
        lambda: guidance_cost(model),
        lambda: [training_overhead(model)],
        lambda: [half_resolution()],
        lambda: [import_overhead()],
        waiting,
    ]
    if notebooks:
        figures += [partial(notebook_cost, path) for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
    for measured in progress(figures, "bench", "figure"):
        yield from measured()


def table(rows: Sequence[Row]) -> str:
    """A line for each figure: median, smallest and largest."""
    digits = {"ms": 0, "s": 0, "GiB": 2, "": 2}
    lines = [
        (found.what, *(f"{value:.{digits[found.unit]}f}" for value in found[2:]), found.unit or "ratio")
        for found in rows
    ]
    return tables.aligned([("", "median", "smallest", "largest", ""), *lines])
