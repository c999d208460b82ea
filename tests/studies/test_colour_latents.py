"""The weight of the divergence and the latents: what a row says, beside torch's own distributions."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from ldm_teach.data.emoji import as_images, emoji
from ldm_teach.measuring import tables
from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.studies import colour_latents
from ldm_teach.studies.colour_latents import KL_WEIGHTS, LATENT_NOISE, PATH, Row, measured_latents, run, table
from ldm_teach.training.recipes.emoji import AUTOENCODER
from tests.helpers import seeded

pytestmark = pytest.mark.slow
KEPT = pytest.mark.skipif(not PATH.is_file(), reason="the table is not kept yet")


@pytest.fixture(scope="module")
def small() -> KLAutoencoder:
    """An autoencoder of the recipe's shape, narrow, that has learned nothing."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return KLAutoencoder(**AUTOENCODER | dict(widths=(16, 16, 16), depths=(1, 1, 1))).eval()


@torch.no_grad()
def test_bits_spread_and_decibels(small):
    x = as_images(emoji("pairs").x[:12])
    row, posterior = measured_latents(1.0, small, x, seed=0), small.encode(x)
    nats = kl_divergence(Normal(posterior.mean, posterior.std), Normal(0.0, 1.0)).flatten(1).sum(1).mean()
    assert row.bits == pytest.approx(float(nats) / 0.693147, rel=1e-4)
    z = posterior.mean + posterior.std * torch.randn(200, *posterior.mean.shape, generator=seeded(1))
    spread = z.var(dim=(0, 1, 3, 4)).sqrt()
    assert row.least == pytest.approx(float(spread.min()), rel=0.02)
    assert row.most == pytest.approx(float(spread.max()), rel=0.02)
    error = (small.decode(posterior.mean).clamp(-1, 1) - x).square().mean()
    assert row.psnr == pytest.approx(float(10 * torch.log10(4 / error)), abs=1e-3)
    noise = torch.randn(posterior.mean.shape, generator=seeded(0)) * LATENT_NOISE
    channels = (posterior.mean.var(dim=(0, 2, 3)) + posterior.std.square().mean(dim=(0, 2, 3))).sqrt()
    noisy = small.decode(posterior.mean + noise * channels.view(1, -1, 1, 1)).clamp(-1, 1)
    assert row.noisy == pytest.approx(float(10 * torch.log10(4 / (noisy - x).square().mean())), abs=1e-3)


def test_a_row_for_each_weight_from_the_same_start(monkeypatch):
    few = emoji("pairs")
    monkeypatch.setattr(colour_latents, "emoji", lambda split: type(few)(*(column[:4] for column in few)))
    rows = list(run(weights=(1e-6, 10.0), num_steps=2, device="cpu"))
    assert [row.weight for row in rows] == [1e-6, 10.0] and rows[0].bits != rows[1].bits
    assert abs(rows[0].psnr - rows[1].psnr) < 1  # two steps apart
    assert len(table(rows).splitlines()) == 3 and "1e-06" in table(rows)


@KEPT
def test_a_heavier_weight_costs_decibels_and_saves_bits():
    rows, settings = tables.read(Row, PATH)
    assert tuple(row.weight for row in rows) == KL_WEIGHTS and settings["steps"] == 1_000
    bits = [row.bits for row in rows]
    assert bits == sorted(bits, reverse=True)
