"""Condition encoders tau_theta: each turns one kind of condition into tokens for the cross-attention of the U-Net."""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldm_teach import checks
from ldm_teach.models import checkpoint
from ldm_teach.models.layers import ResidualBlock, grid_positions
from ldm_teach.words import did_you_mean, parse_prompt, split_words

MANY_WORDS = 50  # a longer vocabulary is not told in an error


class Guidance(NamedTuple):
    """The weight w of classifier-free guidance, and the first and last timestep at which it holds: None for all."""

    w: float
    interval: tuple[int, int] | None = None


class ConditionEncoder(Protocol):
    """tau_theta(y): what a LatentDiffusion asks of the module that reads its condition.

    guidance: what a model of this condition is sampled with where nothing else is asked for.  config: the arguments
    that make it anew, `token_width` among them.  null: (L, token_width), the learned tokens of "no condition".
    check: validates what a user hands in, before it moves to the device, and returns it as a tensor.
    Calling it turns such a tensor into tokens (B, L, token_width).
    Source: Rombach et al. 2022, sec. 3.3; the null condition, Ho & Salimans 2022, sec. 3.2.
    """

    guidance: ClassVar[Guidance]
    config: dict[str, Any]
    null: nn.Parameter

    def check(self, condition: Any, /) -> Tensor: ...

    def __call__(self, condition: Tensor, /) -> Tensor: ...


def check_labels(labels: Tensor | Sequence[int], num_classes: int) -> Tensor:
    """The labels as an int64 tensor (B,). Raises ValueError for another shape, dtype or, read on the CPU, value."""
    checks.count("num_classes", num_classes)
    try:
        labels = torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError, OverflowError):  # words, or nothing that is a number
        want = "class labels, int64 of shape (B,)"
        raise ValueError(f"condition is {checks.describe(labels)}; want {want}") from None
    if labels.ndim != 1 or labels.dtype != torch.int64:
        raise ValueError(f"condition is {checks.describe(labels)}; want class labels, int64 of shape (B,)")
    if labels.device.type == "cpu" and not all(0 <= label < num_classes for label in labels.tolist()):
        raise ValueError(
            f"condition holds labels {sorted(set(labels.tolist()))}; want classes from 0 to {num_classes - 1}"
        )
    return labels


@checkpoint.registered
class ClassEncoder(nn.Module):
    """A class label as `num_tokens` learned tokens: y (B,) int64 -> (B, num_tokens, token_width).

    names: those of the classes, where the model is to carry them, one for each; they change nothing else.
    """

    guidance = Guidance(2.0, (300, 700))  # `evaluate --keep`: as accurate as w = 0.5 everywhere, and nearer to the data

    def __init__(self, num_classes: int = 10, token_width: int = 128, num_tokens: int = 4, names: Sequence[str] = ()):
        super().__init__()
        checks.counts(num_classes=num_classes, token_width=token_width, num_tokens=num_tokens)
        names = checks.words("names", names)
        if names and not len(set(names)) == len(names) == num_classes:
            raise ValueError(f"names are {len(names)}, {len(set(names))} different; want {num_classes}, each once")
        self.config: dict[str, Any] = dict(num_classes=num_classes, token_width=token_width, num_tokens=num_tokens)
        self.config |= dict(names=names) if names else {}
        self.table = nn.Embedding(num_classes, num_tokens * token_width)
        self.null = nn.Parameter(torch.randn(num_tokens, token_width))

    def check(self, labels: Tensor | Sequence[int]) -> Tensor:
        """What `check_labels` returns and raises."""
        return check_labels(labels, self.config["num_classes"])

    def forward(self, labels: Tensor) -> Tensor:
        return self.table(labels).unflatten(1, self.null.shape)  # (B, L*C) -> (B, L, C)


def each_once(name: str, words: Sequence[str]) -> list[str]:
    """The words as a list. Raises ValueError for one that stands there twice, and for what is no list of str."""
    if len(set(found := checks.words(name, words))) != len(found):
        raise ValueError(f"{name} holds a word twice; want each word once")
    return found


