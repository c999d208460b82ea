import pytest
import torch

from ldm_teach.theory.mixture import GaussianMixture


@pytest.fixture
def mixture() -> GaussianMixture:
    """Three correlated, unequal Gaussians in the plane, float64."""
    weights = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    means = torch.tensor([[2.0, 0.0], [-1.0, 1.5], [0.0, -2.0]], dtype=torch.float64)
    factors = torch.tensor(
        [[[0.5, 0.0], [0.3, 0.4]], [[0.7, 0.0], [-0.2, 0.3]], [[0.4, 0.0], [0.0, 0.6]]], dtype=torch.float64
    )
    return GaussianMixture(weights, means, factors @ factors.mT)
