"""What a learner costs a server: a JupyterLab, a kernel that waits, one whose slider moves, one that trains.

And each notebook, run from top to bottom. Memory is given twice: that of the process alone, which every learner needs,
and all that it sees, of which the rest, the libraries, is shared by all learners of one machine.
"""

import contextlib
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import psutil
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

from ldm_teach import checks
from ldm_teach.measuring import tables
from ldm_teach.paths import MEASURED, NOTEBOOKS
from ldm_teach.progress import progress

PATH = MEASURED / "classroom.json"
IDLE = 30.0  # seconds for which what waits is watched
MOVES = 20  # of the slider
PANEL = """
from ldm_teach.data.fashion import FASHION_CLASSES
from ldm_teach.interactive.panel import guidance_panel
from ldm_teach.models.latent_diffusion import LatentDiffusion
panel = guidance_panel(LatentDiffusion.load("fashion-class"), FASHION_CLASSES)
panel.settle()
"""
MOVE = f"""
for move in range({MOVES}):
    panel.weight.value = move % 5
    panel.settle()
"""
TRAIN = """
from ldm_teach.training.recipes.latent import fashion_class
for step in fashion_class(quick=True).fit(device="cpu"):
    pass
"""


class Row(NamedTuple):
    """What a process took at most while something happened.

    own: memory that is its alone, in MiB.  resident: all memory that it sees, the libraries that others see, too.
    cpu: seconds of processors; seconds: by the clock.
    """

    what: str
    own: float
    resident: float
    cpu: float
    seconds: float


class Watch:
    """A process, and the most memory that it had since the watch began; `row` ends the watch."""

    def __init__(self, pid: int, every: float = 0.25):
        self.process, self.every = psutil.Process(pid), every
        self.own = self.resident = 0
        self.start, self.before = time.perf_counter(), self.spent()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def spent(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system

    def look(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            while True:
                memory = self.process.memory_full_info()
                self.own, self.resident = max(self.own, memory.uss), max(self.resident, memory.rss)
                if self.ended.wait(self.every):
                    return

    def row(self, what: str) -> Row:
        cpu, seconds = self.spent() - self.before, time.perf_counter() - self.start
        self.ended.set()
        self.thread.join()
        return Row(what, round(self.own / 2**20), round(self.resident / 2**20), round(cpu, 1), round(seconds, 1))


def run(names: Sequence[str] | None = None) -> Iterator[Row]:
    """Measure what waits, what moves and what trains; then each of these notebooks, by default all."""
    known = {path.stem: path for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
    chosen = list(known) if names is None else [checks.word("names", name, known) for name in names]
    with server() as pid:
        yield waited(pid, "the JupyterLab of a learner, waiting")
    with kernel() as (pid, execute):
        yield waited(pid, "a kernel, waiting")
        execute(PANEL)
        yield waited(pid, "a kernel with a panel, waiting")
        watch = Watch(pid)
        execute(MOVE)
        yield watch.row(f"its slider moved, {MOVES} times")
    with kernel() as (pid, execute):
        watch = Watch(pid)
        execute(TRAIN)
        yield watch.row("a kernel that trains, by `quick`")
    for name in progress(chosen, "notebooks", "notebook"):
        yield executed(known[name])


def waited(pid: int, what: str) -> Row:
    """The row of a process that has nothing to do."""
    watch = Watch(pid)
    time.sleep(IDLE)
    return watch.row(what)


@contextlib.contextmanager
def kernel() -> Iterator[tuple[int, Callable[[str], None]]]:
    """A kernel of its own: its process, and what runs code in it. Raises RuntimeError where the code fails."""
    manager, client = start_new_kernel(kernel_name="python3")

    def execute(code: str) -> None:
        reply = client.execute_interactive(code, timeout=600, output_hook=lambda message: None)
        if reply["content"]["status"] != "ok":
            raise RuntimeError(f"the kernel says {reply['content']['ename']}: {reply['content']['evalue']}")

    try:
        yield manager.provisioner.pid, execute  # pyrefly: ignore[missing-attribute]  of the local provisioner
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@contextlib.contextmanager
def server() -> Iterator[int]:
    """A JupyterLab on loopback: its process. Raises RuntimeError where it does not answer within a minute."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        token = secrets.token_hex()  # others may be on this machine
        options = [f"--ServerApp.root_dir={folder}", f"--ServerApp.port={port}", f"--IdentityProvider.token={token}"]
        command = [sys.executable, "-m", "jupyterlab", *options, "--no-browser", "--ServerApp.allow_root=True"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(240):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/lab?token={token}", timeout=60).read()
                    break
                if process.poll() is not None:
                    raise RuntimeError(f"JupyterLab ended with the status {process.returncode}")
                time.sleep(0.25)
            else:
                raise RuntimeError("JupyterLab did not answer within a minute")
            yield process.pid
        finally:
            process.terminate()
            process.wait(30)


def executed(path: Path) -> Row:
    """The row of a notebook, run from top to bottom in a kernel of its own."""
    notebook: Any = nbformat.read(path, 4)
    client = NotebookClient(notebook, timeout=600, resources=dict(metadata=dict(path=path.parent)))
    with client.setup_kernel():
        watch = Watch(client.km.provisioner.pid)  # pyrefly: ignore[missing-attribute]
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
        return watch.row(path.stem)


def table(rows: Sequence[Row]) -> str:
    """A line for each thing that was measured."""
    head = ("what", "MiB of its own", "MiB in all", "CPU seconds", "seconds")
    lines = [
        (row.what, f"{row.own:.0f}", f"{row.resident:.0f}", f"{row.cpu:.1f}", f"{row.seconds:.1f}") for row in rows
    ]
    return tables.aligned([head, *lines])
