import copy

import pytest
import torch

from ldm_teach.models.score_network import ScoreNetwork
from ldm_teach.training.batches import Batches
from ldm_teach.training.loop import fit
from ldm_teach.training.losses import (
    score_matching_loss,
)
from tests.helpers import seeded


def test_score_network_learns_the_score_of_a_gaussian():
    """In 600 steps, to 5 % of its mean square, at both ends of the ladder."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = ScoreNetwork(width=64)
    average = copy.deepcopy(network)
    x0 = 0.5 * torch.randn(10_000, 2, generator=seeded(1)) + 1
    settings = dict(num_steps=600, learning_rate=5e-3, average=average, average_decay=0.99, device="cpu")
    for _ in fit(network, score_matching_loss([2.0, 0.2]), Batches(x0, batch_size=256), **settings):
        pass
    for sigma in (2.0, 0.2):
        x = 1 + (0.25 + sigma**2) ** 0.5 * torch.randn(1000, 2, generator=seeded(2))
        true = -(x - 1) / (0.25 + sigma**2)
        error = (average(x, torch.full((1000,), sigma)) - true).square().mean() / true.square().mean()
        assert error < 0.05
    with pytest.raises(ValueError, match=r"want floating-point of shape \(1000,\)"):
        network(x, torch.ones(3))
