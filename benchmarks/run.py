"""python benchmarks/run.py [throughput] [quality]: measure this package beside its peers, and write docs/benchmarks.md.

    pip install -r benchmarks/requirements.txt
    python benchmarks/run.py                       # on a machine that does nothing else; both parts, about 75 minutes
    python benchmarks/run.py --help

What was measured is kept beside this file; a part that is not asked for is taken from there.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, cast

os.environ["TQDM_DISABLE"] = "1"  # the bars of the peers' samplers

import peers
import torch
from torch import Tensor

from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.files import whole
from ldm_teach.measuring import tables
from ldm_teach.measuring.judge import balanced, floor, judge_images, reference
from ldm_teach.measuring.metrics import accuracy, frechet_distance
from ldm_teach.measuring.timing import in_turn
from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.training.batches import Batches
from ldm_teach.training.loop import FitSettings, cosine_decay
from ldm_teach.training.losses import autoencoder_loss, kl_per_element
from ldm_teach.training.recipes.latent import fashion_class
from ldm_teach.training.recipes.recipe import Training

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent / "docs" / "benchmarks.md"
BATCH_SIZE = 128


class Throughput(NamedTuple):
    """A network on latents (4, 8, 8): images per second, medians of rounds in turn; sampling in peers.STEPS calls."""

    peer: str
    parameters: int
    training: float
    sampler: str
    sampling: float


class Quality(NamedTuple):
    """What came out after so many minutes: Fréchet distance and accuracy of the samples, as the judge sees them."""

    peer: str
    setting: str
    parameters: int
    minutes: float
    images: int
    sampler: str
    frechet: float
    accuracy: float
    sampling: float


def throughput(rounds: int) -> list[Throughput]:
    """All networks in turn: one training step on 128 images a round, then one sampling of 128."""
    x, labels = torch.randn(4 * BATCH_SIZE, 4, 8, 8), torch.arange(4 * BATCH_SIZE) % peers.CLASSES
    entrants = {peer.name: peer for peer in peers.at_equal_parameters()}
    fits = {name: peer.fit(x, labels) for name, peer in entrants.items()}
    steps = in_turn({name: lambda fit=fit: next(fit) for name, fit in fits.items()}, rounds)
    networks = {name: next(fit) for name, fit in fits.items()}
    calls = {
        (name, sampler): lambda sample=sample, name=name: sample(networks[name], labels[:BATCH_SIZE])
        for name, peer in entrants.items()
        for sampler, sample in peer.samplers.items()
    }
    samplings = in_turn({" ".join(key): call for key, call in calls.items()}, max(3, rounds // 3))

    def per_second(times: list[float]) -> float:
        return BATCH_SIZE / statistics.median(times)

    return [
        Throughput(name, entrants[name].parameters, per_second(steps[name]), sampler, per_second(samplings[key]))
        for (name, sampler), key in zip(calls, samplings, strict=True)
    ]


def new_autoencoder() -> Training:
    """The recipe of `fashion-autoencoder` without the perceptual loss, whose network would need a training before."""
    loss = autoencoder_loss(None, regularizer=kl_per_element, weight=3e-4, perceptual_weight=0.0)
    batches = Batches(*fashion_mnist(), batch_size=32)
    return Training(KLAutoencoder(downsampling=4), loss, batches, FitSettings(learning_rate=2e-3, decay=cosine_decay))


def until(training: Training, deadline: float) -> Training:
    """A training, run so that its learning rate has fallen to its end at the deadline (time.perf_counter)."""
    start, trial = time.perf_counter(), 20
    for step in training.fit(num_steps=10**6):
        if step.step == trial:
            break
    each = (time.perf_counter() - start) / trial
    training.settings = replace(training.settings, num_steps=int((deadline - time.perf_counter()) / each))
    for _ in training.fit():
        pass
    return training


def ours(minutes: float, autoencoder: KLAutoencoder | None) -> tuple[LatentDiffusion, int, float]:
    """This package's model after so many minutes, the images it saw, and the minutes it took.

    autoencoder: one that is there already, or None to train one in the first third of the minutes.
    """
    start = time.perf_counter()
    if autoencoder is None:
        autoencoder = cast(KLAutoencoder, until(new_autoencoder(), start + 20 * minutes).average)
    training = until(fashion_class(autoencoder=autoencoder), start + 60 * minutes)
    images = training.num_steps * training.batches.batch_size
    return cast(LatentDiffusion, training.average.cpu()), images, (time.perf_counter() - start) / 60


def theirs(peer: peers.Peer, minutes: float) -> tuple[torch.nn.Module, int, float]:
    """A peer's network after so many minutes on the pixels of Fashion-MNIST, the images it saw, and the minutes."""
    start, images = time.perf_counter(), 0
    for network in peer.fit(*fashion_mnist()):
        images += peer.batch_size
        if time.perf_counter() - start >= 60 * minutes:
            return network, images, (time.perf_counter() - start) / 60
    raise AssertionError("a peer's training has no end")


