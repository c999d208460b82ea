"""The mixture that the laws are tested on, and the table of laws: `pytest tests/theory -m law`."""

from pathlib import Path

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


@pytest.fixture
def within(request):
    """within(error, tolerance) asserts error <= tolerance, and keeps both for the table where the test holds a law."""

    def check(error, tolerance: float) -> None:
        error = float(torch.as_tensor(error).detach())
        law = request.node.get_closest_marker("law")
        if law:
            request.config.stash.setdefault(MEASURED, []).append(
                (*law.args, f"{Path(request.node.path).name}::{request.node.originalname}", error, tolerance)
            )
        assert error <= tolerance

    return check


MEASURED = pytest.StashKey[list]()


def pytest_terminal_summary(terminalreporter, config):
    """A line for each test that holds a law, with the error nearest to its tolerance among its cases."""
    worst: dict[tuple[str, ...], tuple[float, float]] = {}
    for equation, function, test, error, tolerance in config.stash.get(MEASURED, []):
        before = worst.get((equation, function, test))
        if before is None or error / tolerance > before[0] / before[1]:
            worst[equation, function, test] = (error, tolerance)
    if worst and config.getoption("markexpr") == "law":
        terminalreporter.section("laws: error measured, tolerance")
        for (equation, function, test), (error, tolerance) in worst.items():
            terminalreporter.write_line(f"{function:34} {error:8.1e} <= {tolerance:7.1e}  {equation}")
            terminalreporter.write_line(f"{'':34} {test}")
