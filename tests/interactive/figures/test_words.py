import pytest
import torch

from ldm_teach.interactive.figures import words as figures
from ldm_teach.interactive.plots import figure_png

PICTURES = torch.zeros(12, 3, 32, 32)
CAPTIONS = ["a red circle", "a red circle above a blue square", "a red circle, a blue square and a red cross"]
CURVE = ([0.4, 0.5], [0.1, 0.1])


@pytest.mark.parametrize(
    "figure, title, label",
    [
        (figures.schematic(), "Cross-attention", ""),
        (figures.sharpness([4, 16], {"divided": CURVE, "as it is": CURVE}, "sharp"), "sharp", "width d of a key"),
        (figures.learning({"with": ([0, 20], [0.1, 0.9])}, "learning"), "learning", "training step"),
        (figures.by_weight(PICTURES.view(3, 2, 2, 3, 32, 32), CAPTIONS, [0, 3], "weights"), "weights", ""),
        (
            figures.asked(PICTURES[:3], CAPTIONS, ["as asked", "a near tie", "wrong items"], "asked"),
            "asked",
            "as asked",
        ),
        (figures.attention(PICTURES[0], ["a", "red"], torch.rand(2, 8, 8), "maps"), "maps", ""),
        (figures.over_time([999, 0], {"a": {"b": CURVE}}, ("time", "share"), "over time"), "over time", "time"),
        (figures.lines(PICTURES[:6].view(2, 3, 3, 32, 32), ["one", "two"], CAPTIONS, "lines"), "lines", ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_figure_says_its_finding_and_what_its_axes_are(figure, title, label):
    assert figure_png(figure).startswith(b"\x89PNG")
    titles = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
    assert any(title in words for words in titles)
    assert figure.axes[0].get_xlabel() == label


def test_a_step_is_drawn_with_its_words_and_one_panel_for_all_padding():
    class Model:
        def decode(self, z):
            return PICTURES[:1]

    weights = torch.full((2, 14, 8, 8), 1 / 14)
    figure = figures.attention_steps(Model(), CAPTIONS[0], [(999, torch.zeros(2, 4, 8, 8), weights)])(0)
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == ["guess of $x_0$", "a", "red", "circle", "padding"]
    assert "t = 999" in figure.get_suptitle() and panels[-1].images[0].get_array().max() > 0.7


def test_a_frame_says_the_verdict():
    figure = figures.asked(PICTURES[:2], CAPTIONS[:2], ["as asked", "a near tie"], "frames")
    widths = [axes.spines["top"].get_linewidth() for axes in figure.axes[:2]]
    assert widths[0] < widths[1] and figure.axes[1].get_xlabel() == "a near tie"


@pytest.mark.parametrize(
    "caption, lines",
    [(CAPTIONS[0], 1), (CAPTIONS[1], 2), (CAPTIONS[2], 2)],
    ids=["one item", "two items", "three items"],
)
def test_a_caption_is_broken_between_its_phrases(caption, lines):
    assert len(figures.broken(caption).split("\n")) == lines
    assert " ".join(figures.broken(caption).split()) == caption
