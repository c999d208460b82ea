"""The figures of notebook 09: the guided step, dropped conditions, widths under guidance, garments, measured curves."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from matplotlib.figure import Figure
from torch import Tensor

from ldm_teach.interactive import plots
from ldm_teach.interactive.figures import diffusion
from ldm_teach.interactive.figures.schematic import arrow, box, diagram
from ldm_teach.interactive.pictures import labelled_grid
from ldm_teach.interactive.plots import INK, PALETTE, density, new_figure, panels, plain_ticks

LogProb = Callable[[Tensor], Tensor]

clouds = partial(plots.clouds, extent=3.5)
fields = diffusion.noised
garments = labelled_grid


def schematic() -> Figure:
    """A guided step: one network is called with the label and with the null token; their difference is scaled."""
    title = "One network, called twice: with the label, and with the null token"
    figure, axes = diagram(8.6, 3.2, (-0.6, 10.8), (-1.9, 1.9), title)
    blue, orange, green = PALETTE[0], PALETTE[1], PALETTE[2]
    box(axes, 0.2, 0.0, "$x_t$, $t$", INK)
    box(axes, 3.0, 1.1, "network, label $y$", blue)
    box(axes, 3.0, -1.1, "network, null token $\\varnothing$", orange)
    box(axes, 7.2, 0.0, "$\\epsilon_y + w\\,(\\epsilon_y - \\epsilon_\\varnothing)$", green)
    box(axes, 10.1, 0.0, "sampler", INK)
    arrow(axes, (0.55, 0.2), (2.1, 1.05), INK)
    arrow(axes, (0.55, -0.2), (1.85, -1.0), INK)
    arrow(axes, (3.9, 1.1), (6.35, 0.25), blue, "$\\epsilon_y$", (5.3, 1.0))
    arrow(axes, (4.15, -1.1), (6.35, -0.25), orange, "$\\epsilon_\\varnothing$", (5.6, -1.15))
    arrow(axes, (8.05, 0.0), (9.55, 0.0), green)
    axes.text(3.0, -1.75, "in training: $\\varnothing$ in place of $y$ in a share of the rows", ha="center", fontsize=9)
    return figure


def learning(log_prob: LogProb, samples: Mapping[str, Tensor], losses: Sequence[float], title: str) -> Figure:
    """A training as it goes: two clouds (N, 2) of the network so far on a density, and its loss, mean of 50."""
    figure, axes = panels(3, title, width=3.0, height=3.4)
    for panel, (name, x), color in zip(axes[:2], samples.items(), (PALETTE[0], PALETTE[1]), strict=True):
        density(panel, log_prob, extent=3.5)
        panel.plot(x[:, 0].numpy(), x[:, 1].numpy(), ".", color=color, markersize=2, alpha=0.5)
        panel.set_title(name, fontsize=9)
    blocks = range(0, max(len(losses) - 49, 1), 50)
    means = [sum(losses[k : k + 50]) / len(losses[k : k + 50]) for k in blocks]
    axes[2].plot([k + 50 for k in blocks], means, color=PALETTE[2])
    axes[2].set(xlabel="training step", ylabel="loss (mean of 50 steps)")
    axes[2].grid(alpha=0.3)
    return figure


def shares(table: Mapping[float, Mapping[str, tuple[float, float]]], title: str) -> Figure:
    """Errors against the share of dropping, mean and standard error: share -> {"label", "null", "distance"}."""
    figure, (left, right) = panels(2, title, width=4.3, height=3.5)
    at = range(len(table))
    lines = (
        (left, "label", "with the label"),
        (left, "null", "with the null token"),
        (right, "distance", "guided, w = 2"),
    )
    for (axes, name, words), color, marker in zip(lines, PALETTE, "os^", strict=False):
        values, errors = zip(*(row[name] for row in table.values()), strict=True)
        bars = [2 * error for error in errors]
        axes.errorbar(at, values, bars, fmt=f"{marker}-", color=color, label=words, capsize=3, markersize=5)
    left.set_ylabel("squared error of eps (2 s.e.)")
    right.set_ylabel("energy distance (2 s.e.)")
    for axes in (left, right):
        axes.set_yscale("log")
        plain_ticks(axes.yaxis)
        axes.set_xticks(at, [f"{share:g}" for share in table])
        axes.set_xlabel("share of dropped labels")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
    return figure


def widths(
    weights: Tensor,
    curves: Mapping[str, Tensor],
    measured: Mapping[str, Sequence[tuple[float, float, float]]],
    title: str,
) -> Figure:
    """Standard deviation against w: closed forms at `weights`, and measured (w, value, error) with bars of 2 s.e."""
    figure = new_figure(6.6, 3.6)
    axes = figure.subplots()
    for (name, values), color in zip(curves.items(), PALETTE, strict=False):
        axes.plot(weights, values, color=color, label=name)
    for (name, rows), color, marker in zip(measured.items(), PALETTE[1:], "os", strict=False):
        w, values, errors = zip(*rows, strict=True)
        bars = [2 * error for error in errors]
        axes.errorbar(w, values, bars, fmt=marker, color=color, label=name, capsize=3, markersize=5)
    axes.set(xlabel="guidance weight w", ylabel="standard deviation (log, 2 s.e.)", yscale="log")
    plain_ticks(axes.yaxis)
    axes.set_title(title, fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    axes.grid(alpha=0.3)
    return figure


def equal_calls(table: Mapping[str, tuple[float, float]], floor: tuple[float, float], title: str) -> Figure:
    """Energy distance to the sharpened density of each way of sampling, bars of 2 s.e., and that of exact samples."""
    figure = new_figure(6.8, 3.0)
    axes = figure.subplots()
    values, errors = zip(*table.values(), strict=True)
    axes.errorbar(values, range(len(table)), xerr=[2 * e for e in errors], fmt="o", color=PALETTE[0], capsize=3)
    axes.axvspan(floor[0] - 2 * floor[1], floor[0] + 2 * floor[1], color=INK, alpha=0.25, label="exact samples")
    axes.set_yticks(range(len(table)), list(table))
    axes.invert_yaxis()
    axes.set_xscale("symlog", linthresh=0.003, linscale=0.5)
    axes.set_xlim(-0.003, 0.6)
    axes.set_xticks([0, 0.003, 0.01, 0.03, 0.1, 0.3], ["0", "0.003", "0.01", "0.03", "0.1", "0.3"])
    axes.xaxis.set_minor_formatter("")
    axes.set(xlabel="energy distance to the sharpened density (2 s.e.)")
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def measured(table: Mapping, methods: Sequence[str], title: str) -> Figure:
    """Distance and recall against accuracy, a line a method, bars of 95 % confidence: (method, scale) -> estimates.

    Drawn from an accuracy of 0.85 on; the legend says how many points of a method lie below.
    """
    figure, axes = panels(2, title, width=4.6, height=4.0)
    for method, color, marker in zip(methods, PALETTE, "os^D", strict=False):
        rows = [row for (name, _), row in table.items() if name == method]
        x, x_bars = zip(*(row["accuracy"] for row in rows), strict=True)
        outside = sum(value < 0.85 for value in x)
        words = f"{method} ({outside} points below 0.85)" if outside else method
        for panel, name in zip(axes, ("frechet", "recall"), strict=True):
            y, y_bars = zip(*(row[name] for row in rows), strict=True)
            options = dict(color=color, fmt=f"{marker}-", markersize=4, linewidth=1.2, capsize=2, label=words)
            panel.errorbar(x, y, y_bars, x_bars, **options)
    real = table["real", 0.0]
    for panel, name, words in zip(axes, ("frechet", "recall"), ("Fréchet distance", "recall"), strict=True):
        panel.plot(real["accuracy"][0], real[name][0], "*", color=INK, markersize=10, label="real images")
        panel.set(xlabel="share that the judge sees as the class", ylabel=words)
        panel.set_xlim(0.85, 1.01)
        panel.grid(alpha=0.3)
    axes[0].set_yscale("log")
    plain_ticks(axes[0].yaxis)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure
