"""python -m ldm_teach book OUT: the course as a book of static pages, to be read without a kernel and a network."""

import argparse
import importlib
import os
import pkgutil
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat

from ldm_teach.cli.book_pages import as_page
from ldm_teach.cli.options import add_command
from ldm_teach.paths import CLONE, NOTEBOOKS

SOURCE, DOCS = CLONE / "docs" / "book", CLONE / "docs"
FLOORS = {
    "theory": "Tensors in, tensors out: schedules, conversions, mixtures, Langevin dynamics, samplers, guidance.",
    "models": "The networks.",
    "data": "What they learn from: images, scenes, words.",
    "training": "The loop, the losses, and the recipes of every shipped model.",
    "measuring": "The instruments: metrics, judges, statistics, timing.",
    "studies": "One question each, measured.",
    "interactive": "What a notebook shows, slides and checks.",
}
OF_NOTEBOOKS = ("ldm_teach.interactive.figures", "ldm_teach.interactive.check")  # of the notebooks alone
NEEDED = ("sphinx.application", "myst_nb", "sphinx_book_theme", "sphinx-mathjax-offline")
OUR_OWN = ("_static/book.css", "reference/commands.html")  # only a book of this course has them
FOR_TEACHERS = ("teaching", "examination")
WHAT_WAS_MEASURED = ("results", "benchmarks", "training", "your_own_images")


def configure(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    c = add_command(commands, "book", book)
    c.add_argument("out", type=Path, help="a folder for the pages, new or that of an older book")


def book(out: Path) -> None:
    """The course as a book: every notebook with its outputs, to be read in a browser, without a network."""
    if not SOURCE.is_dir():
        raise ValueError(f"there is no {SOURCE}: a book is made in a clone of the repository")
    old = all((out / name).is_file() for name in OUR_OWN)
    if out.exists() and not (out.is_dir() and (old or not any(out.iterdir()))):
        raise ValueError(f"out is {out}, which holds something else; want a new folder, or that of an older book")
    try:
        for name in NEEDED:
            importlib.import_module(name)
    except ModuleNotFoundError as error:
        wanted = "`pip install -r requirements-book.txt` brings it"
        raise ValueError(f"the book is built with {error.name}, which is not installed; {wanted}") from error
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        pages, built = Path(folder, "pages"), Path(folder, "built")
        write_pages(pages)
        build(pages, built, Path(folder, "trees"))
        out.mkdir(parents=True, exist_ok=True)
        for path in out.iterdir():  # of the older book, which may have had other pages
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(built, out, dirs_exist_ok=True)
    print(f"{out / 'index.html'} after {time.perf_counter() - start:.0f} s", file=sys.stderr)


def build(pages: Path, out: Path, trees: Path) -> None:
    """Have Sphinx build the pages. Raises ValueError where it warns of something, and what Sphinx raises."""
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    with patch_docutils(pages), docutils_namespace():
        app = Sphinx(pages, pages, out, trees, "html", status=None, warningiserror=True)
        app.build()
    if app.statuscode:
        raise ValueError("the book was built with warnings, which are above")


def write_pages(folder: Path) -> None:
    """Lay out what Sphinx reads: the notebooks as pages, docs/, the symbols, the glossary and the reference."""
    shutil.copytree(SOURCE, folder)
    pictures = folder / "pictures"
    shutil.copytree(DOCS, pictures, ignore=lambda _, names: [n for n in names if not n.endswith((".png", ".gif"))])
    static = folder / "static"
    if (DOCS / "films").is_dir():
        shutil.copytree(DOCS / "films", static / "films")
    names = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    for name in names:
        nbformat.write(as_page(notebook(name), name, static, repository()), folder / f"{name}.ipynb")
    for name in (*FOR_TEACHERS, *WHAT_WAS_MEASURED):
        (folder / f"{name}.md").write_text(document((DOCS / f"{name}.md").read_text("utf-8")), "utf-8")
    (folder / "symbols.md").write_text(symbols(), "utf-8")
    reference = write_reference(folder / "reference")
    parts = {
        "The course": names,
        "To look up": ["symbols", "glossary"],
        "For teachers": list(FOR_TEACHERS),
        "What was measured": list(WHAT_WAS_MEASURED),
        "The package": reference,
    }
    index = (folder / "index.md").read_text("utf-8").replace("<!-- course -->", course_table())
    trees = "\n".join(contents(caption, entries) for caption, entries in parts.items())
    (folder / "index.md").write_text(f"{index}\n{trees}", "utf-8")


def notebook(name: str) -> Any:
    """A notebook as it ran."""
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4)


