"""A class with nbgrader: handed out without solutions, collected, graded by the checks, and told what went wrong."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.test_notebooks import NAMES, exercises, make

pytest.importorskip("nbgrader", reason="needs requirements-test.txt")
NAME = "03_langevin_dynamics"
SLIP = """

def my_step(x, score, delta, noise):
    return x + delta * score + delta**0.5 * noise
"""


@pytest.fixture(autouse=True)
def helpers_are_found(monkeypatch):
    """As in an activated environment: nbgrader calls `alembic` by its name."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def nbgrader(course: Path, *arguments: str) -> str:
    """Run a command of nbgrader in the folder of a course, with settings of its own."""
    home = {name: str(course / "home") for name in ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")}
    command = [sys.executable, "-m", "nbgrader", *arguments]
    done = subprocess.run(command, cwd=course, env=os.environ | home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


def submit(course: Path, student: str, change) -> None:
    """Hand in what was handed out, its cells changed by `change(cell, the cell of the source)`."""
    handed_out = nbformat.read(course / "release" / NAME / f"{NAME}.ipynb", 4)
    source = nbformat.read(course / "source" / NAME / f"{NAME}.ipynb", 4)
    for cell, solved in zip(handed_out.cells, source.cells, strict=True):
        change(cell, solved)
    folder = course / "submitted" / student / NAME
    folder.mkdir(parents=True)
    nbformat.write(handed_out, folder / f"{NAME}.ipynb")


def solved(cell, source) -> None:
    if source.metadata.get("nbgrader", {}).get("solution"):
        cell.source = source.source


def slipped(cell, source) -> None:
    """Right but for the first exercise, with the slip that its check names most often: a step twice too long."""
    solved(cell, source)
    if source.metadata.get("nbgrader", {}).get("grade_id") == "langevin_step":
        cell.source = re.sub(r"### BEGIN SOLUTION.*### END SOLUTION", SLIP.strip(), cell.source, flags=re.DOTALL)


@pytest.mark.parametrize("name", NAMES)
def test_every_exercise_has_a_solution_that_is_taken_out_and_a_locked_cell_with_its_points(tmp_path, name):
    make.write_edition("nbgrader", tmp_path, [name])
    cells = nbformat.read(tmp_path / "source" / name / f"{name}.ipynb", 4).cells
    marked = [cell for cell in cells if "nbgrader" in cell.metadata]
    solutions = [cell for cell in marked if cell.metadata.nbgrader.solution]
    graded = [cell for cell in marked if cell.metadata.nbgrader.grade]
    assert len(solutions) == len(graded) == len(exercises(name))
    assert all("### BEGIN SOLUTION" in cell.source for cell in solutions)
    assert all(cell.metadata.nbgrader.locked and cell.metadata.nbgrader.points in (1, 2, 3) for cell in graded)
    assert len({cell.metadata.nbgrader.grade_id for cell in marked}) == len(marked)


@pytest.mark.slow
def test_an_assignment_is_handed_out_graded_and_answered(tmp_path):
    make.write_edition("nbgrader", tmp_path, [NAME])
    nbgrader(tmp_path, "generate_assignment", NAME, "--create")
    handed_out = (tmp_path / "release" / NAME / f"{NAME}.ipynb").read_text()
    assert "SOLUTION" not in handed_out and "HIDDEN" not in handed_out and "<summary>Answer" not in handed_out
    assert handed_out.count("# your answer: in the lines above, or here") == len(exercises(NAME))
    submit(tmp_path, "ada", solved)
    submit(tmp_path, "emil", slipped)
    nbgrader(tmp_path, "autograde", NAME)
    nbgrader(tmp_path, "generate_feedback", NAME)
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as book:
        points = {who: book.find_submission(NAME, who).score for who in ("ada", "emil")}
        most = book.find_assignment(NAME).max_score
    assert points == {"ada": most, "emil": most - 1}
    page = (tmp_path / "feedback" / "emil" / NAME / f"{NAME}.html").read_text()
    assert "AssertionError" in page and "not yet: the drift lacks its factor 1/2" in page and "well done: " in page
    if "LDM_TEACH_SCREENSHOTS" in os.environ:
        shutil.copy(tmp_path / "feedback" / "emil" / NAME / f"{NAME}.html", os.environ["LDM_TEACH_SCREENSHOTS"])
