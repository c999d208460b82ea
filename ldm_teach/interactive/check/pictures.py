"""The exercises of notebook 12: conditioning on pictures."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldm_teach.interactive.exercise import Exercise, Made
from ldm_teach.interactive.judges import Guess, Law, Number, as_number, cases, shown

# Implement: a picture, cut into squares.


def _squares(x, *, columns=False, last=False, turned=False, rows=False, uncut=False, mean=False, strided=False):
    h, w = x.shape[2] // 4, x.shape[3] // 4
    if rows:  # (B, length of a token, L)
        return _squares(x).transpose(1, 2)
    if uncut:
        return x.reshape(len(x), h * w, -1)
    if mean:
        return F.avg_pool2d(x, 4).flatten(2).transpose(1, 2)
    if strided:  # a token takes every h-th row and every w-th column
        cut = x.unflatten(3, (4, w)).unflatten(2, (4, h)).transpose(2, 3).transpose(4, 5)
    else:
        cut = x.unflatten(3, (w, 4)).unflatten(2, (h, 4))  # (B, C, h, 4, w, 4)
    cut = cut.permute(0, 4, 2, 1, 3, 5) if columns else cut.permute(0, 2, 4, 1, 3, 5)  # (B, h, w, C, 4, 4)
    cut = cut.movedim(3, 5) if last else cut
    cut = cut.transpose(-1, -2) if turned else cut
    return cut.flatten(3).flatten(1, 2)


cut_into_squares = Exercise(
    "implement",
    stars=2,
    minutes=10,
    judge=Law(
        _squares,
        [case for shape in ((2, 3, 8, 12), (1, 5, 16, 8), (3, 1, 4, 12)) for case in cases("x", shapes=(shape,))],
        {
            "the squares are taken column by column, want row by row": dict(columns=True),
            "in a token the channels come last, want one channel after the other": dict(last=True),
            "inside a square the pixels are taken column by column": dict(turned=True),
            "the last two dimensions are exchanged: want (B, L, 16 C), a token in each row": dict(rows=True),
            "a reshape alone does not cut: numbers that lie side by side in memory are a row, not a square": dict(
                uncut=True
            ),
            "the pixels of a square are averaged, want all 16 of each channel": dict(mean=True),
            "a token takes pixels from all over the picture: the 4 belongs behind the number of squares": dict(
                strided=True
            ),
        },
    ),
    praise="(B, C, H, W) -> (B, H/4 * W/4, 16 C), and nothing is lost",
    hints=(
        "Split the rows into (h, 4) and the columns into (w, 4); then bring the two numbers of squares to the front.",
        "(B, C, H, W) -> (B, C, h, 4, w, 4) -> (B, h, w, C, 4, 4) -> (B, h w, 16 C).",
        "x.unflatten(3, (w, 4)).unflatten(2, (h, 4)), then .permute(0, 2, 4, 1, 3, 5), .flatten(3) and .flatten(1, 2)",
    ),
    right=(
        lambda x: F.unfold(x, 4, stride=4).transpose(1, 2),
        lambda x: F.pixel_unshuffle(x, 4).flatten(2).transpose(1, 2),
        _squares,
    ),
)


# Debug: tokens and places that do not belong together.


def _placed(features, places, *, turned=False, both=False, gone=False, twice=False, times=False, mixed=False, flat=0):
    h, w = features.shape[2:]
    if both or turned:
        features = features.transpose(2, 3)
    if both:
        places = places.unflatten(0, (h, w)).transpose(0, 1).flatten(0, 1)
    tokens = features.reshape(len(features), h * w, -1) if mixed else features.flatten(2).transpose(1, 2)
    if flat:
        return (tokens + places).transpose(1, 2)
    if times:
        return tokens * places
    return tokens + (0 if gone else 2 if twice else 1) * places


def _cases_of_tokens() -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    made = []
    for batch, channels, h, w in ((2, 8, 3, 4), (1, 12, 4, 4), (3, 4, 5, 2)):
        features = torch.randn(batch, channels, h, w, dtype=torch.float64, generator=generator)
        places = torch.randn(h * w, channels, dtype=torch.float64, generator=generator)
        made.append(dict(features=features, places=places))
    return made


mended_tokens = Exercise(
    "debug",
    stars=2,
    minutes=8,
    judge=Law(
        _placed,
        _cases_of_tokens(),
        {
            "the squares still go column by column, and the places row by row": dict(turned=True),
            "the places are gone: then all 64! orders of the squares are one map": dict(gone=True),
            "squares and places now agree, but column by column; concatenation reads them row by row": dict(both=True),
            "the places are added twice": dict(twice=True),
            "the places are multiplied, want added": dict(times=True),
            "a reshape mixes channels and squares: the channels must move to the end": dict(mixed=True),
            "the last two dimensions are exchanged: want (B, L, C)": dict(flat=1),
        },
    ),
    praise="row by row, square and place together",
    hints=(
        "The items stand at mirrored places, and torn: what exchanges rows and columns, but not inside a square?",
        "flatten(2) numbers the squares row by row, as the places are numbered.",
        "features.flatten(2), then the channels to the end, then + places; no other transpose.",
    ),
    right=(
        lambda features, places: features.flatten(2).mT + places,
        lambda features, places: torch.einsum("bchw->bhwc", features).flatten(1, 2) + places,
        lambda features, places: (features.flatten(2) + places.T).transpose(1, 2),
    ),
)


# Predict: two maps that have nothing to do with each other.

CHANCE_SLIPS: Mapping[str, float] = {
    "the background is a class, too, and covers most of both maps": 0.0,
    "the kinds hardly ever meet, but the background is one class of four or so in the mean": 0.04,
    "that is about what the background alone has; the kinds beside it have nearly nothing": 0.73,
    "each class counts as much as the large background, and of the kinds most have nothing": 0.5,
    "nearly equal maps have that": 0.95,
    "count the classes of a pair of maps: the background and two to six kinds of items, of which few agree": 0.1,
}

iou_by_chance = Exercise(
    "predict",
    stars=1,
    minutes=4,
    judge=Guess(0.232, 1.35, CHANCE_SLIPS),
    praise="chance is far from zero: a figure says little without it",
    hints=(
        "The background is a class like others. How much of two maps is background in both?",
        "About 0.7 for the background, and nearly 0 for each kind that occurs in one of the two maps.",
        "The mean over the background and two or three kinds: 0.7 / 3 or so.",
    ),
    right=(0.23, 0.2, torch.tensor(0.25)),
)


# Build: a first layer that is given its condition by concatenation.

SIZES = dict(channels=4, token_width=12, width=10)
GRID = (5, 6)


def _judge_entry(answer: Any) -> str | None:
    if not (isinstance(answer, type) and issubclass(answer, nn.Module)):
        return f"want a class, an nn.Module, got {shown(answer)}"
    torch.manual_seed(0)
    module = answer(**SIZES)
    h, w = GRID
    x, tokens = torch.randn(3, 4, h, w), torch.randn(3, h * w, 12)
    if not list(module.parameters()):
        return "it has no parameters: nothing of it can learn (layers belong in __init__)"
    out = module(x, tokens)
    if not isinstance(out, Tensor) or out.shape != (3, 10, h, w):
        got = f"a tensor of shape {tuple(out.shape)}" if isinstance(out, Tensor) else shown(out)
        return f"it returns {got}; want (B, width, H, W), here (3, 10, {h}, {w})"
    return _reach(module, x, tokens) or _learns(answer, x, tokens)


def _reach(module: nn.Module, x: Tensor, tokens: Tensor) -> str | None:
    """Which tokens act on the output at the place (1, 3): its own and its neighbours', and none far away."""
    (h, w), row, column = GRID, 1, 3
    x, tokens = x.clone().requires_grad_(), tokens.clone().requires_grad_()
    value = module(x, tokens)[:, :, row, column].square().sum()
    if not value.requires_grad:
        return "no gradient passes through it"
    of_x, of_tokens = torch.autograd.grad(value, (x, tokens), allow_unused=True)
    if of_tokens is None or not of_tokens.any():
        return "the tokens have no influence on the result"
    if of_x is None or not of_x.any():
        return "x has no influence on the result"
    acts = of_tokens.abs().sum((0, 2))
    rows, columns = torch.arange(h)[:, None], torch.arange(w)
    far = ((rows - row).abs() > 2) | ((columns - column).abs() > 2)
    if not acts.unflatten(0, (h, w))[far].any():
        return None
    if (acts > 0).all():
        return "every token acts on every place: lay the tokens out, one for each place"
    if not acts.unflatten(0, (w, h)).T[far].any():
        return "the tokens are laid out column by column; they are numbered row by row"
    return "a token acts on places that are not its own: (B, L, C) must become (B, C, L) before it becomes a map"


