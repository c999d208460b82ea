"""Notebooks and data of one's own: what is copied, what is left, what is refused; and the wheel that brings them."""

import json
import os
import runpy
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from types import SimpleNamespace

import pytest
import setuptools

from ldm_teach import paths
from ldm_teach.cli import main as cli
from ldm_teach.cli import open as opening
from ldm_teach.paths import CLONE

DATA_FILES = ("checkpoints/README.md", "fashion-mnist/t10k.gz", "measured/bench.json")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def course(tmp_path, monkeypatch) -> Path:
    """A small course in a folder of its own, of which nothing can be written."""
    root = tmp_path / "course"
    for name in ("notebooks/00_start_here.ipynb", "notebooks/01_next.ipynb", *(f"data/{name}" for name in DATA_FILES)):
        write(root / name, f"the course's {name}")
        (root / name).chmod(0o444)
    for name in ("notebooks/.ipynb_checkpoints/00.ipynb", "notebooks/notes.txt", "data/__pycache__/a.pyc", "data/.x"):
        write(root / name, "nobody's")
    monkeypatch.setattr(os, "execve", lambda *become: pytest.fail(f"the process became {become[1]}"))
    monkeypatch.setattr(opening, "NOTEBOOKS", root / "notebooks")
    monkeypatch.setattr(opening, "DATA", root / "data")
    return root


def files(folder: Path) -> dict[str, str]:
    """What lies below a folder: path -> content."""
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def refused(*arguments: str) -> str:
    with pytest.raises(SystemExit) as done:
        cli.main(["open", *arguments])
    return str(done.value.code)


COPIED = {"notebooks/00_start_here.ipynb", "notebooks/01_next.ipynb", *(f"data/{name}" for name in DATA_FILES)}


def test_notebooks_and_data_are_copied_and_can_be_written(course, tmp_path, capsys):
    mine = tmp_path / "new" / "mine"
    cli.main(["open", str(mine), "--no-lab"])
    said = f"copied 2 notebooks and 3 data files to {mine}; to open it again: python -m ldm_teach open {mine}\n"
    assert capsys.readouterr().out == said
    assert files(mine) == {name: f"the course's {name}" for name in COPIED}
    assert all((mine / name).stat().st_mode & 0o200 for name in COPIED)


def test_nothing_of_ones_own_is_replaced_and_one_line_says_what_differs(course, tmp_path, capsys):
    mine = tmp_path / "mine"
    write(mine / "notebooks" / "01_next.ipynb", "mine")
    write(mine / "data" / "measured" / "bench.json", "mine, too")
    write(mine / "data" / "checkpoints" / "README.md", "the course's data/checkpoints/README.md")
    cli.main(["open", str(mine), "--no-lab"])
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"left as found, other than the course's: 1 notebook and 1 data file in {mine}"
    assert second.startswith(f"copied 1 notebook and 1 data file to {mine}; to open it again: ")
    found = files(mine)
    assert found.keys() == COPIED and found["notebooks/01_next.ipynb"] == "mine"
    assert found["data/measured/bench.json"] == "mine, too"


def test_a_link_to_nowhere_is_ones_own_too(course, tmp_path, capsys):
    mine = tmp_path / "mine"
    (mine / "notebooks").mkdir(parents=True)
    (mine / "notebooks" / "01_next.ipynb").symlink_to(tmp_path / "nowhere")
    cli.main(["open", str(mine), "--no-lab"])
    assert "1 notebook in" in capsys.readouterr().out and not (tmp_path / "nowhere").exists()


def test_a_folder_is_opened_again_and_what_was_removed_comes_back(course, tmp_path, capsys):
    mine = tmp_path / "mine"
    for _ in range(2):
        cli.main(["open", str(mine), "--no-lab"])
    again = f"to open it again: python -m ldm_teach open {mine}"
    assert capsys.readouterr().out.splitlines()[1] == f"nothing was missing in {mine}; {again}"
    (mine / "notebooks" / "01_next.ipynb").unlink()
    cli.main(["open", str(mine), "--no-lab"])
    assert capsys.readouterr().out == f"copied 1 notebook to {mine}; {again}\n"


def test_shared_data_stay_where_they_are(course, tmp_path, capsys):
    mine = tmp_path / "mine"
    cli.main(["open", str(mine), "--shared-data", "--no-lab"])
    assert capsys.readouterr().out == (
        f"copied 2 notebooks to {mine}; the data stay in {course / 'data'}; "
        f"to open it again: python -m ldm_teach open {mine} --shared-data\n"
    )
    assert not (mine / "data").exists()


@pytest.mark.parametrize("place", ["course", "course/notebooks", "course/data/mine", "link/data"])
def test_a_part_of_the_course_is_nobodys_own(course, tmp_path, place):
    (tmp_path / "link").symlink_to(course)
    folder = str(tmp_path / place)
    assert refused(folder) == f"ldm_teach: folder is {folder!r}, where the course itself lies; want one of your own"


