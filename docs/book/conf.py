"""Sphinx's settings of the book; `python -m ldm_teach book OUT` lays the pages beside this file, and builds them."""

import re

from docutils import nodes

from ldm_teach.cli.book import repository

project, author = "ldm_teach", "The ldm_teach authors"
copyright = "The ldm_teach authors; MIT licence"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx-mathjax-offline"]
suppress_warnings = ["mystnb.mime_priority"]  # the outputs that only JupyterLab can show are left out

nb_execution_mode = "off"  # what the notebooks print was tested where they were made
nb_merge_streams = True
nb_code_prompt_show = "A check of the course itself"
nb_code_prompt_hide = "Fold this check"
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}

html_theme = "sphinx_book_theme"
html_title = "ldm_teach"
html_favicon = "static/favicon.svg"
html_static_path = ["static"]
html_css_files = ["book.css"]
html_copy_source = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "home_page_in_toc": True,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "navbar_persistent": [],  # the search field stands above the list of chapters
    "use_download_button": False,
    "use_fullscreen_button": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
if repository():
    html_theme_options |= {"repository_url": repository(), "use_repository_button": True}

# A paragraph of its own for each argument ("num_steps: ..."), for the errors and for the source.
BEGINS = re.compile(r"(?<=[.)\]])\s+(?=(?:Raises [A-Z]|Sources?: |[a-z_]\w*(?:, [a-z_]\w*)*: ))")


def as_rst(text: str) -> list[str]:
    """A docstring of plain English, with names in single backticks, as reStructuredText: nothing else is markup."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        rows = paragraph.split("\n")
        if all(row.startswith("    ") for row in rows):
            lines += ["::", "", *rows, ""]
            continue
        for sentence in BEGINS.split(" ".join(row.strip() for row in rows)):
            parts = re.split(r"(`+[^`]+`+)", sentence)
            names = (f"``{part.strip('`').strip()}``" if part.startswith("`") else plain(part) for part in parts)
            lines += ["".join(names), ""]
    return lines


def plain(text: str) -> str:
    return re.sub(r"([\\*|_])", r"\\\1", text)


def keep_together(app, tree, name):
    """Brackets and punctuation stay on the line of their formula; a browser may end a line on both sides of it."""
    for formula in list(tree.findall(nodes.math)):
        together = nodes.inline(classes=["together"])
        formula.replace_self(together)
        together += formula
        around, at = together.parent, together.parent.index(together)
        if at > 0 and isinstance(around[at - 1], nodes.Text):
            text, mark = re.fullmatch(r"(.*?)([(\[“]*)", around[at - 1], re.DOTALL).groups()
            around[at - 1] = nodes.Text(text)
            together.insert(0, nodes.Text(mark))
        if at + 1 < len(around) and isinstance(around[at + 1], nodes.Text):
            mark, text = re.fullmatch(r"([.,;:!?)\]”’]*)(.*)", around[at + 1], re.DOTALL).groups()
            around[at + 1] = nodes.Text(text)
            together += nodes.Text(mark)


def setup(app):
    def write(app, what, name, obj, options, lines):
        lines[:] = as_rst("\n".join(lines))

    def skip(app, what, name, obj, skipped, options):
        return True if type(obj).__name__ == "_tuplegetter" else None  # "Alias for field number 0"

    app.connect("autodoc-process-docstring", write)
    app.connect("autodoc-skip-member", skip)
    app.connect("doctree-resolved", keep_together)
