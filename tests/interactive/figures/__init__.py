"""What the figures of all notebooks are asked."""

from matplotlib.figure import Figure

from ldm_teach.interactive.plots import figure_png


def says(figure: Figure, title: str, label: str | None) -> None:
    """Asserts that a figure can be drawn, has the title, and, where a label is given, labels of its axes with it."""
    assert figure_png(figure).startswith(b"\x89PNG")
    titles = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
    assert any(title in words for words in titles)
    if label:
        assert all(label in axes.get_xlabel() and axes.get_ylabel() for axes in figure.axes)
