"""Condition encoders: tokens of the right shape, bad conditions refused at the door, places told apart."""

import pytest
import torch

from ldm_teach.models import checkpoint
from ldm_teach.models.conditioning import (
    ClassEncoder,
    ImageEncoder,
    MapEncoder,
    TextEncoder,
    WordsAndStyleEncoder,
)


def test_class_encoder():
    encoder = ClassEncoder(num_classes=3, token_width=8, num_tokens=2)
    tokens = encoder(torch.tensor([0, 2, 0]))
    assert tokens.shape == (3, 2, 8) and torch.equal(tokens[0], tokens[2]) and not torch.equal(tokens[0], tokens[1])
    assert encoder.check([0, 1, 2]).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "labels, words",
    [
        ([0, 3], r"condition holds labels \[0, 3\]; want classes from 0 to 2"),
        ([-1], r"condition holds labels \[-1\]; want classes from 0 to 2"),
        (torch.zeros(2), r"condition is a float32 tensor of shape \(2,\); want class labels"),
        (1, "want class labels, int64 of shape"),
        (["a red circle"], r"condition is \['a red circle'\]; want class labels"),
    ],
)
def test_bad_labels(labels, words):
    with pytest.raises(ValueError, match=words):
        ClassEncoder(num_classes=3).check(labels)


WORDS = ("a", "red", "blue", "circle", "square", "above", ",")
STYLES = ("oil", "ink")


