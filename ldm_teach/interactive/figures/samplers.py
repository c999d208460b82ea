"""The figures of notebook 06: a step of a sampler, paths through the noise, orders of convergence, samples."""

import math
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from torch import Tensor

from ldm_teach.data.fashion import FASHION_CLASSES
from ldm_teach.interactive import plots
from ldm_teach.interactive.figures.schematic import arrow, box, diagram
from ldm_teach.interactive.pictures import labelled_grid
from ldm_teach.interactive.plots import INK, PALETTE, new_figure, panels

_MARKERS = "os^Dv<>p"


def step_schematic() -> Figure:
    """A step from x_t to x_s as boxes and arrows: look once, guess x_0, put noise back, some of it fresh."""
    title = "One step: guess the clean sample, then put noise back, a part of it fresh"
    figure, axes = diagram(7.8, 3.2, (0, 11), (-0.3, 4.3), title)
    blue, orange, green, pink = PALETTE[:4]
    box(axes, 0.7, 2.0, "$x_t$", INK)
    box(axes, 2.9, 2.0, "denoiser\n(one call)", INK)
    box(axes, 5.5, 3.5, "$\\hat x_0 = E[x_0 | x_t]$", blue)
    box(axes, 5.5, 2.0, "$\\hat\\varepsilon = E[\\varepsilon | x_t]$", orange)
    box(axes, 5.5, 0.4, "fresh noise $z$", pink)
    box(axes, 8.9, 2.0, "+", INK)
    box(axes, 10.3, 2.0, "$x_s$", green)
    arrow(axes, (1.0, 2.0), (2.05, 2.0), INK)
    arrow(axes, (3.75, 2.25), (4.25, 3.3), blue)
    arrow(axes, (3.75, 2.0), (4.4, 2.0), orange)
    arrow(axes, (6.75, 3.35), (8.7, 2.3), blue, "$\\times\\, \\sqrt{\\bar\\alpha_s}$", (7.8, 3.05))
    arrow(axes, (6.55, 2.0), (8.65, 2.0), orange, "$\\times\\, \\sqrt{1-\\bar\\alpha_s-\\sigma^2}$", (6.8, 2.15))
    arrow(axes, (6.5, 0.5), (8.7, 1.7), pink, "$\\times\\, \\sigma$", (7.8, 0.8))
    arrow(axes, (9.15, 2.0), (10.0, 2.0), green)
    return figure


def path_schematic(taus: Sequence[float]) -> Figure:
    """The arc of variance-preserving noise and the straight path in amplitudes of x_0 and noise, with rays at taus."""
    figure = new_figure(5.2, 4.4)
    axes = figure.subplots()
    angles = [math.pi / 2 * k / 100 for k in range(101)]
    axes.plot([math.cos(a) for a in angles], [math.sin(a) for a in angles], color=PALETTE[0], label="$x_t$: the arc")
    axes.plot([1, 0], [0, 1], color=PALETTE[1], label="$x_\\tau$: the straight path")
    for number, tau in enumerate(taus):
        length = math.hypot(1 - tau, tau)
        axes.plot([0, (1 - tau) / length], [0, tau / length], "--", color=INK, linewidth=0.8)
        axes.plot((1 - tau) / length, tau / length, "o", color=PALETTE[0])
        axes.plot(1 - tau, tau, "s", color=PALETTE[1], label="the same $x$, rescaled" if number == 0 else None)
        axes.text((1 - tau) / length + 0.03, tau / length + 0.02, f"τ = {tau:g}", fontsize=9)
    axes.set(xlabel="amplitude of $x_0$", ylabel="amplitude of the noise", xlim=(0, 1.3), ylim=(0, 1.12))
    axes.set_aspect("equal")
    axes.legend(frameon=False, fontsize=8, loc="upper right")
    axes.set_title("Two paths, one process: on a ray both have the same σ", fontsize=10)
    return figure


def paths(levels: Sequence[int], runs: Mapping[str, Tensor], title: str, truth: Tensor | None = None) -> Figure:
    """Samples on the line as they move: runs name -> (levels, N), a panel each; truth (levels, N) in grey below."""
    figure, axes = panels(len(runs), title, width=3.9, height=3.5)
    for number, (panel, (name, x)) in enumerate(zip(axes, runs.items(), strict=True)):
        if truth is not None:
            panel.plot(levels, truth.numpy(), color=INK, linewidth=0.7)
        panel.plot(levels, x.numpy(), "o-", color=PALETTE[number], markersize=2, linewidth=1)
        panel.set(xlabel="timestep t (clean data: -1)", ylabel="$x_t$", xlim=(1020, -40))
        panel.set_title(name, fontsize=9)
        panel.grid(alpha=0.3)
    return figure


clouds = partial(plots.clouds, extent=3.0)


