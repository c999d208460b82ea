"""python -m ldm_teach playground: notebook 15's panel as a page of its own, for a lecture, by Voila."""

import argparse
import importlib
import os
import shutil
import signal
import tempfile
import threading
from pathlib import Path
from typing import Any

import nbformat

from ldm_teach import checks
from ldm_teach.cli.options import add_command

CELL = """import os
os.chdir({folder!r})  # where models of one's own are looked for
from ldm_teach.interactive.playground import Playground
page = Playground()
page"""
# Voila's own page asks a server far away for a font; a lecture may be without a network.
NOTHING_FROM_ELSEWHERE = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob: ws: wss:"
THEMES = ("light", "dark")


def configure(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    c = add_command(commands, "playground", playground)
    c.add_argument("--port", type=int, default=8866, help="of the page, http://localhost:PORT")
    c.add_argument("--theme", choices=THEMES, default="light", help="of the page")
    c.add_argument("--no-browser", action="store_true", help="open no browser, only say the address")


def playground(port: int, theme: str, no_browser: bool) -> None:
    """Every model, condition and sampler on a page of its own, until Ctrl-C."""
    checks.count("port", port, 65_535)
    try:
        Voila = importlib.import_module("voila.app").Voila
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("the page is shown by Voila, which is not installed", name="voila") from error
    with tempfile.TemporaryDirectory() as folder:
        print(f"the playground is at http://localhost:{port}; Ctrl-C ends it", flush=True)
        headers = {"Content-Security-Policy": NOTHING_FROM_ELSEWHERE}
        arguments = options(write_page(Path(folder)), port, theme, no_browser)
        end_after_interrupt(Path(folder))
        Voila.launch_instance(arguments, tornado_settings=dict(headers=headers))


def end_after_interrupt(folder: Path, seconds: float = 20.0) -> None:
    """From Ctrl-C on, leave Voila so many seconds to end its kernels; then remove the folder and end the process.

    Voila waits for a kernel that is still starting, at times without end. A kernel whose parent has gone ends itself.
    """

    def end() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)

    def interrupted(number: int, frame: Any) -> None:
        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, interrupted)


def write_page(folder: Path) -> Path:
    """A notebook with the panel and nothing else, in a folder."""
    v4 = nbformat.v4
    notebook = v4.new_notebook(cells=[v4.new_code_cell(CELL.format(folder=str(Path.cwd())))])
    notebook.metadata["kernelspec"] = dict(name="python3", display_name="Python 3", language="python")
    nbformat.write(notebook, folder / "playground.ipynb")
    return folder / "playground.ipynb"


def options(page: Path, port: int, theme: str, no_browser: bool) -> list[str]:
    """Voila's options: the page on this machine alone, and a kernel that waits, so that a visitor does not."""
    found = [str(page), "--Voila.ip=localhost", f"--port={port}", "--Voila.port_retries=0", f"--theme={theme}"]
    found += ["--preheat_kernel=True", "--pool_size=1", "--Voila.log_level=WARN"]
    return [*found, "--no-browser"] if no_browser else found
