"""The benchmarks beside other packages: sizes, a step and a sample of each, and the document. Skipped without them."""

import sys
from pathlib import Path

import pytest
import torch

from ldm_teach.data.fashion import Images, fashion_mnist
from ldm_teach.measuring import tables
from ldm_teach.training.recipes import latent

pytest.importorskip("smalldiffusion", reason="needs benchmarks/requirements.txt")
sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import peers
import run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning"),  # of diffusers
]


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
    good = [run.Quality("other", "its example", 101, 1234, "DDIM", 0.5, 0.875)]
    tables.keep(fast, dict(rounds=3), tmp_path / "throughput.json")
    assert "Not measured yet: `python benchmarks/run.py quality`" in run.document()
    tables.keep([run.Rate("other", 46.2)], dict(rounds=3), tmp_path / "rates.json")
    tables.keep(good, dict(samples=50, floor=0.1, minutes=10.0, device="cpu"), tmp_path / "quality.json")
    words = run.document()
    assert "| other | 101 | 100 | 0.50 | DDIM | 4.0 | 2.50 |" in words
    assert "| other | its example | 101 | 1,234 | DDIM | 0.50 | 87.5 % |" in words and "other 46" in words


def test_minutes_are_counted_in_images(monkeypatch):
    (flat,) = (peer for peer in peers.as_recommended() if peer.name == "smalldiffusion")
    _, images = run.theirs(flat, minutes=0.05, rate=100.0, device="cpu")  # 300 images, in batches of 128
    assert images == 256
    x, y = fashion_mnist()
    monkeypatch.setattr(run, "fashion_mnist", lambda: Images(x[:64], y[:64]))
    monkeypatch.setattr(latent, "fashion_mnist", lambda: Images(x[:256], y[:256]))
    rate = {"autoencoder": 48.0, "encoding": 256.0, "latents": 64.0}  # of nine seconds two train it, one is encoding
    _, images = run.ours(0.15, rate, "cpu", autoencoder=None)
    assert images == 384
