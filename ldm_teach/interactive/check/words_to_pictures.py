"""The exercises of notebook 13: words to colour pictures."""

import torch
from torch import Tensor, nn

from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Guess, Law, Number, as_number, cases, shown

# Derive: how often the network sees no style.

dropped_styles = Exercise(
    "derive",
    stars=1,
    minutes=5,
    judge=Number(
        0.1 + 0.9 * 0.1,
        {
            "that counts the captions that lose the style alone": 0.9 * 0.1,
            "those that lose the style first and then everything are counted twice": 0.2,
            "that is how often nothing is dropped": 0.9 * 0.8,
            "that is how often the network sees a style": 0.81,
            "that is how often one part alone is dropped": 0.18,
            "that is how often both steps drop the style": 0.01,
            "want a share, not per cent": 19.0,
            "that is how often anything is dropped, the words alone too": 1 - 0.9 * 0.8,
            "that counts the captions that lose everything": 0.1,
        },
        tolerance=0.001,
    ),
    praise="10 of 100 lose everything, and of the 90 others 9 lose the style alone: 19 show the network no style",
    hints=(
        "A caption can lose its style in two ways. Count the captions of each, of 100, and none twice.",
        "10 % lose everything, whatever else happens. Of the others, 10 % lose the style.",
        "0.1 + 0.9 * 0.1",
    ),
    right=(0.19, torch.tensor(0.19), 1 - 0.9 * 0.9),
)


# Implement: a weight for the style, and one for the words.


def _nested(
    none,
    style,
    both,
    w_style,
    w_words,
    *,
    whole=1.0,
    swapped=False,
    apart=False,
    words_from="style",
    begun=True,
    styled=True,
):
    if swapped:
        w_style, w_words = w_words, w_style
    if not begun:
        return (whole + w_style) * (style - none) + (whole + w_words) * (both - style)
    if not styled:
        return none + (whole + w_words) * (both - none)
    if apart:
        return none + (whole + w_style) * (style - none) + w_words * (both - style)
    start = none if words_from == "none" else style
    return none + (whole + w_style) * (style - none) + (whole + w_words) * (both - start)


two_weights = Exercise(
    "implement",
    stars=2,
    minutes=10,
    judge=Law(
        _nested,
        cases("none style both w_style w_words", w_style=(0.5, 1.5), w_words=(2.0, 4.0)),
        {
            "the weights are swapped": dict(swapped=True),
            "a weight of 0 must leave the whole condition in: the factors are 1 + w": dict(whole=0.0),
            "the words count w_words times; want 1 + w_words, as the style": dict(apart=True),
            "the words' part is taken from the prediction without a condition, so the style counts twice": dict(
                words_from="none"
            ),
            "the prediction without a condition, from which all begins, is missing": dict(begun=False),
            "the style has no term of its own: that is one weight, for both": dict(styled=False),
        },
    ),
    praise="two differences, each with a factor of its own; with equal weights it is the guidance of notebook 09",
    hints=(
        "Each factor of the product of densities gives one term. Which two predictions differ by the style alone?",
        "style - none is the style's term, both - style the words'. The factors are 1 + w_style and 1 + w_words.",
        "none + (1 + w_style) * (style - none) + (1 + w_words) * (both - style)",
    ),
    right=(
        _nested,
        lambda none, style, both, a, b: both + a * (style - none) + b * (both - style),
        lambda none, style, both, a, b: (1 + b) * both + (a - b) * style - a * none,
    ),
    slips={
        "want a tensor": lambda *case: 1.0,
    },
)


# Build: an encoder whose two parts can be left out.

STYLES_OF, WORDS_OF, MOST, WIDTH = 3, 8, 4, 16


def _judge_two_parts(answer):
    if not (isinstance(answer, type) and issubclass(answer, nn.Module)):
        return f"want a class, a nn.Module, got {shown(answer)}"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = answer(STYLES_OF, WORDS_OF, MOST, WIDTH).eval()
        return _parts_are_wrong(net) or _nulls_are_wrong(net)


