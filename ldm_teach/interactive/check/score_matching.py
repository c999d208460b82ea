"""The exercises of notebook 04: score matching."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Guess, Law, as_number, cases, near, shown


def _score_target(x_noisy, x0, sigma, *, sign=1.0, power=2, half=1.0, kept=1.0, inside=False, log=False):
    if log:
        return -(x_noisy - x0).square() / (2 * sigma**2)
    if inside:
        return x0 - x_noisy / sigma**2
    return half * sign * (kept * x0 - x_noisy) / sigma**power


score_target = Exercise(
    "implement",
    stars=1,
    minutes=5,
    judge=Law(
        _score_target,
        cases("x_noisy x0 sigma", sigma=(0.4, 1.5)),
        {
            "the sign is wrong: the score points from the noisy sample back to the clean one": dict(sign=-1.0),
            "it is divided by sigma, want the variance sigma^2": dict(power=1),
            "it is not divided by the variance sigma^2": dict(power=0),
            "it is multiplied by sigma^2, want divided": dict(power=-2),
            "there is a factor 1/2 left: the 2 of the square's derivative cancels it": dict(half=0.5),
            "there is a factor 2 too many: the 1/2 of the exponent cancels it": dict(half=2.0),
            "x0 is missing: this is the score of a Gaussian around 0": dict(kept=0.0),
            "this is the log density itself, want its gradient": dict(log=True),
            "only x_noisy is divided by sigma^2: put brackets around the difference": dict(inside=True),
        },
    ),
    praise="grad log q(x_noisy|x0) = (x0 - x_noisy) / sigma^2",
    hints=(
        "Given x0, the noisy sample is a Gaussian around it; take the gradient of its log density.",
        "log q(x_noisy|x0) = -|x_noisy - x0|^2 / (2 sigma^2) + constant.",
        "(x0 - x_noisy) over the variance",
    ),
    right=(
        lambda x_noisy, x0, sigma: (x0 - x_noisy) / sigma**2,
        lambda x_noisy, x0, sigma: -(x_noisy - x0) / sigma.square(),
        lambda x_noisy, x0, sigma: x0.sub_(x_noisy).div_(sigma).div_(sigma),
    ),
    slips={
        "the result has shape": lambda x_noisy, x0, sigma: (
            -(x_noisy - x0).square().flatten(1).sum(1) / (2 * sigma**2)  # the log density itself
        ),
    },
)


def _loss_floor(v, sigma, *, of="rest"):
    total = v + sigma**2
    return {
        "rest": v / total,
        "explained": sigma**2 / total,
        "deviation": v / (v + sigma),
        "x0": v * sigma**2 / total,
        "root": (v / total).sqrt(),
        "score": 1 / total,
        "both": 2 * v / total,
        "prior": v / v,
    }[of]


loss_floor = Exercise(
    "derive",
    stars=2,
    minutes=10,
    judge=Law(
        _loss_floor,
        cases("v sigma", v=(0.2, 2.0), sigma=(0.3, 1.5)),
        {
            "this is what the best network explains of the noise; want what is left of its variance 1": dict(
                of="explained"
            ),
            "sigma stands where sigma^2 belongs: variances add, not standard deviations": dict(of="deviation"),
            "this is the variance of x0 given x; want that of eps = (x - x0) / sigma": dict(of="x0"),
            "this is a standard deviation, want a variance": dict(of="root"),
            "this is the mean square of the score per dimension; the loss is of sigma times the score": dict(
                of="score"
            ),
            "this is the sum over two dimensions, want one": dict(of="both"),
            "the loss of a network that answers 0 is 1; the best one does better": dict(of="prior"),
        },
    ),
    praise="1 - sigma^2 / (v + sigma^2) = v / (v + sigma^2): wide data hide the noise, thin data show it",
    hints=(
        "The best answer is sigma times the exact score; the smallest loss is 1 minus the mean square of that answer.",
        "The density of x = x0 + sigma eps is N(m, v + sigma^2), so the exact score is -(x - m) / (v + sigma^2).",
        "E (sigma (x - m) / (v + sigma^2))^2 = sigma^2 / (v + sigma^2); take it from 1",
    ),
    right=(
        lambda v, sigma: v / (v + sigma**2),
        lambda v, sigma: 1 - sigma.square() / (sigma.square() + v),
        lambda v, sigma: 1 / (1 + sigma**2 / v),
    ),
)


def guessed_share(guess: Guess, known: Mapping[str, float]):
    """A judge of a predicted share: beside what is measured, and in words where the guess is of a `known` kind."""

    def judge(answer: Any, measured: Any = None) -> str | None:
        share = as_number(answer)
        if not 0 <= share <= 1:
            return f"a share lies between 0 and 1, got {share:.3g}"
        wrong = guess(answer, measured)
        named = [words for words, value in known.items() if near(share, value, 1e-6)]
        return wrong if wrong is None or not named else f"{wrong}; {named[0]}"

    return judge


share_of_the_heavy_island = Exercise(
    "predict",
    stars=1,
    minutes=3,
    judge=guessed_share(
        Guess(0.51, factor=1.15),
        {
            "that is the weight of the island, which the score near it does not know": 0.8,
            "that is the weight of the light island": 0.2,
            "the score pulls to the nearer island, not to the higher one": 1.0,
            "the score pulls to the nearer island, not to the lower one": 0.0,
        },
    ),
    praise="about half: the chains stay where they began, and they began evenly",
    hints=(
        "Which islands does a chain see that starts at x_1 = 3?",
        "Near an island the score is that of this island alone; its weight is not in it.",
        "Count the starts: which part of the square lies nearer to the heavy island?",
    ),
    right=(0.5, 0.53, 0.55),
    slips={
        "does not know": 0.8,
        "weight of the light island": 0.2,
        "not to the higher one": 1,
        "not to the lower one": 0,
        "between 0 and 1": 50,
        "too large": 0.65,
    },
)


def _linear_guess(x: Tensor, sigma: Tensor, v: float) -> Tensor:
    return -x / (v + sigma[:, None] ** 2)


def _batch(n: int = 32) -> tuple[Tensor, Tensor, Tensor]:
    """x0 (n, 2), eps (n, 2) and sigma (n,), drawn once."""
    generator = torch.Generator().manual_seed(0)
    x0 = torch.randn(n, 2, generator=generator)
    return x0, torch.randn(n, 2, generator=generator), torch.logspace(0.7, -1, n)


def judge_network(answer: Any) -> str | None:
    """A score network that starts at the score of N(0, v I), corrects it by F / sigma, and overfits a batch."""
    if not (isinstance(answer, type) and issubclass(answer, nn.Module)):
        return f"want a class that inherits from nn.Module, got {shown(answer)}"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = answer()
        return judge_start(network, answer) or judge_learning(network)


def judge_start(network: nn.Module, answer: Any) -> str | None:
    x0, eps, sigma = _batch()
    x = x0 + sigma[:, None] * eps
    number, s = sum(p.numel() for p in network.parameters()), network(x, sigma)
    if not isinstance(s, Tensor) or s.shape != x.shape:
        return f"for x of shape (32, 2) and sigma of shape (32,) it returns {shown(s)}; want shape (32, 2)"
    if not 0 < number <= 100_000:
        return f"it has {number:,} parameters; want some, at most 100,000"
    for v, of in ((2.0, network), (0.5, answer(0.5))):
        s, want = of(x, sigma).detach(), _linear_guess(x, sigma, v)
        if torch.allclose(s, want, rtol=1e-3, atol=1e-5):
            continue
        for other, words in (
            (torch.zeros_like(s), "before training it returns 0: add the score of N(0, v I)"),
            (-want, "before training it returns the linear guess with the wrong sign"),
            (-x / v, "its linear guess forgets the noise: the variance of x is v + sigma^2"),
            (-x / (v + sigma[:, None]), "its linear guess adds sigma to v; want sigma^2"),
        ):
            if torch.allclose(s, other, rtol=1e-3, atol=1e-5):
                return words
        return "before training it does not return -x / (v + sigma^2); do the last layer's weight and bias start at 0?"
    return None


def judge_learning(network: nn.Module, num_steps: int = 200) -> str | None:
    x0, eps, sigma = _batch()
    x = x0 + sigma[:, None] * eps
    optimizer, loss = torch.optim.Adam(network.parameters(), 1e-2), torch.tensor(math.inf)
    for _ in range(num_steps):
        loss = (sigma[:, None] * network(x, sigma) + eps).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if not all(p.grad is not None and p.grad.any() for p in network.parameters()):
        return "there are parameters that get no gradient: let only the last layer start at 0"
    with torch.no_grad():
        near_zero, level = torch.full((8,), 1e-6), torch.linspace(0.1, 3, 8)
        correction = network(x[:8], near_zero) - _linear_guess(x[:8], near_zero, 2.0)
        if correction.abs().mean() < 1e3:
            return "the correction is not divided by sigma: at small sigma it cannot grow as the score may"
        same = x[:1].expand(8, 2)
        scaled = level[:, None] * (network(same, level) - _linear_guess(same, level, 2.0))
    if (scaled - scaled[:1]).abs().max() < 1e-6:
        return "sigma times the correction is the same at every sigma: show the layers log(sigma)"
    if loss > 0.05:
        return f"after {num_steps} steps on one batch of 32 points the loss is {loss:.2g}; want below 0.05"
    return None


class _Right(nn.Module):
    """The network that is asked for, with a knob for each slip."""

    def __init__(self, v: float = 2.0, width: int = 128, activation: type[nn.Module] = nn.SiLU):
        super().__init__()
        self.v = v
        hidden = [nn.Linear(3, width), activation(), nn.Linear(width, width), activation()]
        self.layers = nn.Sequential(*hidden, nn.Linear(width, 2))
        self.begin()

    def begin(self) -> None:
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def sees(self, x: Tensor, sigma: Tensor) -> Tensor:
        return torch.cat([x / (self.v + sigma**2).sqrt(), sigma.log()], dim=1)

    def linear(self, x: Tensor, sigma: Tensor) -> Tensor:
        return -x / (self.v + sigma**2)

    def scale(self, sigma: Tensor) -> Tensor:
        return 1 / sigma

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        sigma = sigma[:, None]
        return self.linear(x, sigma) + self.scale(sigma) * self.layers(self.sees(x, sigma))


def _with(**methods: Any) -> type[nn.Module]:
    return type("Network", (_Right,), methods)


score_network = Exercise(
    "build",
    stars=3,
    minutes=20,
    judge=judge_network,
    praise="it starts at the score of N(0, v I), corrects it by F / sigma, and can learn a batch by heart",
    hints=(
        "Two parts: a formula without weights, and a correction by layers that start as if they were not there.",
        "s = -x / (v + sigma^2) + F(x / sqrt(v + sigma^2), log sigma) / sigma, F a small network.",
        "As ScoreNet; when the layers are made, nn.init.zeros_(self.layers[-1].weight), the same for .bias; "
        "in forward, add the linear part.",
    ),
    right=(
        _Right,
        _with(__init__=lambda self, v=2.0: _Right.__init__(self, v, width=96, activation=nn.Tanh)),
        _with(sees=lambda self, x, sigma: torch.cat([x / (1 + sigma), sigma.log() / 2], dim=1)),
    ),
    slips={
        "inherits from nn.Module": lambda x, sigma: -x / (2 + sigma**2),
        "want shape (32, 2)": _with(forward=lambda self, x, sigma: _Right.forward(self, x, sigma).sum(1)),
        "before training it returns 0": _with(linear=lambda self, x, sigma: 0 * x),
        "wrong sign": _with(linear=lambda self, x, sigma: x / (self.v + sigma**2)),
        "forgets the noise": _with(linear=lambda self, x, sigma: -x / self.v),
        "want sigma^2": _with(linear=lambda self, x, sigma: -x / (self.v + sigma)),
        "start at 0?": _with(begin=lambda self: [self]),
        "get no gradient": _with(begin=lambda self: [nn.init.zeros_(p) for p in self.parameters()]),
        "not divided by sigma": _with(scale=lambda self, sigma: sigma / sigma),
        "show the layers": _with(sees=lambda self, x, sigma: torch.cat([x, 0 * sigma], dim=1)),
        "want below 0.05": _with(
            __init__=lambda self, v=2.0: _Right.__init__(self, v, activation=nn.Identity),
        ),
        "at most 100,000": _with(__init__=lambda self, v=2.0: _Right.__init__(self, v, width=512)),
    },
)


def _loss_by_level(score, eps, level, sigmas, *, sign=1.0, weight=2, count="level", dimensions="mean"):
    squares = (score + sign * eps / sigmas[level][:, None]).square() * sigmas[level][:, None] ** weight
    squares = squares.sum(1) if dimensions == "sum" else squares.mean(1)  # (B, d) -> (B,)
    sums = torch.stack([squares[level == k].sum() for k in range(len(sigmas))])
    numbers = torch.stack([(level == k).sum() for k in range(len(sigmas))])
    return sums / {"level": numbers, "batch": len(level), "none": 1}[count]


def _level_cases() -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    made = []
    for sigmas, d in (([2.0, 0.5, 0.1], 2), ([1.5, 0.7], 3), ([3.0, 1.0, 0.4, 0.2], 1)):
        level = torch.cat([torch.arange(len(sigmas)), torch.randint(len(sigmas), (40,), generator=generator)])
        score, eps = torch.randn(2, len(level), d, generator=generator, dtype=torch.float64)
        made.append(dict(score=score, eps=eps, level=level, sigmas=torch.tensor(sigmas, dtype=torch.float64)))
    return made


def _by_scatter(score, eps, level, sigmas):
    squares = (sigmas[level][:, None] * score + eps).square().mean(1)
    sums = torch.zeros(len(sigmas), dtype=squares.dtype).index_add_(0, level, squares)
    return sums / torch.bincount(level, minlength=len(sigmas))


def _by_table(score, eps, level, sigmas):
    one_hot = torch.nn.functional.one_hot(level, len(sigmas)).double()  # (B, L)
    squares = (sigmas[level, None] * score + eps).pow(2).mean(-1, keepdim=True)
    return (one_hot * squares).sum(0) / one_hot.sum(0)


def _by_loop(score, eps, level, sigmas):
    losses = []
    for k, sigma in enumerate(sigmas):
        of_level = level == k
        losses.append((sigma**2 * (score[of_level] + eps[of_level] / sigma) ** 2).mean())
    return torch.stack(losses)


loss_by_level = Exercise(
    "implement",
    stars=2,
    minutes=10,
    judge=Law(
        _loss_by_level,
        _level_cases(),
        {
            "the sign of eps is wrong: the target is -eps / sigma": dict(sign=-1.0),
            "the weight sigma^2 is missing": dict(weight=0),
            "the weight is sigma, want sigma^2": dict(weight=1),
            "the sum of a level is divided by the size of the whole batch, want by the points of that level": dict(
                count="batch"
            ),
            "it is the sum over the points of a level, want their mean": dict(count="none"),
            "it is summed over the dimensions, want the mean": dict(dimensions="sum"),
        },
    ),
    praise="the mean over the points of a level and the dimensions of (sigma s + eps)^2",
    hints=(
        "Go through the levels; at each, pick the points that were given this level, and average over them alone.",
        "level == k is a mask (B,): score[level == k] are the scores of that level. Each has (sigma_k s + eps)^2.",
        "For k in range(len(sigmas)): of_level = level == k; append the mean of the squares of sigmas[k] * "
        "score[of_level] + eps[of_level]; torch.stack the list.",
    ),
    right=(_by_loop, _by_scatter, _by_table),
    slips={
        "the result has shape (); want": lambda score, eps, level, sigmas: (
            (sigmas[level][:, None] * score + eps).square().mean()
        ),
    },
)


def _matching_loss(
    network, x0, sigmas, generator, *, again=False, sign=1.0, weight=1, times=1, added=1, one=False, total=False
):
    level = torch.randint(len(sigmas), (len(x0),), generator=generator)
    sigma = torch.tensor(sigmas)[0 * level if one else level][:, None]
    eps = torch.randn(x0.shape, generator=generator)
    s = network(x0 + sigma**added * eps, sigma[:, 0])
    target = torch.randn(x0.shape, generator=generator) if again else eps
    squares = sigma ** (2 * weight - 2) * (sigma**times * s + sign * target) ** 2
    return squares.sum(1).mean() if total else squares.mean()


def judge_loss(answer: Any) -> str | None:
    """A loss, judged by its value for two scores of which it is known: 0, and the exact one of data N(0, I)."""
    sigmas, n = [0.5, 2.0], 40_000
    x0 = torch.randn(n, 2, generator=torch.Generator().manual_seed(1))

    def value(network, loss=answer, **knobs: Any) -> float:
        result = loss(network, x0.clone(), sigmas, torch.Generator().manual_seed(2), **knobs)
        if not isinstance(result, Tensor) or result.numel() != 1:
            raise ValueError(f"the loss is {shown(result)}; want one number, a tensor of shape ()")
        return float(result)

    def zero(x, sigma):
        return torch.zeros_like(x)

    def exact(x, sigma):
        return -x / (1 + sigma[:, None] ** 2)

    got = value(zero), value(exact)
    for words, knobs in LOSS_SLIPS.items():
        want = value(zero, _matching_loss, **knobs), value(exact, _matching_loss, **knobs)
        if all(near(a, b, 0.02) for a, b in zip(got, want, strict=True)):
            return words or None
    return f"for data N(0, I) a score of 0 has loss {got[0]:.3g} and the exact score {got[1]:.3g}; want 1 and 0.5"


LOSS_SLIPS: dict[str, dict[str, Any]] = {
    "": {},
    "the noise that is added is still not the noise that is the target: even the exact score is at 1.5": dict(
        again=True
    ),
    "the sign of the target is wrong: the exact score has a higher loss than 0": dict(sign=-1.0),
    "the weight sigma^2 is missing: the loss of a score of 0 is not 1": dict(weight=0.0),
    "the score is not multiplied by sigma: -eps is the target of sigma times the score": dict(times=0),
    "the noise is added without sigma": dict(added=0),
    "all points have one level, want a level for each": dict(one=True),
    "it is summed over the dimensions, want the mean": dict(total=True),
}


def _mended(network, x0, sigmas, generator):
    sigma = torch.tensor(sigmas)[torch.randint(len(sigmas), x0.shape[:1], generator=generator)].unsqueeze(1)
    eps = torch.randn(x0.shape, generator=generator)
    return (sigma * network(x0 + sigma * eps, sigma.squeeze(1)) + eps).pow(2).mean()


def _mended_at_x(network, x0, sigmas, generator):
    level = torch.randint(0, len(sigmas), (len(x0),), generator=generator)
    sigma = torch.as_tensor(sigmas)[level]
    x = x0 + sigma[:, None] * torch.randn(x0.shape, generator=generator)
    error = network(x, sigma) - (x0 - x) / sigma[:, None] ** 2
    return (sigma[:, None] * error).square().mean()


def _slip(**knobs: Any):
    return lambda network, x0, sigmas, generator: _matching_loss(network, x0, sigmas, generator, **knobs)


mended_loss = Exercise(
    "debug",
    stars=2,
    minutes=10,
    judge=judge_loss,
    praise="the noise is drawn once: added to x0, and the target; 0 has a loss of 1, the exact score reaches its floor",
    hints=(
        "A loss of 1 is that of a network that answers 0. What would make 0 the best answer?",
        "The best answer is the mean of the target given x. Which noise is in x, and which is in the target?",
        "Draw eps once and use it twice: in x0 + sigma * eps, and in sigma * s + eps.",
    ),
    right=(_slip(), _mended, _mended_at_x),
    slips={words: _slip(**knobs) for words, knobs in LOSS_SLIPS.items() if words}
    | {"a tensor of shape ()": lambda network, x0, sigmas, generator: (network(x0, torch.ones(len(x0))) + x0).square()},
)

# On 16,000 chains, each share to 0.003.
_MEASURED = {1: 0.51, 2: 0.61, 3: 0.71, 4: 0.77, 5: 0.77, 7: 0.78, 10: 0.79, 15: 0.78, 20: 0.79, 30: 0.78}


def judge_levels(answer: Any) -> str | None:
    """Shares of the heavy island by the number of levels, 600 steps in all, exact scores."""
    if not isinstance(answer, Mapping):
        return f"want a dict of number of levels -> share, got {shown(answer)}"
    shares = {int(as_number(levels)): as_number(share) for levels, share in answer.items()}
    if len(shares) < 4 or min(shares) > 2 or max(shares) < 10:
        return "want at least four numbers of levels, from 2 or fewer to 10 or more"
    if max(shares.values()) > 1:
        return "these are per cent, want shares between 0 and 1"
    most = max(shares)
    if shares[most] < 0.4:
        return "these are the shares of the light island; want those of the heavy one"
    if shares[most] < 0.65:
        return f"with {most} levels the share is {shares[most]:.2f}: did the walk begin at sigma = 5, and end at 0.1?"
    few = shares[min(shares)]
    if max(shares.values()) - few < 0.04:
        return "the shares do not depend on the number of levels: is the ladder made anew for each number?"
    if any(share > 0.85 for share in shares.values()):
        return "a share above 0.85 is more than the heavy island has: which scores, and which start, were used?"
    for levels, share in shares.items():
        usual = _MEASURED[min(_MEASURED, key=lambda known, levels=levels: abs(known - levels))]
        if abs(share - usual) > 0.06 and levels in _MEASURED:
            return (
                f"with {levels} levels you measured {share:.2f}, here {usual:.2f} is usual: are there 600 steps in all?"
            )
    return None


number_of_levels = Exercise(
    "experiment",
    stars=2,
    minutes=15,
    judge=judge_levels,
    praise="with one or two levels the islands part before the chains have chosen; beyond about four, more hardly help",
    hints=(
        "A loop over numbers of levels: make the ladder, walk down it, measure the share at the end.",
        "geometric(5.0, 0.1, number) is the ladder, 600 // number are the steps of each level.",
        "For number in (2, 3, 5, 10, 20): ends = my_annealed(exact_score, start, geometric(5.0, 0.1, number), 0.004, "
        "600 // number, seeded(9)); my_shares[number] = heavy_share(ends)[0].",
    ),
    right=(
        {2: 0.63, 3: 0.71, 5: 0.76, 10: 0.77},
        {1: 0.52, 2: 0.62, 4: 0.77, 15: 0.78, 30: 0.77},
        {2: torch.tensor(0.60), 3: 0.69, 7: 0.80, 20: 0.79},
    ),
    slips={
        "want a dict": [0.63, 0.71, 0.77],
        "at least four": {2: 0.63, 10: 0.77},
        "per cent": {2: 63, 3: 71, 5: 76, 10: 77},
        "light island": {2: 0.37, 3: 0.29, 5: 0.24, 10: 0.23},
        "begin at sigma = 5": {2: 0.53, 3: 0.53, 5: 0.54, 10: 0.53},
        "made anew": {2: 0.77, 3: 0.77, 5: 0.77, 10: 0.77},
        "600 steps in all": {2: 0.70, 3: 0.71, 5: 0.76, 10: 0.78},
        "above 0.85": {2: 0.63, 3: 0.71, 5: 0.91, 10: 0.95},
    },
)
