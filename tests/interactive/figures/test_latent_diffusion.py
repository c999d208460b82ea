import torch

from ldm_teach.interactive.figures import latent_diffusion as figures
from ldm_teach.interactive.plots import figure_png


def labels(axes) -> tuple[str, str]:
    return axes.get_xlabel(), axes.get_ylabel()


def words(axes) -> str:
    return " ".join(text.get_text() for text in axes.texts)


def test_the_schematics_name_their_parts():
    stages, unet = figures.two_stages(), figures.unet_schematic()
    for part in ("encoder", "decoder", "latent", "U-Net", "noise", "sampling", "training"):
        assert part in words(stages.axes[0])
    for part in ("residual", "attention", "skip", "shrink", "grow", "time", "condition"):
        assert part in words(unet.axes[0])
    assert figure_png(stages) and figure_png(unet)


def test_cost_is_relative_to_the_first_side():
    (axes,) = figures.cost((8, 16), {"multiplications": [5.0, 20.0], "time": [1.0, 3.0]}, "a finding").axes
    assert axes.get_title() == "a finding" and labels(axes) == ("side of the input (pixels)", "cost, side 8 = 1")
    assert list(axes.lines[0].get_ydata()) == [1.0, 4.0]


def test_features_of_time_and_their_products():
    figure = figures.time_features(torch.zeros(10, 4), {"from t = 5": torch.ones(5)}, "alike")
    left, right = figure.axes[:2]
    assert figure.get_suptitle() == "alike" and labels(right) == ("distance in t", "inner product")
    assert labels(left) == ("index t", "number in the embedding") and list(right.lines[0].get_xdata()) == [
        *range(-2, 3)
    ]
    assert figure_png(figure)


def test_depth_and_losses_by_timestep():
    (axes,) = figures.depth((1, 2), {"zero start": [1.0, 1.0]}, "stays").axes
    assert axes.get_title() == "stays" and labels(axes) == ("blocks in the stack", "standard deviation of the output")
    figure = figures.by_timestep([100, 300], {"whole": ([0.5, 0.3], [0.01, 0.01])}, "cut")
    assert figure.axes[0].get_title() == "cut" and labels(figure.axes[0]) == ("index t", "loss of v")
    assert figure_png(figure)


def test_the_title_of_a_training_says_how_much_the_loss_moves():
    short = figures.learning(torch.zeros(10, 1, 8, 8), [1.0] * 30)
    assert short.get_suptitle() == "After 30 training steps: a sample of each class, and the loss"
    long = figures.learning(torch.zeros(10, 1, 8, 8), [0.9, 1.1] * 60)
    assert long.get_suptitle().endswith("which moves by 20 % from step to step")
    assert labels(long.axes[1]) == ("training step", "loss of v") and figure_png(long)


def test_two_loops_and_scales():
    figure = figures.two_loops({"broken": [0.1, 0.05]}, {"network": [2.0, 1.0]}, "stops")
    assert figure.get_suptitle() == "stops"
    assert [labels(axes) for axes in figure.axes] == [
        ("training step", "learning rate"),
        ("training step", "distance to the true weights"),
    ]
    assert figure_png(figure)
    figure = figures.scales((0.5, 1, 2), {"in": [0.1, 0.01, 0.2]}, {"in": [(0.5, 0.1), (0.9, 0.1), (0.8, 0.1)]}, "c")
    assert [axes.get_ylabel() for axes in figure.axes] == ["squared error per pixel", "accuracy (judge)"]
    assert figure_png(figure)


def test_bars_add_up_and_name_their_parts_once():
    (axes,) = figures.two_parts({"a": (1.0, 2.0, 3.0), "b": (1.0, 1.0, 1.0)}, ("x", "y", "z"), "mostly z").axes
    assert axes.get_title() == "mostly z" and axes.get_xlabel() == "Fréchet distance to the test images"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["x", "y", "z"]
    assert max(patch.get_x() + patch.get_width() for patch in axes.patches) == 6.0
    (axes,) = figures.ratios({"multiplications": 16.7, "training": 20.0}, "slower").axes
    assert axes.get_title() == "slower" and axes.get_xlabel() == "pixels / latent"


def test_neighbours_are_shown_below_their_images():
    figure = figures.neighbours({"samples": torch.tensor([2.0, 1.0])}, torch.zeros(16, 1, 8, 8), "no copies")
    left, right = figure.axes
    assert figure.get_suptitle() == "no copies"
    assert labels(left) == ("distance to the nearest training image", "share with at most this distance")
    assert [label.get_text() for label in right.get_xticklabels()] == ["four samples", "four held-out images"]
    assert figure_png(figure)
    assert figures.garments(torch.zeros(4, 1, 8, 8), ["a", "b"], "rows").axes[0].get_title() == "rows"