def _parts_are_wrong(net):
    prompts = torch.tensor([[1, 5, 2, 0, 0], [2, 5, 2, 0, 0], [1, 2, 5, 0, 0], [1, WORDS_OF, 3, 1, 0]])
    with torch.no_grad():
        try:
            tokens = net(prompts)
        except IndexError:
            return "a table is too short: number 0 is for none, so it needs a row more than there are styles, or words"
        if not isinstance(tokens, Tensor) or tokens.shape != (4, 1 + MOST, WIDTH):
            got = tuple(tokens.shape) if isinstance(tokens, Tensor) else shown(tokens)
            want = f"{(4, 1 + MOST, WIDTH)}: the style's, then those of the words"
            return f"4 prompts give {got}; want tokens of shape {want}"
        if _alike(tokens[0, 0], tokens[1, 0]):
            if not _alike(tokens[0, -1], tokens[1, -1]):
                return "the token of the style shall be the first"
            return "two styles have the same token"
        if not _alike(tokens[0, 1:], tokens[1, 1:]):
            return "the tokens of the words change with the style: each part shall be read by itself"
        if not _alike(tokens[0, 0], tokens[3, 0]):
            return "the token of the style changes with the words: each part shall be read by itself"
        if _alike(tokens[0, 1:].sort(dim=0).values, tokens[3, 1:].sort(dim=0).values):
            return "all words have the same tokens"
        if _alike(tokens[0, 1:].sort(dim=0).values, tokens[2, 1:].sort(dim=0).values):
            return "the order of the words is lost: add a vector for each position, of the size of the words"
    return None


def _nulls_are_wrong(net):
    whole, no_style, no_words, empty = (
        torch.tensor([row]) for row in ([1, 5, 2, 0, 0], [0, 5, 2, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0])
    )
    if not _alike(net(no_style)[0, 1:], net(whole)[0, 1:]):
        return "without its style a prompt loses its words, too"
    if not _alike(net(no_words)[0, 0], net(whole)[0, 0]):
        return "without its words a prompt loses its style, too"
    every = torch.tensor([[style, 5, 2, 0, 0] for style in range(1, 1 + STYLES_OF)])
    if any(_alike(net(no_style)[0, 0], token) for token in net(every)[:, 0]):
        return "no style has the token of a style: number 0 is no style, the styles are 1, 2, ..."
    tokens = net(empty)
    if not _alike(tokens, torch.cat([net(no_style)[:, :1], net(no_words)[:, 1:]], dim=1)):
        return "the tokens of no condition are not those of no style and of no words"
    if not tokens.requires_grad:
        return "the tokens of no condition are not learned: want a nn.Parameter, or the vectors of number 0"
    for what, part in (("style", tokens[:, :1]), ("words", tokens[:, 1:])):
        net.zero_grad()
        (part * torch.randn_like(part)).sum().backward(retain_graph=True)
        if not any(p.grad is not None and p.grad.any() for p in net.parameters()):
            return f"the token of no {what} is not learned"
    return None


def _alike(a, b):
    return torch.allclose(a, b, atol=1e-6)


def _two_parts(
    *, shape="right", unread=False, positions=True, blind=False, null="learned", all_or_none=False, shift=0, mixed=""
):
    """A class of encoders; the keywords are the slips."""

    class Encoder(nn.Module):
        def __init__(self, num_styles, num_words, max_words, width):
            super().__init__()
            self.styles = nn.Embedding(1 + num_styles, width)
            self.words = nn.Embedding(1 + num_words, width)
            self.places = nn.Parameter(torch.randn(max_words, width))
            self.null = nn.Parameter(torch.randn(max_words, width))
            self.none = torch.zeros(1, width)

        def forward(self, numbers):
            style, words = numbers[:, :1], numbers[:, 1:]
            tokens = self.words(words * (not blind)) + (self.places if positions else 0)
            first = self.styles((style - shift).clamp(min=0) * (not unread))
            if null == "learned":
                tokens = torch.where((words == 0).all(1)[:, None, None], self.null, tokens)
            if null == "zero":
                tokens = torch.where((words == 0).all(1)[:, None, None], torch.zeros(()), tokens)
                first = torch.where(style[..., None] == 0, self.none, first)
            if all_or_none:
                gone = ((style == 0) | (words == 0).all(1, keepdim=True))[..., None]
                first, tokens = torch.where(gone, self.none, first), torch.where(gone, self.null, tokens)
            if mixed == "words":
                tokens = tokens + first
            if mixed == "style":
                first = first + tokens.mean(1, keepdim=True)
            every = torch.cat([first, tokens], dim=1)
            shapes = {"one": every.mean(1), "words": every[:, 1:], "last": every.roll(-1, 1)}
            return shapes.get(shape, every)

    return Encoder


