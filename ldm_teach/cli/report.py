"""python -m ldm_teach report: docs/results.md, docs/training.md, the table of checkpoints and that of the README.

All is written from data/measured, and nothing of it by hand; a test holds that it is what this command writes.
"""

import argparse
import inspect
import re
from pathlib import Path
from typing import Any

from ldm_teach import paths
from ldm_teach.cli import bench, estimate, teaching, train
from ldm_teach.cli.options import add_command
from ldm_teach.cli.study import STUDIES, Study
from ldm_teach.files import whole
from ldm_teach.interactive.check import NOTEBOOKS
from ldm_teach.interactive.plots import distance_curves, figure_png, guidance_curves
from ldm_teach.measuring import tables, training_costs
from ldm_teach.measuring.statistics import share_error
from ldm_teach.measuring.training_costs import TrainingCost
from ldm_teach.models import checkpoint
from ldm_teach.paths import CLONE
from ldm_teach.studies import (
    classroom,
    compression,
    conditioning,
    guidance,
    latent_against_pixel,
    sampling,
    words_to_pictures,
)
from ldm_teach.training.recipes.larger import QUICK_IMAGES
from ldm_teach.training.recipes.latent import DOWNSTREAM_STEPS
from ldm_teach.training.recipes.table import RECIPES

TITLES = {
    "sampling": "What the class-conditional models draw",
    "compression": "What an autoencoder costs and keeps",
    "guidance": "What guidance buys and costs",
    "conditioning": "How conditions are followed",
    "comparison": "Attention against concatenation",
    "latent-against-pixel": "Diffusion on latents against diffusion on pixels",
    "colour-latents": "What the divergence does to the latents of emoji",
    "words-to-pictures": "Words to colour pictures",
    "bench": "What the course costs a machine",
    "classroom": "What a learner costs a server",
}

# What a table shows, in words: tests/cli/test_report.py holds each of these sentences against the rows.
FINDINGS = {
    "sampling": f"""![The same noise under growing guidance: each row a class, each column a weight](guidance.png)

*Made by `python -m ldm_teach sample --condition 0 1 3 5 7 8 --w -1 0 1 3 --count 3 --seed 2 --out docs/guidance.png`.*

The accuracy rises with w for every model, and from w = 0.5 on the distance rises with it. `fashion-class-kl` and
`fashion-class-vq` are one small model, trained for the same {DOWNSTREAM_STEPS:,} steps on the latents of
`fashion-kl-f4` and of `fashion-vq-f4`. The last line of a model is the guidance that `sample` has by default, chosen
with other noise: about as accurate as w = 0.5 at all timesteps, and nearer to the data.""",
    "compression": "The models below `fashion-autoencoder` saw every training image once.",
    "guidance": """![Distance, accuracy, precision, recall and variety against the scale](guidance_curves.png)

The shape that the papers report is here. Of classifier-free guidance the accuracy rises and the recall falls
throughout, and the distance is lowest at w = 0.1, though by less than its interval. A classifier at s = 1 helps the
unconditional model no more than none at s = 0; one that never saw noise ruins the samples. Guidance on an interval of
steps (t = 300 to 700, chosen among four by 1,500 samples of one seed) at w = 2 is as accurate as classifier-free
guidance at w = 0.5, and nearer to the data. `ms a sample` was measured beside other work: the ratios of `bench` are
those to use.""",
    "conditioning": """![Captions, and samples for them at growing guidance](conditioning.png)

*Made by `python -m ldm_teach sample shapes-text --w -1 0 3 --count 3 --seed 1 --out docs/conditioning.png`.*

The largest w of a line is the one, of six, that did best with other noise. Guidance raises the
share as asked in every line of captions.""",
    "comparison": """Concatenation is ahead on both tasks, in adherence and in quality, from every seed: it is told
which token belongs where, and attention has to learn it in ten minutes. Attention, in exchange, reads captions too.""",
    "latent-against-pixel": """![Distance after minutes of training, and after images seen](latent_against_pixel.png)

At equal time the samples are the nearer to the data the smaller the latents are, up to four minutes: there those on
latents with f = 4 are 17.9 times nearer than those of the same U-Net on pixels, after 30 minutes 4.5 times, and
nearer than the pixels after 60. What the latents win is images seen: at equal numbers of images they are ahead of the
same U-Net on pixels, but behind `pixels-deep`, a U-Net of as many parameters that halves the image once more. That
one is behind f = 4 up to 15 minutes and level with it after 30: images of 28 pixels are small. The order of f = 8 and
f = 4 after four minutes is within the interval. With the training of the autoencoder counted, f = 8 is ahead of both
after 7 minutes; f = 4 is ahead of the same U-Net on pixels, and about level with `pixels-deep` from ten minutes on.
The trainings ran on a GPU, in float32, for as many steps as two idle cores do in these minutes.""",
    "colour-latents": """Trainings of 1,000 steps; the shipped autoencoder had 22,000. Up to a weight of 1e-4 the
divergence costs nothing. At 1e-2 it takes four fifths of the bits and 0.9 dB, and the latents stand noise best of the
four; at 1 nearly nothing of the picture is left. The minutes were beside another training.""",
    "words-to-pictures": """What was asked is found about as often in a sample as in a designer's own held-out picture,
for pairs of a name and a style that training never showed; names never seen are found far less often. The style is
right in a third to a half of the samples, much less often than in real pictures: more weight for the style helps it,
more for the words hurts it. The Fréchet distance of trained pairs and of pairs never seen is lowest at a weight of 0.5,
and no line of samples has 4 % of copies. "trained: real" are the judge's own training pictures.""",
    "bench": """A ratio is of calls made in turn within one run. For the images of 28 pixels the U-Net multiplies 12.7
times as much as for their latents with f = 4: training and sampling are somewhat less than so many times as fast, and
the peak of memory is less than a quarter. Beside a training, the slowest of 15 previews took ten times as long with
OpenMP's own waiting as with that of the command line.""",
    "classroom": """What waits costs memory and hardly a processor. How large a server a class needs is worked out in
[the teacher's guide](teaching.md#a-class-on-one-server).""",
}