def _learns(answer: type, x: Tensor, tokens: Tensor, steps: int = 150) -> str | None:
    """Whether it can be trained, on one batch, to tell a place its token."""
    torch.manual_seed(0)
    module = answer(**SIZES)
    goal = tokens[:, :, :10].transpose(1, 2).unflatten(2, GRID) + x.mean(1, keepdim=True)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.02)
    loss = torch.tensor(float("inf"))
    for _ in range(steps):
        loss = (module(x, tokens) - goal).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    untrained = [name for name, p in module.named_parameters() if p.grad is None]
    if untrained:
        return f"no gradient reaches its parameter {untrained[0]}"
    return None if loss.item() < 0.3 else f"on one batch its loss is never below {loss.item():.2f}; want below 0.3"


def _entry(how: str = "right"):
    """A module with this way of giving the tokens to the first convolution; the words are the slips."""

    class Entry(nn.Module):
        def __init__(self, channels, token_width, width):
            super().__init__()
            entering = dict(ignored=channels, alone=token_width).get(how, channels + token_width)
            self.enter = nn.Conv2d(entering, width + (how == "wide"), 3, padding=1 - (how == "unpadded"))

        def forward(self, x, tokens):
            H, W = x.shape[2:]
            if how == "reshaped":
                laid = tokens.reshape(len(x), -1, H, W)
            elif how == "columns":
                laid = tokens.transpose(1, 2).unflatten(2, (W, H)).transpose(2, 3)
            elif how == "averaged":
                laid = tokens.mean(1)[:, :, None, None].expand(-1, -1, H, W)
            else:
                laid = tokens.transpose(1, 2).unflatten(2, (H, W))
            together = dict(ignored=[x], alone=[laid]).get(how, [x, laid])
            return self.enter(torch.cat(together, dim=1))

    return Entry