def make_encoders() -> dict[str, torch.nn.Module]:
    """One of each kind, of token width 16."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return dict(
            label=ClassEncoder(num_classes=3, token_width=16, num_tokens=2).eval(),
            text=TextEncoder(WORDS, max_words=6, token_width=16, depth=1, heads=2).eval(),
            prompt=WordsAndStyleEncoder(WORDS, STYLES, max_words=5, token_width=16, depth=1, heads=2).eval(),
            map=MapEncoder(num_classes=5, image_size=(12, 12), token_width=16).eval(),
            image=ImageEncoder(image_channels=1, image_size=(10, 12), token_width=16).eval(),
        )


CONDITIONS = dict(
    label=torch.tensor([0, 2]),
    text=["a red circle", "a blue square above"],
    prompt=["ink: a red circle", "blue square above"],
    map=torch.arange(288).reshape(2, 12, 12) % 5,
    image=torch.linspace(-1, 1, 240).reshape(2, 1, 10, 12),
)


LENGTHS = dict(label=2, text=6, prompt=6, map=16, image=16)


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_encoder_makes_tokens_and_has_a_null_of_their_shape(name):
    encoder = make_encoders()[name]
    tokens = encoder(encoder.check(CONDITIONS[name]))
    assert tokens.shape == (2, LENGTHS[name], 16) and encoder.null.shape == tokens.shape[1:]
    assert encoder.null.requires_grad and not torch.allclose(tokens[0], tokens[1])
    again = checkpoint.made(checkpoint.part(encoder))
    again.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(again.eval()(again.check(CONDITIONS[name])), tokens)


@pytest.mark.parametrize("name", CONDITIONS)
def test_each_sample_is_on_its_own(name):
    encoder = make_encoders()[name]
    condition = encoder.check(CONDITIONS[name])
    torch.testing.assert_close(encoder(condition)[1:], encoder(condition[1:]))


def test_the_order_of_words_matters_and_padding_does_not_hide_it():
    """To cross-attention tokens are a bag: the bags must differ, and without positions they must not."""
    encoder = make_encoders()["text"]
    same_words = ["red circle above blue square", "blue square above red circle"]

    def bag(captions):  # what no order of the tokens changes
        return encoder(encoder.check(captions)).square().sum(1)

    first, second = bag(same_words)
    assert not torch.allclose(first, second, rtol=1e-3)
    with torch.no_grad():
        encoder.positions.zero_()
    torch.testing.assert_close(*bag(same_words))
    assert not torch.allclose(*bag(["red", "red red"]))
    numbers = encoder.check(["a red circle"])
    assert numbers.tolist() == [[1, 2, 4, 0, 0, 0]] and torch.equal(encoder.check(numbers), numbers)


def test_a_part_that_a_prompt_leaves_out_is_its_part_of_the_null_and_touches_no_other():
    encoder = make_encoders()["prompt"]
    numbers = encoder.check(["ink: a red circle", "Red circle!", "ink:", ""])  # an article is no word of a prompt
    assert numbers.tolist() == [[2, 2, 4, 0, 0, 0], [0, 2, 4, 0, 0, 0], [2, 0, 0, 0, 0, 0], [0] * 6]
    both, no_style, no_words, nothing = encoder(numbers)
    assert torch.equal(nothing, encoder.null)
    assert torch.equal(no_style[0], encoder.null[0]) and torch.equal(no_words[1:], encoder.null[1:])
    torch.testing.assert_close(both, torch.cat([no_words[:1], no_style[1:]]))
    assert not torch.allclose(both, nothing) and torch.equal(encoder.check(numbers), numbers)


def test_style_and_words_are_dropped_apart_in_all_rows_or_in_some():
    encoder = make_encoders()["prompt"]
    numbers = encoder.check(["ink: red circle", "oil: blue square"])
    assert torch.equal(encoder.drop(numbers), numbers)
    assert torch.equal(encoder.drop(numbers, style=True), encoder.check(["red circle", "blue square"]))
    assert torch.equal(encoder.drop(numbers, words=True), encoder.check(["ink:", "oil:"]))
    some = encoder.drop(numbers, style=torch.tensor([True, False]), words=torch.tensor([True, True]))
    assert torch.equal(some, encoder.check(["", "oil:"]))
    assert torch.equal(numbers, encoder.check(["ink: red circle", "oil: blue square"]))  # itself left as it was


def test_the_order_of_the_words_of_a_prompt_matters():
    encoder = make_encoders()["prompt"]
    first, second = encoder(encoder.check(["red circle", "circle red"])).square().sum(1)
    assert not torch.allclose(first, second, rtol=1e-3)


def test_spatial_tokens_lie_where_their_square_lies():
    """A change in one square of four pixels changes its token and, through two convolutions, those near it."""
    encoder = MapEncoder(num_classes=2, image_size=(32, 32), token_width=16).eval()
    for parameter in encoder.parameters():
        parameter.data += 0.1
    maps = torch.zeros(1, 32, 32, dtype=torch.int64)
    before = encoder(maps)
    maps[0, 4:8, 20:24] = 1  # the square in row 1, column 5
    change = (encoder(maps) - before).abs().sum(-1).reshape(8, 8)
    assert change.argmax() == 1 * 8 + 5


@pytest.mark.parametrize(
    "name, condition, words",
    [
        ("label", [0, 3], r"condition holds labels \[0, 3\]; want classes from 0 to 2"),
        ("text", "a red circle", "condition is 'a red circle'; want a list of str"),
        ("text", ["a green circle"], "has the unknown word 'green'; want words of: a, red, blue"),
        ("text", ["a a a a a a a"], "has 7 words; want 1 to 6"),
        ("text", [""], "has 0 words; want 1 to 6"),
        ("text", [3], r"condition is \[3\]; want a list of str"),
        ("text", torch.zeros(2, 6), r"condition is a float32 tensor of shape \(2, 6\); want captions, or int64"),
        ("prompt", "ink: red", "condition is 'ink: red'; want a list of str"),
        ("prompt", ["ink: rad circle"], "has the unknown word 'rad'; did you mean 'red'"),
        ("prompt", ["inc: red"], "has the unknown style 'inc'; want one of oil, ink; did you mean 'ink'"),
        ("prompt", ["red " * 6], "has 6 words; want at most 5"),
        ("prompt", torch.zeros(2, 5, dtype=torch.int64), r"want prompts, or int64 \(B, 6\)"),
        ("map", torch.zeros(2, 12, 12), r"want maps, int64 of shape \(B, 12, 12\)"),
        ("map", torch.full((2, 12, 12), 5), "condition holds map values from 5 to 5; want classes from 0 to 4"),
        ("map", [1, 2], r"condition is \[1, 2\]; want maps"),
        ("image", torch.zeros(2, 1, 12, 12), r"want images, floating-point of shape \(B, 1, 10, 12\)"),
        ("image", torch.zeros(2, 1, 10, 12, dtype=torch.int64), "condition is a int64 tensor"),
    ],
)
def test_bad_conditions(name, condition, words):
    with pytest.raises(ValueError, match=words):
        make_encoders()[name].check(condition)


def test_a_word_twice_in_the_vocabulary():
    with pytest.raises(ValueError, match="vocabulary holds a word twice"):
        TextEncoder(("a", "a"))
    with pytest.raises(ValueError, match="styles holds a word twice"):
        WordsAndStyleEncoder(("a", "b"), ("c", "c"))


def test_names_and_examples_go_with_the_model_and_older_models_have_none():
    named = ClassEncoder(2, 8, names=("cat", "a red house"))
    assert checkpoint.made(checkpoint.part(named)).config["names"] == ["cat", "a red house"]
    assert "names" not in ClassEncoder(2, 8).config and "examples" not in TextEncoder(("a",)).config
    for names in (["cat"], ["cat", "cat"]):
        with pytest.raises(ValueError, match=f"names are {len(names)}, 1 different; want 2, each once"):
            ClassEncoder(2, 8, names=names)


def test_captions_as_they_come_lose_unknown_words_and_what_is_too_long():
    encoder = TextEncoder(("a", "red", "house"), max_words=3)
    captions = ["A red house.", "the red, red, red, red barn", "nothing"]
    assert encoder.known(captions).tolist() == [[1, 2, 3], [2, 2, 2], [0, 0, 0]]
    assert torch.equal(encoder.known(captions[:1]), encoder.check(captions[:1]))


def test_a_long_vocabulary_is_not_told_but_the_nearest_words_are():
    encoder = TextEncoder([f"word{k:03}" for k in range(60)] + ["house"])
    with pytest.raises(ValueError, match=r"'hose'; want some of the 61 that it knows; did you mean 'house'\?$"):
        encoder.check(["hose"])
    with pytest.raises(ValueError, match="no word that it knows is near$"):
        encoder.check(["qqqqqq"])
