"""python -m ldm_teach COMMAND: the parser of all commands, and what becomes of an error."""

import argparse
import importlib.metadata
import sys

from ldm_teach.cli import doctor, report, sample, study, train


def parser() -> argparse.ArgumentParser:
    """The command line: each command's options carry the names of its function's arguments."""
    top = argparse.ArgumentParser(prog="python -m ldm_teach", description="Latent diffusion, to be understood.")
    top.add_argument("--version", action="version", version=f"ldm_teach {importlib.metadata.version('ldm_teach')}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for module in (train, sample, study, report, doctor):
        module.configure(commands)
    return top


def main(arguments: list[str] | None = None) -> None:
    """Run one command; a bad argument or a missing file ends with its message and status 1, without a traceback."""
    options = vars(parser().parse_args(arguments))
    command = options.pop("command")
    try:
        command(**options)
    except (ValueError, FloatingPointError) as error:
        sys.exit(f"ldm_teach: {error}")
    except OSError as error:  # a full disk, a folder that cannot be written
        where = f"{error.filename}: " if error.filename and error.strerror else ""
        sys.exit(f"ldm_teach: {where}{error.strerror or error}")
    except KeyboardInterrupt as interrupt:
        print(": ".join(["ldm_teach: interrupted", *map(str, interrupt.args)]), file=sys.stderr)
        sys.exit(130)
