"""Cross-attention against concatenation on both spatial tasks: adherence, quality and cost, from three seeds.

The same data, the same size within 5 %, the same training time. Each figure is the mean of three trainings ± the
half-width of its 95 % interval; the last line of a block is attention less concatenation.
"""

import statistics
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple, cast

from torch import Tensor

from ldm_teach.data.blur import blurred
from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.data.shapes import shapes
from ldm_teach.data.shapes_reader import read_map
from ldm_teach.measuring.adherence import mean_iou, share_whole
from ldm_teach.measuring.judge import floor, judge_images, reference
from ldm_teach.measuring.metrics import frechet_distance, peak_signal_to_noise, rms
from ldm_teach.measuring.statistics import estimate, welch
from ldm_teach.measuring.timing import in_turn
from ldm_teach.models.guided import sample_all
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.paths import MEASURED, RUNS
from ldm_teach.progress import progress
from ldm_teach.training.recipes.conditioned import SEEDS, SPATIAL_TASKS, WAYS, compared, num_steps_for

PATH = MEASURED / "comparison.json"
ADHERENCE_AND_QUALITY = {
    "shapes-map": ("mean IoU", "whole items"),
    "fashion-blur": ("PSNR in dB", "Fréchet distance"),
}


class Row(NamedTuple):
    """One model at one weight: how it follows its condition, how good its samples are, how much they differ.

    adherence, quality: what ADHERENCE_AND_QUALITY names for the task.  apart: the root mean square of the difference of
    two samples for one condition.  parameters: of encoder and U-Net.  training_ms: of one step on 64 images;
    sampling_ms: of one sample without guidance, decoding included; both the median on one machine, both ways measured
    in turn.
    """

    task: str
    way: str
    seed: int
    w: float
    adherence: float
    quality: float
    apart: float
    parameters: int
    steps: int
    training_ms: float
    sampling_ms: float


def asked_for(task: str, num_samples: int) -> Tensor:
    """What is asked for: test maps (N, 32, 32), or test images (N, 1, 28, 28) blurred with sigma = 2."""
    if task == "shapes-map":
        return shapes(num_samples, 1, train=False).maps
    return blurred(fashion_mnist(train=False).x[:num_samples])


def judge_maps(x: Tensor, maps: Tensor) -> tuple[float, float]:
    """Adherence and quality of samples x for semantic maps: mean IoU, and the share whose items are all whole."""
    return mean_iou(read_map(x), maps), share_whole(x)


def judge_blur(x: Tensor, asked: Tensor) -> tuple[float, float]:
    """Adherence and quality of samples x for blurred images: PSNR, and the distance to the 10,000 test images."""
    seen = reference()
    return peak_signal_to_noise(blurred(x), asked), frechet_distance(judge_images(seen.judge, x)[0], seen.features)


def facts(num_samples: int, **options: object) -> dict[str, float]:
    """What holds for all rows: the Fréchet distance of as many real images as there are samples."""
    return dict(floor=floor(num_samples))


def costs(task: str, num_steps: int, repeats: int = 20) -> dict[str, tuple[float, float]]:
    """For each way the milliseconds of a training step and of a sample, from new models."""
    trainings = {way: SPATIAL_TASKS[task](concatenate, SEEDS[0])(True) for way, concatenate in WAYS.items()}
    asked = asked_for(task, 64)
    fits = {way: training.fit() for way, training in trainings.items()}
    steps = in_turn({way: lambda f=f: next(f) for way, f in fits.items()}, repeats)
    for fit in fits.values():
        fit.close()
    models = {way: cast(LatentDiffusion, training.average) for way, training in trainings.items()}
    samplings = {way: lambda m=m: m.sample(asked, w=0.0, num_steps=num_steps) for way, m in models.items()}
    samples = in_turn(samplings, max(1, repeats // 5))
    each = {way: 1e3 * statistics.median(samples[way]) / len(asked) for way in WAYS}
    return {way: (1e3 * statistics.median(steps[way]), each[way]) for way in WAYS}


def run(
    num_samples: int = 500, num_steps: int = 12, weights: tuple[float, ...] = (0.0, 1.0), runs: Path = RUNS
) -> Iterator[Row]:
    """Measure every model of the comparison, under `runs` or shipped; yields each row as soon as it is known.

    Raises FileNotFoundError that names the training of a model that is not there.
    """
    for key in ((task, way, seed) for task in SPATIAL_TASKS for way in WAYS for seed in SEEDS):
        find(compared(*key), runs)  # all of them, before anything is measured
    for task in SPATIAL_TASKS:
        asked, cost = asked_for(task, num_samples), costs(task, num_steps)
        judged = judge_maps if task == "shapes-map" else judge_blur
        for seed, way, w in progress([*product(SEEDS, WAYS, weights)], task, "row"):
            model = LatentDiffusion.load(find(compared(task, way, seed), runs))
            size = sum(p.numel() for p in model.parameters() if p.requires_grad)
            one, two = (sample_all(model, asked, w, num_steps, 2 * seed + k) for k in range(2))
            figures = *judged(one, asked), rms(one - two), size, num_steps_for(WAYS[way], quick=False)
            yield Row(task, way, seed, w, *figures, *cost[way])


def find(name: str, runs: Path) -> str | Path:
    """Where a model lies: under `runs`, or shipped. Raises FileNotFoundError that names the training of one missing."""
    if (runs / name / "model.json").is_file():
        return runs / name
    if name not in SPATIAL_TASKS:
        raise FileNotFoundError(f"{runs / name} is missing: `python -m ldm_teach train {name}` makes it")
    return name


def table(rows: Sequence[Row]) -> str:
    """The comparison as text: for each task, weight and way the mean over the seeds and its 95 % interval.

    Then the difference of the ways, attention less concatenation, with the interval of the difference of two means.
    """
    lines = []
    for task, (adherence, quality) in ADHERENCE_AND_QUALITY.items():
        lines += [f"{task}: {adherence}; {quality}; difference of two samples; parameters; steps; ms a step, a sample"]
        for w in sorted({row.w for row in rows}):
            of = {way: [r for r in rows if (r.task, r.way, r.w) == (task, way, w)] for way in WAYS}
            for way, found in of.items():
                figures = [estimate([getattr(r, f) for r in found]) for f in ("adherence", "quality", "apart")]
                one = found[0]
                cost = f"{one.parameters:11,} {one.steps:6,} {one.training_ms:5.0f} {one.sampling_ms:5.1f}"
                lines.append(
                    f"  w = {w:g} {way:13} " + "  ".join(f"{f.mean:7.3f} ± {f.half_width:5.3f}" for f in figures) + cost
                )
            differences = [
                welch(*([getattr(r, f) for r in of[way]] for way in WAYS)) for f in ("adherence", "quality", "apart")
            ]
            lines.append(
                f"  w = {w:g} {'difference':13} "
                + "  ".join(f"{d.mean:+7.3f} ± {d.half_width:5.3f}" for d in differences)
            )
    return "\n".join(lines)