class _TooShort(nn.Module):
    """Without a row for number 0."""

    def __init__(self, num_styles, num_words, max_words, width):
        super().__init__()
        self.styles, self.words = nn.Embedding(num_styles, width), nn.Embedding(num_words, width)

    def forward(self, numbers):
        return torch.cat([self.styles(numbers[:, :1]), self.words(numbers[:, 1:])], dim=1)


class _WithTransformer(nn.Module):
    """As the package's: the words read one another, a parameter holds the tokens of both nulls."""

    def __init__(self, num_styles, num_words, max_words, width):
        super().__init__()
        self.words = nn.Embedding(1 + num_words, width)
        self.positions = nn.Parameter(torch.randn(max_words, width))
        layer = nn.TransformerEncoderLayer(width, 2, 2 * width, batch_first=True)
        self.transformer = nn.TransformerEncoder(layer, 1)
        self.styles = nn.Parameter(torch.randn(num_styles, width))
        self.null = nn.Parameter(torch.zeros(1 + max_words, width))

    def forward(self, numbers):
        style, words = numbers[:, 0], numbers[:, 1:]
        first = torch.cat([self.null[:1], self.styles])[style]
        read = self.transformer(self.words(words) + self.positions)
        read = torch.where((words > 0).any(1)[:, None, None], read, self.null[1:])
        return torch.cat([first[:, None], read], dim=1)


class _OneTable(nn.Module):
    """One table of vectors for styles and words; number 0 has a vector for each part."""

    def __init__(self, num_styles, num_words, max_words, width):
        super().__init__()
        self.first = num_words + 2
        self.table = nn.Embedding(self.first + num_styles, width)
        self.places = nn.Embedding(max_words, width)

    def forward(self, numbers):
        style, words = numbers[:, :1], numbers[:, 1:]
        rows = torch.where(style > 0, style - 1 + self.first, torch.ones_like(style))
        read = torch.where(words > 0, words + 1, torch.zeros_like(words))
        return torch.cat([self.table(rows), self.table(read) + self.places.weight], dim=1)


two_parts = Exercise(
    "build",
    stars=3,
    minutes=15,
    judge=_judge_two_parts,
    praise="a token of the style, tokens of the words in their order, and each part can be left out alone",
    hints=(
        "Two tables of vectors, nn.Embedding, each with one row more: number 0 is for what is left out.",
        "The words need their order: add a learned vector for each position. Neither part may read the other.",
        "torch.cat([self.styles(numbers[:, :1]), self.words(numbers[:, 1:]) + self.positions], dim=1)",
    ),
    right=(_two_parts(), _WithTransformer, _OneTable),
    slips={
        "want a class": nn.Linear(2, 2),
        "4 prompts give (4, 16)": _two_parts(shape="one"),
        "4 prompts give (4, 4, 16)": _two_parts(shape="words"),
        "two styles have the same token": _two_parts(unread=True),
        "shall be the first": _two_parts(shape="last"),
        "a table is too short": _TooShort,
        "the tokens of the words change with the style": _two_parts(mixed="words"),
        "the token of the style changes with the words": _two_parts(mixed="style"),
        "all words have the same tokens": _two_parts(blind=True),
        "the order of the words is lost": _two_parts(positions=False),
        "loses its words, too": _two_parts(all_or_none=True),
        "number 0 is no style": _two_parts(shift=1),
        "the token of no style is not learned": _two_parts(null="zero"),
    },
)


