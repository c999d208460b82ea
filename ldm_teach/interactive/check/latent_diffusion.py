"""The exercises of notebook 10: latent diffusion."""

import copy
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.interactive.exercise import Exercise, Made
from ldm_teach.interactive.judges import Guess, Law, Number, as_number, cases, far, near, shown
from ldm_teach.models.latent_diffusion import LatentDiffusion


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _fresh(build: Callable, *arguments: Any) -> Any:
    """What `build` makes with torch's default generator at a fixed seed, which is then put back as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build(*arguments)


# Build: a block whose gate starts at zero.


def _judge_gated(answer):
    block = _fresh(answer, 32, 12)
    if not isinstance(block, nn.Module):
        return f"want a class of torch.nn.Module, got {shown(block)}"
    x, embedding = torch.randn(8, 32, 6, 6, generator=_seeded(0)), torch.randn(8, 12, generator=_seeded(1))
    got = block(x, embedding)
    if not isinstance(got, Tensor) or got.shape != x.shape:
        return f"it makes {shown(got)} of (8, 32, 6, 6); want the same shape"
    if not torch.allclose(got, x, atol=1e-6):
        if not got.any():
            return "a fresh block returns zero; want x + gate * branch, which is x where the gate is 0"
        return "a fresh block must return x exactly: the gate has to start at zero"
    got.square().mean().backward() if got.requires_grad else None
    convolutions = [part for part in block.modules() if isinstance(part, nn.Conv2d)]
    if any(part.weight.grad is not None and part.weight.grad.any() for part in convolutions):
        return "the zero is in the branch, as in the residual block above; want it in the gate"
    block = _fresh(answer, 32, 12)
    begin, end, still = _overfit(block, x, embedding)
    if len(still) == len(list(block.parameters())):
        return "no parameter ever gets a gradient: gate and branch are both zero, and each waits for the other"
    if still:
        return f"{still[0]} never gets a gradient: it has no part in what is returned"
    return _gated_behaves(block, x, embedding) or (
        None if end < 0.6 * begin else f"it does not learn: after 120 steps the loss is {end / begin:.2f} of the first"
    )


def _overfit(block, x, embedding):
    """Train a block on a batch whose target needs neighbours and embedding: losses, and what never had a gradient."""
    target = x + torch.tanh(embedding[:, :1, None, None]) * x.roll(1, 3)
    optimizer = torch.optim.Adam(block.parameters(), lr=1e-2)
    still, losses = {name for name, _ in block.named_parameters()}, []
    for _ in range(120):
        loss = (block(x, embedding) - target).square().mean()
        optimizer.zero_grad()
        if loss.requires_grad:
            loss.backward()
        still -= {name for name, p in block.named_parameters() if p.grad is not None and p.grad.any()}
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses[0], losses[-1], sorted(still)


@torch.no_grad()
def _gated_behaves(block, x, embedding):
    """What a trained block must do with other images, sizes and embeddings."""
    got = block(x, embedding)
    if not torch.allclose(block(x[:2], embedding[:2]), got[:2], atol=1e-4):
        return "what it makes of an image depends on the others of the batch: normalize each image by itself"
    if torch.allclose(block(x, embedding.flip(0)), got, atol=1e-5):
        return "the embedding changes nothing"
    correction = got - x
    large = block(100 * x, embedding) - 100 * x
    if float(large.std()) > 3 * float(correction.std()):
        return "the branch grows with x: want a normalization at its beginning"
    places = torch.randperm(36, generator=_seeded(3))
    shuffled = block(x.flatten(2)[:, :, places].unflatten(2, (6, 6)), embedding)
    if torch.allclose(shuffled.flatten(2), got.flatten(2)[:, :, places], atol=1e-3):
        return "a position does not see its neighbours: want a 3 x 3 convolution with padding=1"
    try:
        other = block(torch.randn(1, 32, 4, 10, generator=_seeded(2)), embedding[:1])
    except (RuntimeError, ValueError):
        return "it takes images of one size only"
    return None if other.shape == (1, 32, 4, 10) else "it takes images of one size only"


class _Gated(nn.Module):
    """The right block; the keywords are the slips."""

    def __init__(self, width, embedding, *, start="gate", skip=1.0, norm="group", told=True, kernel=3, spare=False):
        super().__init__()
        groups = nn.GroupNorm(width // 16, width, affine=False)
        self.norm = {"group": groups, "batch": nn.BatchNorm2d(width, affine=False), "none": nn.Identity()}[norm]
        self.first = nn.Conv2d(width, width, kernel, padding=kernel // 2)
        self.second = nn.Conv2d(width, width, kernel, padding=kernel // 2)
        self.modulate = nn.Linear(embedding, 3 * width)
        self.spare = nn.Linear(width, width) if spare else None
        self.skip, self.told = skip, told
        zeros = {"gate": [self.modulate], "both": [self.modulate, self.second], "branch": [self.second], "none": []}
        for parameter in nn.ModuleList(zeros[start]).parameters():
            nn.init.zeros_(parameter)

    def forward(self, x, embedding):
        made = self.modulate(embedding if self.told else torch.ones_like(embedding))
        scale, shift, gate = made[:, :, None, None].chunk(3, dim=1)
        h = self.first(self.norm(x) * (1 + scale) + shift)
        return self.skip * x + gate * self.second(F.silu(h))


class _GatedApart(nn.Module):
    """Three maps of the embedding, and one convolution."""

    def __init__(self, width, embedding):
        super().__init__()
        self.scale, self.shift, self.gate = (nn.Linear(embedding, width) for _ in range(3))
        for parameter in self.gate.parameters():
            nn.init.zeros_(parameter)
        self.branch = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x, embedding):
        h = F.group_norm(x, x.shape[1] // 16)
        h = h * (1 + self.scale(embedding)[..., None, None]) + self.shift(embedding)[..., None, None]
        return x + self.gate(embedding)[..., None, None] * self.branch(F.gelu(h))


class _GateOnly(nn.Module):
    """No scale and no shift; a norm over all channels."""

    def __init__(self, width, embedding):
        super().__init__()
        self.branch = nn.Sequential(
            nn.GroupNorm(1, width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 1),
        )
        last = nn.Linear(embedding, width)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.gate = nn.Sequential(nn.SiLU(), last)

    def forward(self, x, embedding):
        return torch.addcmul(x, self.gate(embedding)[:, :, None, None], self.branch(x))


gated_block = Exercise(
    "build",
    stars=3,
    minutes=20,
    judge=_judge_gated,
    praise="a fresh block is the identity, and after one step of the gate everything learns",
    hints=(
        "Return x + gate * branch(x). A gate of zero makes the block the identity whatever the branch is.",
        "nn.Linear(embedding, 3 * width) makes scale, shift and gate; set its weight and bias to zero, nothing else.",
        "scale, shift, gate = self.linear(embedding)[:, :, None, None].chunk(3, dim=1); the convolution sees "
        "norm(x) * (1 + scale) + shift; return x + gate * conv(F.silu(conv(...))).",
    ),
    right=(_Gated, _GatedApart, _GateOnly),
    slips={
        "the gate has to start at zero": functools.partial(_Gated, start="none"),
        "gate and branch are both zero": functools.partial(_Gated, start="both"),
        "the zero is in the branch": functools.partial(_Gated, start="branch"),
        "a fresh block returns zero": functools.partial(_Gated, skip=0.0),
        "depends on the others of the batch": functools.partial(_Gated, norm="batch"),
        "want a normalization at its beginning": functools.partial(_Gated, norm="none"),
        "the embedding changes nothing": functools.partial(_Gated, told=False),
        "does not see its neighbours": functools.partial(_Gated, kernel=1),
        "never gets a gradient": functools.partial(_Gated, spare=True),
        "want a class of torch.nn.Module": lambda width, embedding: lambda x, embedding: x,
    },
)


# Debug: a loop whose decay is compounded and whose average is turned round.


def _loop(
    network, average, loss_of, num_steps, *, compounded=False, turned=False, decay=True, warm=True, constant=False,
    never=False, ahead=False, squared=False,
):  # fmt: skip
    """The right loop; the keywords are the slips."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
    rate = 0.1
    for step in range(num_steps):
        factor = (1 - step / num_steps) ** (2 if squared else 1)
        rate = rate * factor if compounded else 0.1 * (factor if decay else 1.0)
        optimizer.param_groups[0]["lr"] = rate
        if ahead:
            _follow(average, network, min(0.99, (1 + step) / (10 + step)))
        optimizer.zero_grad()
        loss_of(network).backward()
        optimizer.step()
        d = min(0.99, (1 + step) / (10 + step)) if warm else 0.99
        d = 0.5 if constant else d
        if not never and not ahead:
            _follow(average, network, 1 - d if turned else d)


