"""python course/count.py [FOLDER]: what a learner reads in each notebook: lines of code by kind, words, exercises.

Cells whose source is folded (tag `check`) are not read, but counted as folded; `cells` are the others that lie
outside exercises. A statement is an assertion, plotting
(it calls a figure, an axis or a picture), plumbing (imports, printing), or else the matter: a law, a network, a loop.
"""

import ast
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

KINDS = ("matter", "plotting", "assertion", "plumbing")
PLOTTING_MODULES = ("interactive.plots", "interactive.pictures", "interactive.widgets")
DRAWN_ON = re.compile(r"^(fig(ure)?s?|axe?s|axis|left|right|middle|above|below|each)\d?$")


def kinds(source: str, plotting: set[str]) -> Counter:
    """Lines of a cell by kind. `plotting`: the names of what draws; those that the cell imports or defines join it."""
    lines = Counter()
    for node in ast.parse(source).body:
        learn(node, plotting)
        lines.update(count(node, plotting))
    return lines


def learn(node: ast.stmt, plotting: set[str]) -> None:
    """Add to `plotting` what a statement imports from the modules that draw, or a function that mostly draws."""
    if isinstance(node, ast.ImportFrom) and node.module and node.module.endswith(PLOTTING_MODULES):
        plotting |= {name.asname or name.name for name in node.names} - {"PALETTE"}
    if isinstance(node, ast.FunctionDef) and count(node, plotting).most_common(1)[0][0] == "plotting":
        plotting.add(node.name)


def count(node: ast.stmt, plotting: set[str]) -> Counter:
    """Lines of a statement by kind; the head of a block is of the kind that most of the block is."""
    bodies = [body for name in ("body", "orelse", "finalbody") for body in getattr(node, name, ())]
    if not bodies:
        return Counter({kind(node, plotting): (node.end_lineno or node.lineno) - node.lineno + 1})
    inside = sum((count(part, plotting) for part in bodies if isinstance(part, ast.stmt)), Counter())
    total = (node.end_lineno or node.lineno) - node.lineno + 1
    inside[inside.most_common(1)[0][0]] += total - inside.total()
    return inside


def kind(node: ast.stmt, plotting: set[str]) -> str:
    """The kind of a statement without a block."""
    calls = list(called(node))
    if isinstance(node, ast.Assert) or any(name.startswith("assert_") for _, name in calls):
        return "assertion"
    if any(name in plotting or DRAWN_ON.match(root) for root, name in calls):
        return "plotting"
    if isinstance(node, ast.Import | ast.ImportFrom) or any(name == "print" for _, name in calls):
        return "plumbing"
    return "matter"


def called(node: ast.AST) -> Iterator[tuple[str, str]]:
    """What is called in a statement: the variable at the root, and the last name."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            function, root = call.func, call.func
            while isinstance(root, ast.Attribute | ast.Subscript | ast.Call):
                root = root.func if isinstance(root, ast.Call) else root.value
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            yield getattr(root, "id", ""), name


def stream(cell: dict) -> str:
    """All that a cell printed."""
    return "".join("".join(out["text"]) for out in cell["outputs"] if out["output_type"] == "stream")


def outside_exercises(cells: list[dict]) -> int:
    """How many cells are neither folded nor between the heading of an exercise and its solution."""
    inside, found = False, 0
    for cell in cells:
        source = "".join(cell["source"])
        begins, ends = source.rfind("### Exercise "), source.rfind("<summary>Solution")
        found += not inside and begins < 0 and "check" not in cell["metadata"].get("tags", ())
        inside = begins > ends or (inside and ends < 0)  # a cell may hold a solution and the next exercise
    return found


def read(path: Path) -> dict:
    """The figures of one executed notebook."""
    cells = json.loads(path.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    seen = [cell for cell in code if "check" not in cell["metadata"].get("tags", ())]
    plotting: set[str] = set()
    lines = sum((kinds("".join(cell["source"]), plotting) for cell in seen), Counter())
    prose = " ".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    printed = [words for words in map(stream, seen) if words]
    return {kind: lines[kind] for kind in KINDS} | dict(
        share=lines["plotting"] / max(1, lines.total()),
        folded=len(code) - len(seen),
        digitless=sum(not re.search(r"\d", words) and "not attempted yet" not in words for words in printed),
        cells=outside_exercises(cells),
        words=len(prose.split()),
        exercises=len(re.findall(r"### Exercise ", prose)),
        kB=round(path.stat().st_size / 1000),
    )


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).resolve().parents[1] / "notebooks"
    rows = {path.stem: read(path) for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}
    columns = list(next(iter(rows.values())))
    print(f"{'notebook':28}" + "".join(f"{name:>11}" for name in columns))
    for name, row in rows.items():
        shown = (f"{100 * value:.0f} %" if key == "share" else str(value) for key, value in row.items())
        print(f"{name:28}" + "".join(f"{value:>11}" for value in shown))
