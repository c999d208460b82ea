"""python benchmarks/gpu_emoji.py [OUT]: the recipe of emoji on one GPU, in larger batches; docs/training.md quotes it.

It sees 1.7 times the pictures of the recipe, in batches of 512 and at twice the rate, and is saved in OUT, by default
runs/emoji-gpu. Then the judge says of its samples, and of those of the shipped model, what `words-to-pictures` says:
drawn in float32, under autocast, and with weights in bfloat16.
"""

import contextlib
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch

from ldm_teach.data.emoji_captions import emoji_captions
from ldm_teach.measuring.retrieval import look
from ldm_teach.models.guided import sample_all
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.picture_judge import PictureJudge
from ldm_teach.paths import RUNS
from ldm_teach.studies.words_to_pictures import ASKED, asked_pictures, found_again, gather_known
from ldm_teach.training.batches import Batches
from ldm_teach.training.recipes.emoji import emoji_model

NUM_STEPS, BATCH_SIZE, W = 5_000, 512, 3.0


def trained() -> LatentDiffusion:
    """The recipe in large batches, its time and its last loss printed."""
    training, start = emoji_model(), time.perf_counter()
    training.batches = Batches(*training.batches.columns, batch_size=BATCH_SIZE, seed=training.settings.seed)
    training.settings = replace(training.settings, num_steps=NUM_STEPS, learning_rate=2e-3, average_decay=0.999)
    for step in training.fit(device="cuda", mixed_precision="bf16"):
        if step.step % 500 == 0:
            print(f"step {step.step:,}: {time.perf_counter() - start:.0f} s, loss {float(step.loss):.4f}", flush=True)
    return cast(LatentDiffusion, training.average)


def judged(model: LatentDiffusion, way: str, judge: PictureJudge) -> None:
    """Print how fast a model samples, and what the judge finds in it."""
    known = gather_known(LatentDiffusion.load("emoji"), judge)
    for name in list(ASKED)[:2]:
        asked = asked_pictures(name)
        prompts = model.encoder.check(emoji_captions(asked.names, asked.styles))
        with torch.autocast("cuda", torch.bfloat16) if way == "autocast" else contextlib.nullcontext():
            for _ in range(2):  # the first warms up
                start = time.perf_counter()
                x = sample_all(model, prompts, W, 20, 0, batch_size=500).float().cpu()
                took = time.perf_counter() - start
        seen = look(judge, x)
        rank = found_again(known, asked, seen.embeddings)
        top1, style = (rank < 1).double().mean(), (seen.styles == asked.styles).double().mean()
        print(f"{way}, {name}: {len(x) / took:,.0f} images/s, first {top1:.3f}, style {style:.3f}", flush=True)


def main(out: Path) -> None:
    model, judge = trained(), PictureJudge.load("emoji-judge")
    model.save(out)
    for one in (model.cuda(), LatentDiffusion.load("emoji").cuda()):
        for way in ("float32", "autocast"):
            judged(one, way, judge)
        judged(one.bfloat16(), "bfloat16", judge)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else RUNS / "emoji-gpu")
