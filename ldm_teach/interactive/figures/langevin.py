"""The figures of notebook 03: walks and clouds on a density, the fall of the KL divergence, the errors of a step."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from matplotlib.figure import Figure
from torch import Tensor

from ldm_teach.interactive.figures.schematic import arrow, box, diagram
from ldm_teach.interactive.plots import INK, PALETTE, arrows, clouds, density, new_figure, panels, plain_ticks

_LogProb = Callable[[Tensor], Tensor]
_SQUARE = (-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)


def step_schematic() -> Figure:
    """A step of Langevin dynamics as boxes and arrows, and below it what the Metropolis adjustment adds."""
    title = "One step: along the score, and a random kick; MALA may refuse it"
    figure, axes = diagram(7.6, 3.5, (0, 10.4), (-1.5, 4.1), title)
    blue, orange, green = PALETTE[0], PALETTE[1], PALETTE[2]
    box(axes, 0.7, 2.0, "$x$", INK)
    box(axes, 3.4, 3.4, "score\n$\\nabla\\log p(x)$", blue)
    box(axes, 3.4, 0.6, "noise\n$\\varepsilon \\sim N(0, I)$", orange)
    box(axes, 6.0, 2.0, "+", INK)
    box(axes, 8.6, 2.0, "$y$", green)
    arrow(axes, (1.0, 2.25), (2.75, 3.3), blue)
    arrow(axes, (4.05, 3.3), (5.78, 2.3), blue, "drift  $\\times\\, \\delta/2$", (5.1, 3.05))
    arrow(axes, (4.15, 0.75), (5.78, 1.7), orange, "kick  $\\times\\, \\sqrt{\\delta}$", (5.1, 0.8))
    arrow(axes, (0.95, 2.0), (5.7, 2.0), INK)
    arrow(axes, (6.28, 2.0), (8.35, 2.0), green)
    axes.text(9.0, 2.0, "unadjusted:\nthe next $x$", fontsize=9, va="center")
    box(axes, 8.6, -0.6, "accept with\nprobability min(1, R)", PALETTE[3])
    arrow(axes, (8.6, 1.65), (8.6, -0.15), PALETTE[3], "MALA", (8.75, 0.85))
    arrow(axes, (7.35, -0.6), (0.7, -0.6), PALETTE[3])
    arrow(axes, (0.7, -0.6), (0.7, 1.6), PALETTE[3])
    axes.text(3.9, -1.1, "yes: the next $x$ is $y$;  no: it is the old $x$ again", fontsize=9, ha="center")
    return figure


def score_field(log_prob: _LogProb, score: Callable[[Tensor], Tensor], title: str) -> Figure:
    """A density in grey and its score as arrows, each shortened to |v| / (1 + |v|)."""
    figure, (axes,) = panels(1, title, width=4.8, height=4.6)
    density(axes, log_prob)
    arrows(axes, score)
    return figure


def walks(
    log_prob: _LogProb, paths: Mapping[str, Tensor], title: str, extent: float = 8.0, inner: float = 4.0
) -> Figure:
    """Walks on a density, a panel each under its name: paths (steps + 1, 2), from a star to a square.

    The panels show [-extent, extent]^2, and in dashes [-inner, inner]^2.
    """
    figure, axes = panels(len(paths), title)
    for panel, (name, path) in zip(axes, paths.items(), strict=True):
        x, y = path.T.numpy()
        density(panel, log_prob, extent)
        panel.plot(x, y, "o-", color=PALETTE[1], markersize=2.5, linewidth=0.7)
        panel.plot(*zip(*((i * inner, j * inner) for i, j in _SQUARE), strict=True), "--", color=INK, linewidth=1)
        panel.plot(x[0], y[0], "*", color=PALETTE[0], markersize=13)
        panel.plot(x[-1], y[-1], "s", color=PALETTE[2], markersize=7)
        panel.set_title(name, fontsize=9)
    return figure


end_points = partial(clouds, first=PALETTE[0])


def kl_fall(rows: Sequence, floor: float, title: str) -> Figure:
    """KL divergence against time, beside that of exact samples, the floor.

    rows: of a Gaussian the curve (t, kl) and the points (t, kl, error), of a mixture the points.
    """
    curve, measured, mixture = rows
    figure, (left, right) = panels(2, title, width=3.9, height=3.5)
    left.plot(*curve, color=PALETTE[0], label="closed form")
    left.errorbar(measured[0], measured[1], 4 * measured[2], fmt="o", color=PALETTE[1], label="chains, 4 s.e.")
    left.set_title("one Gaussian", fontsize=9)
    right.errorbar(*mixture[:2], 4 * mixture[2], fmt="o-", color=PALETTE[1], label="chains, 4 s.e.")
    right.axhline(floor, color=PALETTE[2], linestyle="--", label="exact samples")
    right.set_title("the mixture, in 576 cells", fontsize=9)
    for axes in (left, right):
        axes.set(xlabel="time $t = k\\,\\delta$", ylabel="KL$(q_t \\| p)$ (nats)", yscale="log")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
    return figure


def bias(sizes: Sequence[float], measured: Tensor, errors: Tensor, title: str) -> Figure:
    """The stationary variance of N(0, 1) against the step size: 1 / (1 - delta/4), measured points, the target's."""
    figure, axes = _axes(title)
    grid = [0.02 * k for k in range(176)]
    axes.plot(grid, [1 / (1 - delta / 4) for delta in grid], color=PALETTE[0], label="$1 / (1 - \\delta/4)$")
    axes.errorbar(sizes, measured, 4 * errors, fmt="o", color=PALETTE[1], label="measured, 4 s.e.")
    axes.axhline(1, color=INK, linewidth=1, linestyle=":", label="of the target")
    axes.axvline(4, color=PALETTE[3], linewidth=1.5, linestyle="--", label="here it diverges")
    axes.set(xlabel="step size $\\delta$ (units of $\\sigma^2$)", ylabel="stationary variance (units of $\\sigma^2$)")
    axes.set_ylim(0, 8)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    return figure


