"""python -m tests.survival [--short]: kills, damage, full disks, second trainings and storms, tried and survived.

Prints a table of what was tried and how often it was survived, and ends with status 1 where something was not. The
short form is a tenth of it. What each trial means is held, in few cases, by the tests of the modules, too.
"""

import contextlib
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from ldm_teach.files import whole
from ldm_teach.interactive.panel import guidance_panel
from ldm_teach.models import checkpoint
from ldm_teach.models.classifier import ImageClassifier
from ldm_teach.paths import CLONE
from tests.helpers import SAVE, make_tiny_model, training, weights

TRAIN = """
import signal, sys
from tests.helpers import training
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
for step in training(num_steps=60, save_every=3, directory=sys.argv[1], resume=len(sys.argv) > 2)[2]:
    print(step.step, flush=True)
"""


def kill(code: str, *arguments: str, lines: int, number: int = signal.SIGKILL) -> None:
    """Run a program and kill it a random moment after it has printed so many lines."""
    command = [sys.executable, "-c", code, *arguments]
    process = subprocess.Popen(command, cwd=CLONE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for _ in range(lines):
        process.stdout.readline()
    time.sleep(random.random() * 0.02)
    process.send_signal(number)
    process.communicate()


def killed_trainings(tries: int, folder: Path) -> Iterator[bool]:
    """A training killed at a random step and resumed ends at the weights of one that was not."""
    model, average, steps = training(num_steps=60)
    list(steps)
    want = torch.cat([weights(model), weights(average)])
    for k in range(tries):
        number = random.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
        kill(TRAIN, str(folder / str(k)), lines=random.randrange(4, 50), number=number)
        model, average, steps = training(num_steps=60, directory=folder / str(k), resume=True)
        list(steps)
        yield torch.equal(torch.cat([weights(model), weights(average)]), want)


def killed_saves(tries: int, folder: Path) -> Iterator[bool]:
    """A save over a model, killed at a random moment, leaves the old or the new."""
    for _ in range(tries):
        kill(SAVE, str(folder), lines=random.randrange(2, 6))
        yield len(weights(ImageClassifier.load(folder)).unique()) == 1


def load_exactly(folder: Path, want: torch.Tensor) -> bool:
    """Whether a damaged model is refused by an error of ours that names its place, or loads as it was saved."""
    try:
        return torch.equal(weights(ImageClassifier.load(folder)), want)
    except (ValueError, FileNotFoundError) as error:
        return str(folder) in str(error)


def damaged_checkpoints(tries: int, folder: Path) -> Iterator[bool]:
    """Weights cut, grown or changed are noticed, or, where the header is signed anew, never an error but ours."""
    ImageClassifier(widths=(4, 4, 4)).save(folder)
    want, header = weights(ImageClassifier.load(folder)), (folder / "model.json").read_text()
    (path,) = folder.glob("*.safetensors")
    content, config = path.read_bytes(), checkpoint.header(folder)
    for k in range(tries):
        damaged = bytearray(content)
        if k % 3 == 0:
            del damaged[random.randrange(len(damaged)) :]
        elif k % 3 == 1:
            damaged += random.randbytes(random.randrange(1, 50))
        for _ in range(random.randrange(1, 9) if damaged else 0):
            damaged[random.randrange(min(len(damaged), 700))] = random.randrange(256)
        path.write_bytes(damaged)
        if k % 2:  # what the weights then are is the forger's affair: only the kind of the error is ours
            signed = config | dict(sha256=checkpoint.hashlib.sha256(damaged).hexdigest())
            (folder / "model.json").write_text(
                checkpoint.json.dumps(signed | dict(checksum=checkpoint.checksum(signed)))
            )
            with contextlib.suppress(ValueError):
                ImageClassifier.load(folder)
            yield True
        else:
            (folder / "model.json").write_text(header)
            yield load_exactly(folder, want)


def flipped_bits(tries: int, folder: Path) -> Iterator[bool]:
    """Every bit of model.json, as far as the tries go, flipped alone."""
    ImageClassifier(widths=(4, 4, 4)).save(folder)
    want, path = weights(ImageClassifier.load(folder)), folder / "model.json"
    content = path.read_bytes()
    for bit in random.sample(range(8 * len(content)), min(tries, 8 * len(content))):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        yield load_exactly(folder, want)


def full_disks(tries: int, folder: Path) -> Iterator[bool]:
    """A file system that takes no more than so many bytes of a file: the old model stays, no temporary is left."""
    model = ImageClassifier(widths=(4, 4, 4))
    model.save(folder)
    want, names = weights(ImageClassifier.load(folder)), sorted(folder.iterdir())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for _ in range(tries):
        for p in model.parameters():
            p.data.normal_()
        resource.setrlimit(resource.RLIMIT_FSIZE, (random.randrange(2_000), limits[1]))
        try:
            with contextlib.suppress(OSError):
                model.save(folder)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        yield torch.equal(weights(ImageClassifier.load(folder)), want) and sorted(folder.iterdir()) == names


def second_trainings(tries: int, folder: Path) -> Iterator[bool]:
    """While one training works in a directory, a second one is refused, with or without resume."""
    first = training(directory=folder)[2]
    next(first)
    for k in range(tries):
        try:
            next(training(directory=folder, resume=bool(k % 2))[2])
            yield False
        except ValueError as error:
            yield "another training is at work" in str(error)
    first.close()


def torn_tables(tries: int, folder: Path) -> Iterator[bool]:
    """A reader beside two writers of one file sees whole files only."""
    path, stop = folder / "table.json", threading.Event()
    path.write_text("0" * 50_000)

    def write(digit: str) -> None:
        while not stop.is_set():
            with whole(path) as part:
                part.write_text(digit * 50_000)

    writers = [threading.Thread(target=write, args=digit) for digit in "12"]
    for writer in writers:
        writer.start()
    for _ in range(tries):
        text = path.read_text()
        yield len(text) == 50_000 and len(set(text)) == 1
    stop.set()
    for writer in writers:
        writer.join()


def slider_storm(tries: int, folder: Path) -> Iterator[bool]:
    """Moves of a slider from many threads end on the picture of the last value."""
    panel = guidance_panel(make_tiny_model(), ("zero", "one", "two"), count=2)
    for _ in range(tries // 50):
        values = [round(random.uniform(-1, 6), 1) for _ in range(50)]
        threads = [threading.Thread(target=setattr, args=(panel.weight, "value", value)) for value in values]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        panel.settle()
        right = panel.image.value == panel.render(panel.steps.value) and "full quality" in panel.caption.value
        yield from [right] * 50


TRIALS: dict[str, tuple[Callable[[int, Path], Iterator[bool]], int]] = {
    "trainings killed and resumed": (killed_trainings, 50),
    "saves killed": (killed_saves, 50),
    "checkpoints damaged": (damaged_checkpoints, 1_000),
    "bits of a header flipped": (flipped_bits, 100_000),
    "disks full in a save": (full_disks, 200),
    "second trainings in a directory": (second_trainings, 20),
    "reads beside two writers": (torn_tables, 5_000),
    "moves of a slider": (slider_storm, 500),
}

if __name__ == "__main__":
    random.seed(0)
    failed = False
    print(f"{'':34} {'tried':>6} {'survived':>9}")
    for name, (trial, tries) in TRIALS.items():
        with tempfile.TemporaryDirectory() as folder:
            found = list(trial(max(tries // 10, 5) if "--short" in sys.argv else tries, Path(folder)))
        failed |= not all(found)
        print(f"{name:34} {len(found):6,} {sum(found):9,}", flush=True)
    sys.exit(failed)
