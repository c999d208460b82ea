"""Files appear whole or not at all: after an error, a kill, a power cut, beside a reader and another writer."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ldm_teach import files
from ldm_teach.files import free, locked, whole, writable
from ldm_teach.paths import CLONE


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_takes_the_place_of_the_old_one_with_the_mode_that_files_have(tmp_path):
    with whole(tmp_path / "folder" / "a.txt") as part:
        part.write_text("one")
    with whole(tmp_path / "folder" / "a.txt") as part:
        part.write_text("two")
        assert (tmp_path / "folder" / "a.txt").read_text() == "one"
    (tmp_path / "plain").touch()
    assert (tmp_path / "folder" / "a.txt").read_text() == "two" and names(tmp_path / "folder") == ["a.txt"]
    assert (tmp_path / "folder" / "a.txt").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(OSError, match="No space left"), whole(tmp_path / "a") as part:
        part.write_text("half")
        raise OSError(28, "No space left on device")
    assert (tmp_path / "a").read_text() == "old" and names(tmp_path) == ["a"]


def test_what_a_dead_process_left_is_swept_away_and_what_a_living_one_writes_is_not(tmp_path):
    code = """
import os, signal, sys
from ldm_teach.files import whole
with whole(sys.argv[1]) as part:
    part.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "b")], cwd=CLONE)  # of whatever file of the folder
    assert len(names(tmp_path)) == 1 and names(tmp_path)[0].endswith(".part")
    with whole(tmp_path / "a") as part:
        part.write_text("mine")
        with whole(tmp_path / "a") as other:
            other.write_text("other's")
        assert part.is_file()
    assert (tmp_path / "a").read_text() == "mine" and names(tmp_path) == ["a"]


def test_content_is_on_the_disk_before_its_name_and_its_name_before_anything_follows(tmp_path, monkeypatch):
    """The order of the system calls, which is what a power cut sees: flush the file, rename it, flush the folder."""
    calls = []
    flush, replace = files.flush, os.replace
    monkeypatch.setattr(files, "flush", lambda path: calls.append(f"flush {path.suffix}") or flush(path))
    monkeypatch.setattr(os, "replace", lambda a, b: calls.append("rename") or replace(a, b))
    with whole(tmp_path / "a") as part:
        part.write_text("x")
    assert calls == ["flush .part", "rename", "flush "]


def test_a_reader_never_sees_half_a_file(tmp_path):
    path, seen, stop = tmp_path / "a", set(), threading.Event()
    path.write_text("0" * 100_000)

    def read():
        while not stop.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for digit in "123456789" * 3:
        with whole(path) as part:
            part.write_text(digit * 100_000)
    stop.set()
    reader.join()
    assert seen <= {digit * 100_000 for digit in "0123456789"} and len(seen) > 1


def test_a_lock_keeps_others_out_for_the_time_of_its_block(tmp_path):
    with locked(tmp_path / "lock"), pytest.raises(BlockingIOError), locked(tmp_path / "lock", wait=False):
        pass
    with locked(tmp_path / "lock", wait=False), locked(tmp_path, wait=False):
        pass


def test_a_place_is_tried_before_the_work(tmp_path):
    assert writable(tmp_path / "new" / "a.png") == tmp_path / "new" / "a.png" and names(tmp_path / "new") == []
    with pytest.raises(IsADirectoryError, match="is a folder; want a file"):
        writable(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        writable(tmp_path / "file" / "a.png")


def test_a_new_file_has_a_name_that_is_free(tmp_path):
    for name in ("a.png", "a-2.png", "a-3.png"):
        assert free(tmp_path / "a.png") == tmp_path / name
        (tmp_path / name).touch()


@pytest.mark.skipif(files.fcntl is None, reason="of posix")
def test_a_file_system_that_cannot_flush_a_folder_or_lock_keeps_nobody_from_saving(tmp_path, monkeypatch):
    def refuse(number):
        def refused(descriptor, *how):
            if how or os.path.isdir(f"/proc/self/fd/{descriptor}"):
                raise OSError(number, os.strerror(number))

        return refused

    for number in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
        monkeypatch.setattr(os, "fsync", refuse(number))
        monkeypatch.setattr(files.fcntl, "flock", refuse(number))
        with locked(tmp_path), whole(tmp_path / "a.txt") as part:
            part.write_text(str(number))
        assert (tmp_path / "a.txt").read_text() == str(number)
    monkeypatch.setattr(os, "fsync", refuse(errno.EIO))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)), whole(tmp_path / "b.txt") as part:
        part.touch()
