"""python -m ldm_teach COMMAND: the parser of all commands, and what becomes of an error."""

import argparse
import importlib.metadata
import io
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ldm_teach.progress import cleared
from ldm_teach.words import did_you_mean

PROGRAM = "python -m ldm_teach"
# A thread of OpenMP that waits asks for work a thousand times and then sleeps: beside other work the slowest steps are
# several times as fast, and an idle machine loses little (`bench` measures both). Torch's OpenMP on Linux reads it.
POLITE = "GOMP_SPINCOUNT", "1000"
INTERRUPTED = "ldm_teach: interrupted: {}\n"
NOTHING = "nothing was written but what is named above"
COMMANDS = {
    "learn": {
        "open": "notebooks and data of your own, in JupyterLab",
        "sample": "a picture of what a model draws for what is asked of it",
        "edit": "what a model makes of an image of yours, noised partway",
        "inpaint": "what a model draws under a mask, in an image of yours",
        "playground": "all of it by hand, on a page in the browser",
    },
    "train": {"train": "a model of the course, or one of your own images"},
    "measure": {
        "evaluate": "how near samples are to real images, alias `sampling`",
        "compression": "what autoencoders cost and what they keep",
        "guidance": "both kinds of guidance, over scales and seeds",
        "conditioning": "how captions, maps and blurred images are followed",
        "comparison": "attention against concatenation",
        "latent-against-pixel": "what diffusion on latents saves, and what it costs",
        "colour-latents": "what the KL weight does to the latents of emoji",
        "words-to-pictures": "whether emoji show what was asked, and what is copied",
        "bench": "what the course costs this machine",
        "classroom": "what a learner costs a server that many share",
        "estimate": "what larger trainings would take, counted beforehand",
    },
    "look after": {
        "exercises": "try every answer that the checks of the notebooks know",
        "doctor": "is this machine ready, and what to do where it is not",
        "book": "the course as static pages, to be read without a kernel",
        "report": "docs/ and the tables of the README, from what was kept",
    },
}


class Parser(argparse.ArgumentParser):
    """A parser that says once, of a word that it does not know, what may have been meant."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, self.unknown(value, action.choices))

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As ever, but what a command does not know is its own error, and not that of the parser above it."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(self.unknown(rest[0].partition("=")[0], self._option_string_actions))
        return found, rest

    def unknown(self, word: str, known: Iterable[str]) -> str:
        return f"{word!r} is not known{did_you_mean(word, known, f'; `{self.prog} --help` lists what is')}"


def overview() -> str:
    """All commands, a line each."""
    groups = [
        "\n".join([group, *(f"  {name:20} {line}" for name, line in commands.items())])
        for group, commands in COMMANDS.items()
    ]
    return "\n\n".join([*groups, f"`{PROGRAM} COMMAND --help` says what a command does, and its options."])


def parser() -> argparse.ArgumentParser:
    """The command line: each command's options carry the names of its function's arguments."""
    with ended_at_once():  # these load torch
        from ldm_teach.cli import (
            book,
            doctor,
            edit,
            estimate,
            exercises,
            inpaint,
            open,
            playground,
            report,
            sample,
            study,
            train,
        )

    top = Parser(
        prog=PROGRAM,
        usage="%(prog)s COMMAND ...",
        description="Latent diffusion, to be understood.\n\n" + overview(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"ldm_teach {version()}")
    top.set_defaults(command=top.print_help)
    commands = top.add_subparsers(metavar="COMMAND", prog=PROGRAM, help=argparse.SUPPRESS)
    for module in (open, train, sample, edit, inpaint, playground, study, estimate, report, book, exercises, doctor):
        module.configure(commands)
    return top


def version() -> str:
    """The version that is installed."""
    try:
        return importlib.metadata.version("ldm_teach")
    except importlib.metadata.PackageNotFoundError:
        return "of a clone that is not installed"


@contextmanager
def ended_at_once() -> Iterator[None]:
    """While modules load, Ctrl-C ends the process: an exception may be swallowed there, where Python calls from C."""

    def end(number: int, frame: object) -> None:
        os.write(2, INTERRUPTED.format(NOTHING).encode())
        os._exit(130)

    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield
        return
    before = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def main(arguments: list[str] | None = None) -> None:
    """Run one command; what a user can mend ends with a message and status 1, Ctrl-C with 130, without a traceback."""
    os.environ.setdefault(*POLITE)  # before torch is loaded
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file or a pipe, on Windows, may not have all letters
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        options = vars(parser().parse_args(arguments))
        with cleared():
            options.pop("command")(**options)
    except (ValueError, FloatingPointError) as error:
        sys.exit(f"ldm_teach: {error}")
    except ModuleNotFoundError as error:
        sys.exit(f"ldm_teach: {error}: `pip install -r requirements.txt`, or `pip install {error.name}`, brings it")
    except OSError as error:  # a full disk, a folder that cannot be written
        where = f"{error.filename}: " if error.filename and error.strerror else ""
        sys.exit(f"ldm_teach: {where}{error.strerror or error}")
    except KeyboardInterrupt as interrupt:
        sys.stderr.write(INTERRUPTED.format(interrupt.args[0] if interrupt.args else NOTHING))
        sys.exit(130)
