"""python course/make.py [NAME ...]: make the notebooks from the texts beside this file, executed from top to bottom.

Edit a text, run this, commit both. A notebook whose cells fail is not written. For a class, without outputs, into a new
folder (what is in it already stays as it is):

    python course/make.py --edition student OUT    # no solutions, no answers, no checks of the course itself
    python course/make.py --edition teacher OUT    # everything open, the solutions in the cells
    python course/make.py --edition nbgrader OUT   # a course of nbgrader, to be handed out, collected and graded

To be opened on Colab, with outputs; a first cell fetches the repository of LDM_TEACH_REPOSITORY (https://...):

    python course/make.py --edition online OUT

Where nothing but words changed, there is nothing to execute:

    python course/make.py --words [NAME ...]

The short films of the sliders, which the book shows, in docs/films; every notebook is executed, none is written:

    python course/make.py --films [NAME ...]
"""

import argparse
import json
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from ldm_teach.files import locked, whole
from ldm_teach.interactive.check import EXERCISES

COURSE = Path(__file__).resolve().parent
NOTEBOOKS = COURSE.parent / "notebooks"
FILMS = COURSE.parent / "docs" / "films"
SECONDS = COURSE / "seconds.json"  # how long each notebook ran, when it was last made
FOLDED = re.compile(r"<details>\s*<summary>(?P<what>.*?)</summary>(?P<inside>.*?)</details>", re.DOTALL)
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)
os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the tests have it: kernels that wait leave the machine to others
VIEW = "application/vnd.jupyter.widget-view+json"


def read(text: Path) -> NotebookNode:
    """A text as a notebook that is not yet executed; the source of its checks is folded."""
    notebook = jupytext.read(text)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"{text.stem[:2]}-{number:03d}"  # ids are random otherwise, and every making a change
        if "check" in cell.metadata.get("tags", ()):
            cell.metadata["jupyter"] = dict(source_hidden=True)
    return notebook


def execute(text: Path) -> NotebookNode:
    """A text as an executed notebook. Raises CellExecutionError where a cell fails."""
    notebook = read(text)
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources=dict(metadata=dict(path=NOTEBOOKS)),
        store_widget_state=False,
        record_timing=False,
        coalesce_streams=True,
    )
    client.execute()
    return notebook


def make(text: Path) -> Path:
    """Execute a text and write the notebook."""
    start = time.perf_counter()
    notebook = execute(text)
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop(VIEW, None)  # its state is not kept
    notebook.metadata.pop("widgets", None)
    path = NOTEBOOKS / f"{text.stem}.ipynb"
    write(notebook, path)
    with locked(COURSE):  # another making may end at this moment
        kept = json.loads(SECONDS.read_text("utf-8")) if SECONDS.exists() else {}
        kept[text.stem] = round(time.perf_counter() - start)
        with whole(SECONDS) as part:
            part.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return path


def write(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook, whole or not at all."""
    with whole(path) as part:
        nbformat.write(notebook, part)


def film(text: Path) -> list[Path]:
    """Execute a text for the short films of its sliders, which replace those that there were."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LDM_TEACH_FILMS"] = str(Path(folder, text.stem[:2]))  # the kernel inherits it
        execute(text)
        FILMS.mkdir(exist_ok=True)
        for old in FILMS.glob(f"{text.stem[:2]}-*.webp"):
            old.unlink()
        return [Path(shutil.copy(new, FILMS)) for new in sorted(Path(folder).glob("*.webp"))]


def take_words(text: Path) -> Path:
    """Take the words of a text over into its notebook. Raises ValueError where a cell of code is another one."""
    path = NOTEBOOKS / f"{text.stem}.ipynb"
    notebook, executed = read(text), nbformat.read(path, 4)
    new, old = ([cell for cell in found.cells if cell.cell_type == "code"] for found in (notebook, executed))
    if [cell.source for cell in new] != [cell.source for cell in old]:
        raise ValueError(f"{text.name} has other code than {path.name}: make it without --words")
    for cell, before in zip(new, old, strict=True):
        cell.outputs, cell.execution_count = before.outputs, before.execution_count
    notebook.metadata.update(executed.metadata)
    write(notebook, path)
    return path