class _TwoConvolutions(nn.Module):
    """A convolution of a concatenation is the sum of two."""

    def __init__(self, channels, token_width, width):
        super().__init__()
        self.of_x, self.of_tokens = nn.Conv2d(channels, width, 3, padding=1), nn.Linear(token_width, width)

    def forward(self, x, tokens):
        return self.of_x(x) + self.of_tokens(tokens).mT.reshape(len(x), -1, *x.shape[2:])


class _ByEinsum(nn.Module):
    def __init__(self, channels, token_width, width):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(channels + token_width, 32, 1), nn.SiLU(), nn.Conv2d(32, width, 3, padding=1)
        )

    def forward(self, x, tokens):
        laid = torch.einsum("blc->bcl", tokens).reshape(len(x), -1, x.shape[2], x.shape[3])
        return self.net(torch.cat((laid, x), 1))


class _Unkept(nn.Module):
    def __init__(self, channels, token_width, width):
        super().__init__()
        self.make = lambda: nn.Conv2d(channels + token_width, width, 3, padding=1)

    def forward(self, x, tokens):
        return self.make()(torch.cat([x, tokens.mT.unflatten(2, x.shape[2:])], dim=1))


concatenated_entry = Exercise(
    "build",
    stars=3,
    minutes=15,
    judge=_judge_entry,
    praise="each place is given its own token, and nothing has to be looked up",
    hints=(
        "Two steps: lay the tokens out as a map of token_width channels, then one convolution over both.",
        "(B, H W, C) -> (B, C, H W) -> (B, C, H, W); torch.cat along the channels; a Conv2d of channels + token_width.",
        "tokens.transpose(1, 2), then .unflatten(2, x.shape[2:]), then torch.cat([x, laid_out], dim=1) into the Conv2d",
    ),
    right=(Made(_entry), _TwoConvolutions, _ByEinsum),
    slips={
        "must become (B, C, L) before it becomes a map": _entry("reshaped"),
        "laid out column by column": _entry("columns"),
        "every token acts on every place": _entry("averaged"),
        "the tokens have no influence": _entry("ignored"),
        "x has no influence": _entry("alone"),
        "want (B, width, H, W)": _entry("wide"),
        "it returns a tensor of shape (3, 10, 3, 4)": _entry("unpadded"),
        "it has no parameters": _Unkept,
        "want a class": nn.Conv2d(16, 10, 3),
    },
)


