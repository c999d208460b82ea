"""python benchmarks/precision.py: a training step of the emoji's networks on a CPU, in float32 and under bfloat16.

docs/training.md quotes it. The two precisions are measured in turn, twice, with as many threads as torch takes.
"""

import statistics
import time

import torch

from ldm_teach.training.recipes.emoji import emoji_autoencoder, emoji_judge, emoji_model

STEPS, NOT_COUNTED = 12, 3


def seconds_a_step(recipe, precision: str) -> float:
    """The median over steps of a new training."""
    training = recipe(quick=True)
    times = [time.perf_counter() for _ in training.fit(device="cpu", mixed_precision=precision, num_steps=STEPS)]
    return statistics.median(b - a for a, b in zip(times[NOT_COUNTED:], times[NOT_COUNTED + 1 :], strict=False))


def main() -> None:
    print(f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}")
    for recipe in (emoji_autoencoder, emoji_model, emoji_judge):
        found = {precision: [] for precision in ("no", "bf16")}
        for _ in range(2):
            for precision, seconds in found.items():
                seconds.append(seconds_a_step(recipe, precision))
        plain, rounded = (min(seconds) for seconds in found.values())
        said = f"float32 {plain:.3f} s, bfloat16 {rounded:.3f} s, {plain / rounded:.2f} times"
        print(f"{recipe.__name__}: {said}", flush=True)


if __name__ == "__main__":
    main()