@torch.no_grad()
def _follow(average, network, d):
    for a, p in zip(average.parameters(), network.parameters(), strict=True):
        a.copy_(d * a + (1 - d) * p)


LOOP_SLIPS: dict[str, dict[str, Any]] = {
    "the loop is as it was: both faults are still there": dict(compounded=True, turned=True),
    "the average is right now; but each step still multiplies the rate of the step before": dict(compounded=True),
    "the rate is right now; but the average still follows the last weights: d belongs to the average": dict(
        turned=True
    ),
    "the decay is gone: the rate stays at 0.1": dict(decay=False),
    "the rate falls with the square of what is left; want it linear": dict(squared=True),
    "the average remembers its random start: the smaller d of the first steps was right": dict(warm=False),
    "the average is never changed; is it updated in place?": dict(never=True),
    "the average is updated before the step of the optimizer; that was right": dict(ahead=True),
}


def _problem():
    """A small regression whose batches are fixed by their number: network, average, loss."""
    network, batches = _fresh(nn.Linear, 4, 1).double(), _seeded(3)
    wanted = torch.tensor([[1.0, -2.0, 0.5, 1.5]]).double()

    def loss_of(network):
        x, noise = (torch.randn(16, n, generator=batches, dtype=torch.float64) for n in (4, 1))
        return (network(x) - x @ wanted.T - 0.5 * noise).square().mean()

    return network, copy.deepcopy(network), loss_of