def orders(curves: Mapping[str, Mapping[str, tuple[Sequence, Sequence]]], title: str) -> Figure:
    """Error against network calls, both axes logarithmic: panel -> name of a solver -> (calls, errors)."""
    figure, axes = panels(len(curves), title, width=4.2, height=3.6)
    for panel, (name, lines) in zip(axes, curves.items(), strict=True):
        for (solver, (calls, errors)), color, marker in zip(lines.items(), PALETTE, _MARKERS, strict=False):
            panel.loglog(calls, errors, marker=marker, color=color, label=solver, markersize=4)
        panel.set(xlabel="network calls", ylabel="error (rms, units of $x$)")
        panel.set_title(name, fontsize=9)
        panel.grid(alpha=0.3)
        plots.plain_ticks(panel.xaxis)
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter(NullFormatter())
    axes[0].legend(frameon=False, fontsize=8)
    return figure


def first_step(sigmas: Tensor, eps: Tensor, x0: Tensor, step: tuple[float, float], title: str) -> Figure:
    """Along the exact flow: eps and the x_0-prediction against sigma, and what Heun puts in the place of eps.

    sigmas, eps, x0: (N,).  step: the two ends of the first step, sigma_t > sigma_s.
    """
    figure, (left, right) = panels(2, title, width=4.0, height=3.5)
    ends = [int((sigmas - end).abs().argmin()) for end in step]
    inside = (sigmas >= step[1]) & (sigmas <= step[0])
    slope = (eps[ends[0]] - eps[ends[1]]) / (sigmas[ends[0]] - sigmas[ends[1]])
    line = eps[ends[1]] + slope * (sigmas[inside] - sigmas[ends[1]])
    left.semilogx(sigmas, eps, color=PALETTE[0], label="exact")
    left.semilogx(sigmas[inside], line, "--", color=PALETTE[1], label="linear in σ (Heun)")
    left.set(ylabel="predicted noise", xlim=(step[1] / 2, step[0] * 2))
    low, high = float(eps[inside].min()), float(eps[inside].max())
    left.set_ylim(low - 0.5 * (high - low), high + 0.2 * (high - low))
    right.semilogx(sigmas, x0, color=PALETTE[0], label="exact")
    right.hlines(float(x0[ends[0]]), *step[::-1], color=PALETTE[2], linestyle="--", label="constant (DPM-Solver++)")
    right.set_ylabel("predicted $x_0$")
    for axes in (left, right):
        axes.axvspan(step[1], step[0], color=INK, alpha=0.15, label="the first step")
        axes.set_xlabel("σ (units of $x$)")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8, loc="center" if axes is left else "upper left")
        axes.invert_xaxis()
    return figure


def where_errors_count(rows: Mapping[str, Mapping[str, tuple[float, float]]], title: str) -> Figure:
    """Energy distance and error for each place of a slip of the denoiser: sampler -> place -> (value, error)."""
    figure = new_figure(6.6, 3.4)
    axes = figure.subplots()
    for number, (name, row) in enumerate(rows.items()):
        at = [place + 0.12 * number - 0.06 for place in range(len(row))]
        values, errors = zip(*row.values(), strict=True)
        axes.errorbar(
            at, values, [2 * e for e in errors], fmt=_MARKERS[number], color=PALETTE[number], label=name, capsize=3
        )
    axes.set_yscale("symlog", linthresh=0.01)
    axes.set_yticks([0, 0.01, 0.03, 0.1, 0.3], ["0", "0.01", "0.03", "0.1", "0.3"])
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(range(len(row)), list(row))
    axes.set(xlabel="where the denoiser errs", ylabel="energy distance (2 s.e.)")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    axes.set_title(title, fontsize=10)
    return figure


def comparison(
    calls: Sequence[int], table: Mapping[str, Sequence[tuple[float, float]]], floor: tuple[float, float], title: str
) -> Figure:
    """Energy distance against network calls, a line a sampler with bars of 2 s.e., linear below the floor's error."""
    figure = new_figure(6.8, 4.2)
    axes = figure.subplots()
    for (name, row), color, marker in zip(table.items(), PALETTE, _MARKERS, strict=False):
        values, errors = zip(*row, strict=True)
        bars = [2 * error for error in errors]
        axes.errorbar(calls, values, bars, fmt=f"{marker}-", color=color, label=name, markersize=4, linewidth=1)
    axes.axhspan(floor[0] - 2 * floor[1], floor[0] + 2 * floor[1], color=INK, alpha=0.25, label="exact samples")
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=0.003)
    axes.set_xticks(calls, [str(number) for number in calls])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(bottom=-0.004)
    axes.set_yticks([0, 0.003, 0.01, 0.03, 0.1, 0.3], ["0", "0.003", "0.01", "0.03", "0.1", "0.3"])
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="network calls", ylabel="energy distance to exact samples (2 s.e.)")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8, ncols=2)
    axes.set_title(title, fontsize=10)
    return figure


def garments(rows: Mapping[str, Tensor], classes: Sequence[int], title: str) -> Figure:
    """Images (B, 1, H, W) in a row each under its name, the classes above the columns."""
    images = torch.cat(list(rows.values()))
    figure = labelled_grid(images, list(rows), [FASHION_CLASSES[k] for k in classes], title)
    figure.set_figheight(figure.get_figheight() + 0.5)
    figure.axes[0].tick_params(axis="x", rotation=35)
    return figure
