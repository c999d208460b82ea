"""The exercises of notebook 11: conditioning on words."""

import functools
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldm_teach.data.captions import MAX_WORDS, WORDS
from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Law, Number, as_number, shown
from ldm_teach.models.conditioning import TextEncoder
from ldm_teach.words import split_words

# Derive: what a sharp look costs.

OTHERS, WIDTH = 13, 32
_GAP = math.log(0.9 / 0.1 * OTHERS)

sharp_score = Exercise(
    "derive",
    stars=2,
    minutes=8,
    judge=Number(
        WIDTH**0.5 * _GAP,
        {
            "that is the difference after the division by sqrt(d); asked is that of q·k itself": _GAP,
            "multiplied by d; the scores are divided by sqrt(d)": WIDTH * _GAP,
            "divided by sqrt(d) where it must be multiplied: q·k / sqrt(d) is the score": _GAP / WIDTH**0.5,
            "there are 13 other words, not 14": WIDTH**0.5 * math.log(9 * 14),
            "the 13 others are forgotten: this would do for two words": WIDTH**0.5 * math.log(9),
            "that is with the logarithm to base 10; exp has the natural one": WIDTH**0.5 * math.log10(9 * OTHERS),
            "the 13 others stand on the wrong side of the fraction": WIDTH**0.5 * math.log(9 / OTHERS),
            "0.9 is a share of the sum, and the sum holds the word itself: e^r / (e^r + 13)": (
                WIDTH**0.5 * math.log(0.9 * OTHERS)
            ),
        },
        tolerance=0.005,
    ),
    praise="e^r / (e^r + 13) = 0.9 gives r = ln 117 = 4.76, and q·k is sqrt(32) times that: 26.9",
    hints=(
        "Only differences of scores count. Put those of the 13 other words at 0, and that of the one word at r.",
        "Its weight is e^r / (e^r + 13); set it to 0.9 and solve for r. Then r = (difference of q·k) / sqrt(d).",
        "r = ln(13 * 0.9 / 0.1); the answer is r * 32 ** 0.5.",
    ),
    right=(26.94, 26.9, torch.tensor(26.9395), 32**0.5 * math.log(117)),
)


# Implement: a lookup that leaves tokens out.


def _lookups():
    generator, made = torch.Generator().manual_seed(0), []
    for n, length, d in ((7, 5, 3), (4, 9, 6), (5, 6, 16)):
        case = {
            name: torch.randn(rows, d, generator=generator) for name, rows in (("q", n), ("k", length), ("v", length))
        }
        keep = torch.arange(length) % 3 != 1
        made.append(case | dict(keep=keep))
    return made


def _masked(
    q, k, v, keep, *, root=0.5, length=False, dim=-1, swapped=False, hard=False, how="softmax", inverted=False
):  # fmt: skip
    if swapped:
        k, v = v, k
    keep = ~keep if inverted else keep
    scores = q @ k.T / (len(k) if length else q.shape[-1]) ** root  # (N, L)
    if how == "zeroed score":
        return (scores * keep).softmax(dim) @ v
    if how == "ignored":
        return scores.softmax(dim) @ v
    if how == "zeroed weight":
        return (scores.softmax(dim) * keep) @ v
    if how == "mean":
        return (keep / keep.sum()).expand(len(q), -1) @ v
    left_out = scores.masked_fill(~keep, -1e9)
    weights = left_out.softmax(dim) if not hard else (left_out == left_out.amax(-1, keepdim=True)).to(scores)
    return (left_out.exp() if how == "exp" else weights * keep) @ v


def _renormalized(q, k, v, keep):
    weights = (q @ k.T / q.shape[-1] ** 0.5).softmax(-1) * keep
    return (weights / weights.sum(-1, keepdim=True)) @ v


