import pytest
import torch

from ldm_teach.interactive import plots


def test_the_plane_is_drawn_the_right_way_round():
    """A density at (2, -1) is darkest there, and the arrows of a constant field point the same way."""
    _, (axes, other) = plots.panels(2, "a finding")
    plots.density(axes, lambda x: -(x - torch.tensor([2.0, -1.0])).square().sum(1), extent=3.0)
    picture = axes.images[0].get_array()
    row, column = divmod(int(picture.argmax()), 81)
    assert (column / 80 * 6 - 3, row / 80 * 6 - 3) == pytest.approx((2.0, -1.0), abs=0.04)
    assert axes.images[0].origin == "lower" and axes.get_xlabel() == "$x_1$"
    plots.arrows(other, lambda x: torch.tensor([[0.0, 5.0]]).expand_as(x))
    quiver = other.collections[0]
    assert (quiver.U == 0).all() and (quiver.V > 0).all() and len(quiver.U) == 169
