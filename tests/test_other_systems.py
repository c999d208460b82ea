"""What macOS and Windows do otherwise, as far as Linux can play it: nothing here has seen either of them."""

import ast
import errno
import io
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import nbformat
import psutil
import pytest
import torch

from ldm_teach import files
from ldm_teach.cli import bench
from ldm_teach.cli import main as cli
from ldm_teach.cli import open as opening
from ldm_teach.cli.own_images import NEW_NAME
from ldm_teach.files import locked, whole
from ldm_teach.measuring import memory
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.paths import CLONE
from ldm_teach.training.state import only_training
from tests.helpers import make_tiny_model, training, weights, write_images

fcntl = pytest.importorskip("fcntl")  # what plays the locks of Windows
SOURCES = sorted((CLONE / "ldm_teach").rglob("*.py"))


class Refusing:
    """os.replace as Windows has it while somebody reads the old file: so many refusals, then it works."""

    def __init__(self, times: int):
        self.times, self.calls, self.replace = times, 0, os.replace

    def __call__(self, part, path):
        self.calls += 1
        if self.calls <= self.times:
            raise PermissionError(errno.EACCES, "Access is denied", str(part), 5, str(path))
        self.replace(part, path)


def test_a_file_takes_its_place_though_somebody_reads_the_old_one_for_a_moment(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("old")
    monkeypatch.setattr(os, "replace", replace := Refusing(1))
    with whole(tmp_path / "a") as part:
        part.write_text("new")
    assert replace.calls == 2 and (tmp_path / "a").read_text() == "new" and os.listdir(tmp_path) == ["a"]


def test_a_file_that_is_never_let_go_is_an_error_after_a_second_and_stays_as_it_is(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("old")
    monkeypatch.setattr(os, "replace", replace := Refusing(1000))
    start = time.monotonic()
    with pytest.raises(PermissionError, match="Access is denied"), whole(tmp_path / "a") as part:
        part.write_text("new")
    assert replace.calls == files.TRIES and time.monotonic() - start > 0.9
    assert (tmp_path / "a").read_text() == "old" and os.listdir(tmp_path) == ["a"]


def windows_open(path, flags, mode=0o777):
    """Windows opens no folder."""
    if os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))
    return os.open(path, flags, mode)


def windows_fsync(descriptor):
    """Windows flushes no file that was opened to be read."""
    if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, "Bad file descriptor")
    os.fsync(descriptor)


def windows_kill(process, number):
    raise AssertionError("signal 0 is Ctrl-C on Windows")


