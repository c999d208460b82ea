"""python course/make.py [NAME ...]: make the notebooks from the texts beside this file, executed from top to bottom.

Edit a text, run this, commit both. A notebook whose cells fail is not written. For a class, without outputs:

    python course/make.py --edition student OUT    # no solutions, no answers, no checks of the course itself
    python course/make.py --edition teacher OUT    # solutions in the cells, between the marks that nbgrader reads

Where nothing but words changed, there is nothing to execute:

    python course/make.py --words [NAME ...]

To be read without a kernel, with the outputs and the alternative text of every picture:

    python course/make.py --html OUT
"""

import argparse
import json
import os
import re
import time
from pathlib import Path

import jupytext
import nbformat
from jinja2 import DictLoader
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat import NotebookNode

COURSE = Path(__file__).resolve().parent
NOTEBOOKS = COURSE.parent / "notebooks"
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


def make(text: Path) -> Path:
    """Execute a text and write the notebook. Raises CellExecutionError where a cell fails."""
    notebook, start = read(text), time.perf_counter()
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
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop(VIEW, None)  # its state is not kept
    notebook.metadata.pop("widgets", None)
    path = NOTEBOOKS / f"{text.stem}.ipynb"
    nbformat.write(notebook, path)
    kept = json.loads(SECONDS.read_text()) if SECONDS.exists() else {}
    kept[text.stem] = round(time.perf_counter() - start)
    SECONDS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    return path


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
    nbformat.write(notebook, path)
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
                asked = re.search(r"^check\.\w+\(", asking.source, re.M)
                asking.source = f"{code[1].rstrip()}\n\n{asking.source[asked.start() :]}"
        if cell.cell_type == "markdown":
            cell.source = FOLDED.sub(lambda folded: f"**{folded['what']}.** {folded['inside'].strip()}", cell.source)
    return notebook


EDITIONS = {"student": student, "teacher": teacher}


def write_edition(edition: str, out: Path, names: list[str]) -> None:
    """Write the notebooks of one edition, not executed, into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    for text in chosen(names):
        nbformat.write(EDITIONS[edition](read(text)), out / f"{text.stem}.ipynb")
        print(out / f"{text.stem}.ipynb")


# nbconvert leaves out the alternative text of a picture.
PICTURE = """{% extends "lab/index.html.j2" %}
{% block data_png scoped %}
<div class="jp-RenderedImage jp-OutputArea-output {{ extra_class }}">
{% set width = output | get_metadata("width", "image/png") %}
<img src="data:image/png;base64,{{ output.data["image/png"] | escape_html }}"
 {% if width %}width="{{ width }}"{% endif %} alt="{{ output | get_metadata("alt", "image/png") | escape_html }}">
</div>
{% endblock %}
"""


def write_html(out: Path, names: list[str]) -> None:
    """Write the notebooks as they are, outputs included, as HTML into a folder."""
    exporter = HTMLExporter(extra_loaders=[DictLoader({"picture.html.j2": PICTURE})], template_file="picture.html.j2")
    out.mkdir(parents=True, exist_ok=True)
    for text in chosen(names):
        page, _ = exporter.from_filename(NOTEBOOKS / f"{text.stem}.ipynb")
        (out / f"{text.stem}.html").write_text(page.replace('.ipynb"', '.html"'))
        print(out / f"{text.stem}.html")


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
        "--edition", nargs=2, metavar=("EDITION", "OUT"), help="student or teacher, and a folder for it"
    )
    parser.add_argument("--html", type=Path, metavar="OUT", help="a folder for the notebooks as HTML")
    parser.add_argument("--words", action="store_true", help="only words changed: keep the outputs, execute nothing")
    options = parser.parse_args()
    if options.html:
        write_html(options.html, options.names)
    elif options.edition:
        which, folder = options.edition
        if which not in EDITIONS:
            parser.error(f"there is no edition {which!r}; there are {' and '.join(EDITIONS)}")
        write_edition(which, Path(folder), options.names)
    elif options.words:
        for source in chosen(options.names):
            print(take_words(source).name)
    else:
        for source in chosen(options.names):
            begun = time.perf_counter()
            print(make(source).name, f"{time.perf_counter() - begun:.0f} s", flush=True)
