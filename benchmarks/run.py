"""python benchmarks/run.py [PART ...]: measure this package beside its peers, and write docs/benchmarks.md.

    pip install -r benchmarks/requirements.txt
    python benchmarks/run.py                       # on a machine that does nothing else; all parts, about 75 minutes
    python benchmarks/run.py quality --device cuda # the trainings elsewhere, at the rates that are kept
    python benchmarks/run.py --help

What was measured is kept beside this file; a part that is not asked for is taken from there.
"""

import argparse
import itertools
import os
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

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
from ldm_teach.training.recipes.latent import fashion_class, posterior_moments
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


class Rate(NamedTuple):
    """How many images a second a part of the quality benchmark goes through on the CPU, all of them in turn."""

    part: str
    images_per_second: float


class Quality(NamedTuple):
    """What came out after so many minutes: Fréchet distance and accuracy of the samples, as the judge sees them."""

    peer: str
    setting: str
    parameters: int
    images: int
    sampler: str
    frechet: float
    accuracy: float


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
    settings = FitSettings(num_steps=10_000, learning_rate=2e-3, decay=cosine_decay)  # as many as the minutes give
    return Training(KLAutoencoder(downsampling=4), loss, batches, settings)


def rates(rounds: int) -> list[Rate]:
    """What each training does in a second, and the encoding of its images: what minutes are counted by."""
    autoencoder, (x, labels) = KLAutoencoder.load("fashion-autoencoder"), fashion_mnist()
    parts = {"autoencoder": new_autoencoder(), "latents": fashion_class(quick=True, autoencoder=autoencoder)}
    sizes = {part: training.batches.batch_size for part, training in parts.items()} | {"encoding": 500}
    fits: dict[str, Iterator] = {part: training.fit(num_steps=10**6, device="cpu") for part, training in parts.items()}
    for peer in peers.as_recommended():
        fits[peer.name], sizes[peer.name] = peer.fit(x, labels), peer.batch_size
    calls: dict[str, Callable] = {part: lambda fit=fit: next(fit) for part, fit in fits.items()}
    calls["encoding"] = lambda: posterior_moments(autoencoder, x[:500])
    return [Rate(part, sizes[part] / statistics.median(times)) for part, times in in_turn(calls, rounds).items()]


def trained(training: Training, images: float, device: str) -> tuple[Any, int]:
    """The average of a training that ends, its learning rate with it, after so many images, and how many they were."""
    size = training.batches.batch_size
    num_steps = max(1, round(images / size))
    for _ in training.fit(num_steps=num_steps, device=device, mixed_precision="no"):
        pass
    return training.average, num_steps * size


def ours(
    minutes: float, rate: dict[str, float], device: str, autoencoder: KLAutoencoder | None
) -> tuple[LatentDiffusion, int]:
    """This package's model after so many minutes, and the images it saw.

    autoencoder: one that is there already, or None to train one in the first third of the minutes.
    """
    left = 60 * minutes
    if autoencoder is None:
        average, seen = trained(new_autoencoder(), left / 3 * rate["autoencoder"], device)
        autoencoder, left = average.cpu(), left - seen / rate["autoencoder"]
    training = fashion_class(autoencoder=autoencoder)
    left -= len(training.batches.columns[0]) / rate["encoding"]
    return trained(training, left * rate["latents"], device)


def theirs(peer: peers.Peer, minutes: float, rate: float, device: str) -> tuple[torch.nn.Module, int]:
    """A peer's network after so many minutes on the pixels of Fashion-MNIST, and the images it saw."""
    num_steps = max(1, round(60 * minutes * rate / peer.batch_size))
    *_, network = itertools.islice(peer.fit(*fashion_mnist(), device), num_steps)
    return network, num_steps * peer.batch_size


def judged(sample: Callable[[Tensor], Tensor], num_samples: int, device: str) -> tuple[float, float]:
    """Fréchet distance and accuracy of samples of all classes."""
    torch.manual_seed(0)
    labels, seen = balanced(num_samples), reference()
    x = torch.cat([sample(chunk.to(device)).clamp(-1, 1).cpu() for chunk in labels.split(100)])
    features, predicted = judge_images(seen.judge, x)
    return frechet_distance(features, seen.features), accuracy(predicted, labels)[0]


def quality(minutes: float, num_samples: int, device: str) -> Iterator[Quality]:
    """Each package after as many minutes of the CPU, counted by images; the device may be another."""
    rate = dict(tables.read(Rate, HERE / "rates.json")[0])
    settings = {"autoencoder given": KLAutoencoder.load("fashion-autoencoder"), "autoencoder included": None}
    for setting, autoencoder in settings.items():
        model, images = ours(minutes, rate, device, autoencoder)
        size = sum(p.numel() for part in (model.unet, model.encoder) for p in part.parameters())
        found = judged(lambda labels, model=model: model.sample(labels, num_steps=peers.STEPS), num_samples, device)
        yield Quality("ldm_teach", setting, size, images, "sample()", *found)
    for peer in peers.as_recommended():
        network, images = theirs(peer, minutes, rate[peer.name], device)
        for name, sample in peer.samplers.items():
            found = judged(lambda labels, s=sample, n=network: s(n, labels), num_samples, device)
            yield Quality(peer.name, peer.setting, peer.parameters, images, name, *found)


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
    rate, cpu = tables.read(Rate, HERE / "rates.json")
    lines = [("", "setting", "parameters", "images seen", "sampler", "Fréchet", "accuracy")]
    for row in rows:
        said = f"{row.images:,}", row.sampler, f"{row.frechet:.2f}", f"{100 * row.accuracy:.1f} %"
        lines.append((row.peer, row.setting, f"{row.parameters:,}", *said))
    each = ", ".join(f"{part} {value:.0f}" for part, value in rate)
    return f"""Fashion-MNIST, each package in the setting of its own example, after {how["minutes"]:g} minutes on
{cpu["machine"]},
then sampled in {peers.STEPS} calls of the sampler. {how["samples"]} samples are judged by `fashion-judge`; as many real
images are at a distance of {how["floor"]:.2f}. "Autoencoder given" trains on the latents of the shipped autoencoder;
"included" trains one of its own in the first third of the minutes, from nothing. Minutes are counted by images, at the
rates that were measured there in turn (images a second: {each}; {cpu["date"]}); the trainings ran in float32 on
{how["device"]}: {how["machine"]}, {how["date"]}.

{tables.markdown(lines)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    choices = "throughput", "rates", "quality", "document"
    parser.add_argument("parts", nargs="*", choices=choices, default=["throughput", "rates", "quality"])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--device", default="cpu", help="where the trainings of the quality part run")
    options = parser.parse_args()
    for part, measure in {"throughput": throughput, "rates": rates}.items():
        if part in options.parts:
            tables.keep(measure(options.rounds), dict(rounds=options.rounds), HERE / f"{part}.json")
    if "quality" in options.parts:
        rows, settings = [], dict(samples=options.samples, minutes=options.minutes, floor=floor(options.samples))
        for row in quality(options.minutes, options.samples, options.device):
            rows.append(row)
            print(row, flush=True)
        tables.keep(rows, settings | dict(device=options.device), HERE / "quality.json")
    with whole(DOCUMENT) as part:
        part.write_text(document())


if __name__ == "__main__":
    main()
