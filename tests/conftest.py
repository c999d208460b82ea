import pytest

from ldm_teach.models.latent_diffusion import LatentDiffusion
from tests.helpers import make_tiny_model


@pytest.fixture
def tiny_model() -> LatentDiffusion:
    return make_tiny_model()
