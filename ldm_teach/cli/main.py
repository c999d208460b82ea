"""python -m ldm_teach train | sample | evaluate | compression | guidance | conditioning | comparison | bench | ..."""

import argparse
import sys
import textwrap
import time
from pathlib import Path

import torch
from tqdm.auto import tqdm

from ldm_teach import checks
from ldm_teach.cli.conditions import requested
from ldm_teach.data.fashion import FASHION_CLASSES
from ldm_teach.measuring import tables as measured
from ldm_teach.models.classifier import ImageClassifier
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.paths import DATA
from ldm_teach.theory.samplers import ddim, ddpm, dpm_solver, heun, predictor_corrector
from ldm_teach.training.device import choose_device
from ldm_teach.training.recipes import autoencoders, classifiers, latent
from ldm_teach.training.recipes.conditioned import CONDITIONING

COMPRESSED = ("fashion-autoencoder", *autoencoders.LADDER, *autoencoders.SHARPNESS)
SAMPLERS = {sampler.__name__: sampler for sampler in (ddpm, ddim, heun, dpm_solver, predictor_corrector)}
RECIPES = {
    "fashion-judge": classifiers.fashion_judge,
    "fashion-perceptual": classifiers.fashion_perceptual,
    "fashion-autoencoder": autoencoders.fashion_autoencoder,
    "fashion-class": latent.fashion_class,
    **autoencoders.LADDER,
    **autoencoders.SHARPNESS,
    **autoencoders.RATES,
    **latent.DOWNSTREAM,
    **classifiers.CLASSIFIERS,
    **CONDITIONING,
}


def train(name: str, quick: bool, resume: bool, device: str | None, workers: int, out: Path | None) -> None:
    """Train a recipe, checkpointing under runs/NAME/state, and save the averaged model in `out` (runs/NAME)."""
    training = RECIPES[name](quick)
    run = Path("runs") / (f"{name}-quick" if quick else name)
    cpu, clock = time.process_time(), time.perf_counter()
    with tqdm(total=training.num_steps, desc=run.name, unit="step") as bar:
        for step in training.fit(device=device, workers=workers, directory=run / "state", resume=resume):
            bar.update(step.step - bar.n)
            if step.step % 20 == 0:
                bar.set_postfix(loss=f"{float(step.loss):.4f}", images_per_s=f"{step.images_per_second:.0f}")
    training.average.cpu().save(out or run)
    cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
    print(f"saved {out or run} after {cpu / 60:.1f} CPU minutes, {clock / 60:.1f} minutes by the clock")


def sample(
    name: str,
    condition: list[str] | None,
    sigma: float,
    w: list[float],
    sampler: str,
    steps: int,
    count: int,
    seed: int,
    device: str | None,
    out: Path,
) -> None:
    """Write a PNG: a row for each condition, `count` samples of it at each guidance weight, all from the same noise.

    Maps and blurred images that are asked for stand in a first column.
    """
    from ldm_teach.interactive import pictures as grids

    model = LatentDiffusion.load(name).to(choose_device(device))
    asked = requested(model.encoder, condition, sigma)
    pictures = asked.pictures
    if pictures is not None and pictures.ndim == 3:
        pictures = grids.map_picture(pictures)  # (rows, H, W) -> (rows, 3, H, W)
    repeated = asked.condition.repeat_interleave(checks.count("count", count), dim=0)
    settings = dict(num_steps=steps, sampler=SAMPLERS[sampler])
    images = [model.sample(repeated, w=x, generator=torch.Generator().manual_seed(seed), **settings) for x in w]
    cells = torch.stack([x.cpu().unflatten(0, (-1, count)) for x in images], dim=1)  # (rows, w, count, C, H, W)
    title = "The same noise under growing guidance" if len(w) > 1 else f"Samples at w = {w[0]:g}, {steps} steps"
    rows = [textwrap.fill(name, 32) for name in asked.names]  # the longest caption takes three lines, a row's height
    figure = grids.labelled_grid(cells.flatten(0, 2), rows, [f"w = {x:g}" for x in w], title, pictures)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out)
    print(f"wrote {out}")


def evaluate(name: str, judge: str, w: list[float], samples: int, sampler: str, steps: int, seed: int) -> None:
    """Print the Frechet distance and the condition accuracy at each weight, with their floors on real data."""
    from ldm_teach.studies.sampling import evaluate as rows

    print(f"{name}: {samples:,} samples, {steps} steps of {sampler}, seed {seed}, judged by {judge}")
    print(f"{'':40} {'Frechet distance':>17} {'accuracy':>18}")
    settings = dict(num_samples=samples, sampler=SAMPLERS[sampler], num_steps=steps, seed=seed)
    for row in rows(LatentDiffusion.load(name), ImageClassifier.load(judge), w, **settings):
        accuracy = f"{100 * row.accuracy:.1f} ± {100 * row.accuracy_error:.1f} %"
        print(f"{row.name:40} {row.frechet:17.3f} {accuracy:>18}", flush=True)