# Predict: what is found again.

found_again = Exercise(
    "predict",
    stars=1,
    minutes=3,
    judge=Guess(0.76, factor=1.25, slips={"want a share, between 0 and 1": 70.0}),
    praise="far above the chance of 0.01: the thing is known from other styles, the style from other things",
    hints=(
        "By chance it is 0.01; of the designers' own held-out pictures about 0.8 are found.",
        "The words are known from the other styles, the style from other names. Is their combination hard?",
        "A real picture and a sample fare about alike: between 0.6 and 0.9.",
    ),
    right=(0.76, 0.8, 0.65),
    slips={
        "you said 0.01; measured 0.76: 76 times too small": 0.01,
        "you said 1; measured 0.76: 1.3 times too large": 1.0,
        "you said 0.2; measured 0.76: 3.8 times too small": 0.2,
        "of the wrong sign": -0.5,
        "want a number": "most of them",
    },
)


# Debug: a rank that is too good, or too bad.


def _similar() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.nn.functional.normalize(torch.randn(40, 6, generator=generator), dim=1)
    candidates = torch.nn.functional.normalize(torch.randn(10, 6, generator=generator), dim=1)
    return embeddings, candidates, torch.arange(40) % 10


def _ranks(embeddings, candidates, asked, *, ties=False, farther=False, first=False, start=0, diagonal=False):
    cosines = embeddings @ candidates.T
    own = cosines.gather(1, asked[:, None] * 0 if diagonal else asked[:, None])
    nearer = cosines < own if farther else cosines >= own if ties else cosines > own
    return (nearer[:, :5] if first else nearer).sum(1) + start


RANK_SLIPS = {
    "the asked name counts as nearer than itself, so nothing is ever first": dict(ties=True),
    "the names that are farther away are counted": dict(farther=True),
    "only the first five candidates are compared": dict(first=True),
    "the ranks are one too low": dict(start=-1),
    "the cosine to compare with is that of the name asked for, which `asked` says": dict(diagonal=True),
}


def _judge_ranks(answer):
    case = _similar()
    got, want = answer(*(part.clone() for part in case)), _ranks(*case)
    if not isinstance(got, Tensor) or got.shape != want.shape:
        return f"want a tensor (N,), the rank of each picture; got {shown(got)}"
    for words, knobs in RANK_SLIPS.items():
        if torch.equal(got, _ranks(*case, **knobs)):
            return words
    if torch.equal(got, (want > 0).to(got)):
        return "that is 0 or 1; want the rank, the number of names that are nearer"
    wrong = int((got != want).sum())
    return f"{wrong} of {len(want)} ranks are wrong" if wrong else None


mended_ranks = Exercise(
    "debug",
    stars=2,
    minutes=8,
    judge=_judge_ranks,
    praise="the rank is the number of names that are nearer than the one asked for: 0 where it is the first",
    hints=(
        "Chance is 1 % for the first place. What share does the broken function give to real pictures?",
        "Is the asked name itself among those that are counted?",
        "(cosines > own).sum(dim=1): nearer, and not as near.",
    ),
    right=(
        _ranks,
        lambda e, c, asked: (e @ c.T > (e * c[asked]).sum(1)[:, None] + 1e-6).sum(1),
        lambda e, c, asked: torch.stack([(c @ x > (c @ x)[n]).sum() for x, n in zip(e, asked, strict=True)]),
    ),
    slips={words: (lambda *case, knobs=knobs: _ranks(*case, **knobs)) for words, knobs in RANK_SLIPS.items()}
    | {
        "want a tensor (N,)": lambda *case: 0.5,
        "that is 0 or 1": lambda *case: (_ranks(*case) > 0).long(),
    },
)


# Implement: the share of copies.


def _copied(distances, own, *, level=0.95, count=False, farther=False, mean=False, swapped=False, one_by_one=False):
    if swapped:
        distances, own = own, distances
    near = own if one_by_one else own.mean() if mean else own.quantile(level)
    found = (distances > near if farther else distances <= near).to(own.dtype)
    return found.sum() if count else found.mean()