def _ends(loop, **slip):
    network, average, loss_of = _problem()
    returned = loop(network, average, loss_of, 25, **slip)
    if hasattr(returned, "__next__"):
        list(returned)
    return torch.cat([p.detach().flatten() for part in (network, average) for p in part.parameters()])


def _judge_loop(answer):
    if not callable(answer):
        return f"want a function (network, average, loss_of, num_steps), got {shown(answer)}"
    got = _ends(answer)
    for words, slip in ({"": {}} | LOOP_SLIPS).items():
        if torch.allclose(got, _ends(_loop, **slip), rtol=0, atol=1e-7):
            return words or None
    network = slice(0, len(got) // 2)
    if torch.allclose(got[network], _ends(_loop)[network], rtol=0, atol=1e-7):
        return "the network is trained rightly, the average is not"
    return "the network ends elsewhere than with AdamW and a rate of 0.1 that falls linearly to 0"


def _by_scheduler(network, average, loss_of, num_steps):
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
    falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / num_steps)
    for step in range(num_steps):
        optimizer.zero_grad()
        loss_of(network).backward()
        optimizer.step()
        falling.step()
        with torch.no_grad():
            for a, p in zip(average.parameters(), network.parameters(), strict=True):
                a.lerp_(p, 1 - min(0.99, (1 + step) / (10 + step)))


def _yielding(network, average, loss_of, num_steps):
    optimizer = torch.optim.AdamW(network.parameters())
    for step in range(num_steps):
        optimizer.param_groups[0]["lr"] = 0.1 - 0.1 * step / num_steps
        loss = loss_of(network)
        network.zero_grad()
        loss.backward()
        optimizer.step()
        for a, p in zip(average.parameters(), network.parameters(), strict=True):
            a.data += (1 - min(0.99, (1 + step) / (10 + step))) * (p.data - a.data)
        yield loss.item()


mended_loop = Exercise(
    "debug",
    stars=2,
    minutes=12,
    judge=_judge_loop,
    praise="the rate is a function of the step alone, and the average keeps d of itself",
    hints=(
        "Two faults: one is seen in the left picture; for the other, compare the average with the last weights.",
        "The rate of step k is 0.1 (1 - k / n), whatever it was before. And average <- d average + (1 - d) network.",
        'param_groups[0]["lr"] = 0.1 * (1 - step / num_steps); and exchange d and 1 - d in the last line.',
    ),
    right=(_loop, _by_scheduler, _yielding),
    slips={words: functools.partial(_loop, **slip) for words, slip in LOOP_SLIPS.items()}
    | {"the network is trained rightly, the average is not": functools.partial(_loop, constant=True)},
)


# Derive: what is left of the random start in the average.

