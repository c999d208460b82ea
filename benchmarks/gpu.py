"""python benchmarks/gpu.py: what one GPU does with the recipe of fashion-class; docs/training.md quotes it.

Speed of training in bfloat16 and float32 at three sizes of a batch; then a training of as many images as the recipe
has, in bfloat16 and batches of 1,024, whose samples are judged as drawn in float32, under autocast and with weights in
bfloat16.
"""

import contextlib
import time
from dataclasses import replace
from typing import cast

import torch

from ldm_teach.measuring.judge import balanced, judge_images, reference
from ldm_teach.measuring.metrics import accuracy, frechet_distance
from ldm_teach.models.guided import free_on, sample_all
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.training.batches import Batches
from ldm_teach.training.loop import fit
from ldm_teach.training.losses import diffusion_loss
from ldm_teach.training.recipes.latent import fashion_class

BATCH_SIZE, NUM_SAMPLES = 1024, 2500


def speed(precision: str, batch_size: int, num_steps: int = 40) -> None:
    """Print what steps of a training take, after ten that do not count, and its peak of memory."""
    model = LatentDiffusion.load("fashion-class")
    shape = (2 * batch_size, *model.autoencoder.latent_shape)
    labels = torch.arange(shape[0]) % 10
    batches = Batches(torch.randn(shape), torch.zeros(shape), labels, batch_size=batch_size)
    how = dict(num_steps=num_steps, device="cuda", mixed_precision=precision)
    torch.cuda.reset_peak_memory_stats()
    times = [time.perf_counter() for _ in fit(model, diffusion_loss(model.schedule, drop=0.15), batches, **how)]
    each = (times[-1] - times[9]) / (num_steps - 10)  # a step waits for its loss
    peak = torch.cuda.max_memory_allocated() / 2**20
    said = f"{1000 * each:.1f} ms a step, {batch_size / each:,.0f} images/s, peak {peak:,.0f} MiB"
    print(f"training, {precision}, batches of {batch_size:,}: {said}", flush=True)


def trained() -> LatentDiffusion:
    """The recipe in bfloat16, as many images in larger batches and at a higher rate, which is printed."""
    training = fashion_class()
    num_steps = training.num_steps * training.batches.batch_size // BATCH_SIZE
    training.batches = Batches(*training.batches.columns, batch_size=BATCH_SIZE, seed=training.settings.seed)
    training.settings = replace(training.settings, num_steps=num_steps, learning_rate=3e-3)
    start = time.perf_counter()
    for step in training.fit(device="cuda", mixed_precision="bf16"):
        if step.step == num_steps:
            took = f"{time.perf_counter() - start:.0f} s"
            print(f"{num_steps:,} steps of {BATCH_SIZE:,} images: {took}, loss {float(step.loss):.4f}", flush=True)
    return cast(LatentDiffusion, training.average)


def judged(model: LatentDiffusion, way: str) -> None:
    """Print how fast a model samples in its default guidance, and what the judge sees."""
    labels, seen, guidance = balanced(NUM_SAMPLES), reference(), model.encoder.guidance
    autocast = torch.autocast("cuda", torch.bfloat16) if way == "autocast" else contextlib.nullcontext()
    settings = dict(method=free_on(guidance.interval), batch_size=500)
    with autocast:
        sample_all(model, labels[:500], guidance.w, 20, 0, **settings)
        start = time.perf_counter()
        x = sample_all(model, labels, guidance.w, 20, 0, **settings).float().cpu()
    rate = NUM_SAMPLES / (time.perf_counter() - start)
    features, predicted = judge_images(seen.judge, x)
    distance, share = frechet_distance(features, seen.features), accuracy(predicted, labels)[0]
    print(f"samples, {way}: {rate:,.0f} images/s, Fréchet {distance:.4f}, accuracy {share:.4f}", flush=True)


def main() -> None:
    for precision in ("bf16", "no"):
        for batch_size in (128, 1024, 4096):
            speed(precision, batch_size)
    for model in (LatentDiffusion.load("fashion-class").cuda(), trained()):
        for way in ("float32", "autocast"):
            judged(model, way)
        judged(model.bfloat16(), "bfloat16")


if __name__ == "__main__":
    main()