def test_the_package_is_nobodys_own(course):
    assert "where the course itself lies" in refused(str(CLONE / "ldm_teach" / "new"))
    assert not (CLONE / "ldm_teach" / "new").exists()


@pytest.mark.parametrize(
    "place, words", [("file", "which is a file"), ("file/mine", "which cannot be made, for {} is a file")]
)
def test_a_file_is_no_folder(course, tmp_path, place, words):
    (tmp_path / "file").touch()
    folder = str(tmp_path / place)
    want = "want a folder of your own, new or opened before"
    assert refused(folder) == f"ldm_teach: folder is {folder!r}, {words.format(tmp_path / 'file')}; {want}"


def test_shared_data_that_are_not_there_are_not_shared(course, tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "DATA", tmp_path / "nowhere")
    assert "the data of the course are not in" in refused(str(tmp_path / "mine"), "--shared-data")
    assert not (tmp_path / "mine").exists()


def test_a_home_that_nobody_has_is_said(course):
    want = "ldm_teach: folder is '~nobody-here/x', which leads nowhere; want a folder of your own"
    assert refused("~nobody-here/x") == want


def test_an_empty_name_is_none(course):
    assert refused("") == "ldm_teach: folder is ''; want a path"


@pytest.mark.parametrize("port", ["0", "70000"])
def test_a_port_that_is_none_is_refused_before_anything_is_copied(course, tmp_path, port):
    assert "port is" in refused(str(tmp_path / "mine"), "--port", port) and not (tmp_path / "mine").exists()


def test_without_room_on_the_disk_nothing_is_copied(course, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100))
    folder = str(tmp_path / "mine")
    words = f"ldm_teach: folder is {folder!r}, with 0 MB free on its disk; want 0 MB for what is copied"
    assert refused(folder) == f"{words}; --shared-data copies the notebooks alone"
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10))
    assert refused(folder, "--shared-data") == words and not (tmp_path / "mine").exists()


def test_a_course_without_its_data_says_where_they_were_looked_for(course, tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "DATA", tmp_path / "none")
    said = refused(str(tmp_path / "mine"), "--no-lab")
    assert said.startswith(f"ldm_teach: the data of the course are not in {tmp_path / 'none'}; data is looked for in ")


def test_without_jupyterlab_it_says_what_brings_it_and_copies_nothing(course, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jupyterlab", None)
    assert "JupyterLab, which is not installed: `pip install" in refused(str(tmp_path / "mine"))
    assert not (tmp_path / "mine").exists()


@pytest.fixture
def became(monkeypatch):
    """What the process becomes, where, and in which environment."""
    found = SimpleNamespace()

    def execve(program, command, environment):
        found.program, found.command, found.environment, found.folder = program, command, environment, Path.cwd()
        raise SystemExit(0)

    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.chdir(Path.cwd())  # and back
    return found


def test_jupyterlab_opens_in_the_notebooks_with_data_of_ones_own(course, tmp_path, became, monkeypatch):
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    mine = tmp_path / "mine"
    with pytest.raises(SystemExit):
        cli.main(["open", str(mine), "--port", "9001", "--no-browser"])
    assert became.folder == mine / "notebooks" and became.program == sys.executable
    assert became.environment["LDM_TEACH_DATA"] == str(mine / "data")
    assert became.environment["GOMP_SPINCOUNT"] == "7"  # what the user has chosen stays
    want = ["-P", "-m", "jupyterlab", f"--ServerApp.root_dir={mine / 'notebooks'}", "--port=9001", "--no-browser"]
    assert became.command[1:] == want


def test_jupyterlab_reads_shared_data_where_they_are_and_opens_a_browser(course, tmp_path, became, monkeypatch):
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    with pytest.raises(SystemExit):
        cli.main(["open", str(tmp_path / "mine"), "--shared-data"])
    assert became.environment["LDM_TEACH_DATA"] == str(course / "data") and "--no-browser" not in became.command
    assert became.environment["GOMP_SPINCOUNT"] == "1000"


def test_kernels_find_a_clone_that_is_not_installed(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [str(CLONE), "/elsewhere"])  # as `python -m` has it in the clone
    monkeypatch.setenv("PYTHONPATH", "/mine")
    assert opening.environment(tmp_path)["PYTHONPATH"] == os.pathsep.join([str(CLONE), "/mine"])
    monkeypatch.setattr(sys, "path", ["", str(CLONE)])
    assert opening.environment(tmp_path)["PYTHONPATH"] == "/mine"


def test_the_first_of_the_places_that_has_the_data_is_taken(tmp_path, monkeypatch):
    monkeypatch.delenv("LDM_TEACH_DATA", raising=False)
    clone, environment, user = paths.places("data") if len(paths.places("data")) == 3 else pytest.skip("no user base")
    assert clone == CLONE / "data" and environment.parts[-3:] == user.parts[-3:] == ("share", "ldm_teach", "data")
    looked = [tmp_path / name for name in ("a", "b", "c")]
    (looked[0]).mkdir()  # of another package, with other things in it
    assert paths.first("data", looked) == looked[0]  # nowhere
    for place in looked[1:]:
        (place / "checkpoints").mkdir(parents=True)
    assert paths.first("data", looked) == looked[1]


def test_a_variable_is_the_only_place(tmp_path, monkeypatch):
    monkeypatch.setenv("LDM_TEACH_NOTEBOOKS", str(tmp_path))
    assert paths.places("notebooks") == [tmp_path]


def test_where_there_are_no_data_all_places_are_said(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path / "none")
    monkeypatch.setattr(paths, "DATA_PLACES", [tmp_path / "a", tmp_path / "b"])
    assert paths.looked_for().startswith(f"data is looked for in {tmp_path / 'a'} or {tmp_path / 'b'}; set LDM")


def packed(root: Path, command: str, monkeypatch) -> set[str] | None:
    """What the setup.py of a folder gives to setuptools as data files, by their places."""
    kept = {}
    monkeypatch.setattr(sys, "argv", ["setup.py", command])
    monkeypatch.setattr(setuptools, "setup", lambda **options: kept.update(options))
    runpy.run_path(str(root / "setup.py"))
    files = kept["data_files"]
    assert files is None or all(Path(name).parent.as_posix() == to[16:] for to, names in files for name in names)
    return None if files is None else {name for _, names in files for name in names}


def test_a_wheel_holds_what_git_tracks_and_an_editable_installation_nothing(course, monkeypatch):
    shutil.copy(CLONE / "setup.py", course)
    write(course / "data" / "runs" / "mine.bin", "nobody's")
    assert packed(course, "editable_wheel", monkeypatch) is None
    assert packed(course, "bdist_wheel", monkeypatch) == COPIED  # a download, which is no repository
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "")  # nor is there git
        assert packed(course, "bdist_wheel", patch) == COPIED
    for command in (["init", "-q"], ["add", "notebooks/00_start_here.ipynb", *(f"data/{name}" for name in DATA_FILES)]):
        subprocess.run(["git", *command], cwd=course, check=True)
    assert packed(course, "bdist_wheel", monkeypatch) == COPIED - {"notebooks/01_next.ipynb"}


