"""A notebook as a page: pictures with their words, films in the place of sliders, nothing that wants a kernel."""

import base64

import ipywidgets
import nbformat
import pytest

from ldm_teach.cli.book_pages import as_page
from ldm_teach.interactive.moving import show_alive, show_still

PNG = base64.b64encode(b"a picture").decode()


def cell(*outputs, tags=()):
    found = [nbformat.v4.new_output("display_data", data, metadata=metadata) for data, metadata in outputs]
    return nbformat.v4.new_code_cell("1 + 1", outputs=found, metadata=dict(tags=list(tags)))


def paged(tmp_path, *cells, **settings):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# 03 A title"), *cells])
    return as_page(notebook, "03_langevin_dynamics", tmp_path, **settings).cells[1:]


def test_a_picture_is_a_file_with_its_words_and_its_width(tmp_path):
    (found,) = paged(tmp_path, cell(({"image/png": PNG}, {"image/png": dict(alt='two "walks" & more', width=300)})))
    element = found.outputs[0].data["text/html"]
    assert (tmp_path / "notebooks" / "03-1-0.png").read_bytes() == b"a picture"
    assert 'src="_static/notebooks/03-1-0.png" width="300" alt="two &quot;walks&quot; &amp; more"' in element


def test_what_moves_is_a_film_where_there_is_one_and_said_in_words_where_not(tmp_path, displayed):
    show_still(b"a picture", "a slider")
    still = [(one.data, one.metadata or {}) for one in displayed]
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "03-2.webp").write_bytes(b"a film")
    without, filmed = paged(tmp_path, cell(*still), cell(*still))
    assert "is drawn while the cell runs" in without.outputs[1].data["text/html"]
    assert '<img src="_static/films/03-2.webp" alt="' in filmed.outputs[1].data["text/html"]


def test_what_only_a_kernel_shows_is_left_out(tmp_path, displayed):
    class Owner:
        box = ipywidgets.VBox()

    show_alive(Owner())
    (found,) = paged(tmp_path, cell(*((one.data, one.metadata or {}) for one in displayed)))
    assert found.outputs == []


def test_the_checks_of_the_course_are_folded(tmp_path):
    (found,) = paged(tmp_path, cell(tags=["check"]))
    assert found.metadata["tags"] == ["check", "hide-input"]


@pytest.mark.parametrize("repository", ["", "https://github.com/someone/course"])
def test_a_notebook_can_be_opened_online_where_a_repository_is_named(tmp_path, repository):
    first = paged(tmp_path, cell(), repository=repository)[0]
    assert (first.cell_type == "markdown") == bool(repository)
    if repository:
        assert "colab.research.google.com/github/someone/course/blob/online/03_langevin_dynamics.ipynb" in first.source
        assert "mybinder.org/v2/gh/someone/course/HEAD?urlpath=lab/tree/notebooks/03_lang" in first.source


def test_the_marks_for_a_grader_are_left_out(tmp_path):
    words = "```python\ndef f(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION\n```"
    (found,) = paged(tmp_path, nbformat.v4.new_markdown_cell(words))
    assert found.source == "```python\ndef f(x):\n    return x\n```"
