"""How near the samples of the class-conditional models are to real images, and how often they show the class asked for.

Every distance is to the 10,000 real test images, in the features of the judge; the first row is its floor on real data.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.measuring import tables
from ldm_teach.measuring.judge import balanced, floor, judge_images, reference
from ldm_teach.measuring.metrics import accuracy, frechet_distance, peak_signal_to_noise
from ldm_teach.models.conditioning import Guidance
from ldm_teach.models.guided import free_on, sample_all
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.paths import MEASURED
from ldm_teach.progress import progress
from ldm_teach.theory.samplers import Sampler, dpm_solver
from ldm_teach.training.device import choose_device

PATH = MEASURED / "sampling.json"


class Row(NamedTuple):
    """What was judged: its distance to the real test images, its accuracy and the standard error of that.

    model: the model's name, or "real".  images: "training set", "reconstructed" or "samples".  w: of samples.
    interval: first and last timestep of guidance, None for all.  psnr: of reconstructions, in decibels. The accuracy
    beside real training images is that on the test images.
    """

    model: str
    images: str
    frechet: float
    accuracy: float
    accuracy_error: float
    w: float | None = None
    psnr: float | None = None
    interval: Sequence[int] | None = None


def run(
    models: Sequence[str | Path] = ("fashion-class", "fashion-class-kl", "fashion-class-vq"),
    weights: Sequence[float] = (0.0, 0.5, 1.0, 2.0, 4.0),
    interval: tuple[int, int] | None = None,
    num_samples: int = 10_000,
    num_steps: int = 20,
    sampler: Sampler = dpm_solver,
    seed: int = 0,
    judge: str | Path = "fashion-judge",
    device: str | None = None,
) -> Iterator[Row]:
    """Judge real images, then each model's reconstructions and its samples at each weight; yields each Row at once.

    Classes are balanced and the noise is the same at every weight. interval: the timesteps of guidance, by default all,
    and after the weights comes the guidance that `LatentDiffusion.sample` has by default.
    device: where the models work, by default the first there is of CUDA, MPS and CPU; the judge works on the CPU.
    """
    place = choose_device(device)
    loaded = {
        str(name): LatentDiffusion.load(name).to(place) for name in models
    }  # a wrong name ends here, before any work
    seen, test = reference(judge), fashion_mnist(train=False)
    yield Row("real", "training set", floor(num_samples, seed, judge), *accuracy(seen.predicted, seen.labels))
    (x, y), labels = (column[:num_samples] for column in test), balanced(num_samples)

    def judged(images: Tensor, shown: Tensor) -> tuple[float, float, float]:
        features, predicted = judge_images(seen.judge, images)
        return frechet_distance(features, seen.features), *accuracy(predicted, shown)

    asked = [Guidance(w, interval) for w in weights]
    cases = [
        (name, guidance)
        for name, model in loaded.items()
        for guidance in (None, *asked, *([model.encoder.guidance] if interval is None else []))
    ]
    for name, guidance in progress(cases, "sampling", "row"):
        model = loaded[name]
        if guidance is None:
            chunks = progress(x.split(250), "reconstructing", "batch")
            decoded = torch.cat([model.decode(model.encode(chunk.to(place))).cpu() for chunk in chunks])
            yield Row(name, "reconstructed", *judged(decoded, y), psnr=peak_signal_to_noise(decoded, x))
        else:
            settings = dict(method=free_on(guidance.interval), sampler=sampler)
            samples = sample_all(model, labels, guidance.w, num_steps, seed, **settings).cpu()
            yield Row(name, "samples", *judged(samples, labels), w=guidance.w, interval=guidance.interval)


def table(rows: Sequence[Row]) -> str:
    """The rows as text: Fréchet distance, and accuracy ± its standard error in percent."""
    words = [("", "", "Fréchet distance", "accuracy")]
    for row in rows:
        where = "" if row.interval is None else " at t = {} to {}".format(*row.interval)
        detail = (
            f", w = {row.w:g}{where}" if row.w is not None else f" ({row.psnr:.2f} dB)" if row.psnr is not None else ""
        )
        percent = f"{100 * row.accuracy:.1f} ± {100 * row.accuracy_error:.1f} %"
        words.append((row.model, row.images + detail, f"{row.frechet:.3f}", percent))
    return tables.aligned(words)