def step_rules(runs: Mapping[str, Sequence[float]], title: str) -> Figure:
    """The error of the variance after 1, 2, ... steps, a curve for each rule, both axes logarithmic."""
    figure, axes = _axes(title)
    for (name, errors), color in zip(runs.items(), PALETTE, strict=False):
        axes.loglog(range(1, len(errors) + 1), [abs(error) for error in errors], color=color, label=name)
    axes.set(xlabel="number of steps", ylabel="|variance - 1|")
    axes.legend(frameon=False, fontsize=8, loc="lower left")
    return figure


def price_of_exactness(deltas: Sequence[float], rates: Sequence[float], times: Sequence[float], title: str) -> Figure:
    """Of MALA on N(0, 1), against the step size: acceptance measured and in closed form, autocorrelation time."""
    figure, (left, right) = panels(2, title, width=3.9, height=3.4)
    grid = [0.05 * 1.04**k for k in range(130)]
    left.semilogx(grid, [one_dimension(delta) for delta in grid], color=PALETTE[0], label="closed form")
    left.semilogx(deltas, rates, "o", color=PALETTE[1], label="measured")
    left.set(ylabel="acceptance", ylim=(0, 1.05))
    left.legend(frameon=False, fontsize=8)
    right.loglog(deltas, times, "o-", color=PALETTE[1])
    right.set(ylabel="autocorrelation time of $x^2$ (steps)")
    plain_ticks(right.yaxis)
    for axes in (left, right):
        axes.set_xlabel("step size $\\delta$ (units of $\\sigma^2$)")
        plain_ticks(axes.xaxis)
        axes.grid(alpha=0.3)
    return figure


def one_dimension(delta: float) -> float:
    """The acceptance of MALA on N(0, 1), in closed form."""
    return 2 / math.pi * (math.atan(delta**0.5 / 2) + math.atan((2 - delta / 2) / delta**0.5))


def against_normal(samples: Mapping[str, Tensor], title: str) -> Figure:
    """Histograms of numbers (N,), a panel each under its name, with the density of N(0, 1)."""
    figure, axes = panels(len(samples), title, width=3.9, height=3.2)
    grid = [0.05 * k - 4 for k in range(161)]
    normal = [math.exp(-x * x / 2) / math.sqrt(2 * math.pi) for x in grid]
    for panel, (name, x) in zip(axes, samples.items(), strict=True):
        panel.hist(x.numpy(), bins=60, range=(-4, 4), density=True, color=PALETTE[1], alpha=0.5, label="chains")
        panel.plot(grid, normal, color=PALETTE[0], label="N(0, 1)")
        panel.set(xlabel="$x$", ylabel="density")
        panel.set_title(name, fontsize=9)
        panel.legend(frameon=False, fontsize=8)
    return figure


def _axes(title: str):
    figure = new_figure(6, 3.5)
    axes = figure.subplots()
    axes.grid(alpha=0.3)
    axes.set_title(title, fontsize=10)
    return figure, axes