def student(notebook: NotebookNode) -> NotebookNode:
    """Without what is folded, solutions and answers, and without the checks."""
    notebook.cells = [cell for cell in notebook.cells if "check" not in cell.metadata.get("tags", ())]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = FOLDED.sub("", cell.source).strip()
    notebook.cells = [cell for cell in notebook.cells if cell.source]
    return notebook


def teacher(notebook: NotebookNode) -> NotebookNode:
    """With everything open, and each solution in the cell that asks for it."""
    asking = None
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata.pop("jupyter", None)
            asking = cell if re.search(r"^check\.\w+\(", cell.source, re.M) else asking
        for folded in FOLDED.finditer(cell.source) if cell.cell_type == "markdown" else ():
            code = CODE.search(folded["inside"])
            if folded["what"] == "Solution" and code and asking is not None:
                at = re.search(r"^check\.\w+\(", asking.source, re.M).start()
                head, call = asking.source[:at].rstrip(), asking.source[at:]
                asking.source = f"{head}\n\n{code[1].rstrip()}\n\n{call}".lstrip()
        if cell.cell_type == "markdown":
            cell.source = FOLDED.sub(lambda folded: f"**{folded['what']}.** {folded['inside'].strip()}", cell.source)
    return notebook


def graded(notebook: NotebookNode) -> NotebookNode:
    """As students get it, with what nbgrader needs: each solution, and after each check a cell that gives the points.

    Below what stands in the cell to begin with, nbgrader puts its stub in the place of the solution; the cell that
    gives the points, one for each star, is locked, and its test is hidden from students.
    """
    asked: dict[str, str] = {}  # by exercise: the arguments of its check
    for cell in notebook.cells:
        for name, arguments in CHECK.findall(cell.source if cell.cell_type == "code" else ""):
            asked[name] = arguments
        for folded in FOLDED.finditer(cell.source) if cell.cell_type == "markdown" else ():
            if folded["what"] == "Solution" and (code := CODE.search(folded["inside"])):
                name = list(asked)[-1]
                solve(notebook, name, asked[name].partition(",")[0], code[1])
    cells = []
    for cell in student(notebook).cells:
        cells.append(cell)
        for name, arguments in CHECK.findall(cell.source if cell.cell_type == "code" else ""):
            test = HIDDEN.format(name=name, arguments=arguments)
            cells.append(nbformat.v4.new_code_cell(test, id=f"{name[:56]}-points"))
            mark(cells[-1], f"{name}-points", grade=True, locked=True, points=EXERCISES[name].stars)
    notebook.cells = cells
    return notebook


def solve(notebook: NotebookNode, name: str, answer: str, code: str) -> None:
    """Put a solution below what stands in the cell that defines the answer first, and before its check."""
    defines = re.compile(rf"^(?:{answer}(?:,.*)? =|def {answer}\(|class {answer}\b)", re.M)
    cell = [c for c in notebook.cells if c.cell_type == "code" and defines.search(c.source)][-1]
    call = CHECK.search(cell.source)
    head, tail = (cell.source, "") if call is None else (cell.source[: call.start()], cell.source[call.start() :])
    plain = "".join(line for line in code.splitlines(keepends=True) if line.strip() not in MARKS)
    cell.source = f"{head.rstrip()}\n\n{MARKS[0]}\n{plain.rstrip()}\n{MARKS[1]}\n\n{tail}".rstrip()
    mark(cell, name, solution=True)


def mark(cell: NotebookNode, grade_id: str, **kind: object) -> None:
    """What nbgrader reads of a cell."""
    nothing = dict(schema_version=3, solution=False, grade=False, locked=False, task=False)
    cell.metadata["nbgrader"] = nothing | dict(grade_id=grade_id) | kind


