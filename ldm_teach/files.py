"""Files that appear whole or not at all, whatever happens while they are written."""

import contextlib
import errno
import importlib
import itertools
import os
import platform
import re
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil

try:
    import fcntl
except ImportError:  # Windows, which locks by msvcrt
    fcntl = None

TRIES = 20  # a second in all
UNABLE = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)  # what a file system says that cannot flush a folder, or lock


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
        replace(part, path)
        flush(path.parent)
    finally:
        discard(part)


def replace(part: Path, path: Path) -> None:
    """Rename a file, in the place of another. Raises OSError as the system does.

    Windows refuses while somebody reads the old file, a scanner for viruses say: it is tried again for a second.
    """
    for left in reversed(range(TRIES)):
        try:
            return os.replace(part, path)
        except PermissionError:
            if not left:
                raise
            time.sleep(1 / TRIES)


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
    if fcntl is None and path.is_dir():
        yield  # Windows opens no folder: there two who write in one must keep apart by themselves
        return
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags, 0o666)
    try:
        lock(descriptor, wait)
        yield
    finally:
        os.close(descriptor)


def lock(descriptor: int, wait: bool) -> None:
    """Take the lock of an open file; it goes when the file is closed. Raises BlockingIOError where somebody holds it.

    On Windows who waits does so for ten seconds. Some file systems of clusters have no locks: there nobody waits.
    """
    if fcntl is not None:
        with unless_unable():
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return
    msvcrt = importlib.import_module("msvcrt")
    try:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
    except OSError as error:  # EACCES or EDEADLOCK there
        raise BlockingIOError(errno.EWOULDBLOCK, "is locked by another process") from error


def flush(path: Path) -> None:
    """Have the system put a file, or the names in a folder, on the disk."""
    if path.is_dir() and os.name != "posix":
        return  # no other system opens a folder
    folder = path.is_dir()
    descriptor = os.open(path, os.O_RDONLY if folder else os.O_RDWR)  # Windows flushes what can be written
    try:
        with unless_unable() if folder else contextlib.nullcontext():
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def unless_unable() -> Iterator[None]:
    """Let pass that a file system cannot do this at all; any other error is raised."""
    try:
        yield
    except OSError as error:
        if error.errno not in UNABLE:
            raise


def sweep(folder: Path) -> None:
    """Remove what processes of this machine left in a folder when they died in the middle of `whole`."""
    ours = re.compile(r"\..+\." + re.escape(platform.node()) + r"\.(\d+)\.[0-9a-f]{32}\.part")
    for part in folder.glob(".*.part"):
        found = ours.fullmatch(part.name)
        if found and not psutil.pid_exists(int(found[1])):  # not os.kill(N, 0): on Windows that is a Ctrl-C
            discard(part)


def discard(path: Path) -> None:
    """Remove a file if it can be: on Windows none that somebody has open, and in no system everybody's."""
    with contextlib.suppress(FileNotFoundError, PermissionError):
        path.unlink()
