"""python -m ldm_teach open FOLDER: notebooks and data of one's own, in JupyterLab; the course itself stays as it is."""

import argparse
import filecmp
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from ldm_teach import checks
from ldm_teach.cli.main import POLITE
from ldm_teach.cli.options import add_command
from ldm_teach.files import whole
from ldm_teach.paths import CLONE, DATA, NOTEBOOKS, PACKAGE, looked_for
from ldm_teach.progress import progress

Copies = dict[Path, Path]  # what shall be where -> the file of the course that it is a copy of


def configure(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    c = add_command(commands, "open", open_course)
    c.add_argument("folder", metavar="FOLDER", help="your own: new, or one that was opened before")
    shared = "leave the data where they are and only read them, as a class on one machine does"
    c.add_argument("--shared-data", action="store_true", help=shared)
    c.add_argument("--no-lab", action="store_true", help="only copy, open nothing")
    c.add_argument("--port", type=int, default=8888, help="of JupyterLab, or the next one that is free")
    c.add_argument("--no-browser", action="store_true", help="open no browser, only say the address")


def open_course(folder: str, shared_data: bool, no_lab: bool, port: int, no_browser: bool) -> None:
    """Notebooks and data of your own in a folder, opened in JupyterLab; nothing that is there is replaced."""
    checks.count("port", port, 65_535)
    mine = own_folder(folder)
    if not no_lab:
        need_lab()
    notebooks = copies_of(NOTEBOOKS, NOTEBOOKS.glob("*.ipynb"), mine / "notebooks")
    data = copies_of(DATA, DATA.rglob("*"), mine / "data")  # where they are shared, too, they must be there
    wanted = notebooks if shared_data else notebooks | data
    new = {target: source for target, source in wanted.items() if not os.path.lexists(target)}
    check_space(folder, mine, new)
    if kept := [target for target, source in wanted.items() if target not in new and differ(target, source)]:
        print(f"left as found, other than the course's: {numbered(kept)} in {mine}")
    copy(new)
    again = f"python -m ldm_teach open {quoted(str(mine))}{' --shared-data' * shared_data}"
    said = f"copied {numbered(new)} to {mine}" if new else f"nothing was missing in {mine}"
    where = f"; the data stay in {DATA.resolve()}" if shared_data else ""
    print(f"{said}{where}; to open it again: {again}", flush=True)
    if not no_lab:
        at = DATA.resolve() if shared_data else mine / "data"
        launch(lab(mine / "notebooks", port, no_browser), mine / "notebooks", environment(at))


def own_folder(folder: str) -> Path:
    """The folder, absolute.

    Raises ValueError for a file, for a part of the course, which is nobody's own, and for a ~name without a home.
    """
    try:
        path = checks.path("folder", folder).expanduser().resolve()
    except RuntimeError as error:  # of pathlib: a home that nobody has, or links in a circle
        raise ValueError(f"folder is {folder!r}, which leads nowhere; want a folder of your own") from error
    there = existing(path)
    if not there.is_dir():
        what = "is a file" if there == path else f"cannot be made, for {there} is a file"
        raise ValueError(f"folder is {folder!r}, which {what}; want a folder of your own, new or opened before")
    if any(inside(path, course) for course in (PACKAGE, NOTEBOOKS, DATA)) or inside(path / "notebooks", NOTEBOOKS):
        raise ValueError(f"folder is {folder!r}, where the course itself lies; want one of your own")
    return path


def existing(path: Path) -> Path:
    """The path itself or, where nothing is, the nearest above it where something is."""
    return next(one for one in (path, *path.parents) if one.exists())


def inside(path: Path, folder: Path) -> bool:
    """Whether a path is the folder or in it, under whatever name: another case, a link, a short name of Windows."""
    return folder.exists() and any(one.exists() and one.samefile(folder) for one in (path, *path.parents))


def need_lab() -> None:
    """Raises ModuleNotFoundError where JupyterLab is not installed: before anything is copied."""
    if importlib.util.find_spec("jupyterlab") is None:
        raise ModuleNotFoundError("notebooks are opened by JupyterLab, which is not installed", name="jupyterlab")


def copies_of(root: Path, paths: Iterable[Path], to: Path) -> Copies:
    """The files among the paths below a root, each at its place in another folder; none that is hidden or compiled.

    Raises FileNotFoundError where there is none.
    """
    relative = (path.relative_to(root) for path in sorted(paths) if path.is_file())
    found = {to / path: root / path for path in relative if not any(part[0] in "._" for part in path.parts)}
    if not found:
        raise FileNotFoundError(f"the {to.name} of the course are not in {root}; {looked_for()}")
    return found


def differ(target: Path, source: Path) -> bool:
    """Whether what is there is anything but the course's file."""
    return not target.is_file() or not filecmp.cmp(target, source, shallow=False)


def check_space(folder: str, path: Path, new: Copies) -> None:
    """Raises ValueError where the disk has no room for the copies."""
    free, needed = shutil.disk_usage(existing(path)).free, sum(source.stat().st_size for source in new.values())
    if free < needed:
        less = "; --shared-data copies the notebooks alone" if any(is_data(target) for target in new) else ""
        got = f"folder is {folder!r}, with {free / 1e6:,.0f} MB free on its disk"
        raise ValueError(f"{got}; want {needed / 1e6:,.0f} MB for what is copied{less}")


def copy(new: Copies) -> None:
    """Write each file, whole or not at all; with the mode of a new file, so that one can write to it."""
    for target, source in progress(new.items(), "copying", "file"):
        with whole(target) as part:
            shutil.copyfile(source, part)


def numbered(paths: Iterable[Path]) -> str:
    """How many notebooks and files of data there are, in words."""
    data = [is_data(path) for path in paths]
    counts = {"notebook": data.count(False), "data file": data.count(True)}
    return " and ".join(f"{n} {words}{'s' * (n > 1)}" for words, n in counts.items() if n)


def is_data(target: Path) -> bool:
    return target.suffix != ".ipynb"


def quoted(word: str) -> str:
    """A word as the shell of this system takes it."""
    return subprocess.list2cmdline([word]) if os.name == "nt" else shlex.quote(word)


def environment(data: Path) -> dict[str, str]:
    """That of JupyterLab and its kernels, which find the data and the package though they start elsewhere."""
    found = dict([POLITE]) | os.environ | {"LDM_TEACH_DATA": str(data)}
    if CLONE not in map(Path, sys.path[1:]):  # run in a clone that is not installed
        found["PYTHONPATH"] = os.pathsep.join([str(CLONE), *filter(None, [os.environ.get("PYTHONPATH")])])
    return found


def lab(notebooks: Path, port: int, no_browser: bool) -> list[str]:
    """The command that starts JupyterLab; -P, so that no file beside the notebooks is taken for a module."""
    command = [sys.executable, "-P", "-m", "jupyterlab", f"--ServerApp.root_dir={notebooks}", f"--port={port}"]
    return [*command, "--no-browser"] if no_browser else command


def launch(command: list[str], folder: Path, environment: dict[str, str]) -> NoReturn:
    """Become a command that runs in a folder, so that Ctrl-C is its own and torch, which is loaded here, is let go."""
    os.chdir(folder)
    if os.name == "posix":
        os.execve(command[0], command, environment)
    sys.exit(waited_for(command, environment))  # elsewhere a process cannot become another


def waited_for(command: list[str], environment: dict[str, str]) -> int:
    """The exit status of a command that is left alone with Ctrl-C, which the system sends to both."""
    with subprocess.Popen(command, env=environment) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue
