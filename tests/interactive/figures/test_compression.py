import torch

from ldm_teach.interactive.figures import compression
from ldm_teach.interactive.plots import figure_png


def labels(axes) -> tuple[str, str]:
    return axes.get_xlabel(), axes.get_ylabel()


def test_the_schematic_names_every_part_and_writes_the_shapes():
    figure = compression.autoencoder_schematic("1x28x28", "4x8x8", "two networks")
    words = "".join(text.get_text() for text in figure.axes[0].texts)
    assert figure.axes[0].get_title() == "two networks"
    for part in ("1x28x28", "4x8x8", "encoder", "decoder", "rate", "distortion", "noise"):
        assert part in words
    assert figure_png(figure)


def test_rate_and_distortion_leave_out_what_has_no_place_on_a_logarithmic_axis():
    linear = torch.tensor([0.0, 1.0, 100.0]), torch.tensor([0.3, 0.2, 0.01])
    figure = compression.rate_distortion(
        ("1e-2", "1e0", "1e2"), (300.0, 10.0, 0.0), (0.01, 0.1, 0.3), (0.9, 0.6, 0.1), 0.93, linear, "a finding"
    )
    left, right = figure.axes
    assert figure.get_suptitle() == "a finding"
    assert labels(left) == ("rate (bits per image)", "squared error per pixel")
    assert labels(right) == ("rate (bits per image)", "accuracy on the reconstructions")
    assert len(left.lines[0].get_xdata()) == 2 and len(left.lines[1].get_xdata()) == 2
    assert figure_png(figure)


def test_calibration_has_its_diagonal_and_the_collapse():
    figure = compression.calibration((1e-2, 1.0), (1.1e-2, 0.1), 79.0, "one row is calibrated")
    (axes,) = figure.axes
    assert axes.get_title() == "one row is calibrated"
    assert labels(axes) == ("accepted error $\\nu$ per pixel", "measured error per pixel")
    assert list(axes.lines[2].get_xdata()) == [79.0, 79.0]
    assert figure_png(figure)


def test_losses_have_plain_numbers():
    figure = compression.losses([1.0, 0.3, 0.05], "it falls")
    (axes,) = figure.axes
    assert axes.get_title() == "it falls" and labels(axes) == ("training step", "loss of a batch")
    assert figure_png(figure)
    assert {"0.1", "0.5"} <= {text.get_text() for text in axes.get_yticklabels()}


def test_garments_are_enlarged():
    small = compression.garments(torch.zeros(4, 1, 8, 8), ["a", "b"], [""], "rows", zoom=1)
    large = compression.garments(torch.zeros(4, 1, 8, 8), ["a", "b"], [""], "rows", zoom=3)
    assert large.get_figheight() > 1.5 * small.get_figheight() and large.axes[0].get_title() == "rows"


def test_histograms_of_latents_have_the_normal_density_beside_them():
    z = torch.randn(100, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    (axes,) = compression.channel_histograms({"a": z}, "densities").axes
    drawn, normal = axes.lines[0].get_ydata(), axes.lines[1].get_ydata()
    assert axes.get_title() == "densities" and abs(max(drawn) - max(normal)) < 0.05
    assert labels(axes) == ("value of an element of the latent", "density")


def test_flat_inputs_share_one_scale():
    figure = compression.flat_inputs({"a": torch.zeros(4, 4), "b": torch.ones(4, 4)}, "two ways")
    assert figure.get_suptitle() == "two ways" and [axes.get_title() for axes in figure.axes] == ["a", "b"]
    assert len({axes.images[0].get_clim() for axes in figure.axes}) == 1
