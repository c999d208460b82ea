"""A Gaussian mixture: a distribution whose diffusion, score and posterior are all known in closed form."""

import math

import torch
from torch import Tensor

from ldm_teach import checks
from ldm_teach.theory.parameterization import eps_from_score
from ldm_teach.theory.schedule import Denoiser, NoiseSchedule


class GaussianMixture:
    """p(x) = sum_k weights_k N(x; means_k, covariances_k) on R^d.

    weights: (K,) positive, of sum 1.  means: (K, d).  covariances: (K, d, d), symmetric and positive definite.
    Its methods take x (B, d) and return x's dtype. Raises ValueError for other shapes and values.
    """

    def __init__(self, weights: Tensor, means: Tensor, covariances: Tensor):
        for name, tensor in (("weights", weights), ("means", means), ("covariances", covariances)):
            checks.floating(name, tensor)
        k, d = means.shape if means.ndim == 2 else (None, None)
        if k is None or weights.shape != (k,) or covariances.shape != (k, d, d):
            shapes = f"{tuple(weights.shape)}, {tuple(means.shape)} and {tuple(covariances.shape)}"
            raise ValueError(f"weights, means and covariances have shapes {shapes}; want (K,), (K, d) and (K, d, d)")
        if len({(m.dtype, m.device) for m in (weights, means, covariances)}) > 1:
            dtypes = ", ".join(f"{m.dtype} on {m.device}" for m in (weights, means, covariances))
            raise ValueError(f"weights, means and covariances are {dtypes}; want one dtype and device for all")
        if not (weights > 0).all() or abs(float(weights.sum()) - 1) > 1e-5:
            raise ValueError(f"weights are {weights.tolist()}; want positive numbers of sum 1")
        if not means.isfinite().all():
            raise ValueError(f"means are {means.tolist()}; want finite numbers")
        if not torch.allclose(covariances, covariances.mT):
            raise ValueError("covariances are not symmetric; want symmetric positive definite matrices")
        # In the eigenbasis of a component, diffusion only rescales the variances: C = Q diag(lam) Q^T.
        variances, axes = torch.linalg.eigh(covariances)  # (K, d), (K, d, d)
        if not (variances > 0).all():
            raise ValueError(f"covariances have eigenvalues {variances.tolist()}; want positive definite matrices")
        self.weights, self.means, self.covariances = weights, means, covariances
        self.variances, self.axes = variances, axes

    def _components(self, x: Tensor, alpha_bar: Tensor | float = 1.0) -> tuple[Tensor, Tensor]:
        """log weights_k N_k(x), (B, K), and grad_x log N_k(x), (B, K, d), of the mixture diffused to alpha_bar.

        Component k diffused: mean sqrt(alpha_bar) means_k, covariance alpha_bar C_k + (1 - alpha_bar) I.
        alpha_bar: a number, or (B, 1) for a step of its own for each row.
        """
        checks.shaped("x", x, "B", self.means.shape[1])
        weights, means, lam, axes = (m.to(x) for m in (self.weights, self.means, self.variances, self.axes))
        if isinstance(alpha_bar, Tensor):
            alpha_bar = alpha_bar.to(x)[..., None]  # (B, 1, 1)
        lam = alpha_bar * lam + (1 - alpha_bar)  # (B or 1, K, d)
        offset = torch.einsum("kij,bki->bkj", axes, x[:, None] - alpha_bar**0.5 * means)  # (B, K, d) in eigenbases
        log_normal = -0.5 * (offset.square() / lam + lam.log() + math.log(2 * math.pi)).sum(-1)
        pull = -torch.einsum("kij,bkj->bki", axes, offset / lam)
        return weights.log() + log_normal, pull

    def _score(self, x: Tensor, alpha_bar: Tensor | float = 1.0) -> Tensor:
        log_terms, pull = self._components(x, alpha_bar)
        return torch.einsum("bk,bkd->bd", log_terms.softmax(dim=1), pull)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x), in nats: (B, d) -> (B,)."""
        return self._components(x)[0].logsumexp(dim=1)

    def score(self, x: Tensor) -> Tensor:
        """grad log p(x) = sum_k p(k|x) grad log N_k(x): (B, d) -> (B, d)."""
        return self._score(x)

    def log_posterior(self, x: Tensor) -> Tensor:
        """log p(k|x) by Bayes' rule: (B, d) -> (B, K)."""
        return self._components(x)[0].log_softmax(dim=1)

    def cdf(self, x: Tensor) -> Tensor:
        """P(X <= x) on the line: (B, 1) -> (B, 1). Raises ValueError unless d = 1."""
        self._on_the_line("x", x)
        weights, means, std = (m.flatten().to(x) for m in (self.weights, self.means, self.variances.sqrt()))
        return (weights * torch.special.ndtr((x - means) / std)).sum(1, keepdim=True)  # (B, K) -> (B, 1)

    def quantile(self, u: Tensor) -> Tensor:
        """The x with P(X <= x) = u, for u (B, 1) inside (0, 1), by bisection: (B, 1) -> (B, 1), to u's precision.

        Along the probability flow of a density on the line each sample keeps its quantile, so that
        `diffuse(b).quantile(diffuse(a).cdf(x))` is where the flow takes x from noise level a to b, exactly.
        """
        self._on_the_line("u", u)
        far = 10 * float(self.variances.sqrt().max())
        low = torch.full_like(u, float(self.means.min()) - far)
        high = torch.full_like(u, float(self.means.max()) + far)
        for _ in range(64):
            middle = (low + high) / 2
            below = self.cdf(middle) < u
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return (low + high) / 2

    def _on_the_line(self, name: str, x: Tensor) -> None:
        if self.means.shape[1] != 1:
            raise ValueError(f"d is {self.means.shape[1]}; want a mixture on the line, d = 1")
        checks.shaped(name, x, "B", 1)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n independent samples, (n, d), in the dtype of the means."""
        checks.count("n", n)
        checks.instance("generator", generator, torch.Generator, type(None))
        k = torch.multinomial(self.weights, n, replacement=True, generator=generator)  # (n,)
        z = torch.randn(n, self.means.shape[1], dtype=self.means.dtype, generator=generator)
        return self.means[k] + torch.einsum("nij,nj->ni", self.axes[k], self.variances[k].sqrt() * z)

    def component(self, k: int) -> "GaussianMixture":
        """p(x|k), the k-th Gaussian alone."""
        checks.count("k", k, len(self.weights) - 1, low=0)
        return GaussianMixture(torch.ones_like(self.weights[:1]), self.means[k : k + 1], self.covariances[k : k + 1])

    def given(self, x: Tensor, mask: Tensor) -> "GaussianMixture":
        """The masked coordinates given all others, p(x_u|x_v), in closed form: again a mixture, on R^m.

        x: (d,), of which the m masked entries are not read.  mask: (d,) bool, True where a coordinate is unknown; some
        are, and not all. By component: weight proportional to w_k N_k(x_v), mean mu_u + G (x_v - mu_v), covariance
        C_uu - G C_vu, where G = C_uv C_vv^-1. Source: Bishop 2006, eq. 2.81 and 2.82.
        """
        d = self.means.shape[1]
        mask = checks.shaped("mask", mask, d, dtype=torch.bool, read=True).to(self.means.device)
        x = checks.shaped("x", x, d, read=True).to(self.means)
        if not mask.any() or mask.all():
            raise ValueError(f"mask is {mask.tolist()}; want some coordinates unknown and some known")
        u, v = mask.nonzero().flatten(), (~mask).nonzero().flatten()
        if not x[v].isfinite().all():
            raise ValueError(f"x is {x.tolist()}; want finite numbers where the mask is False")
        C_uu, C_uv, C_vv = (self.covariances[:, i][:, :, j] for i, j in ((u, u), (u, v), (v, v)))
        gain = torch.linalg.solve(C_vv, C_uv.mT).mT  # (K, m, d - m)
        log_weights = GaussianMixture(self.weights, self.means[:, v], C_vv).log_posterior(x[v][None])[0]
        means = self.means[:, u] + torch.einsum("kuv,kv->ku", gain, x[v] - self.means[:, v])
        covariances = C_uu - gain @ C_uv.mT
        # A component too far away for its weight to be a number keeps the smallest one: weights are positive.
        weights = log_weights.exp().clamp(min=torch.finfo(x.dtype).tiny)
        return GaussianMixture(weights, means, (covariances + covariances.mT) / 2)

    def diffuse(self, alpha_bar: float) -> "GaussianMixture":
        """q(x_t) for x_0 from here: a mixture again, for sums of Gaussians are Gaussian (Ho et al. 2020, eq. 4)."""
        checks.between("alpha_bar", alpha_bar, 0, 1)
        noise = (1 - alpha_bar) * torch.eye(self.means.shape[1]).to(self.means)
        return GaussianMixture(self.weights, alpha_bar**0.5 * self.means, alpha_bar * self.covariances + noise)

    def denoiser(self, schedule: NoiseSchedule) -> Denoiser:
        """The exact arrow eps(x_t, t) = E[eps|x_t] = -sqrt(1 - alpha_bar_t) grad log q(x_t)."""
        checks.instance("schedule", schedule, NoiseSchedule)

        def denoise(x_t: Tensor, t: Tensor) -> Tensor:
            alpha_bar = schedule.at(t, x_t)  # (B, 1)
            return eps_from_score(self._score(x_t, alpha_bar), alpha_bar)

        return denoise
