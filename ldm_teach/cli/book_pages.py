"""A notebook as a page of the book: its pictures with their alternative text, its sliders as short films."""

import base64
import html
import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

STILL = 'class="ldm-still"'  # marks the words that follow the picture of what moves in JupyterLab (interactive.moving)
ALIVE = 'class="ldm-mark"'  # marks what only a kernel shows
FOR_A_GRADER = re.compile(r"^ *### (?:BEGIN|END) SOLUTION\n", re.M)
VIEW = "application/vnd.jupyter.widget-view+json"


def as_page(notebook: NotebookNode, name: str, static: Path, repository: str = "") -> NotebookNode:
    """The notebook `name` as a page. Its pictures are written below `static`, which holds the films already.

    repository: where it can be opened online, "" where it cannot.
    """
    number, stills = name[:2], 0
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            cell.source = FOR_A_GRADER.sub("", cell.source)
            continue
        if "check" in cell.metadata.get("tags", ()):
            cell.metadata["tags"] = [*cell.metadata["tags"], "hide-input"]
        shown = []
        for place, output in enumerate(cell.outputs):
            data = output.get("data", {})
            data.pop(VIEW, None)
            words = data.get("text/html", "")
            if STILL in words:
                stills += 1
                data["text/html"] = film_element(static, f"{number}-{stills}")
            elif "image/png" in data:
                path, metadata = static / "notebooks" / f"{number}-{index}-{place}.png", output.metadata
                data["text/html"] = picture_element(path, data.pop("image/png"), metadata.get("image/png", {}))
                data["text/plain"] = ""
            says = output.output_type == "stream" or data.get("text/html") or data.get("text/plain")
            if says and ALIVE not in words:
                shown.append(output)
        cell.outputs = shown
    if repository:
        notebook.cells.insert(1, nbformat.v4.new_markdown_cell(online(repository, name), id="online"))
    return notebook


def picture_element(path: Path, png: str, metadata: NotebookNode) -> str:
    """The element of a picture, which is written to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(base64.b64decode(png))
    width = f' width="{metadata["width"]}"' if "width" in metadata else ""
    alt = html.escape(metadata.get("alt", ""))
    return f'<img class="dark-light" src="_static/{path.parent.name}/{path.name}"{width} alt="{alt}" loading="lazy">'


def film_element(static: Path, name: str) -> str:
    """The folded film of a slider, or, of what is no slider, where it moves."""
    if not (static / "films" / f"{name}.webp").is_file():
        return "<p><em>In JupyterLab this picture is drawn while the cell runs.</em></p>"
    picture = f'<img src="_static/films/{name}.webp" alt="The picture above while its slider moves" loading="lazy">'
    return f'<details class="film"><summary>A short film: the slider moves</summary>{picture}</details>'


def online(repository: str, name: str) -> str:
    """Links that open a notebook on Colab and on Binder; its branch `online` has a first cell that installs."""
    owner = repository.removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{owner}/blob/online/{name}.ipynb"
    binder = f"https://mybinder.org/v2/gh/{owner}/HEAD?urlpath=lab/tree/notebooks/{name}.ipynb"
    return f'<p class="online"><a href="{colab}">Open in Colab</a> <a href="{binder}">Open in Binder</a></p>'