masked_lookup = Exercise(
    "implement",
    stars=2,
    minutes=10,
    judge=Law(
        _masked,
        _lookups(),
        {
            "the scores are not divided by sqrt(d)": dict(root=0.0),
            "the scores are divided by d, want its square root": dict(root=1.0),
            "the scores are divided by the root of the number of keys; d is their width": dict(length=True),
            "the softmax runs over the queries: want the weights of one query to sum to 1": dict(dim=0),
            "keys and values are swapped: look up by the keys, bring home the values": dict(swapped=True),
            "only the best key counts: that is a hard lookup, without a gradient": dict(hard=True),
            "the weights do not sum to 1: exp is not yet softmax": dict(how="exp"),
            "the weights left do not sum to 1: leave the tokens out before the softmax, or divide again": dict(
                how="zeroed weight"
            ),
            "a score of 0 is no weight of 0, for exp(0) = 1: want a score of minus infinity": dict(how="zeroed score"),
            "nothing is left out": dict(how="ignored"),
            "the wrong tokens are left out: keep is True for those that count": dict(inverted=True),
            "all kept tokens have the same weight: want the softmax of their scores": dict(how="mean"),
        },
    ),
    praise="the softmax over the kept keys alone: their weights sum to 1",
    hints=(
        "It is the soft lookup, with a weight of exactly 0 on some keys. What score has the weight 0?",
        "exp(-inf) = 0: put -inf into the columns of the scores where keep is False, and then take the softmax.",
        "scores.masked_fill(~keep, float('-inf')).softmax(-1) @ v; or look up in k[keep] and v[keep].",
    ),
    right=(
        lambda q, k, v, keep: (q @ k[keep].T / q.shape[-1] ** 0.5).softmax(-1) @ v[keep],
        lambda q, k, v, keep: F.scaled_dot_product_attention(q, k, v, attn_mask=keep.expand(len(q), -1)),
        lambda q, k, v, keep: (q @ k.T / q.shape[-1] ** 0.5).masked_fill_(~keep, float("-inf")).softmax(-1) @ v,
        _renormalized,
    ),
)


# Debug: captions as numbers.

SAID = (
    "a red circle above a blue square",
    "a large green circle",
    "a white cross, a cyan square and a small black triangle",
    "a yellow cross left of a magenta triangle",
)
LENGTH = MAX_WORDS


def _numbers(captions, words=WORDS, *, start=1, front=False, padding=0, ordered=False, cut=LENGTH, cased=False):
    """The numbers of captions; the keywords are the slips."""
    known = sorted(words) if ordered else list(words)
    made = torch.full((len(captions), LENGTH), padding)
    for row, caption in zip(made, captions, strict=True):
        found = torch.tensor([known.index(word) + start for word in split_words(caption)][:cut])
        row[LENGTH - len(found) if front else 0 :][: len(found)] = found
    return made.float() if cased else made


NUMBER_SLIPS: dict[str, dict[str, Any]] = {
    "the first word of the vocabulary still has the number 0, which is that of the padding": dict(start=0),
    "the padding stands before the words; want it behind them": dict(front=True),
    "the padding has another number; want 0": dict(padding=-1),
    "the vocabulary is sorted: the embeddings were trained with WORDS in its own order": dict(ordered=True),
    "long captions are cut short": dict(cut=7),
    "the numbers start at 2": dict(start=2),
}


def _judge_numbers(answer):
    got = answer(list(SAID))
    if not isinstance(got, Tensor):
        return f"want a tensor of the numbers, got {shown(got)}"
    if got.shape != (len(SAID), LENGTH):
        return f"the result has shape {tuple(got.shape)}; want {(len(SAID), LENGTH)}"
    if got.dtype.is_floating_point:
        return f"the numbers are {got.dtype}; an embedding wants integers, torch.int64"
    for words, slip in ({"": {}} | NUMBER_SLIPS).items():
        if torch.equal(got, _numbers(SAID, **slip)):
            return words or None
    wrong = int((got != _numbers(SAID)).sum())
    return f"{wrong} of {got.numel()} numbers are wrong"


@functools.cache
def _encoder() -> TextEncoder:
    return TextEncoder(WORDS, MAX_WORDS)


def _by_steps(captions):
    position, rows = {}, []
    for word in WORDS:
        position[word] = len(position) + 1
    for caption in captions:
        words = caption.replace(",", " ,").split()
        rows.append([position[word] for word in words] + [0] * (LENGTH - len(words)))
    return torch.tensor(rows)


mended_numbers = Exercise(
    "debug",
    stars=2,
    minutes=10,
    judge=_judge_numbers,
    praise="the number 0 belongs to the padding alone, and every word has the row that was trained for it",
    hints=(
        "Look at the printed row of numbers: which words have the same number as the empty places?",
        "Number 0 is the padding. The vocabulary needs the numbers 1 to 22.",
        "enumerate(WORDS, start=1) in the place of enumerate(WORDS).",
    ),
    right=(_numbers, lambda captions: _encoder().check(captions), _by_steps),
    slips={words: functools.partial(_numbers, **slip) for words, slip in NUMBER_SLIPS.items()}
    | {
        "an embedding wants integers": functools.partial(_numbers, cased=True),
        "the result has shape (4, 7)": lambda captions: _numbers(captions)[:, :7],
        "want a tensor of the numbers": lambda captions: _numbers(captions).tolist(),
    },
)


