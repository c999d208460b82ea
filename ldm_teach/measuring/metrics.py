"""What the figures of the course are made with: each is shown beside the same figure for real data."""

import torch
from torch import Tensor

from ldm_teach import checks
from ldm_teach.measuring.statistics import share_error


def point_sets(least: int, **sets: Tensor) -> None:
    """Raises ValueError unless all are finite points (N, F), N at least `least`, of one F, in float32 or in float64."""
    for name, points in sets.items():
        checks.shaped(name, points, "N", "F", read=True)
    kinds = {(points.shape[1], points.dtype, points.device) for points in sets.values()}
    if len(kinds) > 1 or any(len(points) < least or points.dtype.itemsize < 4 for points in sets.values()):
        got = ", ".join(f"{name} is {checks.describe(points)}" for name, points in sets.items())
        raise ValueError(f"{got}; want (N, F) with N at least {least}, float32 or float64, one F and dtype for all")
    if bad := [name for name, points in sets.items() if not points.isfinite().all()]:
        raise ValueError(f"{' and '.join(bad)} hold numbers that are not finite; want finite ones")


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """|mu_a - mu_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)) between the Gaussians fitted to two sets of features.

    a: (N, F).  b: (M, F).  In the units of the features, squared.
    The trace of the root is the sum of the roots of the eigenvalues of C_a C_b, which are real and not negative.
    Source: Dowson & Landau 1982; Heusel et al. 2017, eq. 6.
    """
    point_sets(2, a=a, b=b)
    a, b = a.double(), b.double()
    cov_a, cov_b = a.T.cov(), b.T.cov()
    root = torch.linalg.eigvals(cov_a @ cov_b).real.clamp(min=0).sqrt().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * root)


def nearest_distance(x: Tensor, k: int) -> Tensor:
    """The distance from each point of x (N, F) to its k-th nearest other point: (N,)."""
    point_sets(2, x=x)
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
    point_sets(2, real=real, fake=fake)
    precision = covered(fake, real, nearest_distance(real, k))
    return precision, covered(real, fake, nearest_distance(fake, k))


def diversity_within(features: Tensor, labels: Tensor) -> float:
    """The mean distance between two different samples of one class, averaged over the classes: variety beside class.

    features: (N, F).  labels: (N,) int64.  In the units of the features. Raises ValueError for a class with one sample.
    """
    point_sets(2, features=features)
    checks.shaped("labels", labels, len(features), dtype=torch.int64, read=True)
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
    point_sets(2 * checks.count("blocks", blocks, low=2), a=a, b=b)
    parts = zip(a.tensor_split(blocks), b.tensor_split(blocks), strict=True)
    values = torch.stack(
        [2 * torch.cdist(x, y).mean() - torch.pdist(x).mean() - torch.pdist(y).mean() for x, y in parts]
    )
    return float(values.mean()), float(values.std() / blocks**0.5)


def accuracy(predicted: Tensor, wanted: Tensor) -> tuple[float, float]:
    """The fraction of equal labels and its standard error, by `share_error`. predicted, wanted: (N,)."""
    checks.shaped("predicted", predicted, "N", dtype=torch.int64, read=True)
    checks.shaped("wanted", wanted, len(predicted), dtype=torch.int64, read=True)
    p = float((predicted == wanted).double().mean())
    return p, share_error(p, len(wanted))


def peak_signal_to_noise(x: Tensor, y: Tensor) -> float:
    """PSNR in decibels of images in [-1, 1], from the mean squared error over all of them: 10 log10(4 / MSE)."""
    checks.same_shape(x=x, y=checks.content("y", checks.tensor("y", y)))
    return float(10 * torch.log10(4 / (x - y).square().mean()))


def autocorrelation_time(x: Tensor, window: float = 5.0) -> float:
    """How many steps of a chain are worth one independent draw: tau = 1 + 2 sum_k rho_k, in steps.

    x: (steps, chains), one number of the state of each chain after each step, the chains at their stationary law. The
    sum ends at the first lag beyond window * max(tau, 1). Raises ValueError where the chains are too short for that.
    Source: Sokal 1997, sec. 3 (there tau_int = tau / 2).
    """
    checks.shaped("x", x, "steps", "chains", read=True)
    checks.positive("window", window)
    x = x - x.mean()
    variance, tau = x.square().mean(), 1.0
    for lag in range(1, len(x)):
        tau += 2 * float((x[lag:] * x[:-lag]).mean() / variance)
        if lag > window * max(tau, 1):
            return tau
    raise ValueError(
        f"x has {len(x)} steps; want more than {window:g} (window) autocorrelation times, here about {tau:.0f}"
    )


def structural_similarity(x: Tensor, y: Tensor) -> float:
    """SSIM of images (B, C, H, W) in [-1, 1], averaged over them: 1 where they are equal.

    With the Gaussian window of Wang et al. 2004, sec. III-B, as scikit-image computes it.
    """
    from skimage.metrics import structural_similarity as ssim  # slow to import, and only tables need it

    checks.shaped("x", x, "B", "C", "H", "W", read=True)
    checks.same_shape(x=x, y=y)
    options = dict(data_range=2, channel_axis=0, gaussian_weights=True, use_sample_covariance=False)
    values = [ssim(a, b, **options) for a, b in zip(x.detach().cpu().numpy(), y.detach().cpu().numpy(), strict=True)]
    return float(sum(values) / len(values))


def codebook_use(indices: Tensor, num_codes: int) -> tuple[float, float]:
    """The fraction of the codes that occur in `indices` (N,), and the perplexity exp(-sum_k p_k log p_k) of their use.

    The perplexity is the number of codes that, all used alike, would say as much; at most `num_codes`.
    """
    checks.count("num_codes", num_codes)
    checks.shaped("indices", indices, "N", dtype=torch.int64, read=True)
    if not len(indices) or not 0 <= int(indices.min()) <= int(indices.max()) < num_codes:
        raise ValueError(f"indices is {checks.describe(indices)}; want codes from 0 to {num_codes - 1}, one or more")
    counts = torch.bincount(indices, minlength=num_codes).double()
    p = counts / counts.sum()
    return float((counts > 0).double().mean()), float(torch.special.entr(p).sum().exp())


def rms(x: Tensor) -> float:
    """The root of the mean square of all elements."""
    return float(checks.content("x", checks.floating("x", x)).square().mean().sqrt())