def configure(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    c = add_command(commands, "report", report)
    c.add_argument("--root", type=Path, default=CLONE, help="the clone whose documents are written")


def report(root: Path) -> None:
    """Write docs/results.md, docs/training.md and the tables of checkpoints and README from data/measured."""
    for path, text in documents(root).items():
        with whole(root / path) as part:
            part.write_text(text, "utf-8")
        print(f"wrote {root / path}")
    for path, drawn in DRAWN.items():
        with whole(root / path) as part:
            part.write_bytes(drawn())
        print(f"wrote {root / path}")


def documents(root: Path) -> dict[Path, str]:
    """Each written document below `root`, and its text."""
    readme = filled((root / "README.md").read_text("utf-8"), {"course": course(), "results": five_results()})
    guide = (root / "docs" / "teaching.md").read_text("utf-8")
    parts = {f"slips {number}": teaching.slips(number) for number in NOTEBOOKS}
    missing = {path.stem for path in paths.NOTEBOOKS.glob("*.ipynb")} - {row.what for row in rows_of(classroom)[0]}
    if missing:
        raise ValueError(f"{classroom.PATH} has no row of {min(missing)}; run `classroom --keep` with all notebooks")
    return {
        Path("docs/teaching.md"): filled(guide, parts | {"served": teaching.served(*rows_of(classroom))}),
        Path("docs/results.md"): results(),
        Path("docs/training.md"): training(),
        Path("data/checkpoints/README.md"): checkpoints(),
        Path("README.md"): readme,
    }


def filled(text: str, parts: dict[str, str]) -> str:
    """A text with each part between its marks, <!-- part --> and <!-- /part -->."""
    for part, written in parts.items():
        between = re.compile(f"(<!-- {part} -->\n).*?(<!-- /{part} -->)", re.S)
        text = between.sub(lambda found, written=written: found[1] + written + found[2], text)
    return text


def rows_of(study: Study) -> tuple[list[Any], dict[str, Any]]:
    """What was kept of a study: rows and settings."""
    return tables.read(study.Row, study.PATH)


def results() -> str:
    """docs/results.md: a section for each study."""
    first = "Written by `python -m ldm_teach report` from `data/measured`, each table as its command prints it."
    sections = [f"# Results\n\n{first}\n"]
    for name, study in STUDIES.items():
        rows, settings = rows_of(study)
        said = {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in settings.items()}
        how = ", ".join(f"{key} {value}" for key, value in said.items() if key not in ("machine", "date"))
        sections.append(
            f"## {TITLES[name]}\n\n{inspect.getdoc(study)}\n\n{FINDINGS[name]}\n\n"
            f"```\n{study.table(rows)}\n```\n\n"
            f"`python -m ldm_teach {name} --keep`{': ' * bool(how)}{how}. {settings['machine']}, {settings['date']}.\n"
        )
    return "\n".join(sections)


def training() -> str:
    """docs/training.md: every training in an order in which they can be run, and what it cost."""
    rows, settings = tables.read(TrainingCost, training_costs.PATH)
    lines = [("command", "family", "first used in", "CPU minutes")]
    for name, recipe in RECIPES.items():
        unknown = "see below" if recipe.family == "larger" else "not yet measured"
        lines.append((f"`train {name}`", recipe.family, recipe.notebook or "-", train.cost(name, rows) or unknown))
    return f"""# Training

Written by `python -m ldm_teach report`. `python -m ldm_teach train NAME` made each model, in this order: a training
finds what it needs among those above it. The recipes are in `ldm_teach/training/recipes`, a file for each family.

Every training can be gone on with by `--resume` after Ctrl-C, SIGTERM or a power cut (then from the last state, kept
every 1,000 steps under `runs/`). `--quick` takes about a minute and shows that it works. `--keep` puts the model
among the shipped ones and its cost into this table. `shapes-map-...` and `fashion-blur-...` are the other ten of the
comparison of attention with concatenation; they are not shipped. Of the last four ("larger"), see below.

{tables.markdown(lines)}

Measured on: {settings["machine"]}. The three trainings of emoji ran with `--mixed-precision bf16` on cores that have
bfloat16 (avx512_bf16), with pauses, on one core or on two with `torchrun`. That of `emoji` was first meant to have
18,000 steps and was lengthened at step 10,040: up to there its learning rate fell towards the end of 18,000 steps.

## On GPUs

The batch size of a recipe, or that of `--batch-size`, is **global**: that of all processes together. Each process takes
its share of every batch and of what is drawn for it, so that the training is that of one process but for rounding, and
may be resumed on another number of them. It must be a multiple of processes times `--accumulate`, the number of parts
in which a process goes through its share to need less memory. A larger batch wants fewer steps and usually a higher
learning rate; nothing here changes the rate by itself.

| where | command | of the 128 images of a batch, at a time |
|---|---|---|
| one CPU or GPU | `python -m ldm_teach train fashion-class` | 128 |
| one small GPU | `python -m ldm_teach train fashion-class --accumulate 4` | 32 |
| eight GPUs | `torchrun --standalone --nproc_per_node 8 -m ldm_teach train fashion-class` | 16 on each |
| eight GPUs, a batch of 1,024 | the same with `--batch-size 1024` | 128 on each |

On several nodes, this on each (here four of eight GPUs); they must see one `runs/`:

```bash
torchrun --nnodes 4 --nproc_per_node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 \\
    -m ldm_teach train fashion-class --batch-size 4096    # 128 on each GPU
```

`accelerate launch -m ldm_teach ...` does the same from a configuration of Accelerate. A GPU is found by itself, and
trained on in bfloat16 where the card has it (`--device cpu` overrides). `sample`, `evaluate` and the other studies (on
the CPU these) share their samples out in the same way:
`torchrun --standalone --nproc_per_node 8 -m ldm_teach evaluate`.

On one NVIDIA H200 (torch 2.11, 2026-11-26) the tests marked `gpu` pass, the trainings of latent against pixel ran, and
the first form of `python benchmarks/gpu.py` printed this (nobody has run it as it stands); a step of `fashion-class`,
alone on the card:

| batches of | bfloat16 | float32 |
|---|---|---|
| 128 | 16.1 ms, 7,934 images/s | 12.3 ms, 10,444 images/s |
| 1,024 | 16.7 ms, 61,275 images/s | 15.4 ms, 66,393 images/s |
| 4,096 | 27.5 ms, 149,190 images/s | 34.9 ms, 117,218 images/s |

A network so small leaves the card waiting for Python, and bfloat16, which is the default there, launches more kernels:
it pays from batches of some thousand on. The recipe's 24,000 steps of 128 would take 6.4 minutes. As many images in
3,000 steps of 1,024, in bfloat16 at a learning rate of 3e-3, took 89 s beside two other trainings; of 2,500 samples as
by default the distance was 0.088 and 95.7 % were right, under autocast 0.088 and 95.8 %, with weights in bfloat16 0.086
and 94.5 %. On an H100, whose machine had slower cores, the same steps took 30.1, 35.3 and 37.5 ms in bfloat16 and 23.3,
22.7 and 40.4 ms in float32.

Beside it on that H100 the recipe of `emoji` ran in bfloat16, in batches of 512 at a learning rate of 2e-3, for 4,994
steps (`python benchmarks/gpu_emoji.py` has 5,000; nobody has run it as it stands): 313 s, 1.7 times the pictures that
the shipped model has seen. Its samples, 500 of each kind at w = 3, and those of the shipped model:

| | trained pairs, first of 100 | pairs never seen | style right, trained pairs | images/s |
|---|---|---|---|---|
| trained on the card, drawn in float32 | 91.2 % | 86.8 % | 49.6 % | 2,400 |
| the same, under autocast | 91.2 % | 86.4 % | 49.4 % | 2,164 |
| the shipped one, in float32 | 84.8 % | 75.8 % | 46.4 % | 2,423 |

The standard error of a share is at most 2.2 %. So the shipped model is not yet what its recipe can give. With weights
in bfloat16 neither drew anything that was asked for: the latents were kept in bfloat16, too. They are in float32 now
(`LatentDiffusion.walked`), which is tested on the CPU alone.

Tested on the CPU: two and three processes against one, in training, resumption and sampling; devices with fake CUDA
tensors. **Nobody has run it on several GPUs**, nor on more than one machine.

{larger_models()}"""


def larger_models() -> str:
    """The part of docs/training.md on what is trained on a GPU: how, and what it would take."""
    rate, classes = estimate.RATE / 1e12, estimate.NUM_CLASSES["folder-256"]
    return f"""## Larger models

Two latent diffusion models of classes, each in two stages: CIFAR-10 (3x32x32 on latents 8x8x8), and images of 256
pixels from a folder of your own (on latents 4x32x32; channels, heads and tokens of the U-Net are those of LDM-8 for
ImageNet, Rombach et al. 2022, the blocks those of this package). Options and commands are as above.

```bash
python -c "from ldm_teach.data.image_sets import image_dataset; image_dataset('cifar10', download=True)"  # into data/
python -m ldm_teach train cifar10-autoencoder
python -m ldm_teach train cifar10-class
python -m ldm_teach train folder-256-autoencoder --images FOLDER --workers 8 --accumulate 2
python -m ldm_teach train folder-256-class --images FOLDER --workers 8
python -m ldm_teach sample runs/folder-256-class --condition 0 1
```

The class of an image is the sub-folder of FOLDER in which it lies; classes are numbered in the order of their names.
Images of any size are read as a viewer shows them, their centre cropped to a square, and stay on disk until a step
wants them. At the start each is read once: those that are damaged are named and left out. In both stages a random half
of the images is mirrored. Both autoencoders have a perceptual loss by VGG-16, whose weights torchvision fetches (528
MB). `--quick` trains narrow networks without VGG-16 on {QUICK_IMAGES} images, about a minute a stage on two cores.

{tables.markdown(estimate.lines())}

**This is an estimate, printed by `python -m ldm_teach estimate`: nobody has trained them in full.** A step of each was
run on the `meta` device, which computes nothing, and what it keeps and multiplies was counted. *GB*: the weights and
their average, frozen ones too, the gradients and the two moments of AdamW. *GB more an image*: what the forward pass
keeps for the backward pass, in float32, for each image that a GPU holds at a time: the batch, divided by the number of
GPUs and by `--accumulate`. What a kernel needs while it runs comes on top. *Multiplications*: of both passes, those of
frozen networks too. *Hours*: of one GPU that sustains {rate:.0f} trillion multiplications a second,
{2 * rate:.0f} TFLOP/s, which is a sixth of the 312 in bfloat16 of an A100's data sheet; networks as small as those for
CIFAR-10 will not reach it. For the folder {classes:,} classes are assumed.
"""


def checkpoints() -> str:
    """data/checkpoints/README.md: every shipped model."""
    rows, _ = tables.read(TrainingCost, training_costs.PATH)
    lines = [("model", "class", "recipe", "first used in", "MB", "CPU minutes")]
    total = 0.0
    for name, directory in checkpoint.shipped().items():
        size = sum(file.stat().st_size for file in directory.iterdir()) / 1e6
        total += size
        kind, recipe = checkpoint.header(directory)["kind"], RECIPES[name]
        home = f"`recipes/{recipe.family}.py`"
        lines.append((f"`{name}`", kind, home, recipe.notebook, f"{size:.1f}", train.cost(name, rows)))
    return f"""# The shipped models

Written by `python -m ldm_teach report`. Each is a safetensors file and a model.json with its SHA-256, in a folder
called after the family of its recipe; `load("NAME")` finds it by its name. {total:.1f} MB in all.

{tables.markdown(lines)}
"""


def course() -> str:
    """The table of the README: the notebooks, what the map in 00 says of each, and the minutes of its own header."""
    texts = {path.stem: path.read_text("utf-8") for path in sorted((CLONE / "course").glob("*.md"))}
    about = dict(re.findall(r"\| \[.*?\]\((\w+)\.ipynb\) \| (.*) \|", texts["00_start_here"]))
    lines = [("notebook", "what you derive and build", "minutes")]
    for name, text in texts.items():
        title, minutes = (re.findall(line, text, re.M)[0] for line in (r"^# (\d\d .*)$", r"^\*Reading (\d+) minutes"))
        lines.append((f"[{title}](notebooks/{name}.ipynb)", about[name], minutes))
    return tables.markdown(lines) + "\n"


def five_results() -> str:
    """The table of the README: five results, each from a row of data/measured."""
    rows = rows_of(sampling)[0]
    sampled = {(row.model, row.images, row.w): row for row in rows if row.interval is None}
    default = next(row for row in rows if row.model == "fashion-class" and row.interval is not None)
    kept = {row.name: row for row in rows_of(compression)[0]}["fashion-autoencoder"]
    real = sampled["real", "training set", None]
    plain = sampled["fashion-class", "samples", 0.0]
    followed = {
        (row.asked, row.figure): row for row in rows_of(conditioning)[0]
    }  # the last of each is at the largest w
    caption = followed["two items", "as asked"]
    asked = words_to_pictures.at_the_best_weight(rows_of(words_to_pictures)[0])["pair never seen"]
    drawn, designers = asked["samples"], asked["real"]
    error = 100 * share_error(drawn.top1, drawn.images)
    preview, full = (row for row in rows_of(bench)[0] if row.what.startswith("slider to picture"))
    right = f"{100 * plain.accuracy:.1f} and {100 * default.accuracy:.1f} % right"
    lines = [
        ("", "here", "beside"),
        (
            "a garment through its 8x8x4 latent",
            f"{kept.psnr:.1f} dB, Fréchet distance {kept.frechet:.3f}",
            f"real images: {real.frechet:.3f}",
        ),
        (
            "samples of a class, w = 0 and as by default",
            f"Fréchet distance {plain.frechet:.3f} and {default.frechet:.3f}, {right}",
            f"real images: {100 * real.accuracy:.1f} %",
        ),
        (
            f"captions of two items, w = {caption.w:g}",
            f"{100 * caption.value:.1f} ± {100 * caption.error:.1f} % as asked",
            f"chance: {100 * caption.chance:.2f} %",
        ),
        (
            f"emoji in a style never shown, w = {drawn.w_words:g}",
            f"{100 * drawn.top1:.1f} ± {error:.1f} % first of 100",
            f"designers': {100 * designers.top1:.1f} %",
        ),
        (
            "from slider to picture, 8 guided images",
            f"{preview.median:.0f} ms while it moves, {full.median:.0f} ms after",
            "two cores, no GPU",
        ),
    ]
    return tables.markdown(lines) + "\n"


def curves_of_guidance() -> bytes:
    """docs/guidance_curves.png."""
    return figure_png(guidance_curves(guidance.summarize(rows_of(guidance)[0])))


def curves_of_spaces() -> bytes:
    """docs/latent_against_pixel.png."""
    rows = rows_of(latent_against_pixel)[0]
    return figure_png(distance_curves(*latent_against_pixel.curves(rows), {row.space: row.floor for row in rows}))


DRAWN = {
    Path("docs/guidance_curves.png"): curves_of_guidance,
    Path("docs/latent_against_pixel.png"): curves_of_spaces,
}