# Build: an encoder of a direction.

TOKENS, TOKEN_WIDTH = 3, 16


def _same(a: Tensor, b: Tensor) -> bool:
    return bool((a - b).abs().max() < 1e-3)


def _judge_angle(answer):
    if not (isinstance(answer, type) and issubclass(answer, nn.Module)):
        return f"want a class, a subclass of nn.Module; got {shown(answer)}"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return _null_is_wrong(net := answer(TOKENS, TOKEN_WIDTH)) or _tokens_are_wrong(net) or _cannot_learn(net)


def _null_is_wrong(net):
    null = getattr(net, "null", None)
    if null is None:
        return "it has no `null`: guidance needs the tokens of no condition"
    if not isinstance(null, nn.Parameter):
        return "`null` is no nn.Parameter, so it would not be trained"
    if null.shape != (TOKENS, TOKEN_WIDTH):
        return f"`null` has shape {tuple(null.shape)}; want {(TOKENS, TOKEN_WIDTH)}, as the tokens of one angle"
    return None


def _tokens_are_wrong(net):
    angles = torch.arange(12) * math.pi / 6 + 0.2
    with torch.no_grad():
        tokens = net(angles)
        if not isinstance(tokens, Tensor) or tokens.shape != (12, TOKENS, TOKEN_WIDTH):
            got = tuple(tokens.shape) if isinstance(tokens, Tensor) else shown(tokens)
            return f"12 angles give {got}; want tokens of shape {(12, TOKENS, TOKEN_WIDTH)}"
        if _same(tokens[1:], tokens[:-1]):
            return "all angles have the same tokens"
        if not _same(tokens, net(angles + 2 * math.pi)):
            return "the angles x and x + 2 pi are one direction; want the same tokens for both"
        if _same(tokens, net(math.pi - angles)):
            return "x and pi - x have the same tokens: the sine alone does not tell them apart"
        if _same(tokens, net(-angles)):
            return "x and -x have the same tokens: the cosine alone does not tell them apart"
        if _same(tokens, net(angles + math.pi)):
            return "x and x + pi have the same tokens: opposite directions are two"
        turn = torch.linspace(-0.001, 2 * math.pi, 2001)
        leaps = (net(turn[1:]) - net(turn[:-1])).norm(dim=(1, 2)) / (tokens[1:] - tokens[:-1]).norm(dim=(1, 2)).mean()
        if float(leaps.max()) > 0.2:
            return f"the tokens jump near the angle {float(turn[int(leaps.argmax())]):.2f}: want no jump anywhere"
        if _same(tokens[:, 1:], tokens[:, :-1]):
            return "the tokens of one angle are all alike: want several vectors, not one repeated"
    return None


def _cannot_learn(net):
    angles = torch.arange(8) * math.pi / 4 + 0.1
    targets = torch.randn(8, TOKENS, TOKEN_WIDTH, generator=torch.Generator().manual_seed(1))
    learned = [parameter for name, parameter in net.named_parameters() if name != "null"]
    if not learned:
        return "it has no parameters besides null: nothing of the tokens is learned"
    optimizer = torch.optim.Adam(learned, 1e-2)
    for step in range(400):
        loss = F.mse_loss(net(angles), targets)
        if not loss.requires_grad:
            return "no gradient reaches the parameters"
        optimizer.zero_grad()
        loss.backward()
        if step == 0 and any(p.grad is None for p in learned):
            return "no gradient reaches some of the parameters"
        optimizer.step()
    if (last := loss.item()) > 0.1:
        return (
            f"eight directions with tokens of their own cannot be learned: the error stays at {last:.2f} of 1; "
            "a linear map of cos and sin is too little"
        )
    return None


