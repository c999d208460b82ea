"""The figures of notebook 05: the forward process, its schedules, what each step counts in the loss, and samples."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from torch import Tensor

from ldm_teach.interactive import plots
from ldm_teach.interactive.figures.schematic import arrow, box, diagram
from ldm_teach.interactive.plots import INK, PALETTE, arrows, density, new_figure, panels

LogProb = Callable[[Tensor], Tensor]
Field = Callable[[Tensor], Tensor]


def schematic() -> Figure:
    """The chain from data to noise and back: a forward step, the jump q(x_t|x_0), and a step of the model."""
    title = "Forward: fixed, adds noise. Back: learned, takes it away"
    figure, axes = diagram(8.4, 3.0, (-0.4, 10.4), (-1.9, 1.9), title)
    blue, orange, green = PALETTE[0], PALETTE[1], PALETTE[2]
    for x, words in ((0.3, "$x_0$\ndata"), (3.4, "$x_{t-1}$"), (6.6, "$x_t$"), (9.7, "$x_T$\nnoise")):
        box(axes, x, 0, words, INK)
    for left, right in ((0.75, 2.85), (7.1, 9.15)):
        axes.text((left + right) / 2, 0, ". . .", ha="center", va="center", fontsize=12)
    arrow(axes, (3.6, 0.4), (6.45, 0.4), orange, bend=-0.25)
    axes.text(5.0, 0.4, "$q(x_t|x_{t-1})$", ha="center", color=orange, fontsize=9)
    arrow(axes, (6.45, -0.4), (3.6, -0.4), green, bend=-0.25)
    axes.text(5.0, -1.05, "$p_\\theta(x_{t-1}|x_t)$", ha="center", color=green, fontsize=9)
    arrow(axes, (0.3, 0.6), (6.6, 0.45), blue, bend=-0.28)
    axes.text(1.2, 1.62, "$q(x_t|x_0)$: all steps in one", ha="center", color=blue, fontsize=9)
    axes.text(5.0, -1.6, "the posterior $q(x_{t-1}|x_t, x_0)$ is what $p_\\theta$ imitates", ha="center", fontsize=9)
    return figure


def schedules(levels: Mapping[str, Tensor], title: str) -> Figure:
    """Of each schedule alpha_bar (T,): the powers of signal and noise, and their ratio on a logarithmic axis."""
    figure, (left, right) = panels(2, title, width=4.2, height=3.6)
    for (name, alpha_bar), color in zip(levels.items(), PALETTE, strict=False):
        left.plot(alpha_bar.numpy(), color=color, label=f"{name}: signal")
        left.plot((1 - alpha_bar).numpy(), "--", color=color, label=f"{name}: noise")
        right.semilogy((alpha_bar / (1 - alpha_bar)).numpy(), color=color, label=name)
    left.set(xlabel="index t", ylabel="power")
    right.set(xlabel="index t", ylabel="signal power / noise power")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=7, loc="center right" if axes is left else "lower left")
    return figure


def noised(log_probs: Mapping[str, LogProb], fields: Sequence[Field], title: str) -> Figure:
    """Noised densities in grey, a panel each under its name, and on each a field, its arrows shortened."""
    one = len(log_probs) == 1
    figure, axes = panels(len(log_probs), title, *((4.4, 4.6) if one else (2.7, 3.2)))
    for panel, (name, log_prob), field in zip(axes, log_probs.items(), fields, strict=True):
        density(panel, log_prob, extent=3.0)
        arrows(panel, field, extent=3.0)
        panel.set_title(name, fontsize=9)
    return figure


def by_index(curves: Mapping[str, Sequence], ylabels: Sequence[str], title: str) -> Figure:
    """Curves against the index t, a panel each under its name: (t, values); the first has a logarithmic axis."""
    figure, axes = panels(len(curves), title, width=4.2, height=3.4)
    for number, (panel, (name, (t, values)), ylabel) in enumerate(zip(axes, curves.items(), ylabels, strict=True)):
        panel.plot(t, values, color=PALETTE[number])
        panel.set(xlabel="index t", ylabel=ylabel, yscale="linear" if number else "log")
        panel.set_title(name, fontsize=9)
        panel.grid(alpha=0.3)
    return figure


clouds = partial(plots.clouds, extent=3.0)


def learning(log_prob: LogProb, x: Tensor, losses: Sequence[float], floor: float) -> Figure:
    """A training as it goes: samples (N, 2) of the network so far, and its loss, mean of 50, above the lowest."""
    figure = new_figure(8.4, 3.6)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.4))
    density(left, log_prob, extent=3.0)
    left.plot(x[:, 0].numpy(), x[:, 1].numpy(), ".", color=PALETTE[1], markersize=2, alpha=0.5)
    left.set_title("samples, 20 steps", fontsize=9)
    means = [sum(losses[k : k + 50]) / len(losses[k : k + 50]) for k in range(0, len(losses), 50)]
    right.plot([50 * (k + 1) for k in range(len(means))], means, color=PALETTE[0], label="loss, mean of 50 steps")
    right.axhline(floor, color=PALETTE[2], linestyle="--", label="of the exact denoiser")
    right.set(xlabel="training step", ylabel="loss per coordinate", ylim=(0, None))
    right.legend(frameon=False, fontsize=8)
    figure.suptitle(f"After {len(losses)} training steps", fontsize=10)
    return figure


def widths(counts: Sequence[int], curves: Mapping[str, Sequence[float]], measured: Mapping, title: str) -> Figure:
    """The variance of samples over that of the data against the number of steps: curves, and measured points."""
    figure = new_figure(6.2, 3.6)
    axes = figure.subplots()
    for (name, values), color in zip(curves.items(), PALETTE, strict=False):
        axes.plot(counts, values, color=color, label=f"{name}, computed")
        axes.plot(counts, measured[name], "o", color=color, label=f"{name}, measured")
    axes.axhline(1, color=INK, linestyle=":", label="the data")
    axes.set(xlabel="number of steps", ylabel="variance of samples / of data", xscale="log", ylim=(0, None))
    plots.plain_ticks(axes.xaxis)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    axes.set_title(title, fontsize=10)
    return figure