copies_share = Exercise(
    "implement",
    stars=1,
    minutes=6,
    judge=Law(
        _copied,
        cases("distances own", shapes=((41,), (21,), (61,))),
        {
            "that is how many they are; want a share": dict(count=True),
            "those that are farther away than the limit are no copies": dict(farther=True),
            "the limit is the mean of the pictures' own distances; want the one below which 95 of 100 lie": dict(
                mean=True
            ),
            "the limit is too strict: 5 of 100 of the pictures' own distances lie below it, want 95": dict(level=0.05),
            "the limit is their median; want the one below which 95 of 100 lie": dict(level=0.5),
            "the limit is the largest of all; want the one below which 95 of 100 lie": dict(level=1.0),
            "each sample is compared with another picture's own distance; want one limit for all": dict(
                one_by_one=True
            ),
            "the two are swapped: the limit comes from the pictures' own reconstructions": dict(swapped=True),
        },
    ),
    praise="a sample is a copy where it is as near to a training picture as 95 of 100 are to their own reconstruction",
    hints=(
        "First the limit: below which number do 95 of 100 of `own` lie?",
        "`own.quantile(0.95)` is the limit; `distances <= limit` is True for a copy.",
        "(distances <= own.quantile(0.95)).double().mean()",
    ),
    right=(
        _copied,
        lambda distances, own: (distances <= torch.quantile(own, 0.95)).double().mean(),
        lambda distances, own: (distances <= own.sort().values[int(0.95 * len(own))]).sum() / len(distances),
    ),
    slips={
        "want a tensor": lambda distances, own: float((distances <= own.quantile(0.95)).double().mean()),
    },
)


# Experiment: what the Fréchet distance does not see.

AS_ASKED = (0.7, 1.25)  # the share found first, and the Fréchet distance, of pictures that stand where they were asked
SHUFFLED_SLIPS = {
    "want two numbers": 0.02,
    "the pictures still stand where they were asked for": (0.7, 1.25),
    "the set of pictures is another one": (0.01, 3.0),
    "in the other order": (1.25, 0.02),
    "one picture in 100 is right by chance": (0.4, 1.25),
}


def _judge_shuffled(answer, as_asked=AS_ASKED):
    """Words for what was measured otherwise than asked: the same set of pictures, each under another's prompt."""
    if isinstance(answer, Tensor) and answer.numel() == 2:
        answer = answer.flatten().tolist()
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return f"want two numbers, the share found first and the Fréchet distance; got {shown(answer)}"
    (top1, distance), (right, real) = ((as_number(a), as_number(b)) for a, b in (answer, as_asked))
    if abs(top1 - real) <= 0.01 * real and distance <= 1:
        return "the two numbers stand in the other order: first the share, then the distance"
    if abs(distance - real) > 0.01 * real:
        words = "shift whole pictures along the first dimension, and change none"
        return f"the set of pictures is another one: its distance is {distance:.3f}, want {real:.3f}; {words}"
    if abs(top1 - right) < 1e-9 and right > 0.1:
        return "the pictures still stand where they were asked for: `roll` returns new ones"
    if top1 > 0.1:
        words = "does every picture stand under another prompt?"
        return f"one picture in 100 is right by chance; you found {top1:.2f}: {words}"
    return None


shuffled = Exercise(
    "experiment",
    stars=2,
    minutes=6,
    judge=_judge_shuffled,
    praise="hardly one answers its prompt, and the Fréchet distance is the same: it compares sets, without order",
    hints=(
        "`measured(x)` above judges pictures x, the first as an answer to the first prompt, and so on.",
        "`drawn.roll(1, dims=0)` puts each picture under the next prompt.",
        "measured(drawn.roll(1, dims=0))",
    ),
    right=((0.02, 1.25), [0.0, 1.25], (torch.tensor(0.01), torch.tensor(1.25))),
    slips=SHUFFLED_SLIPS,
)
