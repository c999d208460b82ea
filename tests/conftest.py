from types import SimpleNamespace

import pytest

from ldm_teach.interactive import moving
from ldm_teach.models.latent_diffusion import LatentDiffusion
from tests.helpers import make_tiny_model


@pytest.fixture
def tiny_model() -> LatentDiffusion:
    return make_tiny_model()


@pytest.fixture
def displayed(monkeypatch):
    """What is displayed, in order, each with its data and metadata, as a kernel would send it."""
    sent = []

    def display(data, raw, metadata=None):
        sent.append(SimpleNamespace(data=data, metadata=metadata))

    monkeypatch.setattr(moving, "display", display)
    return sent
