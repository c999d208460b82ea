"""Each notebook is its text, executed: sources equal cell by cell, counts 1..n; and it has the anatomy of a lesson."""

import ast
import builtins
import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

from ldm_teach.interactive import check
from ldm_teach.interactive.check import EXERCISES
from tests.pitfalls import PITFALLS, TERMS

sys.path.insert(0, str(Path(__file__).parents[1] / "course"))
import count
import make

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
COURSE = NOTEBOOKS.parent / "course"
NAMES = sorted(path.stem for path in COURSE.glob("*.md"))


def cells(name: str) -> list[dict]:
    return json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())["cells"]


def test_every_notebook_has_a_text_and_every_text_a_notebook():
    assert sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_text_and_notebook_say_the_same(name):
    text = jupytext.read(COURSE / f"{name}.md")
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
def test_no_line_of_code_runs_out_of_its_box(name):
    """A cell of JupyterLab shows some 110 characters in a window 1,280 pixels wide, beside the list of files."""
    source = jupytext.read(COURSE / f"{name}.md").cells
    code = [cell.source for cell in source if cell.cell_type == "code"]
    code += [found for cell in source if cell.cell_type == "markdown" for found in make.CODE.findall(cell.source)]
    assert [line for part in code for line in part.splitlines() if len(line) > 110] == []


def pictures(cell: dict) -> list[dict]:
    """The outputs of a cell that are pictures."""
    return [output for output in cell.get("outputs", ()) if "image/png" in output.get("data", {})]


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_has_alternative_text(name):
    for cell in cells(name):
        for output in pictures(cell):
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


HEADING = re.compile(r"### Exercise (?P<number>\d+) · (?P<kind>\w+) · (?P<stars>★+)☆* · (?P<minutes>\d+) minutes")


def folded(name: str, what: str) -> list[str]:
    """The insides of what is folded away in a text behind a word."""
    return [
        found["inside"] for found in make.FOLDED.finditer((COURSE / f"{name}.md").read_text()) if found["what"] == what
    ]


def exercises(name: str) -> list[tuple[dict, str, str]]:
    """Each exercise of a text: its heading, the name of its check, and the code of its solution."""
    parts = re.split(r"(?=### Exercise )", (COURSE / f"{name}.md").read_text())[1:]
    found = []
    for part in parts:
        heading, asked = HEADING.match(part), re.search(r"^check\.(\w+)\(", part, re.M)
        assert heading and asked, f"{name}: {part.splitlines()[0]}"
        inside = [folded["inside"] for folded in make.FOLDED.finditer(part) if folded["what"] == "Solution"]
        code = make.CODE.search(inside[0]) if inside else None
        assert code, f"{name}: {asked[1]} has no folded solution with its code"
        found.append((heading.groupdict(), asked[1], code[1]))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_exercises_are_many_of_several_kinds_and_say_what_they_are(name):
    asked = exercises(name)
    assert {exercise for _, exercise, _ in asked} == set(check.NOTEBOOKS[name[:2]])
    assert len(asked) >= 4 and len({heading["kind"] for heading, _, _ in asked}) >= 3
    assert [int(heading["number"]) for heading, _, _ in asked] == list(range(1, len(asked) + 1))
    for heading, exercise, _ in asked:
        made = EXERCISES[exercise]
        said = made.kind, "★" * made.stars, str(made.minutes)
        assert said == (heading["kind"], heading["stars"], heading["minutes"]), exercise
        known = made.judge.known_slips() if hasattr(made.judge, "known_slips") else ()
        assert len(made.right) >= 3 and len(made.slips) + len(list(known)) >= 5, exercise


def named_pitfalls(name: str) -> list[str]:
    """The headings and the bold words of the section on what commonly goes wrong, but for exercises and predictions."""
    section = re.search(r"^## What commonly goes wrong\n(.*?)^## ", (COURSE / f"{name}.md").read_text(), re.M | re.S)
    assert section, f"{name} has no section on what commonly goes wrong"
    told = re.sub(r"<details>.*?</details>|```.*?```|^### Exercise .*?$", "", section[1], flags=re.M | re.S)
    return [a or b for a, b in re.findall(r"^### (.*)$|\*\*(.+?)\*\*", told, re.M) if b != "Predict."]


@pytest.mark.parametrize("name", NAMES)
def test_every_pitfall_that_a_notebook_names_is_named_by_the_check_of_an_exercise(name):
    """Or the table says why no answer to an exercise can have it."""
    pitfalls, named = PITFALLS[name[:2]], named_pitfalls(name)
    assert [words for words in named if not words.startswith((*pitfalls, *TERMS))] == []
    assert [words for words in pitfalls if not any(one.startswith(words) for one in named)] == []
    for found in pitfalls.values():
        if isinstance(found, tuple):
            asked = check.NOTEBOOKS[name[:2]][found[0]]
            known = asked.judge.known_slips() if hasattr(asked.judge, "known_slips") else ()
            assert any(found[1] in words for words in [*asked.slips, *(words for words, _ in known)]), found