start_in_average = Exercise(
    "derive",
    stars=2,
    minutes=10,
    judge=Number(
        1 / math.comb(19, 9),
        {
            "0.999 is the limit of d; in the first steps d is (1 + k) / (10 + k)": 0.999**10,
            "that is the last factor alone to the power of ten; multiply the ten different ones": (10 / 19) ** 10,
            "that is the last factor alone; multiply all ten": 10 / 19,
            "the steps are counted from k = 0 to 9: the first factor is 1/10": math.factorial(11)
            / math.prod(range(11, 21)),
            "that is the share after nine steps": 1 / math.comb(18, 9),
            "that is the share after eleven steps": 1 / math.comb(20, 9),
            "that is d of the first step to the power of ten; d rises": 0.1**10,
            "that is the product of all 1 - d: each step multiplies the average by d": math.prod(
                9 / (10 + k) for k in range(10)
            ),
        },
        tolerance=0.02,
    ),
    praise="1 / 92,378: the warm-up of d makes the average forget its start within ten steps",
    hints=(
        "Each step multiplies what is left of the start by d.",
        "The product of (1 + k) / (10 + k) for k = 0, ..., 9: write numerators and denominators out.",
        "10! over 10 * 11 * ... * 19, that is 10! 9! / 19!.",
    ),
    right=(1 / 92_378, torch.tensor(1.0825e-5), math.factorial(10) * math.factorial(9) / math.factorial(19)),
)


# Experiment: what the network does when it is told a wrong time.

TOLD = (-300, -200, -100, 0, 100, 200, 300)


@functools.cache
def _clean_latents() -> tuple[LatentDiffusion, Tensor, Tensor]:
    model, test = LatentDiffusion.load("fashion-class"), fashion_mnist(train=False)
    return model, model.encode(test.x[:100]), test.y[:100]


@functools.cache
def _told_losses(kind: str = "right") -> dict[int, float]:
    """The loss of v at t = 300 of the trained network that is told t + offset; or what a slip makes of it."""
    model, z0, labels = _clean_latents()
    eps, found = torch.randn(z0.shape, generator=_seeded(0)), {}
    for offset in TOLD:
        sign = -1 if kind == "turned" else 1
        noised_at = 300 + (offset if kind in ("noised", "both") else 0)
        told = 300 if kind == "noised" else 300 + sign * offset
        t = torch.full((len(z0),), noised_at)
        alpha_bar = model.schedule.alpha_bar[t].float().view(-1, 1, 1, 1)
        signal, noise = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
        z_t, v = signal * z0 + noise * eps, signal * eps - noise * z0
        if kind == "told target":
            other = model.schedule.alpha_bar[told].float()
            v = other.sqrt() * eps - (1 - other).sqrt() * z0
        with torch.no_grad():
            got = model(z_t, torch.full_like(t, told), labels)
        wanted = eps if kind == "eps" else v
        loss = (got - wanted).square().mean()
        found[offset] = float(loss.sqrt() if kind == "root" else (got - wanted).square().flatten(1).sum(1).mean()
                              if kind == "sum" else loss)  # fmt: skip
    return found


TOLD_SLIPS = {
    "the offsets are turned round: +100 must tell the network 400": "turned",
    "here the noise is that of 300 + offset and the network is told 300; want it the other way round": "noised",
    "noise and told time are both moved: then nothing is wrong": "both",
    "these compare with eps; the network predicts v": "eps",
    "these are roots; want mean squares, as in `errors_of`": "root",
    "these are sums over the latent; want means": "sum",
    "the target moved with the told time; it belongs to the true one, 300": "told target",
}


def _judge_told(measured):
    if not isinstance(measured, Mapping):
        return f"want a dictionary offset -> loss, got {shown(measured)}"
    missing = [offset for offset in TOLD if offset not in measured]
    if missing:
        return f"there is no entry for the offset {missing[0]}"
    got = [as_number(measured[offset]) for offset in TOLD]
    for words, kind in ({"": "right"} | TOLD_SLIPS).items():
        if all(near(a, b, 0.04) for a, b in zip(got, _told_losses(kind).values(), strict=True)):
            return words or None
    want = list(_told_losses().values())
    off = next(i for i, (a, b) in enumerate(zip(got, want, strict=True)) if not near(a, b, 0.04))
    return f"offset {TOLD[off]}: {got[off]:.3g} is {far(got[off], want[off])}"


