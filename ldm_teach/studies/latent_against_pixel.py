"""Diffusion on latents against diffusion on pixels: what a step costs, and how near the samples are after how long.

One U-Net, one schedule, one condition, in five spaces: compared at equal parameters, at equal training time and at
equal numbers of images seen. Minutes are those of an idle machine: the images seen over the images per second that
were measured for all spaces in turn on the CPU, so that other work tilts nothing, and a GPU may do the training.
"""

import contextlib
import math
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from ldm_teach import checks
from ldm_teach.measuring import tables, training_costs
from ldm_teach.measuring.judge import balanced, floor, judge_images, real_images, reference
from ldm_teach.measuring.memory import peak_memory
from ldm_teach.measuring.metrics import accuracy, frechet_distance
from ldm_teach.measuring.statistics import Estimate, estimate
from ldm_teach.measuring.timing import in_turn
from ldm_teach.measuring.training_costs import TrainingCost
from ldm_teach.models.guided import classifier_free, clipped_free, sample_all
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.pixels import Pixels
from ldm_teach.models.unet import UNet
from ldm_teach.paths import MEASURED, RUNS
from ldm_teach.progress import progress
from ldm_teach.training.batches import Batches
from ldm_teach.training.device import choose_device
from ldm_teach.training.loop import fit
from ldm_teach.training.losses import diffusion_loss
from ldm_teach.training.recipes.recipe import Training
from ldm_teach.training.recipes.spaces import SPACES, in_space, untrained

PATH = MEASURED / "latent-against-pixel.json"
BATCH = 128
LONG = {"f4": 30.0, "pixels": 60.0, "pixels-deep": 60.0}  # where the first seed is trained on, to how many minutes


Point = tuple[float, float, float]  # a mark, the distance there, and the half-width of its interval or nan


class Cost(NamedTuple):
    """What a space costs on one machine, all spaces measured in turn.

    parameters: of U-Net and condition encoder.  multiplications: of one call of the U-Net for one image.
    training, sampling: images per second, sampling in 20 steps without guidance, decoding included.
    memory: the peak of a training on batches of 128 above the imports, in MiB.
    """

    space: str
    parameters: int
    multiplications: int
    training: float
    sampling: float
    memory: float


class Row(NamedTuple):
    """The samples of one training after `minutes`, when it had seen so many `images`, and what its space costs (Cost).

    frechet: to the 10,000 test images, in the judge's features.  floor: the same for as many real training images,
    encoded and decoded: no sample of this space can be expected below it.
    """

    space: str
    seed: int
    minutes: float
    images: int
    frechet: float
    accuracy: float
    floor: float
    parameters: int
    multiplications: int
    training: float
    sampling: float
    memory: float


def multiplications(model: LatentDiffusion) -> int:
    """The multiplications of one call of a model's U-Net for one image (half of its floating-point operations)."""
    with torch.device("meta"):
        unet, shape = UNet(**model.unet.config), model.autoencoder.latent_shape
        inputs = (
            torch.zeros(1, *shape),
            torch.zeros(1, dtype=torch.int64),
            torch.zeros(1, 1, unet.config["token_width"]),
        )
        with FlopCounterMode(display=False) as counter:
            unet(*inputs)
    return counter.get_total_flops() // 2


def steps_of(model: LatentDiffusion, num_steps: int) -> Iterator[object]:
    """`num_steps` steps of a training of this model, on noise in the place of data."""
    shape = (4 * BATCH, *model.autoencoder.latent_shape)
    labels = torch.zeros(shape[0], dtype=torch.int64)
    batches = Batches(torch.randn(shape), torch.zeros(shape), labels, batch_size=BATCH)
    return fit(model, diffusion_loss(model.schedule, drop=0.15), batches, num_steps=num_steps, device="cpu")


def memory_of(space: str) -> float:
    """The peak of three steps of a training above the imports, in MiB, in a process of its own."""
    code = "import sys; from ldm_teach.studies import latent_against_pixel as study; study.train_a_little(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, space], capture_output=True, text=True, check=True)
    return float(done.stdout)


def train_a_little(space: str) -> None:
    """Print by how many MiB three steps of a training raise the peak of this process."""
    before = peak_memory()
    for _ in steps_of(untrained(space), 3):
        pass
    print(peak_memory() - before)


def training_steps(spaces: Sequence[str], repeats: int) -> dict[str, Callable[[], object]]:
    """For each space a function that trains a new model by one step on 128 images, `repeats` + 1 times at most."""
    fits = {space: steps_of(untrained(space), repeats + 1) for space in spaces}
    return {space: lambda fit=fit: next(fit) for space, fit in fits.items()}


def samplings(spaces: Sequence[str], images: int) -> dict[str, Callable[[], object]]:
    """For each space a function that samples so many images in 20 steps, without guidance, and decodes them."""
    models = {space: untrained(space).eval() for space in spaces}
    return {space: lambda model=model: model.sample(balanced(images), w=0.0) for space, model in models.items()}