CHECK = re.compile(r"^check\.(\w+)\((.*)\)$", re.M)
MARKS = "### BEGIN SOLUTION", "### END SOLUTION"
HIDDEN = """# The points for check.{name}
### BEGIN HIDDEN TESTS
check.{name}.require({arguments})
### END HIDDEN TESTS"""
NBGRADER = '''"""Written by `python course/make.py --edition nbgrader`."""
c = get_config()
c.CourseDirectory.course_id = "ldm_teach"
c.ClearSolutions.code_stub = {"python": "# your answer: in the lines above, or here"}
c.ClearSolutions.text_stub = ""
c.ExecutePreprocessor.timeout = 600
'''
ONLINE = """# On Colab: fetch the course, where it is not there yet.
import importlib.util, os, subprocess, sys, tempfile

if importlib.util.find_spec("ldm_teach") is None:
    if not os.path.isdir("ldm_teach_course"):
        part = tempfile.mkdtemp(dir=".")
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", "{repository}", part], check=True)
        os.rename(part, "ldm_teach_course")
    wanted = ["lazy_loader", "safetensors", "accelerate", "ipywidgets>=8.1,<9"]  # Colab has widgets of version 7
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", *wanted], check=True)
    sys.path.insert(0, os.path.abspath("ldm_teach_course"))
if "google.colab" in sys.modules:
    from google.colab import output

    output.enable_custom_widget_manager()  # without it Colab shows no widgets of version 8"""


def online(notebook: NotebookNode) -> NotebookNode:
    """With a first cell that fetches the course."""
    repository = os.environ.get("LDM_TEACH_REPOSITORY")
    if not repository:
        raise ValueError("LDM_TEACH_REPOSITORY is not set; want the address of the repository, https://...")
    first = nbformat.v4.new_code_cell(ONLINE.replace("{repository}", repository), id="online")
    notebook.cells.insert(0, first)
    return notebook


EDITIONS = {"student": student, "teacher": teacher, "nbgrader": graded, "online": online}


def write_edition(edition: str, out: Path, names: list[str]) -> None:
    """Write the notebooks of one edition into a folder; those of nbgrader as an assignment each.

    What is there stays as it is: it may be a teacher's work.
    """
    for text in chosen(names):
        notebook = nbformat.read(NOTEBOOKS / f"{text.stem}.ipynb", 4) if edition == "online" else read(text)
        folder = out / "source" / text.stem if edition == "nbgrader" else out
        write_new(folder / f"{text.stem}.ipynb", nbformat.writes(EDITIONS[edition](notebook)) + "\n")
    if edition == "nbgrader":
        write_new(out / "nbgrader_config.py", NBGRADER)


def write_new(path: Path, text: str) -> None:
    """Write a file where there is none, and say so."""
    if path.exists():
        print(f"left as found: {path}")
        return
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")
    print(path)


def chosen(names: list[str]) -> list[Path]:
    """The texts of these names, or of all. Raises ValueError for a name that is none."""
    texts = {text.stem: text for text in sorted(COURSE.glob("[0-9][0-9]_*.md"))}
    unknown = [name for name in names if name not in texts]
    if unknown:
        raise ValueError(f"there is no text {unknown[0]!r}; there are {', '.join(texts)}")
    return [text for name, text in texts.items() if name in (names or texts)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="notebooks, by default all")
    parser.add_argument(
        "--edition",
        nargs=2,
        metavar=("EDITION", "OUT"),
        help=f"{', '.join(EDITIONS)}; and a folder for it",
    )
    parser.add_argument("--films", action="store_true", help="the short films of the sliders, for the book")
    parser.add_argument("--words", action="store_true", help="only words changed: keep the outputs, execute nothing")
    options = parser.parse_args()
    if options.films:
        for source in chosen(options.names):
            print(*[f"{made.name} {made.stat().st_size // 1024} kB" for made in film(source)], sep="\n", flush=True)
    elif options.edition:
        which, folder = options.edition
        if which not in EDITIONS:
            parser.error(f"there is no edition {which!r}; there are {', '.join(EDITIONS)}")
        write_edition(which, Path(folder), options.names)
    elif options.words:
        for source in chosen(options.names):
            print(take_words(source).name)
    else:
        for source in chosen(options.names):
            begun = time.perf_counter()
            print(make(source).name, f"{time.perf_counter() - begun:.0f} s", flush=True)