def judged(sample: Callable[[Tensor], Tensor], num_samples: int) -> tuple[float, float, float]:
    """Fréchet distance and accuracy of samples of all classes, and the samples drawn in a second."""
    torch.manual_seed(0)
    labels, seen, start = balanced(num_samples), reference(), time.perf_counter()
    x = torch.cat([sample(chunk) for chunk in labels.split(100)]).clamp(-1, 1)
    rate = num_samples / (time.perf_counter() - start)
    features, predicted = judge_images(seen.judge, x)
    return frechet_distance(features, seen.features), accuracy(predicted, labels)[0], rate


def quality(minutes: float, num_samples: int) -> Iterator[Quality]:
    """Each package after as many minutes, one after the other."""
    settings = {"autoencoder given": KLAutoencoder.load("fashion-autoencoder"), "autoencoder included": None}
    for setting, autoencoder in settings.items():
        model, images, took = ours(minutes, autoencoder)
        size = sum(p.numel() for part in (model.unet, model.encoder) for p in part.parameters())
        found = judged(lambda labels, model=model: model.sample(labels, num_steps=peers.STEPS), num_samples)
        yield Quality("ldm_teach", setting, size, took, images, "sample()", *found)
    for peer in peers.as_recommended():
        network, images, took = theirs(peer, minutes)
        for name, sample in peer.samplers.items():
            found = judged(lambda labels, s=sample, n=network: s(n, labels), num_samples)
            yield Quality(peer.name, peer.setting, peer.parameters, took, images, name, *found)


def document() -> str:
    """docs/benchmarks.md from what is kept."""
    parts = {"throughput": throughput_in_words, "quality": quality_in_words}
    written = [
        words() if (HERE / f"{name}.json").is_file() else f"Not measured yet: `python benchmarks/run.py {name}`.\n"
        for name, words in parts.items()
    ]
    return f"""# Beside what one would use instead

Written by `python benchmarks/run.py` from what it measured; the versions of the packages stand in
benchmarks/requirements.txt.

## Throughput at equal parameters

{written[0]}
## Quality after equal minutes

{written[1]}"""


def throughput_in_words() -> str:
    """How many images each package trains and samples in a second."""
    rows, how = tables.read(Throughput, HERE / "throughput.json")
    lines = [("", "parameters", "trained/s", "ours over it", "sampler", "sampled/s", "ours over it")]
    best = max(row.sampling for row in rows if row.peer == "ldm_teach")
    for row in rows:
        over = f"{rows[0].training / row.training:.2f}", f"{best / row.sampling:.2f}"
        rates = f"{row.training:.0f}", over[0], row.sampler, f"{row.sampling:.1f}", over[1]
        lines.append((row.peer, f"{row.parameters:,}", *rates))
    return f"""Networks for latents (4, 8, 8) with ten classes, batches of {BATCH_SIZE}, {peers.STEPS} calls a sample,
without guidance and without decoding; all in turn, medians of {how["rounds"]} rounds. {how["machine"]}, {how["date"]}.

{tables.markdown(lines)}
"""


def quality_in_words() -> str:
    """What comes out of each package after as many minutes."""
    rows, how = tables.read(Quality, HERE / "quality.json")
    lines = [("", "setting", "parameters", "minutes", "images seen", "sampler", "Fréchet", "accuracy", "sampled/s")]
    for row in rows:
        said = f"{row.minutes:.1f}", f"{row.images:,}", row.sampler, f"{row.frechet:.2f}", f"{100 * row.accuracy:.1f} %"
        lines.append((row.peer, row.setting, f"{row.parameters:,}", *said, f"{row.sampling:.1f}"))
    return f"""Fashion-MNIST, each package in the setting of its own example, trained for the same minutes by the clock,
then sampled in {peers.STEPS} calls of the sampler. {how["samples"]} samples are judged by `fashion-judge`; as many real
images are at a distance of {how["floor"]:.2f}. "Autoencoder given" trains on the latents of the shipped autoencoder;
"included" trains one of its own in the first third of the minutes, from nothing. {how["machine"]}, {how["date"]}.

{tables.markdown(lines)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "parts", nargs="*", choices=("throughput", "quality", "document"), default=["throughput", "quality"]
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--samples", type=int, default=500)
    options = parser.parse_args()
    if "throughput" in options.parts:
        tables.keep(throughput(options.rounds), dict(rounds=options.rounds), HERE / "throughput.json")
    if "quality" in options.parts:
        rows, settings = [], dict(samples=options.samples, floor=floor(options.samples))
        for row in quality(options.minutes, options.samples):
            rows.append(row)
            print(row, flush=True)
        tables.keep(rows, settings, HERE / "quality.json")
    with whole(DOCUMENT) as part:
        part.write_text(document())


if __name__ == "__main__":
    main()
