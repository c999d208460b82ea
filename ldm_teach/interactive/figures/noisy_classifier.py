"""The figures of notebook 08: what classifiers say of noisy latents, where their gradients point, what they draw."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ldm_teach.interactive.figures.schematic import arrow, box, diagram
from ldm_teach.interactive.plots import INK, PALETTE, new_figure, panels, plain_ticks

Line = Mapping[int, tuple[float, float]]  # by timestep, a value and its standard error
COLOURS = dict(zip(("mine", "shipped", "clean", "conditional branch", "training set"), PALETTE, strict=False))
MARKERS = dict(zip(COLOURS, "sod^v", strict=True))


def schematic() -> Figure:
    """The two halves of guidance by a classifier: how it is trained on noised latents, and how a sampler asks it."""
    figure, axes = diagram(9.2, 3.5, (-0.6, 10.9), (-2.2, 2.1), "Trained on noised latents, asked about noised latents")
    blue, orange, green = PALETTE[0], PALETTE[1], PALETTE[2]
    box(axes, 0.5, 1.2, "$z_0$, label $y$", INK)
    box(axes, 3.0, 1.2, "$z_t$, $t$", INK)
    box(axes, 5.6, 0, "classifier\n$f_\\phi(y|z_t, t)$", blue)
    box(axes, 8.6, 1.2, "loss\n$-\\log f_\\phi(y|z_t, t)$", orange)
    box(axes, 1.6, -1.2, "$z_t$, $t$ of the sampler", INK)
    box(axes, 8.6, -1.2, "$\\nabla_{z_t} \\log f_\\phi(y|z_t, t)$\nfor the wanted $y$", green)
    arrow(axes, (1.1, 1.2), (2.65, 1.2), orange, "noise", (1.55, 1.35))
    arrow(axes, (3.35, 1.05), (5.0, 0.3), orange)
    arrow(axes, (6.2, 0.3), (7.8, 1.0), orange)
    arrow(axes, (7.8, 1.55), (5.6, 0.6), orange, "training changes $\\phi$", (5.0, 1.7), bend=0.3)
    arrow(axes, (2.6, -1.05), (5.0, -0.3), green)
    arrow(axes, (6.2, -0.3), (7.65, -0.95), green)
    arrow(axes, (7.65, -1.6), (1.8, -1.6), green, bend=-0.12)
    axes.text(4.75, -1.7, "sampling changes $z_t$", ha="center", fontsize=9)
    return figure


def drawn(axes: Axes, name: str, line: Line) -> None:
    """A line with error bars, in the colour and with the marker of its name."""
    times, (values, errors) = list(line), zip(*line.values(), strict=True)
    style = dict(color=COLOURS[name], marker=MARKERS[name], markersize=5, linewidth=1.3, capsize=2)
    axes.errorbar(times, values, errors, label=name, **style)


def learning(now: Line, shipped: Line, losses: Sequence[float], floor: float) -> Figure:
    """A training as it goes: accuracy by timestep beside that of the shipped network, and the loss, mean of 25."""
    figure = new_figure(8.6, 3.5)
    left, right = figure.subplots(1, 2)
    for name, line in (("mine", now), ("shipped", shipped)):
        drawn(left, name, line)
    left.axhline(0.1, color=INK, linestyle=":", label="chance")
    left.set(xlabel="timestep t", ylabel="accuracy on test latents", ylim=(0, 1))
    means = [sum(losses[k : k + 25]) / len(losses[k : k + 25]) for k in range(0, len(losses), 25)]
    right.plot([25 * (k + 1) for k in range(len(means))], means, color=COLOURS["mine"], label="mine, mean of 25 steps")
    right.axhline(floor, color=COLOURS["shipped"], linestyle="--", label="shipped, test latents")
    right.set(xlabel="training step", ylabel="cross-entropy (nats)", ylim=(0, 2.4))
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
    figure.suptitle(f"After {len(losses)} training steps", fontsize=10)
    return figure


def by_level(accuracies: Mapping[str, Line], gaps: Mapping[str, Line], title: str) -> Figure:
    """Accuracy by timestep, and how much more sure than right each classifier is, with standard errors."""
    figure, (left, right) = panels(2, title, width=4.5, height=3.6)
    for axes, lines in ((left, accuracies), (right, gaps)):
        for name, line in lines.items():
            drawn(axes, name, line)
        axes.set(xlabel="timestep t")
        axes.grid(alpha=0.3)
    left.axhline(0.1, color=INK, linestyle=":", label="chance")
    right.axhline(0, color=INK, linestyle=":", label="as sure as right")
    left.set(ylabel="accuracy", ylim=(0, 1))
    right.set(ylabel="mean confidence - accuracy", ylim=(-0.15, 0.65))
    left.legend(frameon=False, fontsize=8, loc=(0.03, 0.17))
    right.legend(frameon=False, fontsize=8, loc="upper left")
    return figure


def reliability(bins: Mapping[tuple[str, int], Sequence[tuple[float, float, float]]], title: str) -> Figure:
    """Reliability diagrams, a panel for each timestep: of each bin (confidence, share that is right, its error)."""
    times = list(dict.fromkeys(t for _, t in bins))
    figure, axes = panels(len(times), title, width=3.1, height=3.5)
    for panel, t in zip(axes, times, strict=True):
        panel.plot([0, 1], [0, 1], color=INK, linestyle=":", label="as sure as right")
        for (name, time), rows in bins.items():
            if time == t:
                sure, right, errors = zip(*rows, strict=True)
                style = dict(color=COLOURS[name], marker=MARKERS[name], markersize=5, linewidth=1.2, capsize=2)
                panel.errorbar(sure, right, errors, label=name, **style)
        panel.set(xlabel="confidence", xlim=(0, 1), ylim=(0, 1))
        panel.set_title(f"t = {t}", fontsize=9)
        panel.grid(alpha=0.3)
    axes[0].set_ylabel("share that is right")
    axes[0].legend(frameon=False, fontsize=8, loc="upper left")
    return figure


def gradients(lengths: Mapping[str, Line], cosines: Mapping[str, Line], title: str) -> Figure:
    """By timestep: the length of each gradient (the error of the reference is its band), and its cosine with it."""
    figure, (left, right) = panels(2, title, width=4.6, height=3.8)
    for name, line in lengths.items():
        if name == "conditional branch":
            low = [value - error for value, error in line.values()]
            high = [value + error for value, error in line.values()]
            left.fill_between(list(line), low, high, color=COLOURS[name], alpha=0.25, linewidth=0)
            line = {t: (value, 0.0) for t, (value, _) in line.items()}
        drawn(left, name, line)
    for name, line in cosines.items():
        drawn(right, name, line)
    left.set(xlabel="timestep t", ylabel="length of the gradient", yscale="log")
    plain_ticks(left.yaxis, subs=(1,))
    right.set(xlabel="timestep t", ylabel="cosine with the conditional branch", ylim=(0, 1.05))
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8, loc="lower left" if axes is left else "upper left")
    return figure


def obeyed_and_distance(points: Mapping[str, tuple[float, float]], floor: tuple[float, float], title: str) -> Figure:
    """Rows of samples as points (Fréchet distance, accuracy), and the band of the distance of real images."""
    figure = new_figure(8.6, 4.0)
    axes = figure.subplots()
    axes.axvspan(floor[0] - 2 * floor[1], floor[0] + 2 * floor[1], color=PALETTE[2], alpha=0.25, label="real images")
    axes.axhline(0.1, color=INK, linestyle=":", label="chance")
    for (name, (distance, share)), marker in zip(points.items(), "os^Dv<>pPX", strict=False):
        color = COLOURS["clean" if "clean" in name else "shipped"]
        axes.plot(distance, share, marker, color=color, markersize=7)
        axes.annotate(name, (distance, share), xytext=(8, 4), textcoords="offset points", fontsize=8)
    axes.set(xlabel="Fréchet distance to test images", ylabel="share that the judge accepts", xscale="log")
    axes.set(ylim=(0, 1.05), xlim=(0.2, 60))
    plain_ticks(axes.xaxis)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8, loc="upper right")
    axes.set_title(title, fontsize=10)
    return figure


def curves(
    lines: Mapping[str, Mapping[float, Mapping[str, tuple[float, float]]]],
    real: Mapping[str, float],
    titles: Mapping[str, str],
) -> Figure:
    """A panel for each figure of merit of `titles`, which says its finding: method -> scale -> figure -> (mean, 95 %).

    real: the value of real images, a dashed line.
    """
    figure = new_figure(9.2, 6.8)
    words = dict(accuracy="accuracy (judge)", frechet="Fréchet distance", precision="precision", recall="recall")
    for axes, (name, title) in zip(figure.subplots(2, 2).flatten(), titles.items(), strict=True):
        for (method, rows), color, marker in zip(lines.items(), (PALETTE[0], PALETTE[1]), "os", strict=True):
            means, widths = zip(*(row[name] for row in rows.values()), strict=True)
            style = dict(color=color, marker=marker, markersize=5, linewidth=1.3, capsize=3)
            axes.errorbar(list(rows), means, widths, label=method, **style)
        axes.axhline(real[name], color=INK, linestyle="--", linewidth=1, label="real images")
        axes.set(xlabel="gradient scale s", ylabel=words[name], yscale="log" if name == "frechet" else "linear")
        if name == "frechet":
            plain_ticks(axes.yaxis)
        axes.set_title(title, fontsize=9)
        axes.grid(alpha=0.3)
    figure.axes[0].legend(frameon=False, fontsize=8, loc="lower right")
    return figure