def locking(descriptor, mode, length):
    """msvcrt's, played by flock: who does not wait, or waits for more than ten seconds, has an OSError."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (fcntl.LOCK_NB if mode == "LK_NBLCK" else 0))
    except BlockingIOError:
        raise PermissionError(errno.EACCES, "Permission denied") from None


@pytest.fixture
def windows(monkeypatch):
    """`ldm_teach.files` on a Windows: no fcntl, no folders to open, renames that are refused at first."""
    monkeypatch.setattr(files, "fcntl", None)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_LOCK="LK_LOCK", LK_NBLCK="LK_NBLCK"))
    system = SimpleNamespace(**{name: value for name, value in vars(os).items() if not name.startswith("__")})
    system.name, system.open, system.fsync, system.kill = "nt", windows_open, windows_fsync, windows_kill
    system.replace = Refusing(1)
    monkeypatch.setattr(files, "os", system)


def test_what_a_dead_process_left_is_swept_away_without_a_signal(windows, tmp_path, monkeypatch):
    monkeypatch.setattr(psutil, "pid_exists", lambda process: process == 1)
    node, name = files.platform.node(), "0" * 32
    for process in (1, 2):
        (tmp_path / f".a.{node}.{process}.{name}.part").touch()
    files.sweep(tmp_path)
    assert os.listdir(tmp_path) == [f".a.{node}.1.{name}.part"]


def test_what_is_still_read_is_swept_away_another_time(tmp_path, monkeypatch):
    def unlink(path, missing_ok=False):
        raise PermissionError(errno.EACCES, "Access is denied", str(path))

    model, other = make_tiny_model(), make_tiny_model(1)
    model.save(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink)
        other.save(tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) == 2
    assert torch.equal(weights(LatentDiffusion.load(tmp_path).unet), weights(other.unet.half().float()))
    model.save(tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) == 1


def test_a_lock_keeps_others_out_by_the_means_of_windows(windows, tmp_path):
    with only_training(tmp_path), pytest.raises(ValueError, match="another training"), only_training(tmp_path):
        pass
    with locked(tmp_path / "lock", wait=False), locked(tmp_path, wait=False), locked(tmp_path):
        pass


def test_a_home_with_spaces_and_cyrillic_letters_holds_a_training_a_model_and_the_course(windows, tmp_path, capsys):
    home = tmp_path / "Users" / "Мария Фёдорова" / "мой курс"
    through, _, steps = training()
    list(steps)
    _, _, steps = training(directory=home / "обучение", save_every=5)
    for step in steps:
        if step.step == 6:
            steps.close()
            break
    resumed, _, steps = training(directory=home / "обучение", resume=True)
    list(steps)
    assert torch.equal(weights(resumed), weights(through))
    resumed.save(home / "модель")
    loaded = LatentDiffusion.load(home / "модель")
    assert torch.allclose(weights(loaded), weights(resumed), atol=1e-3)
    assert len(list(home.rglob("*.safetensors"))) == 2 and not list(home.rglob("*.part"))

    cli.main(["open", str(home / "тетради"), "--shared-data", "--no-lab"])
    said = capsys.readouterr().out
    assert said.startswith(f"copied 16 notebooks to {home / 'тетради'}; ")
    assert f"open '{home / 'тетради'}' --shared-data" in said
    assert len(list((home / "тетради" / "notebooks").glob("*.ipynb"))) == 16


SPAWNED = """
import multiprocessing, sys
import torch
from ldm_teach.data.image_folder import ImageFolder
from ldm_teach.training.batches import Batches
from ldm_teach.training.loop import fit
from torch import nn
from torch.nn.functional import mse_loss

def loss(model, batch, generator):
    return mse_loss(model(batch[0].flatten(1)), batch[1][:, None].float())

def trained(column, labels, workers):
    model = nn.Linear(column[torch.arange(1)].numel(), 1)
    nn.init.zeros_(model.weight), nn.init.zeros_(model.bias)
    list(fit(model, loss, Batches(column, labels, batch_size=4), num_steps=6, device="cpu", workers=workers))
    return model.weight.detach()

if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    folder = ImageFolder(sys.argv[1], 8)  # read by the workers, an image at a time
    kept = folder[torch.arange(len(folder))]
    print(*(torch.equal(trained(x, folder.labels, 0), trained(x, folder.labels, 2)) for x in (folder, kept)))
"""


@pytest.mark.slow
def test_workers_that_are_spawned_prepare_the_same_batches(tmp_path):
    """As macOS and Windows start them: each imports the program anew, and is sent the batches in bytes."""
    write_images(tmp_path / "Фото лета", 12)
    (tmp_path / "program.py").write_text(SPAWNED)
    command = [sys.executable, str(tmp_path / "program.py"), str(tmp_path / "Фото лета")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.stdout == "True True\n", done.stderr


def test_the_command_line_can_be_imported_by_a_spawned_worker(monkeypatch):
    """`python -m ldm_teach` is what a worker imports, under another name, and must not start a training of its own."""
    tree = ast.parse((CLONE / "ldm_teach" / "__main__.py").read_text())
    calls = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    assert ast.unparse(calls[-1]).startswith("if __name__ == '__main__':") and len(calls) == 2  # a docstring and that


POSIX_ONLY = {
    "os": {"execve", "fork", "forkpty", "getuid", "geteuid", "getloadavg", "killpg", "mkfifo", "setsid", "statvfs"}
    | {"sched_getaffinity", "sysconf", "uname", "wait", "waitpid", "kill"},
    "signal": {
        "SIGKILL",
        "SIGHUP",
        "SIGUSR1",
        "SIGUSR2",
        "SIGALRM",
        "SIGCHLD",
        "SIGSTOP",
        "alarm",
        "pause",
        "setitimer",
    },
}


def test_nothing_is_used_that_windows_does_not_have():
    """Nor os.kill, whose signal 0 is Ctrl-C there. os.execve stands behind a look at os.name."""
    used = {
        f"{node.value.id}.{node.attr}: {source.name}"
        for source in SOURCES
        for node in ast.walk(ast.parse(source.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if node.attr in POSIX_ONLY.get(node.value.id, ())
    }
    assert used == {"os.execve: open.py"}


IMPORTED = """
import importlib, pkgutil, sys
import accelerate, ipywidgets, matplotlib.pyplot, nbformat, psutil, scipy, skimage.metrics, torchvision, voila.app
for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[name] = None
import ldm_teach
for module in pkgutil.walk_packages(ldm_teach.__path__, "ldm_teach."):
    if module.name != "ldm_teach.__main__":
        importlib.import_module(module.name)