# Derive: one condition, twice.

said_twice = Exercise(
    "derive",
    stars=2,
    minutes=6,
    judge=Number(
        1.75,
        {
            "the weights do not add: a pull is 1 + w, and there are two": 0.75,
            "that is the scale s = 1 + w of the result; asked is w": 2.75,
            "the pulls add, they do not multiply": 1.5 * 1.25 - 1,
            "the pulls add, they do not multiply; and that is a scale": 1.5 * 1.25,
            "that is the product of the weights": 0.125,
            "that is their mean; the noise eps_null is counted once, the pulls are two": 0.375,
            "that is the larger of the two weights": 0.5,
            "at w = 0 each, it would be 1; here the weights come on top": 1.0,
        },
    ),
    praise="1 + w = (1 + 0.5) + (1 + 0.25): the same condition twice is guidance",
    hints=(
        "Put the same eps_y into both brackets of the boxed formula.",
        "eps_null + (1 + w_1 + 1 + w_2) (eps_y - eps_null), beside eps_null + (1 + w) (eps_y - eps_null).",
        "w = 1 + w_1 + w_2",
    ),
    right=(1.75, 7 / 4, torch.tensor(1.75)),
)


# Implement: two conditions at once.


def _two_conditions(
    eps_text, eps_map, eps_null, w_text, w_map, *, by=1.0, kept=1.0, start=0.0, swapped=False, nested=False, mean=1.0
):
    if swapped:
        w_text, w_map = w_map, w_text
    pull_text = (by + w_text) * (eps_text - eps_null)
    if nested:
        return eps_null + pull_text + (by + w_map) * (eps_map - eps_null - pull_text)
    pull_map = (by + w_map) * (eps_map - (1 - start) * eps_null - start * eps_text)
    return kept * eps_null + mean * (pull_text + pull_map)


two_conditions = Exercise(
    "implement",
    stars=2,
    minutes=8,
    judge=Law(
        _two_conditions,
        cases("eps_text eps_map eps_null w_text w_map", w_text=(0.5, 2.0), w_map=(0.2, 0.9)),
        {
            "the weights are taken for scales: the pull of a condition is 1 + w": dict(by=0.0),
            "the unconditional prediction itself is missing: the pulls start from it": dict(kept=0.0),
            "the unconditional prediction is counted twice, once for each condition": dict(kept=2.0),
            "the pull of the map starts from the text's prediction, want the unconditional one": dict(start=1.0),
            "the two weights are swapped": dict(swapped=True),
            "the map guides what the caption has guided before; want two pulls that start from eps_null": dict(
                nested=True
            ),
            "the two pulls are averaged, want added": dict(mean=0.5),
        },
    ),
    praise="eps_null + (1 + w_text) (eps_text - eps_null) + (1 + w_map) (eps_map - eps_null)",
    hints=(
        "Each condition pulls away from the unconditional prediction; the pulls add.",
        "The pull of one condition is (1 + w) (eps_cond - eps_null).",
        "eps_null plus both pulls; the null prediction is counted once",
    ),
    right=(
        lambda t, m, null, w_t, w_m: null + (1 + w_t) * (t - null) + (1 + w_m) * (m - null),
        lambda t, m, null, w_t, w_m: (1 + w_t) * t + (1 + w_m) * m - (1 + w_t + w_m) * null,
        lambda t, m, null, w_t, w_m: (t - null).mul_(1 + w_t).add_((m - null).mul_(1 + w_m)).add_(null),
    ),
)


