"""Each notebook is its text, executed: sources equal cell by cell, counts 1..n, and no cell longer than 25 lines."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
NAMES = sorted(path.stem for path in (NOTEBOOKS / "text").glob("*.md"))


def cells(name: str) -> list[dict]:
    return json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())["cells"]


def test_every_notebook_has_a_text_and_every_text_a_notebook():
    assert sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_text_and_notebook_say_the_same(name):
    text = jupytext.read(NOTEBOOKS / "text" / f"{name}.md")
    executed = [(cell["cell_type"], "".join(cell["source"]).rstrip()) for cell in cells(name)]
    assert executed == [(cell.cell_type, cell.source.rstrip()) for cell in text.cells]


@pytest.mark.parametrize("name", NAMES)
def test_executed_top_to_bottom_without_error(name):
    code = [cell for cell in cells(name) if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not [output for cell in code for output in cell["outputs"] if output["output_type"] == "error"]


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_fits_on_a_screen_and_the_file_is_small(name):
    code = [cell for cell in cells(name) if cell["cell_type"] == "code"]
    assert max(len("".join(cell["source"]).splitlines()) for cell in code) <= 25
    assert (NOTEBOOKS / f"{name}.ipynb").stat().st_size < 2_000_000


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_has_alternative_text(name):
    for cell in cells(name):
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                assert output["metadata"].get("image/png", {}).get("alt"), "".join(cell["source"])


@pytest.mark.slow
def test_a_home_that_cannot_be_written_is_not_complained_of_in_the_output_of_a_notebook(tmp_path):
    v4, home = nbformat.v4, tmp_path / "home"
    printed = v4.new_output("stream", name="stdout", text="1\n")
    cell = v4.new_code_cell("import matplotlib.pyplot\nprint(1)", execution_count=1, outputs=[printed])
    nbformat.write(v4.new_notebook(cells=[cell]), tmp_path / "tiny.ipynb")
    home.touch()  # a file: no folder can be made in it
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "MPL"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "conftest", str(tmp_path / "tiny.ipynb")]
    options = dict(cwd=NOTEBOOKS.parent, env=environment | {"HOME": str(home)}, capture_output=True, text=True)
    done = subprocess.run(command, **options)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout
