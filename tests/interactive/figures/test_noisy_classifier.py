import pytest

from ldm_teach.interactive.figures import noisy_classifier as figures

LINE = {0: (0.9, 0.01), 500: (0.8, 0.02), 999: (0.1, 0.01)}


def words(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_the_schematic_names_both_halves():
    texts = [text.get_text() for text in figures.schematic().axes[0].texts]
    assert any("loss" in text for text in texts) and any("sampling" in text for text in texts)


def test_a_training_is_drawn_after_any_number_of_steps():
    for steps in (1, 60):
        figure = figures.learning(LINE, LINE, [2.0] * steps, 0.9)
        assert figure._suptitle.get_text() == f"After {steps} training steps"
    assert words(figure.axes[0]) == ["chance", "mine", "shipped"]


def test_accuracy_and_confidence_are_drawn_for_each_classifier():
    figure = figures.by_level(dict(mine=LINE, clean=LINE), dict(mine=LINE, clean=LINE), "a finding")
    left, right = figure.axes
    assert left.get_ylabel() == "accuracy" and right.get_ylabel() == "mean confidence - accuracy"
    assert set(words(left)) == {"mine", "clean", "chance"} and figure._suptitle.get_text() == "a finding"


def test_reliability_has_a_panel_for_each_timestep():
    bins = {("shipped", 0): [(0.9, 0.8, 0.1)], ("clean", 0): [(0.9, 0.7, 0.1)], ("shipped", 500): [(0.5, 0.5, 0.1)]}
    figure = figures.reliability(bins, "a finding")
    assert [axes.get_title() for axes in figure.axes] == ["t = 0", "t = 500"]
    assert figure.axes[0].get_ylabel() == "share that is right"


def test_the_reference_has_a_band_and_the_others_bars():
    lengths = {"shipped": LINE, "conditional branch": LINE}
    figure = figures.gradients(lengths, {"shipped": LINE}, "a finding")
    assert len(figure.axes[0].collections) >= 1 and figure.axes[0].get_yscale() == "log"
    assert figure.axes[1].get_ylabel() == "cosine with the conditional branch"


def test_rows_are_points_of_distance_and_accuracy():
    points = {"s = 4": (0.5, 0.9), "clean": (11.0, 0.2)}
    axes = figures.obeyed_and_distance(points, (0.6, 0.05), "a finding").axes[0]
    assert {text.get_text() for text in axes.texts} == set(points) and axes.get_title() == "a finding"


@pytest.mark.parametrize("name", ("accuracy", "frechet", "precision", "recall"))
def test_each_panel_of_the_curves_has_its_own_finding(name):
    titles = {figure: f"finding of {figure}" for figure in ("accuracy", "frechet", "precision", "recall")}
    row = dict.fromkeys(titles, (0.5, 0.1))
    lines = {"without condition": {0.0: row, 4.0: row}, "with condition": {0.0: row, 1.0: row}}
    figure = figures.curves(lines, dict.fromkeys(titles, 0.9), titles)
    axes = figure.axes[list(titles).index(name)]
    assert axes.get_title() == titles[name] and axes.get_yscale() == ("log" if name == "frechet" else "linear")
