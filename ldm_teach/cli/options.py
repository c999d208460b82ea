"""What the commands share: how one is added to the parser, and the options that several have."""

import argparse
import textwrap
from collections.abc import Callable
from pathlib import Path

from ldm_teach.theory.samplers import Sampler, ddim, ddpm, dpm_solver, predictor_corrector

# Not `heun`: in sigma its first step on the shipped cosine schedule is far too long for twenty steps.
SAMPLERS: dict[str, Sampler] = {f.__name__: f for f in (ddpm, ddim, dpm_solver, predictor_corrector)}


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Adds its default to the help of an option that has one, and breaks no name at a hyphen."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        plain = action.default is None or isinstance(action.default, bool)
        return action.help if plain else super()._get_help_string(action)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


def add_command(
    commands: argparse._SubParsersAction,
    name: str,
    function: Callable[..., None],
    words: str | None = None,
    aliases: tuple[str, ...] = (),
) -> argparse.ArgumentParser:
    """A command that calls `function` with its options by name; `words`, or its docstring, are the help."""
    help = (words or function.__doc__ or "").strip().split("\n\n")[0]
    parser = commands.add_parser(
        name,
        aliases=aliases,
        help=help,
        description=help,
        formatter_class=HelpFormatter,
    )
    parser.set_defaults(command=function)
    return parser


def add_sampling(parser: argparse.ArgumentParser, steps: int, samples: int | None = None) -> None:
    """--steps and, where `samples` is given, --samples: of what is sampled, for each figure."""
    if samples is not None:
        parser.add_argument(
            "--samples", dest="num_samples", type=int, default=samples, help="number of samples for each figure"
        )
    parser.add_argument("--steps", dest="num_steps", type=int, default=steps, help="steps of the sampler")


def add_interval(parser: argparse.ArgumentParser) -> None:
    """--interval FIRST LAST: of guidance."""
    where = "the first and the last timestep of guidance, both from 0 to 999; by default all, where a weight is named"
    parser.add_argument("--interval", type=int, nargs=2, metavar=("FIRST", "LAST"), help=where)


def add_negative(parser: argparse.ArgumentParser) -> None:
    """--negative: a condition."""
    parser.add_argument("--negative", help="what shall not be seen: a condition, in the place of none at all")


def add_device_and_out(parser: argparse.ArgumentParser, out: str) -> None:
    """--device and --out: of a picture."""
    parser.add_argument("--device", help="cuda, mps or cpu; by default the first of these that is there")
    parser.add_argument("--out", type=Path, help=out)


def add_sampler(parser: argparse.ArgumentParser) -> None:
    """--sampler and --seed."""
    parser.add_argument("--sampler", choices=SAMPLERS, default="dpm_solver", help="the reverse process")
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