def contents(caption: str, entries: list[str]) -> str:
    """A part of the table of contents."""
    return "\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *entries, "```", ""])


def course_table() -> str:
    """The table of the notebooks, as the README has it, with links to the pages."""
    table = re.search(r"<!-- course -->\n(.*?)<!-- /course -->", (CLONE / "README.md").read_text("utf-8"), re.DOTALL)
    assert table is not None
    return table[1].replace("(notebooks/", "(")


def document(text: str) -> str:
    """A page of docs/, with its pictures where the book has them, and without the marks of what fills it."""
    text = re.sub(r"<!--.*?-->\n?", "", text)
    text = re.sub(r"\]\(([\w.]+\.(?:png|gif))\)", r"](pictures/\1)", text)
    text = re.sub(r"\]\(\.\./notebooks/", "](", text)
    return re.sub(r"\[([^\]]*)\]\(((?!https?:|#|pictures/)(?![\w]+\.(?:md|ipynb))[^)]*)\)", r"\1 (`\2`)", text)


def symbols() -> str:
    """The section of notebook 00 on the symbols, as a page of its own."""
    for cell in notebook("00_start_here").cells:
        found = re.search(r"^## The symbols\n(.*?)(?=^## |\Z)", cell.source, re.DOTALL | re.MULTILINE)
        if cell.cell_type == "markdown" and found:
            return f"# The symbols\n{found[1]}"
    raise ValueError("notebook 00 has no section on the symbols")


def write_reference(folder: Path) -> list[str]:
    """A page for each floor of the package, made from its docstrings, and one for the command line."""
    folder.mkdir()
    for floor, words in FLOORS.items():
        package = importlib.import_module(f"ldm_teach.{floor}")
        found = sorted(m.name for m in pkgutil.walk_packages(package.__path__, f"{package.__name__}."))
        modules = [name for name in found if not name.startswith(OF_NOTEBOOKS)]
        text = "\n".join(f"## {name}\n\n```{{eval-rst}}\n.. automodule:: {name}\n```\n" for name in modules)
        (folder / f"{floor}.md").write_text(f"# ldm_teach.{floor}\n\n{words}\n\n{text}", "utf-8")
    (folder / "commands.md").write_text(commands_page(), "utf-8")
    return [f"reference/{name}" for name in (*FLOORS, "commands")]


def commands_page() -> str:
    """What `--help` says of each command."""
    from ldm_teach.cli.main import COMMANDS, overview, parser

    os.environ["COLUMNS"] = "100"
    known = next(action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)).choices
    texts = [f"## {name}\n\n```text\n{known[name].format_help()}```\n" for group in COMMANDS.values() for name in group]
    return f"# The command line\n\n```text\n{overview()}\n```\n\n" + "\n".join(texts)


def repository() -> str:
    """Where the repository is to be seen on GitHub, "" where nobody says: for links to open a notebook online.

    Raises ValueError for another address: Colab and Binder are linked for GitHub alone.
    """
    address = os.environ.get("LDM_TEACH_REPOSITORY", "").rstrip("/").removesuffix(".git")
    if address and not re.fullmatch(r"https://github\.com/[^/]+/[^/]+", address):
        raise ValueError(f"LDM_TEACH_REPOSITORY is {address!r}; want https://github.com/OWNER/NAME")
    return address