print("all")
"""


@pytest.mark.slow
def test_every_module_is_imported_without_the_modules_of_posix():
    done = subprocess.run([sys.executable, "-c", IMPORTED], cwd=CLONE, capture_output=True, text=True)
    assert done.stdout == "all\n", done.stderr


def test_text_is_read_and_written_as_utf_8_whatever_the_system_is_set_to():
    """Windows would take cp1252, cp1251, ...; the fallback of pathlib is not asked anywhere."""
    forgotten = [
        f"{source.name}:{node.lineno}"
        for source in SOURCES
        for node in ast.walk(ast.parse(source.read_text("utf-8")))
        if isinstance(node, ast.Call) and says_no_encoding(node)
    ]
    assert forgotten == []


def says_no_encoding(call: ast.Call) -> bool:
    """Whether a call opens, reads or writes a text in the encoding that the system happens to be set to."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "open":
        of_others = isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) in ("os", "Image", "gzip")
        said = [*call.args, *(word.value for word in call.keywords)]
        modes = [one.value for one in said if isinstance(one, ast.Constant) and set(str(one.value)) <= set("rwxab+t")]
        encoded = any(word.arg == "encoding" for word in call.keywords)
        return not (of_others or encoded or any("b" in mode for mode in modes))
    if name == "read_text":
        return not call.args and not call.keywords
    return name == "write_text" and len(call.args) + len(call.keywords) < 2


@pytest.mark.parametrize("code", ["open(path)", "path.open('w')", "path.read_text()", "path.write_text(words)"])
def test_a_text_without_an_encoding_is_found(code):
    assert says_no_encoding(ast.parse(code, mode="eval").body)


@pytest.mark.parametrize("code", ["open(path, 'rb')", "path.open(encoding='utf-8')", "os.open(path, 0)", "f('b')"])
def test_what_is_no_text_or_has_an_encoding_is_not(code):
    assert not says_no_encoding(ast.parse(code, mode="eval").body)


def test_a_letter_that_the_output_does_not_have_does_not_end_a_command(tmp_path, monkeypatch):
    """As on a Russian Windows whose output goes to a file."""
    content = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(content, "cp1251", newline="\n"))
    cli.main(["open", str(tmp_path / "René"), "--shared-data", "--no-lab"])
    sys.stdout.flush()
    assert "Ren\\xe9" in content.getvalue().decode("cp1251")


def test_without_proc_and_resource_windows_says_the_peak_of_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "STATUS", tmp_path / "none")
    monkeypatch.setitem(sys.modules, "resource", None)
    told = SimpleNamespace(memory_info=lambda: SimpleNamespace(peak_wset=3 * 2**20))
    monkeypatch.setattr(psutil, "Process", lambda: told)
    assert memory.peak_memory() == 3


@pytest.mark.slow
def test_what_a_notebook_costs_is_counted_without_resource(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "EXECUTE", f"import sys; sys.modules['resource'] = None\n{bench.EXECUTE}")
    cell = nbformat.v4.new_code_cell("import numpy; x = numpy.ones(2**26)")  # 0.5 GiB
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "large.ipynb")
    peak, seconds = bench.notebook_cost(tmp_path / "large.ipynb")
    assert peak.unit == "GiB" and 0.5 < peak.median < 1.5 and seconds.median > 0


