"""A score network for points: small enough to train in seconds, for data whose true score is known."""

import torch
from torch import Tensor, nn

from ldm_teach import checks


class ScoreNetwork(nn.Module):
    """s_theta(x, sigma), an estimate of the score of the density of x0 + sigma eps: (B, d), (B,) -> (B, d).

    The network sees x / sqrt(1 + sigma^2), of about unit size at every level, and log sigma; its output is an estimate
    of -eps and is divided by sigma: true scores grow as 1 / sigma.
    Source: Song & Ermon 2019, sec. 4 (noise conditional score networks); Song & Ermon 2020, sec. 3.3, for 1 / sigma.
    """

    def __init__(self, dimensions: int = 2, width: int = 128, depth: int = 3):
        super().__init__()
        checks.counts(dimensions=dimensions, width=width, depth=depth)
        self.dimensions = dimensions
        layers: list[nn.Module] = []
        for i in range(depth):
            layers += [nn.Linear(width if i else dimensions + 1, width), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(width, dimensions))

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        weight = next(self.parameters())
        checks.shaped("x", x, "B", self.dimensions, like=weight)
        checks.shaped("sigma", sigma, x.shape[0], like=weight)
        sigma = sigma[:, None]  # (B,) -> (B, 1)
        return self.layers(torch.cat([x / (1 + sigma**2).sqrt(), sigma.log()], dim=1)) / sigma