USE = """
import json
from ldm_teach import LatentDiffusion, paths
from ldm_teach.data.fashion import fashion_mnist
x = LatentDiffusion.load("fashion-class").sample([3], num_steps=2)
print(json.dumps([len(fashion_mnist(False).x), list(x.shape), str(paths.DATA), str(paths.NOTEBOOKS), paths.__file__]))
"""


@pytest.mark.slow
def test_a_wheel_brings_the_course_to_an_environment_without_a_clone(tmp_path):
    clone, home, empty = tmp_path / "clone", tmp_path / "home", tmp_path / "empty"
    home.mkdir(), empty.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    for name in ("ldm_teach", "notebooks", "data"):
        shutil.copytree(CLONE / name, clone / name, ignore=ignored)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CLONE / name, clone)
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    wheel = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", tmp_path / "dist", clone]
    subprocess.run([*pip, *wheel], check=True)
    venv.create(tmp_path / "venv", with_pip=False)
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (site / "packages_beside.pth").write_text(str(Path(setuptools.__file__).parents[1]))
    python, command = tmp_path / "venv" / "bin" / "python", tmp_path / "venv" / "bin" / "ldm-teach"
    install = ["--python", python, "install", "--no-deps", "--no-index", "--ignore-installed"]
    subprocess.run([*pip, *install, *(tmp_path / "dist").glob("*.whl")], check=True)
    environment = {name: os.environ[name] for name in os.environ if name not in ("PYTHONPATH", "LDM_TEACH_DATA")}
    options = dict(cwd=empty, env=environment | {"HOME": str(home)}, capture_output=True, text=True, check=True)

    done = subprocess.run([command, "open", "there", "--no-lab"], **options)
    assert done.stdout.startswith("copied 16 notebooks and ") and f"data files to {empty / 'there'};" in done.stdout
    assert {path.name for path in (empty / "there" / "notebooks").iterdir()} == {
        path.name for path in (CLONE / "notebooks").glob("*.ipynb")
    }
    for variable, data in (
        ({}, tmp_path / "venv/share/ldm_teach/data"),
        (
            {"LDM_TEACH_DATA": str(empty / "there" / "data")},
            empty / "there" / "data",
        ),
    ):
        used = subprocess.run([python, "-c", USE], **options | {"env": options["env"] | variable})
        count, shape, *places = json.loads(used.stdout)
        assert count == 10_000 and shape == [1, 1, 28, 28]
        assert places == [str(data), str(tmp_path / "venv/share/ldm_teach/notebooks"), str(site / "ldm_teach/paths.py")]
    shutil.rmtree(tmp_path)  # half a gigabyte
