"""python notebooks/make.py [NAME ...]: make the notebooks from notebooks/text, executed from top to bottom.

Edit the text, run this, commit both. A notebook whose cells fail is not written.
"""

import sys
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent


def make(text: Path) -> Path:
    """Execute a text and write the notebook above its folder. Raises CellExecutionError where a cell fails."""
    notebook = jupytext.read(text)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"{text.stem[:2]}-{number:03d}"  # ids are random otherwise, and every making a change
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources=dict(metadata=dict(path=HERE)),
        store_widget_state=False,
        record_timing=False,
    )
    client.execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)  # its state is not kept
    notebook.metadata.pop("widgets", None)
    path = HERE / f"{text.stem}.ipynb"
    nbformat.write(notebook, path)
    return path


if __name__ == "__main__":
    for text in sorted((HERE / "text").glob("*.md")):
        if not sys.argv[1:] or text.stem in sys.argv[1:]:
            start = time.perf_counter()
            print(make(text).name, f"{time.perf_counter() - start:.0f} s", flush=True)