def _angle_encoder(
    inputs=lambda x: torch.stack([x.cos(), x.sin()], 1), *, null="right", shape="right", learn=True, hidden=64
):
    """A class of angle encoders; the keywords are the slips."""

    class Encoder(nn.Module):
        def __init__(self, num_tokens, width):
            super().__init__()
            self.size = num_tokens, width
            n = inputs(torch.zeros(1)).shape[1]
            out = width if shape in ("one", "alike") else num_tokens * width
            if hidden:
                self.layers = nn.Sequential(nn.Linear(n, hidden), nn.SiLU(), nn.Linear(hidden, out))
            else:
                self.layers = nn.Linear(n, out)
            if null == "right":
                self.null = nn.Parameter(torch.randn(num_tokens, width))
            if null == "vector":
                self.null = nn.Parameter(torch.randn(width))
            if null == "tensor":
                self.null = torch.zeros(num_tokens, width)

        def forward(self, angle):
            h = self.layers(inputs(angle))
            h = h if learn else h.detach()
            if shape == "one":
                return h
            return h[:, None].expand(-1, *self.size) if shape == "alike" else h.unflatten(1, self.size)

    return Encoder


class _Harmonics(nn.Module):
    """Many frequencies and one linear map."""

    def __init__(self, num_tokens, width):
        super().__init__()
        self.null = nn.Parameter(torch.zeros(num_tokens, width))
        self.k = torch.arange(1, 9)
        self.linear = nn.Linear(16, num_tokens * width)

    def forward(self, angle):
        waves = angle[:, None] * self.k
        return self.linear(torch.cat([waves.cos(), waves.sin()], 1)).reshape(len(angle), *self.null.shape)


class _TokenByToken(nn.Module):
    """A learned vector for each token, added before a network that all tokens share."""

    def __init__(self, num_tokens, width):
        super().__init__()
        self.null = nn.Parameter(torch.randn(num_tokens, width))
        self.which = nn.Parameter(torch.randn(num_tokens, width))
        self.enter = nn.Linear(2, width)
        self.layers = nn.Sequential(nn.Linear(width, 128), nn.GELU(), nn.Linear(128, width))

    def forward(self, angle):
        h = self.enter(torch.stack([angle.cos(), angle.sin()], 1))
        return self.layers(h[:, None] + self.which)