def compression(names: list[str], judge: str, images: int) -> None:
    """Print what each autoencoder costs and what it keeps of real test images, with the floors of real data."""
    from ldm_teach.data.fashion import fashion_mnist
    from ldm_teach.measuring.judge import floor
    from ldm_teach.models.vector_quantization import load_autoencoder
    from ldm_teach.studies.compression import measure

    eyes, test = ImageClassifier.load(judge), fashion_mnist(False)
    x, y = test.x[:images], test.y[:images]
    columns = f"{'':22} {'latent':>9} {'x':>5} {'bits':>6} {'PSNR':>6} {'SSIM':>6} {'Frechet':>8} {'accuracy':>9} "
    print(columns + f"{'mean':>6} {'std':>6} {'use':>6} {'codes':>6} {'images/s':>9}")
    distance, accuracy = floor(eyes, len(x))
    print(f"{'real images':22} {'':9} {1:5.2f} {'':6} {'':6} {1:6.4f} {distance:8.4f} {100 * accuracy:8.1f}%")
    for name in names:
        row = measure(name, load_autoencoder(name), eyes, x, y)
        use = "" if row.use is None else f"{100 * row.use:5.1f}%"
        perplexity = "" if row.perplexity is None else f"{row.perplexity:.0f}"
        print(
            f"{name:22} {'x'.join(map(str, row.latent)):>9} {row.compression:5.2f} {row.bits:6.0f} {row.psnr:6.2f} "
            f"{row.ssim:6.4f} {row.frechet:8.4f} {100 * row.accuracy:8.1f}% {row.mean:6.2f} {row.std:6.2f} {use:>6} "
            f"{perplexity:>6} {row.images_per_second:9.0f}",
            flush=True,
        )


def guidance(samples: int, steps: int, seeds: int, out: Path, picture: Path) -> None:
    """Measure both kinds of guidance over their grids of scales, print the table, keep it and draw the curves."""
    from ldm_teach.interactive.plots import guidance_curves
    from ldm_teach.studies import guidance as guidance_study

    rows, start = [], time.perf_counter()
    print(f"{samples:,} samples, {steps} steps, {seeds} seeds: mean ± half-width of the 95 % interval over the seeds")
    columns = ("Frechet", "precision", "recall", "accuracy", "diversity", "ms")
    print(f"{'':33} {'scale':>5} " + " ".join(f"{column:>15}" for column in columns))
    for row in guidance_study.study(samples, steps, range(seeds)):
        rows.append(row)
        if row.seed == seeds - 1:
            key = row.method, row.scale
            figures = guidance_study.summarize([r for r in rows if (r.method, r.scale) == key])[key].values()
            line = " ".join(f"{f.mean:8.3f} ± {f.half_width:4.3f}" for f in figures)
            print(f"{row.method:33} {row.scale:5g} {line}", flush=True)
    minutes = (time.perf_counter() - start) / 60
    settings = dict(
        samples=samples, steps=steps, seeds=seeds, chance=1 / len(FASHION_CLASSES), minutes=round(minutes, 1)
    )
    measured.write(rows, settings, out)
    guidance_curves(guidance_study.summarize(rows)).savefig(picture)
    print(f"wrote {out} and {picture} after {minutes:.1f} minutes")


def conditioning(samples: int, steps: int, out: Path) -> None:
    """Measure how the shipped models follow captions, maps and blurred images, print the table and keep it."""
    from ldm_teach.studies import conditioning as study

    rows = []
    print(f"{samples:,} samples a line, {steps} steps: value ± standard error")
    print(f"{'asked for':34} {'figure':24} {'w':>4} {'value':>16} {'chance':>7}")
    for row in study.study(samples, steps):
        rows.append(row)
        chance = "" if row.chance is None else f"{row.chance:.3f}"
        print(f"{row.asked:34} {row.figure:24} {row.w:4g} {row.value:7.3f} ± {row.error:5.3f} {chance:>8}", flush=True)
    measured.write(rows, dict(samples=samples, steps=steps), out)
    print(f"wrote {out}")


def comparison(samples: int, steps: int, out: Path) -> None:
    """Measure cross-attention against concatenation on maps and blurred images, twelve trainings; keep the table."""
    from ldm_teach.studies import comparison as study

    rows = []
    for row in study.compare(samples, steps):
        rows.append(row)
        print(
            f"{row.task} by {row.way}, seed {row.seed}, w = {row.w:g}: {row.adherence:.3f}, {row.quality:.3f}",
            flush=True,
        )
    floor = study.floor(samples)
    measured.write(rows, dict(samples=samples, steps=steps, floor=floor), out)
    print(f"mean ± half-width of the 95 % interval over {len(study.SEEDS)} seeds; {samples:,} samples, {steps} steps")
    print(f"Fréchet distance of as many real training images: {floor:.3f}", *study.table(rows), sep="\n")
    print(f"wrote {out}")