told_time = Exercise(
    "experiment",
    stars=2,
    minutes=12,
    judge=_judge_told,
    praise="a wrong time costs in both directions, and the more the further off it is",
    hints=(
        "Make z_t and v at t = 300 once; only the index that the network is given changes.",
        "(mine(z_t, told, labels, dropped) - v).square().mean() with told = 300 + offset in every row.",
        "z_t, v = noised(z0, torch.full((100,), 300), eps); then for each offset "
        "mine(z_t, torch.full((100,), 300 + offset), y[:100], torch.zeros(100, dtype=torch.bool)).",
    ),
    right=(
        Made(lambda: _told_losses()),
        Made(lambda: _told_losses() | {50: 0.3}),
        Made(lambda: {offset: torch.tensor(loss * 1.01) for offset, loss in _told_losses().items()}),
    ),
    slips={words: Made(lambda kind=kind: _told_losses(kind)) for words, kind in TOLD_SLIPS.items()}
    | {"there is no entry for the offset 300": dict.fromkeys(TOLD[:-1], 0.3), "want a dictionary": [0.3]},
)


# Predict: the multiplications of the same network on pixels.


PIXEL_SLIPS = {
    "4 is the ratio of the sides: a map has two of them": 4.0,
    "3.06 is the ratio of the numbers; a convolution counts positions": 3.0625,
    "the network works on 32 x 32 positions, of which the latent has a sixteenth; 12.25 is that of 28 x 28": 12.25,
    "256 is the ratio of self-attention alone, which is a small part": 256.0,
    "64 would be three dimensions": 64.0,
    "the ratio is that of pixels to latent: above one": 1 / 16,
}

pixels_over_latent = Exercise(
    "predict",
    stars=1,
    minutes=5,
    judge=Guess(17.0, 1.15, PIXEL_SLIPS),
    praise="16 times the positions, and a little more for self-attention",
    hints=(
        "Which parts of the cost grow with the number of positions, and which with its square?",
        "Positions: 32 * 32 against 8 * 8. Self-attention, which grows with the square, was 0.5 % of the sum.",
        "A little above 16: 0.995 * 16 + 0.005 * 256.",
    ),
    right=(17, 16.8, 16.0, torch.tensor(17.3)),
)


# Implement: a straight walk between two noises that keeps the variance.


def _walk(a, b, s, *, root=0.5, norm=True, turned=False, sum_of=False, linear_share=False, each=False):
    s = 1 - s if turned else s
    mixed = (1 - s) * a + s * b
    if not norm:
        return mixed
    if each:
        return mixed / mixed.flatten(1).std(1).view(-1, *[1] * (mixed.ndim - 1))
    size = (1 - s) ** 2 + s**2
    if sum_of:
        return (1 - s) ** 0.5 * a + s**0.5 * b
    if linear_share:
        return (torch.pi * s / 2).cos() * a + (torch.pi * s / 2).sin() * b
    return mixed / size**root


straight_walk = Exercise(
    "implement",
    stars=2,
    minutes=8,
    judge=Law(
        _walk,
        cases("a b s", s=(0.15, 0.4)),
        {
            "the variance is not kept: half-way it is only 1/2": dict(norm=False),
            "it is divided by the variance, want its root": dict(root=1.0),
            "it is multiplied, want divided": dict(root=-0.5),
            "s = 0 must give a, s = 1 must give b": dict(turned=True),
            "this is another walk, with the roots of the shares; want the straight one, rescaled": dict(sum_of=True),
            "this is the walk of the cell above, by an angle; want the straight one, rescaled": dict(linear_share=True),
            "the deviation is measured on each noise; want the one that follows from s": dict(each=True),
        },
    ),
    praise="((1 - s) a + s b) / sqrt((1 - s)^2 + s^2)",
    hints=(
        "a and b are independent with variance one. What is the variance of (1 - s) a + s b?",
        "Variances add, with the squares of the factors: (1 - s)^2 + s^2. Divide by its root.",
        "((1 - s) * a + s * b) / ((1 - s)**2 + s**2)**0.5",
    ),
    right=(
        lambda a, b, s: ((1 - s) * a + s * b) / ((1 - s) ** 2 + s**2) ** 0.5,
        lambda a, b, s: torch.lerp(a, b, s) / (1 - 2 * s + 2 * s * s).sqrt(),
        lambda a, b, s: (a + s * (b - a)) * ((1 - s).square() + s.square()).rsqrt(),
    ),
)
