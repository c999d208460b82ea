"""The figures of notebook 07: the guided noise, arrows of a classifier, densities that guidance follows, samples."""

from collections.abc import Callable, Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from torch import Tensor

from ldm_teach.interactive.figures.schematic import arrow, box, diagram
from ldm_teach.interactive.plots import INK, PALETTE, arrows, density, grid_points, new_figure, panels
from ldm_teach.theory.mixture import GaussianMixture

AtTime = Callable[[Tensor, int], Tensor]
OUTSIDE = 9.21  # of a Gaussian in the plane, 99 % have a squared Mahalanobis distance below -2 log 0.01


def schematic() -> Figure:
    """The guided noise as boxes and arrows: x_t goes to the denoiser, and to the classifier for its gradient."""
    figure, axes = diagram(
        8.2, 2.9, (-0.2, 11.2), (-0.2, 3.7), "The classifier's gradient is subtracted from the noise"
    )
    blue, orange, green = PALETTE[:3]
    box(axes, 0.3, 1.8, "$x_t$", INK)
    box(axes, 2.7, 3.0, "denoiser\n(knows no class)", blue)
    box(axes, 2.7, 0.6, "classifier\n$\\log q(y|x_t)$", orange)
    box(axes, 5.9, 0.6, "$\\nabla \\log q(y|x_t)$", orange)
    box(axes, 8.4, 1.8, "$-$", INK)
    box(axes, 9.5, 1.8, "$\\tilde\\varepsilon$", green)
    box(axes, 10.7, 1.8, "any\nsampler", INK)
    arrow(axes, (0.55, 2.0), (1.75, 2.8), INK)
    arrow(axes, (0.55, 1.6), (2.05, 0.85), INK)
    arrow(axes, (3.6, 3.0), (8.2, 2.0), blue, "$\\hat\\varepsilon$", (6.4, 2.65))
    arrow(axes, (3.3, 0.6), (5.2, 0.6), orange, "autograd", (3.8, 0.7))
    arrow(axes, (6.6, 0.7), (8.25, 1.55), orange, "$\\times\\, s \\sqrt{1-\\bar\\alpha_t}$", (7.75, 0.75))
    arrow(axes, (8.6, 1.8), (9.25, 1.8), green)
    arrow(axes, (9.75, 1.8), (10.2, 1.8), green)
    return figure


def fields(names: Mapping[int, str], log_prob: AtTime, field: AtTime, probability: AtTime, title: str) -> Figure:
    """A panel for each timestep, with its name: the density, arrows, and where the probability is 0.5 and 0.9.

    log_prob, field, probability: functions of (x (N, 2), t), to (N,), (N, 2) and (N,).
    """
    figure, axes = panels(len(names), title)
    points = grid_points(3.0, 61)
    for panel, (t, name) in zip(axes, names.items(), strict=True):
        density(panel, lambda x, t=t: log_prob(x, t), extent=3.0)
        arrows(panel, lambda x, t=t: field(x, t), extent=3.0)
        side, values = points[:61, 0].numpy(), probability(points, t).reshape(61, 61).numpy()
        panel.contour(side, side, values, levels=[0.5, 0.9], colors=PALETTE[1], linestyles=["--", "-"])
        panel.set_title(name, fontsize=9)
    return figure


def two_densities(u: Tensor, pairs: Mapping[str, tuple[Tensor, Tensor]], title: str) -> Figure:
    """On the line u (N,), a panel each: p_0^(s) noised to the level t, and p_t^(s), which guidance follows."""
    figure, axes = panels(len(pairs), title, width=3.4, height=3.2)
    for panel, (name, (noised, followed)) in zip(axes, pairs.items(), strict=True):
        panel.plot(u, noised, color=PALETTE[0], label="$p_0^{(s)}$, noised")
        panel.plot(u, followed, "--", color=PALETTE[1], label="$p_t^{(s)}$, followed")
        panel.set(xlabel="$x_t$", ylabel="density", xlim=(-3.5, 4.5), ylim=(0, 0.85))
        panel.set_title(name, fontsize=9)
        panel.grid(alpha=0.3)
    axes[0].legend(frameon=False, fontsize=8, loc="upper left")
    return figure


def clouds(parts: Sequence[tuple[str, GaussianMixture, Tensor]], title: str, columns: int = 4) -> Figure:
    """Samples (N, 2) on the grey density of a Gaussian and its ellipse of 99 %: (name, the Gaussian, samples) each."""
    rows = -(-len(parts) // columns)
    figure = new_figure(2.6 * columns, 2.75 * rows + 0.5)
    figure.suptitle(title, fontsize=10)
    for panel, (name, component, x) in zip(figure.subplots(rows, columns, squeeze=False).flat, parts, strict=True):
        density(panel, component.log_prob, extent=4.5)
        panel.plot(x[:, 0].numpy(), x[:, 1].numpy(), ".", color=PALETTE[1], markersize=1.5, alpha=0.5)
        points = grid_points(4.5, 121)
        offset = points - component.means[0]
        squares = (offset @ component.covariances[0].inverse() * offset).sum(1).reshape(121, 121)
        side = points[:121, 0].numpy()
        panel.contour(side, side, squares.numpy(), levels=[OUTSIDE], colors=PALETTE[0], linewidths=1)
        panel.set_title(name, fontsize=9)
        panel.label_outer()
    return figure


def apart(counts: Sequence[int], curves: Mapping[str, Sequence[float]], title: str) -> Figure:
    """The distance between the samples of two algorithms against the number of steps, both axes logarithmic."""
    figure = new_figure(6.2, 3.5)
    axes = figure.subplots()
    for (name, values), color, marker in zip(curves.items(), PALETTE, "os^D", strict=False):
        axes.loglog(counts, values, marker=marker, color=color, label=name, markersize=4)
    axes.set(xlabel="steps of DDPM", ylabel="distance of the samples (rms, units of $x$)")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_yticks([0.03, 0.1, 0.3, 1], ["0.03", "0.1", "0.3", "1"])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8, title="Algorithm 1 against 2", title_fontsize=8)
    axes.set_title(title, fontsize=10)
    return figure
