"""What the figures of the course are made with: each is shown beside the same figure for real data."""

import torch
from torch import Tensor

from ldm_teach import checks
from ldm_teach.measuring.statistics import share_error


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """|mu_a - mu_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)) between the Gaussians fitted to two sets of features.

    a: (N, F).  b: (M, F).  In the units of the features, squared.
    The trace of the root is the sum of the roots of the eigenvalues of C_a C_b, which are real and not negative.
    Source: Dowson & Landau 1982; Heusel et al. 2017, eq. 6.
    """
    for name, features in (("a", a), ("b", b)):
        if checks.floating(name, features).ndim != 2 or len(features) < 2 or features.shape[1] != a.shape[1]:
            raise ValueError(f"{name} has shape {tuple(features.shape)}; want (N, F) with N > 1 and one F for both")
    a, b = a.double(), b.double()
    cov_a, cov_b = a.T.cov(), b.T.cov()
    root = torch.linalg.eigvals(cov_a @ cov_b).real.clamp(min=0).sqrt().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * root)


def nearest_distance(x: Tensor, k: int) -> Tensor:
    """The distance from each point of x (N, F) to its k-th nearest other point: (N,)."""
    checks.count("k", k, len(x) - 1)
    return torch.cat([torch.cdist(chunk, x).kthvalue(k + 1, dim=1).values for chunk in x.split(1000)])  # 1st: itself


def covered(points: Tensor, centres: Tensor, radii: Tensor) -> float:
    """The fraction of points (N, F) inside one ball or more of those about centres (M, F) with radii (M,)."""
    inside = [(torch.cdist(chunk, centres) <= radii).any(dim=1) for chunk in points.split(1000)]
    return float(torch.cat(inside).double().mean())


def precision_recall(real: Tensor, fake: Tensor, k: int = 3) -> tuple[float, float]:
    """How many fakes lie among the real, and how many of the real lie among the fakes, by features (N, F), (M, F).

    A set is taken for the union of balls about its points, each reaching to the k-th nearest other point of the set.
    Both depend on N and M: compare only figures made with the same numbers.
    Source: Kynkaanniemi et al. 2019, whose k is 3.
    """
    for name, features in (("real", real), ("fake", fake)):
        if checks.floating(name, features).ndim != 2 or features.shape[1] != real.shape[1]:
            raise ValueError(f"{name} has shape {tuple(features.shape)}; want (N, F) with one F for both")
    precision = covered(fake, real, nearest_distance(real, k))
    return precision, covered(real, fake, nearest_distance(fake, k))


def diversity_within(features: Tensor, labels: Tensor) -> float:
    """The mean distance between two different samples of one class, averaged over the classes: variety beside class.

    features: (N, F).  labels: (N,) int64.  In the units of the features. Raises ValueError for a class with one sample.
    """
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise ValueError(
            f"features and labels have shapes {tuple(features.shape)}, {tuple(labels.shape)}; want (N, F), (N,)"
        )
    means = []
    for label in labels.unique():
        distances = torch.pdist(features[labels == label])
        if not len(distances):
            raise ValueError(f"labels holds class {int(label)} once; want two samples or more of each class")
        means.append(distances.mean())
    return float(torch.stack(means).mean())


def energy_distance(a: Tensor, b: Tensor, blocks: int = 10) -> tuple[float, float]:
    """2 E|A - B| - E|A - A'| - E|B - B'| and its standard error: 0 only where two distributions are one.

    a: (N, d).  b: (M, d), independent draws. Each of `blocks` parts of both gives an estimate of its own, unbiased
    because no point is paired with itself; returned are their mean and its error. In the units of the points.
    Source: Szekely & Rizzo 2013.
    """
    for name, points in (("a", a), ("b", b)):
        if checks.floating(name, points).ndim != 2 or len(points) < 2 * blocks or points.shape[1] != a.shape[1]:
            raise ValueError(
                f"{name} has shape {tuple(points.shape)}; want (N, d), N at least {2 * blocks}, one d for both"
            )
    parts = zip(a.chunk(blocks), b.chunk(blocks), strict=True)
    values = torch.stack(
        [2 * torch.cdist(x, y).mean() - torch.pdist(x).mean() - torch.pdist(y).mean() for x, y in parts]
    )
    return float(values.mean()), float(values.std() / blocks**0.5)


def accuracy(predicted: Tensor, wanted: Tensor) -> tuple[float, float]:
    """The fraction of equal labels and its standard error, by `share_error`. predicted, wanted: (N,)."""
    if predicted.shape != wanted.shape or predicted.ndim != 1:
        raise ValueError(
            f"predicted and wanted have shapes {tuple(predicted.shape)}, {tuple(wanted.shape)}; want (N,) twice"
        )
    p = float((predicted == wanted).double().mean())
    return p, share_error(p, len(wanted))


def peak_signal_to_noise(x: Tensor, y: Tensor) -> float:
    """PSNR in decibels of images in [-1, 1], from the mean squared error over all of them: 10 log10(4 / MSE)."""
    checks.same_shape(x=x, y=y)
    return float(10 * torch.log10(4 / (x - y).square().mean()))


def autocorrelation_time(x: Tensor, window: float = 5.0) -> float:
    """How many steps of a chain are worth one independent draw: tau = 1 + 2 sum_k rho_k, in steps.

    x: (steps, chains), one number of the state of each chain after each step, the chains at their stationary law. The
    sum ends at the first lag beyond window * max(tau, 1). Raises ValueError where the chains are too short for that.
    Source: Sokal 1997, sec. 3 (there tau_int = tau / 2).
    """
    if checks.floating("x", x).ndim != 2:
        raise ValueError(f"x has shape {tuple(x.shape)}; want (steps, chains)")
    x = x - x.mean()
    variance, tau = x.square().mean(), 1.0
    for lag in range(1, len(x)):
        tau += 2 * float((x[lag:] * x[:-lag]).mean() / variance)
        if lag > window * max(tau, 1):
            return tau
    raise ValueError(f"x has {len(x)} steps; want more than {window:g} autocorrelation times, here about {tau:.0f}")


def structural_similarity(x: Tensor, y: Tensor) -> float:
    """SSIM of images (B, C, H, W) in [-1, 1], averaged over them: 1 where they are equal.

    With the Gaussian window of Wang et al. 2004, sec. III-B, as scikit-image computes it.
    """
    from skimage.metrics import structural_similarity as ssim  # slow to import, and only tables need it

    checks.same_shape(x=x, y=y)
    options = dict(data_range=2, channel_axis=0, gaussian_weights=True, use_sample_covariance=False)
    values = [ssim(a, b, **options) for a, b in zip(x.cpu().numpy(), y.cpu().numpy(), strict=True)]
    return float(sum(values) / len(values))


def codebook_use(indices: Tensor, num_codes: int) -> tuple[float, float]:
    """The fraction of the codes that occur in `indices` (N,), and the perplexity exp(-sum_k p_k log p_k) of their use.

    The perplexity is the number of codes that, all used alike, would say as much; at most `num_codes`.
    """
    if indices.ndim != 1 or indices.dtype != torch.int64:
        raise ValueError(f"indices is {indices.dtype} of shape {tuple(indices.shape)}; want int64 (N,)")
    counts = torch.bincount(indices, minlength=num_codes).double()
    p = counts / counts.sum()
    return float((counts > 0).double().mean()), float(torch.special.entr(p).sum().exp())


def rms(x: Tensor) -> float:
    """The root of the mean square of all elements."""
    return float(x.square().mean().sqrt())