def measured_costs(spaces: Sequence[str] = tuple(SPACES), repeats: int = 10, images: int = 50) -> list[Cost]:
    """What each space costs. Times are medians of calls in turn."""
    steps = in_turn(training_steps(spaces, repeats), repeats)
    samples = in_turn(samplings(spaces, images), max(1, repeats // 3))
    models = {space: untrained(space) for space in spaces}
    return [
        Cost(
            space,
            sum(p.numel() for p in model.parameters() if p.requires_grad),
            multiplications(model),
            BATCH / statistics.median(steps[space]),
            images / statistics.median(samples[space]),
            memory_of(space),
        )
        for space, model in models.items()
    ]


def kept_costs(folder: Path) -> dict[str, Cost]:
    """The costs kept in a folder of runs, measured and kept there at the first call."""
    path = folder / "costs.json"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        tables.keep(measured_costs(), {}, path)
    return {cost.space: cost for cost in tables.read(Cost, path)[0]}


def facts(num_samples: int, runs: Path = RUNS, **options: object) -> dict[str, float | str]:
    """What holds for all rows: the floor of real images, which machines trained, the minutes of all trainings."""
    kept = [tables.read(Row, path) for path in sorted((runs / "latent-against-pixel").glob("*/rows.json"))]
    machines = sorted({settings["machine"] for _, settings in kept})
    minutes = sum(max(row.minutes for row in rows) for rows, _ in kept)
    return dict(floor=floor(num_samples), trained_on="; ".join(machines), minutes=minutes)


def run(
    minutes: Sequence[float] = (0.5, 1.0, 2.0, 4.0),
    long: Sequence[float] = (8.0, 15.0, 30.0, 60.0),
    num_seeds: int = 3,
    num_samples: int = 500,
    num_steps: int = 20,
    runs: Path = RUNS,
    device: str | None = "cpu",
) -> Iterator[Row]:
    """Train in every space from every seed, and judge samples after each of `minutes`; then go on in LONG to `long`.

    What is done is kept under `runs`: a study that was interrupted goes on after the last row of each training, and
    yields the rows before it again.
    device: where the models are trained, in float32, and sample; costs are always those of the CPU.
    """
    place, folder = choose_device(device), checks.path("runs", runs) / "latent-against-pixel"
    cost = kept_costs(folder)
    cases = [(space, seed, minutes) for seed in range(num_seeds) for space in SPACES]
    cases += [(space, 0, [mark for mark in long if mark <= last]) for space, last in LONG.items()]
    for space, seed, marks in progress(cases, "latent against pixel", "training"):
        yield from train_and_judge(cost[space], seed, marks, num_samples, num_steps, folder / f"{space}-{seed}", place)


def train_and_judge(
    cost: Cost,
    seed: int,
    minutes: Sequence[float],
    num_samples: int,
    num_steps: int,
    folder: Path,
    device: torch.device,
) -> Iterator[Row]:
    """The rows of one training after each of `minutes`: those that its folder keeps, then new ones."""
    path = folder / "rows.json"
    rows = tables.read(Row, path)[0] if path.is_file() else []
    yield from (row for row in rows if row.minutes in minutes)
    marks = [mark for mark in sorted(minutes) if mark > max([0.0, *(row.minutes for row in rows)])]
    if not marks:
        return
    steps = {mark: max(1, round(60 * mark * cost.training / BATCH)) for mark in marks}
    training = in_space(cost.space, seed, steps[marks[-1]])
    model = cast(LatentDiffusion, training.average)
    least = floor_of(model, num_samples)
    for mark in marks:
        train_until(training, steps[mark], folder / "state", device)
        figures = judged(model, num_samples, num_steps, seed)
        rows.append(Row(cost.space, seed, mark, steps[mark] * BATCH, *figures, least, *cost[1:]))
        tables.keep(rows, dict(samples=num_samples, steps=num_steps), path)
        yield rows[-1]


def train_until(training: Training, step: int, state: Path, device: torch.device) -> None:
    """Go on with a training, from its state or from the start, until it has done so many steps, and keep its state."""
    begun = (state / "model.json").is_file()
    how = dict(device=device.type, mixed_precision="no")
    fits = training.fit(**how, directory=state, resume=begun, save_every=10**9)
    with contextlib.closing(fits), progress(None, state.parent.name, "step", total=step) as bar:
        for done in fits:
            bar.update(done.step - bar.n)
            if done.step >= step:  # by one more, where it was killed before its row was kept
                break


def judged(model: LatentDiffusion, num_samples: int, num_steps: int, seed: int) -> tuple[float, float]:
    """Fréchet distance and accuracy of a model's samples, those of pixels clipped at every step."""
    labels, seen = balanced(num_samples), reference()
    method = clipped_free if isinstance(model.autoencoder, Pixels) else classifier_free
    samples = sample_all(model, labels, 0.0, num_steps, seed, method=method).cpu()
    features, predicted = judge_images(seen.judge, samples)
    return frechet_distance(features, seen.features), accuracy(predicted, labels)[0]


def floor_of(model: LatentDiffusion, num_samples: int) -> float:
    """The Fréchet distance of real training images that went through the autoencoder of a model."""
    seen, x = reference(), real_images(num_samples).x
    decoded = torch.cat([model.decode(model.encode(chunk)) for chunk in x.split(250)])
    return frechet_distance(judge_images(seen.judge, decoded)[0], seen.features)


def distances(rows: Sequence[Row], space: str) -> dict[float, Estimate]:
    """The Fréchet distance after each mark: mean over the seeds, with its interval."""
    marks = sorted({row.minutes for row in rows if row.space == space})
    return {m: estimate([r.frechet for r in rows if (r.space, r.minutes) == (space, m)]) for m in marks}


def after(rows: Sequence[Row], space: str, what: str, value: float) -> float:
    """The first seed's distance after so many "minutes" or "images": between marks linear in their log, else nan."""
    found = sorted((getattr(row, what), row.frechet) for row in rows if row.space == space and row.seed == 0)
    marks, frechet = zip(*found, strict=True)
    return float(np.interp(np.log(value), np.log(marks), frechet, left=np.nan, right=np.nan))


def autoencoder_minutes(space: str) -> float:
    """What the autoencoder of a space took to train, in minutes of an idle machine; 0 for pixels."""
    kept = {cost.name: cost.cpu_minutes / cost.threads for cost in tables.read(TrainingCost, training_costs.PATH)[0]}
    return kept.get(SPACES[space].autoencoder or "", 0.0)


def curves(rows: Sequence[Row]) -> tuple[dict[str, list[Point]], dict[str, list[Point]]]:
    """The distances after minutes, over all seeds, and after images, of the first: for each space its points."""
    spaces = list(dict.fromkeys(row.space for row in rows))
    time = {s: [(m, d.mean, d.half_width) for m, d in distances(rows, s).items()] for s in spaces}
    first = sorted((row for row in rows if row.seed == 0), key=lambda row: row.images)
    return time, {s: [(float(row.images), row.frechet, math.nan) for row in first if row.space == s] for s in spaces}


def table(rows: Sequence[Row]) -> str:
    """Four comparisons as text: at equal parameters, time, time with that of the autoencoder, and images."""
    spaces = list(dict.fromkeys(row.space for row in rows))
    one: Mapping[str, Row] = {row.space: row for row in rows}
    parameters = [("", "parameters", "multiplications", "trained/s", "sampled/s", "MiB", "floor", "autoencoder")]
    for space in spaces:
        r, own = one[space], autoencoder_minutes(space)
        figures = f"{r.training:.0f}", f"{r.sampling:.1f}", f"{r.memory:.0f}", f"{r.floor:.3f}"
        took = f"{own:.1f} min" if own else ""
        parameters.append((space, f"{r.parameters:,}", f"{r.multiplications / 1e6:.1f} M", *figures, took))
    time, found = [("minutes", *spaces)], {space: distances(rows, space) for space in spaces}
    for mark in sorted({row.minutes for row in rows}):
        time.append((f"{mark:g}", *(said(found[space].get(mark)) for space in spaces)))
    plain = [space for space in spaces if not autoencoder_minutes(space)]
    together = [("minutes", "space", "Fréchet", *plain)]
    for row in rows:
        if row.seed == 0 and row.space not in plain:
            minutes = row.minutes + autoencoder_minutes(row.space)
            others = [known(after(rows, space, "minutes", minutes)) for space in plain]
            together.append((f"{minutes:.1f}", row.space, f"{row.frechet:.3f}", *others))
    images = [("images", *spaces)]
    for seen in sorted(row.images for row in rows if row.space == spaces[0] and row.seed == 0):
        images.append((f"{seen:,}", *(known(after(rows, space, "images", seen)) for space in spaces)))
    blocks = {
        "At equal parameters": parameters,
        "Fréchet distance after equal time (mean over the seeds ± half-width of the 95 % interval)": time,
        "Fréchet distance after equal time, that of the autoencoder's own training included (first seed)": together,
        "Fréchet distance after equal numbers of images (first seed)": images,
    }
    return "\n\n".join(f"{title}\n{tables.aligned(lines)}" for title, lines in blocks.items())


def known(distance: float) -> str:
    """A distance in a table, or nothing."""
    return "" if math.isnan(distance) else f"{distance:.3f}"


def said(found: Estimate | None) -> str:
    """A distance in a table, with its interval where there is one."""
    if found is None:
        return ""
    return f"{found.mean:.3f}" if math.isnan(found.half_width) else str(found)
