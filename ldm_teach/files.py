"""Files that appear whole or not at all, whatever happens while they are written."""

import contextlib
import errno
import itertools
import os
import platform
import re
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # no POSIX: there two writers must keep apart by themselves
    fcntl = None


@contextlib.contextmanager
def whole(path: Path | str) -> Iterator[Path]:
    """A path beside `path` to write to; when the block has ended without an error, that file takes the place of `path`.

    The content is on the disk before it can be seen: the file is flushed, then renamed, then its folder is flushed. So
    a reader finds the old file or the new one, a power cut leaves one of them, of two writers the last one wins, and
    after an error (a full disk, say) the old file is as it was. What killed processes left in the folder is swept
    away. Raises OSError as the system does.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    part = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}.{uuid.uuid4().hex}.part")
    try:
        yield part
        flush(part)
        os.replace(part, path)
        flush(path.parent)
    finally:
        part.unlink(missing_ok=True)


def writable(path: Path) -> Path:
    """The path itself, if a file can be written there: tried before work that takes long. Raises OSError if not."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder; want a file", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path.parent):
        return path


def free(path: Path) -> Path:
    """The path itself, or the first of NAME-2, NAME-3, ... beside it where nothing is yet."""
    others = (path.with_stem(f"{path.stem}-{k}") for k in itertools.count(2))
    return next(one for one in itertools.chain([path], others) if not one.exists())


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Nobody else holds the lock of this folder, or of this file, which is made where it is missing, in the block.

    wait = False raises BlockingIOError where somebody holds it. The lock goes with its process, however that ends.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags, 0o666)
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)


def flush(path: Path) -> None:
    """Have the system put a file, or the names in a folder, on the disk."""
    if path.is_dir() and os.name != "posix":
        return  # no other system opens a folder
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove what processes of this machine left in a folder when they died in the middle of `whole`."""
    ours = re.compile(r"\..+\." + re.escape(platform.node()) + r"\.(\d+)\.[0-9a-f]{32}\.part")
    for part in folder.glob(".*.part"):
        found = ours.fullmatch(part.name)
        if found and not alive(int(found[1])):
            part.unlink(missing_ok=True)


def alive(process: int) -> bool:
    """Whether a process of this number runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True