@pytest.mark.parametrize("name", NAMES)
def test_no_answer_stands_in_a_cell_above_and_every_solution_is_marked(name):
    """No line of a solution, but for short ones and heads, is in a code cell of the notebook."""

    def plain(line: str) -> str:
        return re.sub(r"\s", "", line)

    cells = {
        plain(line)
        for cell in jupytext.read(COURSE / f"{name}.md").cells
        if cell.cell_type == "code"
        for line in cell.source.splitlines()
    }
    for _, exercise, code in exercises(name):
        inside = re.search(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", code, re.DOTALL)
        assert inside, exercise
        lines = [
            line
            for line in inside[1].splitlines()
            if len(plain(line)) > 25 and not line.strip().startswith(("#", "def ", "return x"))
        ]
        assert not [line for line in lines if plain(line) in cells], exercise


@pytest.mark.parametrize("name", NAMES)
def test_what_a_learner_reads_is_the_matter(name):
    """Assertions are folded, plotting is little, every output has its number, no notebook is too long or too large."""
    row = count.read(NOTEBOOKS / f"{name}.ipynb")
    assert row["assertion"] == 0 and row["share"] <= 0.15 and row["digitless"] == 0, row
    assert row["cells"] <= 45 and row["kB"] <= 600, row


@pytest.mark.parametrize("name", NAMES)
def test_a_prediction_is_answered_behind_the_word_answer(name):
    text = (COURSE / f"{name}.md").read_text()
    assert len(folded(name, "Answer")) >= text.count("**Predict.**") >= 1


@pytest.mark.parametrize("name", NAMES)
def test_the_header_says_minutes_and_the_running_time_is_true(name):
    text = (COURSE / f"{name}.md").read_text()
    said = re.search(r"Reading (\d+) minutes · running (\d+) seconds", text)
    assert said, "want a line 'Reading N minutes · running N seconds' in the header"
    measured = json.loads(make.SECONDS.read_text())[name]
    assert measured <= int(said[2]) <= 90, (said[0], measured)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_asserted_after_a_training_waits_for_its_end(name):
    """A learner who has pressed Stop goes on with what there is, and sees no assertion fail."""
    code = [cell for cell in jupytext.read(COURSE / f"{name}.md").cells if cell.cell_type == "code"]
    trained = False
    for cell in code:
        trained = trained or bool(re.search(r"\bin .*\blive\(", cell.source))
        if trained and "check" in cell.metadata.get("tags", ()):
            (guard,) = ast.parse(cell.source).body
            assert isinstance(guard, ast.If) and ast.unparse(guard.test) == "complete()", cell.source


@pytest.mark.parametrize("name", NAMES)
def test_links_between_notebooks_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)#\s]+\.ipynb)", (COURSE / f"{name}.md").read_text()):
        assert (NOTEBOOKS / target).is_file(), target


@pytest.mark.parametrize("name", NAMES)
def test_the_solutions_are_right(name):
    """Each solution, run after the imports of its notebook, is praised by its check."""
    cells = [cell.source for cell in jupytext.read(COURSE / f"{name}.md").cells if cell.cell_type == "code"]
    for _, exercise, code in exercises(name):
        if EXERCISES[exercise].kind in ("predict", "experiment"):
            continue  # what they find is measured by cells before them
        scope: dict = {}
        exec(cells[0], scope)
        exec(code, scope)
        answer = scope[re.search(rf"check\.{exercise}\((\w+)", "\n".join(cells))[1]]
        assert EXERCISES[exercise].verdict(answer).startswith("well done"), exercise


def test_lines_are_counted_by_what_they_do():
    source = """import torch
from ldm_teach.interactive.plots import show
def law(x):
    y = x + 1
    return y
def picture(x):
    axes.plot(x)
    axes.set(xlabel="x")
for step in range(3):
    x = law(x)
assert x > 0
torch.testing.assert_close(x, x)
print(x)
picture(x)
show(
    x,
)
"""
    want = dict(matter=3 + 2, plotting=3 + 1 + 3, assertion=2, plumbing=3)
    assert count.kinds(source, set()) == want