def transformer(token_width: int, depth: int, heads: int) -> nn.TransformerEncoder:
    """What lets the words of a caption see each other: (B, L, token_width) -> the same (Vaswani et al. 2017)."""
    if token_width % heads:
        raise ValueError(f"token_width is {token_width} and heads is {heads}; want a multiple of the heads")
    layer = nn.TransformerEncoderLayer(
        token_width, heads, 4 * token_width, dropout=0, activation="gelu", batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(layer, depth, nn.LayerNorm(token_width), enable_nested_tensor=False)


@checkpoint.registered
class TextEncoder(nn.Module):
    """Captions as one token a word, made by a small transformer: (B,) str -> (B, max_words, token_width).

    vocabulary: the words it knows, each once. Shorter captions are filled up with a padding word, which is learned as
    any other. Trained together with the U-Net, as in Rombach et al. 2022, sec. 4.3.1.
    examples: captions to show the model with, where it is to carry some; they change nothing else.
    """

    guidance = Guidance(5.0)  # `conditioning --keep`: the best of six weights with other noise, as the two below

    def __init__(
        self,
        vocabulary: Sequence[str],
        max_words: int = 16,
        token_width: int = 128,
        depth: int = 2,
        heads: int = 4,
        examples: Sequence[str] = (),
    ):
        super().__init__()
        checks.counts(max_words=max_words, token_width=token_width, depth=depth, heads=heads)
        vocabulary = each_once("vocabulary", vocabulary)
        self.config: dict[str, Any] = dict(
            vocabulary=vocabulary, max_words=max_words, token_width=token_width, depth=depth, heads=heads
        )
        self.config |= dict(examples=list(examples)) if checks.words("examples", examples) else {}
        self.numbers = {word: number for number, word in enumerate(vocabulary, start=1)}  # 0 is the padding word
        self.words = nn.Embedding(1 + len(vocabulary), token_width)
        # Of the size of the words: with positions a tenth as large the order of words was not learned.
        self.positions = nn.Parameter(torch.randn(max_words, token_width))
        self.transformer = transformer(token_width, depth, heads)
        self.null = nn.Parameter(torch.randn(max_words, token_width))

    def check(self, captions: Sequence[str] | Tensor) -> Tensor:
        """The word numbers (B, max_words) int64 of captions; such a tensor is returned as it is.

        Raises ValueError for anything else, for a word that is not in the vocabulary and for a caption too long.
        """
        longest = self.config["max_words"]
        if isinstance(captions, Tensor):
            if captions.dtype != torch.int64 or captions.ndim != 2 or captions.shape[1] != longest:
                raise ValueError(f"condition is {checks.describe(captions)}; want captions, or int64 (B, {longest})")
            return captions
        checks.words("condition", captions)
        numbers = torch.zeros(len(captions), longest, dtype=torch.int64)
        for row, caption in zip(numbers, captions, strict=True):
            words = split_words(caption)
            unknown = [word for word in words if word not in self.numbers]
            if unknown:
                few = len(self.numbers) <= MANY_WORDS
                known = (
                    f"words of: {', '.join(self.numbers)}"
                    if few
                    else f"some of the {len(self.numbers):,} that it knows"
                )
                near = did_you_mean(unknown[0], self.numbers, "" if few else "; no word that it knows is near")
                raise ValueError(f"condition {caption!r} has the unknown word {unknown[0]!r}; want {known}{near}")
            if not 1 <= len(words) <= longest:
                raise ValueError(f"condition {caption!r} has {len(words)} words; want 1 to {longest}")
            row[: len(words)] = torch.tensor([self.numbers[word] for word in words])
        return numbers

    def known(self, captions: Sequence[str]) -> Tensor:
        """The word numbers (B, max_words) int64 of captions as they come: unknown words, and those too many, left out.

        For training on captions of one's own; of a caption without a known word all numbers are 0, padding.
        """
        numbers = torch.zeros(len(checks.words("captions", captions)), self.config["max_words"], dtype=torch.int64)
        for row, caption in zip(numbers, captions, strict=True):
            found = [self.numbers[word] for word in split_words(caption) if word in self.numbers][: len(row)]
            row[: len(found)] = torch.tensor(found, dtype=torch.int64)
        return numbers

    def forward(self, numbers: Tensor) -> Tensor:
        return self.transformer(self.words(numbers) + self.positions)  # (B, L) -> (B, L, C)


@checkpoint.registered
class WordsAndStyleEncoder(nn.Module):
    """Prompts of a style and words, "noto: cat face", as a token for each: (B,) str -> (B, 1 + max_words, token_width).

    The style is a learned token; the words are read as by a TextEncoder. Either may be left out: "noto:" has the null
    of the words, "cat face" that of the style, and "" is no condition at all. So each can be dropped apart, and have a
    weight of its own (`guided.style_and_words`). vocabulary, styles: the words and the styles it knows, each once.
    """

    guidance = Guidance(2.0)  # `words-to-pictures --keep`: found as often as at 3, and nearer to the data

    def __init__(
        self,
        vocabulary: Sequence[str],
        styles: Sequence[str],
        max_words: int = 12,
        token_width: int = 128,
        depth: int = 2,
        heads: int = 4,
    ):
        super().__init__()
        checks.counts(max_words=max_words, token_width=token_width, depth=depth, heads=heads)
        vocabulary, styles = each_once("vocabulary", vocabulary), each_once("styles", styles)
        self.config: dict[str, Any] = dict(
            vocabulary=vocabulary,
            styles=styles,
            max_words=max_words,
            token_width=token_width,
            depth=depth,
            heads=heads,
        )
        self.numbers = {word: number for number, word in enumerate(vocabulary, start=1)}  # 0 is for none
        self.words = nn.Embedding(1 + len(vocabulary), token_width)
        self.positions = nn.Parameter(torch.randn(max_words, token_width))
        self.transformer = transformer(token_width, depth, heads)
        self.styles = nn.Parameter(torch.randn(len(styles), token_width))
        self.null = nn.Parameter(torch.randn(1 + max_words, token_width))

    def check(self, prompts: Sequence[str] | Tensor) -> Tensor:
        """Prompts as numbers (B, 1 + max_words) int64: of the style, then of the words, 0 where there is none.

        Case, accents, articles and marks do not count. Such a tensor is returned as it is. Raises ValueError for
        anything else, for more than max_words words, and for an unknown style or word, with the nearest it knows.
        """
        longest, styles = self.config["max_words"], self.config["styles"]
        if isinstance(prompts, Tensor):
            if prompts.dtype != torch.int64 or prompts.ndim != 2 or prompts.shape[1] != 1 + longest:
                raise ValueError(f"condition is {checks.describe(prompts)}; want prompts, or int64 (B, {1 + longest})")
            return prompts
        checks.words("condition", prompts)
        numbers = torch.zeros(len(prompts), 1 + longest, dtype=torch.int64)
        for row, prompt in zip(numbers, prompts, strict=True):
            style, words = parse_prompt(prompt, styles, self.numbers, longest)
            row[0] = 1 + styles.index(style) if style else 0
            row[1 : 1 + len(words or ())] = torch.tensor([self.numbers[word] for word in words or ()])
        return numbers

    def drop(
        self, prompts: Sequence[str] | Tensor, *, style: Tensor | bool = False, words: Tensor | bool = False
    ) -> Tensor:
        """What `check` returns, without the style or the words: (B, 1 + max_words) int64.

        style, words: whether it is dropped, True or False for all prompts, or (B,) bool. Raises ValueError as `check`.
        """
        numbers = self.check(prompts)
        no_style, no_words = self._rows("style", style, numbers), self._rows("words", words, numbers)  # (B, 1) each
        left_out = torch.cat([no_style, no_words.expand(-1, self.config["max_words"])], dim=1)
        return numbers.masked_fill(left_out, 0)

    def _rows(self, name: str, part: Tensor | bool, numbers: Tensor) -> Tensor:
        if not isinstance(part, Tensor):
            return numbers.new_full((len(numbers), 1), checks.flag(name, part), dtype=torch.bool)
        return checks.same_device(name, checks.shaped(name, part, len(numbers), dtype=torch.bool), numbers)[:, None]

    def forward(self, numbers: Tensor) -> Tensor:
        style, words = numbers[:, 0], numbers[:, 1:]
        tokens = self.transformer(self.words(words) + self.positions)  # (B, L - 1) -> (B, L - 1, C)
        tokens = torch.where(words.any(dim=1)[:, None, None], tokens, self.null[1:])
        return torch.cat([torch.cat([self.null[:1], self.styles])[style][:, None], tokens], dim=1)  # (B, L, C)


class SpatialTokens(nn.Module):
    """Something of the shape of an image as one token for each square of `patch` pixels, with the place of each.

    (B, channels, H, W) -> (B, L, token_width), row by row, H and W first grown to a multiple of 2 patch as an
    autoencoder grows an image: at patch = its downsampling there is a token for each position of the latent. A token
    sees its own square and, through two convolutions, the neighbouring ones.
    """

    def __init__(self, channels: int, image_size: tuple[int, int], patch: int, token_width: int):
        super().__init__()
        self.padding = tuple(-side % (2 * patch) for side in image_size)
        self.grid = tuple((side + more) // patch for side, more in zip(image_size, self.padding, strict=True))
        self.enter = nn.Sequential(nn.PixelUnshuffle(patch), nn.Conv2d(channels * patch**2, token_width, 1))
        self.block = ResidualBlock(token_width, token_width)

    @property
    def length(self) -> int:
        """L, the number of tokens."""
        return self.grid[0] * self.grid[1]

    def forward(self, x: Tensor) -> Tensor:
        bottom, right = self.padding
        x = self.block(self.enter(F.pad(x, (0, right, 0, bottom), mode="replicate")))  # (B, C, h, w)
        return x.flatten(2).transpose(1, 2) + grid_positions(self.grid[0], self.grid[1], x.shape[1], x)  # (B, L, C)


@checkpoint.registered
class MapEncoder(nn.Module):
    """A semantic map as spatial tokens: maps (B, H, W) int64 with values 0..num_classes-1 -> (B, L, token_width)."""

    guidance = Guidance(1.0)

    def __init__(
        self, num_classes: int, image_size: tuple[int, int] = (32, 32), patch: int = 4, token_width: int = 128
    ):
        super().__init__()
        checks.counts(num_classes=num_classes, patch=patch, token_width=token_width)
        checks.sizes("image_size", image_size, 2)
        self.config: dict[str, Any] = dict(
            num_classes=num_classes, image_size=tuple(image_size), patch=patch, token_width=token_width
        )
        self.tokens = SpatialTokens(num_classes, image_size, patch, token_width)
        self.null = nn.Parameter(torch.randn(self.tokens.length, token_width))

    def check(self, maps: Tensor) -> Tensor:
        """maps themselves. Raises ValueError for another shape, dtype or, read on the CPU, value."""
        height, width = self.config["image_size"]
        if not isinstance(maps, Tensor) or maps.dtype != torch.int64 or maps.shape[1:] != (height, width):
            raise ValueError(f"condition is {checks.describe(maps)}; want maps, int64 of shape (B, {height}, {width})")
        last = self.config["num_classes"] - 1
        if maps.device.type == "cpu" and maps.numel() and not 0 <= int(maps.min()) <= int(maps.max()) <= last:
            values = f"{int(maps.min())} to {int(maps.max())}"
            raise ValueError(f"condition holds map values from {values}; want classes from 0 to {last}")
        return maps

    def forward(self, maps: Tensor) -> Tensor:
        one_hot = F.one_hot(maps, self.config["num_classes"]).movedim(-1, 1)  # (B, H, W) -> (B, K, H, W)
        return self.tokens(one_hot.to(self.null.dtype))


@checkpoint.registered
class ImageEncoder(nn.Module):
    """An image, blurred say, as spatial tokens: x (B, image_channels, H, W) in [-1, 1] -> (B, L, token_width)."""

    guidance = Guidance(1.0)

    def __init__(
        self, image_channels: int = 1, image_size: tuple[int, int] = (28, 28), patch: int = 4, token_width: int = 128
    ):
        super().__init__()
        checks.counts(image_channels=image_channels, patch=patch, token_width=token_width)
        checks.sizes("image_size", image_size, 2)
        self.config: dict[str, Any] = dict(
            image_channels=image_channels, image_size=tuple(image_size), patch=patch, token_width=token_width
        )
        self.tokens = SpatialTokens(image_channels, image_size, patch, token_width)
        self.null = nn.Parameter(torch.randn(self.tokens.length, token_width))

    def check(self, x: Tensor) -> Tensor:
        """x itself. Raises ValueError for another shape or dtype."""
        want = (self.config["image_channels"], *self.config["image_size"])
        if not isinstance(x, Tensor) or not x.is_floating_point() or tuple(x.shape[1:]) != want:
            shape = ", ".join(map(str, want))
            raise ValueError(f"condition is {checks.describe(x)}; want images, floating-point of shape (B, {shape})")
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self.tokens(x)