# Experiment: what guidance does to samples of blurred images.

GUIDED_SLIPS: Mapping[str, Any] = {
    "want a dictionary": [33.9, 33.6, 33.0],
    "want the weights 0, 1 and 3": {0: (33.9, 0.206), 1: (33.6, 0.156)},
    "two numbers for each weight": {0: 33.9, 1: 33.6, 3: 33.0},
    "both sets are the same": {0: (33.9, 0.0), 1: (33.6, 0.0), 3: (33.0, 0.0)},
    "the samples themselves, not blurred again": {0: (19.4, 0.206), 1: (19.6, 0.156), 3: (19.7, 0.12)},
    "mean square, want its root": {0: (33.9, 0.042), 1: (33.6, 0.024), 3: (33.0, 0.014)},
    "the two numbers of a weight are exchanged": {0: (0.206, 33.9), 1: (0.156, 33.6), 3: (0.12, 33.0)},
    "all weights give the same": {0: (33.9, 0.206), 1: (33.9, 0.206), 3: (33.9, 0.206)},
}


def _judge_guided(answer: Any) -> str | None:
    """Words for what was measured otherwise than asked; the bounds are wide: seeds and machines differ."""
    if not isinstance(answer, dict):
        return f"want a dictionary {{w: (psnr, apart)}}, got {shown(answer)}"
    found = {float(weight): value for weight, value in answer.items()}
    if set(found) != {0.0, 1.0, 3.0}:
        return f"want the weights 0, 1 and 3, got {sorted(found)}"
    if any(not isinstance(value, tuple | list) or len(value) != 2 for value in found.values()):
        return "want two numbers for each weight, (psnr, apart)"
    decibels, apart = ([as_number(found[w][part]) for w in (0.0, 1.0, 3.0)] for part in (0, 1))
    if max(decibels) < 1 < min(apart):
        return "the two numbers of a weight are exchanged: want (psnr, apart)"
    if max(apart) < 1e-4:
        return "both sets are the same: draw the second one from another seed"
    if max(decibels) < 25:
        return f"{decibels[0]:.1f} dB is what the samples themselves, not blurred again, have against `hazy` or `sharp`"
    if len({round(value, 5) for value in apart}) == 1:
        return "all weights give the same: does the weight reach `sample`?"
    if apart[0] < 0.1:
        return "that is the mean square, want its root: how far apart in units of a pixel"
    if not 30 < decibels[0] < 37 or not 0.15 < apart[0] < 0.27:
        return f"at w = 0 you found {decibels[0]:.1f} dB and {apart[0]:.3f}; the cells above have about 34 and 0.2"
    return None if apart[0] > apart[1] > apart[2] else f"from w = 0 to 3 the distance goes {apart}; it should fall"


guided_blur = Exercise(
    "experiment",
    stars=2,
    minutes=12,
    judge=_judge_guided,
    praise="guidance brings the samples closer together, and they follow the blurred image no better",
    hints=(
        "Two calls of blur.sample for each weight, one for each seed; nothing else changes.",
        "PSNR: blurred(first, 2.0) against hazy, as above. Apart: (first - second).square().mean().sqrt().",
        "first = blur.sample(hazy, w=w, num_steps=STEPS, generator=seeded(6)); second the same with seeded(7)",
    ),
    right=(
        {0: (33.9, 0.206), 1: (33.6, 0.156), 3: (33.0, 0.12)},
        {0.0: [32.9, 0.21], 1.0: [32.1, 0.16], 3.0: [30.5, 0.125]},
        {0: (torch.tensor(33.9), torch.tensor(0.2)), 1: (torch.tensor(33.5), 0.15), 3: (torch.tensor(32.0), 0.11)},
    ),
    slips=GUIDED_SLIPS,
)
