from types import SimpleNamespace

import pytest

from ldm_teach.interactive import moving


@pytest.fixture
def displayed(monkeypatch):
    """What is displayed, in order, each with its data and metadata, as a kernel would send it."""
    sent = []

    def display(data, raw, metadata=None):
        sent.append(SimpleNamespace(data=data, metadata=metadata))

    monkeypatch.setattr(moving, "display", display)
    return sent
