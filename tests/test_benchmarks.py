"""The benchmarks beside other packages: sizes, a step and a sample of each, and the document. Skipped without them."""

import sys
from pathlib import Path

import pytest
import torch

from ldm_teach.measuring import tables

pytest.importorskip("smalldiffusion", reason="needs benchmarks/requirements.txt")
sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import peers
import run

pytestmark = pytest.mark.slow


def test_networks_are_of_equal_size_and_each_trains_and_samples():
    entrants = peers.at_equal_parameters()
    assert all(abs(peer.parameters / entrants[0].parameters - 1) <= 0.02 for peer in entrants)
    x, labels = torch.randn(256, 4, 8, 8).clamp(-1, 1), torch.arange(256) % 10
    for peer in entrants:
        before = [p.clone() for p in peer.network.parameters()]
        network = next(peer.fit(x, labels))
        assert any(not torch.equal(a, b) for a, b in zip(before, peer.network.parameters(), strict=True)), peer.name
        for name, sample in peer.samplers.items():
            found = sample(network, labels[:3])
            assert found.shape == (3, 4, 8, 8) and found.isfinite().all(), (peer.name, name)


def test_the_document_is_what_the_command_writes():
    assert run.DOCUMENT.read_text() == run.document()


def test_the_document_shows_losses_too(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "HERE", tmp_path)
    fast = [run.Throughput("ldm_teach", 100, 50.0, "DDIM", 10.0), run.Throughput("other", 101, 100.0, "DDIM", 4.0)]
    good = [run.Quality("other", "its example", 101, 5.0, 1234, "DDIM", 0.5, 0.875, 4.0)]
    tables.keep(fast, dict(rounds=3), tmp_path / "throughput.json")
    assert "Not measured yet: `python benchmarks/run.py quality`" in run.document()
    tables.keep(good, dict(samples=50, floor=0.1), tmp_path / "quality.json")
    words = run.document()
    assert "| other | 101 | 100 | 0.50 | DDIM | 4.0 | 2.50 |" in words
    assert "| other | its example | 101 | 5.0 | 1,234 | DDIM | 0.50 | 87.5 % | 4.0 |" in words