class _Fixed(nn.Module):
    """Nothing is learned but null."""

    def __init__(self, num_tokens, width):
        super().__init__()
        self.null = nn.Parameter(torch.zeros(num_tokens, width))
        self.k = torch.arange(1, width // 2 + 1)

    def forward(self, angle):
        tokens = [
            torch.cat([(angle[:, None] * self.k + n).cos(), (angle[:, None] * self.k).sin()], 1)
            for n in range(len(self.null))
        ]
        return torch.stack(tokens, 1)


angle_encoder = Exercise(
    "build",
    stars=3,
    minutes=20,
    judge=_judge_angle,
    praise="the same tokens after a whole turn, other ones for other directions, and it learns",
    hints=(
        "What describes a direction without a jump at 0? A point of the circle has two coordinates.",
        "Feed cos and sin of the angle to a small network of num_tokens * width outputs, and cut these into tokens.",
        "torch.stack([angle.cos(), angle.sin()], 1), Linear(2, 64), SiLU, Linear(64, L * C), .unflatten(1, (L, C)).",
    ),
    right=(_angle_encoder(), _Harmonics, _TokenByToken),
    slips={
        "are one direction": _angle_encoder(lambda x: x[:, None]),
        "the sine alone": _angle_encoder(lambda x: x.sin()[:, None]),
        "the cosine alone": _angle_encoder(lambda x: x.cos()[:, None]),
        "opposite directions are two": _angle_encoder(lambda x: torch.stack([(2 * x).cos(), (2 * x).sin()], 1)),
        "jump near the angle -0.00": _angle_encoder(lambda x: (x % (2 * math.pi))[:, None]),
        "want no jump anywhere": _angle_encoder(lambda x: F.one_hot((x * 4 / math.pi).floor().long() % 8, 8).float()),
        "all angles have the same tokens": _angle_encoder(lambda x: torch.ones(len(x), 2)),
        "it has no `null`": _angle_encoder(null="none"),
        "`null` has shape (16,)": _angle_encoder(null="vector"),
        "is no nn.Parameter": _angle_encoder(null="tensor"),
        "12 angles give (12, 16)": _angle_encoder(shape="one"),
        "are all alike": _angle_encoder(shape="alike"),
        "no gradient reaches the parameters": _angle_encoder(learn=False),
        "is too little": _angle_encoder(hidden=0),
        "no parameters besides null": _Fixed,
        "want a class": nn.Linear(2, 2),
    },
)


# Predict: how many of a hundred captions fail.

FAILURE_SLIPS = {
    "more than there are: you said how many of 100": 150.0,
    "75 is what would fail if only the relation were a guess of four": 75.0,
    "nearly all fail by chance; but the parts were learned, and how to put them together": 99.6,
    "that is nearly the number without guidance, w = 0": 20.0,
    "none is too good: the items themselves are sometimes lost": 0.0,
    "half would fail if the two items were exchanged at random": 50.0,
}


def _judge_failures(answer, measured=6):
    got, truth = as_number(answer), as_number(measured)
    if 0 < got < 1:
        return f"{got:.2g} is a share; want how many of 100"
    if 0 <= got <= 100 and abs(got - truth) <= max(5.0, 0.5 * truth):
        return None
    for words, value in FAILURE_SLIPS.items():
        if abs(got - value) < 0.5 or got > 100:
            return words
    return f"you said {got:.3g} of 100; measured {truth:.3g}"


failures = Exercise(
    "predict",
    stars=1,
    minutes=4,
    judge=_judge_failures,
    praise="within five of 100: combinations never seen fail nearly as seldom as those that training showed",
    hints=(
        "Kinds, colours and relations were each seen many times. Only the combination is new.",
        "By chance 99.6 of 100 would fail. If only the relation were lost, 75.",
        "Think of a failure in ten to twenty pictures.",
    ),
    right=(6, 7.0, 10, torch.tensor(4)),
    slips=FAILURE_SLIPS | {"you said 35 of 100": 35.0, "is a share": 0.09},
)


# Experiment: how large the positions begin.

SCALES = (1.0, 0.3, 0.1)


def _judge_scales(measured):
    if not isinstance(measured, Mapping):
        return f"want a dictionary scale -> steps, got {shown(measured)}"
    missing = [scale for scale in SCALES if scale not in measured]
    if missing:
        return f"there is no entry for the scale {missing[0]:g}"
    steps = [as_number(measured[scale]) for scale in SCALES]
    if max(steps) <= 1:
        return "these are shares; want the number of steps until 95 % are right"
    if any(step % 20 for step in steps):
        return "want numbers of steps as `steps_to_learn` returns them, multiples of 20"
    if len(set(steps)) == 1:
        return "all three are equal; was the scale handed on?"
    if steps[0] > steps[2]:
        return "small positions learned faster than large ones; are the keys exchanged?"
    if steps[0] > 240:
        return f"{steps[0]:.0f} steps at the scale 1 are too many; want the captions with all their words"
    if steps[2] < 1.3 * steps[0]:
        return "a tenth of the size makes hardly a difference here; was the scale of the positions changed, or another?"
    return None


positions_scale = Exercise(
    "experiment",
    stars=2,
    minutes=10,
    judge=_judge_scales,
    praise="the smaller the positions begin, the longer the order of the words goes unlearned",
    hints=(
        "`steps_to_learn(scale)` of a cell above trains a new reader. Call it for each scale, keep what it returns.",
        "A dictionary with the keys 1.0, 0.3 and 0.1, and the numbers of steps as its values.",
        "my_steps = {}; for scale in [1.0, 0.3, 0.1]: my_steps[scale] = steps_to_learn(scale)",
    ),
    right=(
        {1.0: 80, 0.3: 100, 0.1: 180},
        {1.0: 100, 0.3: 160, 0.1: 340, 0.0: 600},
        {1.0: torch.tensor(80), 0.3: torch.tensor(140), 0.1: torch.tensor(260)},
    ),
    slips={
        "there is no entry for the scale 0.1": {1.0: 80, 0.3: 100},
        "these are shares": {1.0: 1.0, 0.3: 0.98, 0.1: 0.3},
        "are the keys exchanged": {1.0: 260, 0.3: 120, 0.1: 80},
        "all three are equal": {1.0: 80, 0.3: 80, 0.1: 80},
        "multiples of 20": {1.0: 81, 0.3: 100, 0.1: 180},
        "too many": {1.0: 400, 0.3: 500, 0.1: 600},
        "hardly a difference": {1.0: 100, 0.3: 80, 0.1: 120},
        "want a dictionary": [80, 100, 180],
    },
)