def bench(notebooks: bool) -> None:
    """Print the ratios and times of this machine."""
    from ldm_teach.cli.bench import bench as run

    run(notebooks)


def doctor() -> None:
    """Check versions, device, memory, data and checkpoints; exit with 1 where something must be mended."""
    from ldm_teach.cli.doctor import doctor as run

    sys.exit(1 if run() else 0)


def parser() -> argparse.ArgumentParser:
    """The command line: each command's options carry the names of the function's arguments."""
    top = argparse.ArgumentParser(prog="python -m ldm_teach", description="Latent diffusion, to be understood.")
    commands = top.add_subparsers(dest="command", required=True)

    def command(function) -> argparse.ArgumentParser:
        return commands.add_parser(
            function.__name__, help=function.__doc__, description=function.__doc__,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )  # fmt: skip

    c = command(train)
    c.add_argument("name", choices=RECIPES, help="what to train")
    c.add_argument("--quick", action="store_true", help="about a minute on two cores, to see it work")
    c.add_argument("--resume", action="store_true", help="go on from the last checkpoint under runs/NAME/state")
    c.add_argument("--device", help="cuda, mps or cpu; by default the first of these that is there")
    c.add_argument("--workers", type=int, default=0, help="processes that prepare batches")
    c.add_argument("--out", type=Path, help="where the trained model goes; by default runs/NAME")

    c = command(sample)
    c.add_argument("name", nargs="?", default="fashion-class", help="a shipped model or a directory")
    c.add_argument(
        "--condition",
        nargs="+",
        help="one row each, by default all classes or a few of the rest: numbers of classes; captions in quotes; for "
        "maps, numbers of test scenes or image files whose pixels are the classes; for blurred images, numbers of test "
        "images, which --sigma blurs, or files of blurred images",
    )
    c.add_argument("--sigma", type=float, default=2.0, help="blur of test images by number, in pixels")
    c.add_argument("--w", type=float, nargs="+", default=[1.0], help="guidance weights, one column each")
    c.add_argument("--sampler", choices=SAMPLERS, default="dpm_solver", help="the reverse process")
    c.add_argument("--steps", type=int, default=20, help="steps of the sampler")
    c.add_argument("--count", type=int, default=8, help="samples for each condition and weight")
    c.add_argument("--seed", type=int, default=0, help="of the noise")
    c.add_argument("--device", help="cuda, mps or cpu")
    c.add_argument("--out", type=Path, default=Path("samples.png"), help="the picture")

    c = command(evaluate)
    c.add_argument("name", nargs="?", default="fashion-class", help="a shipped model or a directory")
    c.add_argument("--judge", default="fashion-judge", help="the classifier that judges")
    c.add_argument("--w", type=float, nargs="+", default=[0.0, 0.5, 1.0, 2.0, 4.0], help="guidance weights")
    c.add_argument("--samples", type=int, default=10_000, help="number of samples at each weight")
    c.add_argument("--sampler", choices=SAMPLERS, default="dpm_solver", help="the reverse process")
    c.add_argument("--steps", type=int, default=20, help="steps of the sampler")
    c.add_argument("--seed", type=int, default=0, help="of the noise")

    c = command(compression)
    c.add_argument("names", nargs="*", default=COMPRESSED, help="models or directories")
    c.add_argument("--judge", default="fashion-judge", help="the classifier that judges")
    c.add_argument("--images", type=int, default=10_000, help="number of test images")

    c = command(guidance)
    c.add_argument("--samples", type=int, default=1_500, help="number of samples at each scale and seed")
    c.add_argument("--steps", type=int, default=12, help="steps of DPM-Solver++(2M)")
    c.add_argument("--seeds", type=int, default=3, help="how many times, each from other noise")
    c.add_argument("--out", type=Path, default=DATA / "measured" / "guidance.json", help="where the table is kept")
    c.add_argument("--picture", type=Path, default=Path("docs/guidance_curves.png"), help="the curves")

    for study, samples, steps in ((conditioning, 1_000, 20), (comparison, 500, 12)):
        c = command(study)
        c.add_argument("--samples", type=int, default=samples, help="number of samples for each figure")
        c.add_argument("--steps", type=int, default=steps, help="steps of DPM-Solver++(2M)")
        table = DATA / "measured" / f"{study.__name__}.json"
        c.add_argument("--out", type=Path, default=table, help="where the table is kept")

    c = command(bench)
    c.add_argument("--no-notebooks", dest="notebooks", action="store_false", help="leave out what takes minutes")
    command(doctor)
    return top


def main(arguments: list[str] | None = None) -> None:
    """Run one command; a bad argument or a missing file ends with its message and status 1, without a traceback."""
    options = vars(parser().parse_args(arguments))
    try:
        globals()[options.pop("command")](**options)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"ldm_teach: {error}")
    except KeyboardInterrupt as interrupt:
        print(f"ldm_teach: interrupted, {interrupt}", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