def test_editions_leave_out_solutions_or_put_them_where_they_belong(tmp_path):
    for edition in ("student", "teacher"):
        make.write_edition(edition, tmp_path / edition, NAMES)
    for name in NAMES:
        students, teachers = (nbformat.read(tmp_path / e / f"{name}.ipynb", 4) for e in ("student", "teacher"))
        handed_out = "\n".join(cell.source for cell in students.cells)
        assert "<summary>Solution" not in handed_out and "<summary>Answer" not in handed_out
        assert "BEGIN SOLUTION" not in handed_out
        assert not any("check" in cell.metadata.get("tags", ()) for cell in students.cells)
        code = [cell.source for cell in teachers.cells if cell.cell_type == "code"]
        solved = [source for source in code if "### BEGIN SOLUTION" in source]
        assert len(solved) == (len(exercises(name)))
        assert all(re.search(r"^check\.", source, re.M) for source in solved)
        for edition in (students, teachers):
            assert not undefined(edition), name


def undefined(notebook) -> set[str]:
    """The names that the code of a notebook uses and nothing in it, or in Python, defines."""
    source = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    used, defined = set(), set(dir(builtins))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else defined).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.arg):
            defined.add(node.arg)
        elif isinstance(node, ast.alias):
            defined.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            defined.add(node.name)
    return used - defined


def test_a_second_writing_of_an_edition_leaves_a_teachers_work_as_it_is(tmp_path, capsys):
    make.write_edition("nbgrader", tmp_path, NAMES[:1])
    path = tmp_path / "source" / NAMES[0] / f"{NAMES[0]}.ipynb"
    for mine in (path, tmp_path / "nbgrader_config.py"):
        mine.write_text("mine")
    make.write_edition("nbgrader", tmp_path, NAMES[:1])
    assert path.read_text() == (tmp_path / "nbgrader_config.py").read_text() == "mine"
    assert f"left as found: {path}" in capsys.readouterr().out


@pytest.mark.slow
def test_the_student_edition_runs_from_top_to_bottom(tmp_path):
    make.write_edition("student", tmp_path, NAMES)
    for name in NAMES[:1]:
        notebook = nbformat.read(tmp_path / f"{name}.ipynb", 4)
        NotebookClient(notebook, timeout=300, resources=dict(metadata=dict(path=NOTEBOOKS))).execute()
        said = [
            out["text"] for cell in notebook.cells for out in cell.get("outputs", ()) if out.output_type == "stream"
        ]
        assert sum("not attempted yet" in words for words in said) == len(exercises(name))


def test_words_are_taken_over_and_other_code_is_refused(tmp_path, monkeypatch):
    executed = (NOTEBOOKS / "00_start_here.ipynb").read_text()
    (tmp_path / "00_start_here.ipynb").write_text(executed)
    monkeypatch.setattr(make, "NOTEBOOKS", tmp_path)
    text = (COURSE / "00_start_here.md").read_text()
    (tmp_path / "00_start_here.md").write_text(text.replace("# 00 Start here", "# 00 Begin here", 1))
    found = make.take_words(tmp_path / "00_start_here.md").read_text()
    assert found == executed.replace("# 00 Start here", "# 00 Begin here", 1)
    (tmp_path / "00_start_here.md").write_text(text.replace("import torch\n", "import torch as t\n", 1))
    with pytest.raises(ValueError, match=r"00_start_here.md has other code than .*: make it without --words"):
        make.take_words(tmp_path / "00_start_here.md")


def test_the_edition_for_colab_fetches_the_course_where_it_is_not_there(tmp_path, monkeypatch):
    """A Python that sees the packages of this one, but not this one's installation of the course."""
    monkeypatch.setenv("LDM_TEACH_REPOSITORY", COURSE.parent.as_uri())
    make.write_edition("online", tmp_path, NAMES[:1])
    notebook = nbformat.read(tmp_path / f"{NAMES[0]}.ipynb", 4)
    first = notebook.cells[0].source.replace('"-m", "pip"', '"-c", ""')  # they are there already
    packages = sysconfig.get_path("purelib")
    code = f"import sys; sys.path += {[packages]!r}\n{first}\nimport ldm_teach; print(ldm_teach.__file__)"
    for _ in range(2):  # the second time in a new kernel, beside what the first has fetched
        done = subprocess.run([sys.executable, "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True)
        assert done.stdout.strip() == str(tmp_path / "ldm_teach_course" / "ldm_teach" / "__init__.py"), done.stderr
    assert len(notebook.cells) == len(cells(NAMES[0])) + 1 and notebook.cells[-1].cell_type == "markdown"


def test_binder_has_the_versions_of_the_requirements():
    pinned = {line.split("#")[0].strip() for line in (COURSE.parent / "requirements.txt").read_text().splitlines()}
    binder = (COURSE.parent / "binder" / "requirements.txt").read_text().replace("+cpu", "").splitlines()
    assert {line for line in binder if not line.startswith(("#", "--"))} == pinned
    assert (COURSE.parent / "binder" / "runtime.txt").read_text() == "python-3.11\n"  # by default it is an older one
