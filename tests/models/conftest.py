"""A U-Net with no parameter at zero, for the tests of the U-Net and of its attention."""

import pytest

from ldm_teach.models.unet import UNet
from tests.helpers import randomized


@pytest.fixture
def unet() -> UNet:
    return randomized(UNet(channels=3, widths=(16, 32), heads=(0, 2), token_width=8))
