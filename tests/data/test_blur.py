import pytest
import torch

from ldm_teach.data.blur import blurred


def test_a_blurred_point_is_a_gaussian_and_a_flat_image_stays_flat():
    x = torch.zeros(1, 2, 41, 41, dtype=torch.float64)
    x[0, 1, 20, 20] = 1
    spot, place = blurred(x, 2.0)[0, 1], torch.arange(41, dtype=torch.float64) - 20
    assert float(spot.sum()) == pytest.approx(1) and blurred(x, 2.0)[0, 0].abs().max() == 0
    assert float((spot.sum(0) * place**2).sum()) == pytest.approx(4, rel=0.03)  # variance, cut off at three sigma
    torch.testing.assert_close(spot, spot.T)
    torch.testing.assert_close(blurred(torch.full((1, 1, 28, 28), 0.3)), torch.full((1, 1, 28, 28), 0.3))


@pytest.mark.parametrize(
    "x, sigma, words",
    [
        (torch.zeros(1, 1, 28, 28), 0.0, "sigma is 0.0; want a number above 0"),
        (torch.zeros(1, 1, 6, 28), 2.0, r"x has shape \(1, 1, 6, 28\); want \(B, C, H, W\), H and W above 6"),
    ],
)
def test_blurring_refuses(x, sigma, words):
    with pytest.raises(ValueError, match=words):
        blurred(x, sigma)