@pytest.mark.parametrize("name", ["con", "NUL", "Aux.2", "com1", "lpt9.x", "cats.", ".cats", "a/b", "a\\b", "c:"])
def test_a_model_cannot_be_called_what_no_folder_can_be_called_somewhere(name, tmp_path):
    with pytest.raises(SystemExit, match="want a new one of letters"):
        cli.main(["train", name, "--images", str(tmp_path)])


@pytest.mark.parametrize("name", ["console", "com10", "cats-2.1", "_", "кошки"])
def test_a_model_can_be_called_anything_else(name):
    assert re.fullmatch(NEW_NAME, name)


@pytest.mark.skipif(not (CLONE / ".git").exists(), reason="needs a clone")
def test_every_file_can_lie_on_every_disk_and_is_checked_out_as_it_is():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CLONE, capture_output=True, encoding="utf-8").stdout
    names = [name for name in listed.split("\0") if name]
    assert len({name.casefold() for name in names}) == len(names)
    parts = {part for name in names for part in name.split("/")}
    assert not [part for part in parts if set(part) & set('<>:"|?*\\') or part[-1] in ". "]
    devices = ("con", "prn", "aux", "nul", *(f"{port}{k}" for port in ("com", "lpt") for k in range(10)))
    assert not [part for part in parts if part.split(".")[0].lower() in devices] and max(map(len, names)) < 120
    asked = ["git", "check-attr", "text", "data/emoji/matches.json", "data/checkpoints/README.md"]
    told = subprocess.run(asked, cwd=CLONE, capture_output=True, text=True).stdout
    assert told.count("text: unset") == 2  # no LF becomes CRLF, which another SHA-256 would have


@pytest.mark.parametrize(
    "system, word, want",
    [
        ("nt", r"C:\Users\Мария Фёдорова\курс", r'"C:\Users\Мария Фёдорова\курс"'),
        ("nt", r"C:\Users\maria\course", r"C:\Users\maria\course"),
        ("posix", "/Users/Мария Фёдорова/курс", "'/Users/Мария Фёдорова/курс'"),
    ],
)
def test_the_command_that_opens_a_folder_again_can_be_pasted(monkeypatch, system, word, want):
    with monkeypatch.context() as patch:
        patch.setattr(os, "name", system)
        assert opening.quoted(word) == want


LAUNCHED = """
import os, sys
from ldm_teach.cli import open as opening
lab = '''
import signal, sys, time
asked = []
signal.signal(signal.SIGINT, lambda number, frame: asked.append(number))
print("ready", flush=True)
while len(asked) < 2:
    time.sleep(0.01)
sys.exit(7)
'''
sys.exit(opening.waited_for([sys.executable, "-c", lab], dict(os.environ)))
"""


@pytest.mark.slow
def test_where_a_process_cannot_become_another_ctrl_c_is_left_to_jupyterlab():
    command = [sys.executable, "-c", LAUNCHED]
    with subprocess.Popen(command, cwd=CLONE, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout.readline() == "ready\n"
        for _ in range(2):  # it asks, and is answered by another; the system sends both to both
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.5)
        assert process.wait(30) == 7


def test_windows_starts_jupyterlab_beside_and_hands_on_its_status(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    called = []
    monkeypatch.setattr(opening, "waited_for", lambda command, environment: called.append(command) or 3)
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as done:
        patch.setattr(os, "name", "nt")
        opening.launch(["python", "-m", "jupyterlab"], str(tmp_path), {})
    assert done.value.code == 3 and called == [["python", "-m", "jupyterlab"]]


def test_a_read_only_course_is_copied_to_files_that_can_be_written(tmp_path, monkeypatch):
    """As an administrator installs it; Windows would copy the attribute, too."""
    source = tmp_path / "course" / "00_start_here.ipynb"
    source.parent.mkdir()
    source.write_text("{}")
    source.chmod(0o444)
    opening.copy({tmp_path / "mine.ipynb": source})
    assert (tmp_path / "mine.ipynb").stat().st_mode & stat.S_IWUSR
