"""The laws of notebook 13's exercises are those of the package and of the recipe."""

import torch
from torch import nn

from ldm_teach.interactive import check
from ldm_teach.interactive.check import words_to_pictures as exercises
from ldm_teach.measuring.retrieval import ranks
from ldm_teach.models.conditioning import WordsAndStyleEncoder
from ldm_teach.theory.guidance import nested_guidance
from ldm_teach.training.losses import captioned
from tests.helpers import make_prompt_encoder, seeded


def test_the_share_without_a_style_is_that_of_the_recipe():
    """Of 10,000 prompts, dropped as in training; the standard error of the share is 0.004."""
    seen = []

    class Model(nn.Module):
        encoder = make_prompt_encoder()

    def loss(model, batch, generator):
        seen.append(batch[2][:, 0] == 0)
        return torch.zeros(())

    n, generator = 10_000, seeded(1)
    names = torch.zeros(n, dtype=torch.int64)
    dropping = captioned(loss, lambda names, styles, generator: ["oil: red"] * n, drop_style=0.1, drop_words=0.1)
    dropping(Model(), (torch.zeros(n, 1), torch.zeros(n, 1), names, names), generator)
    whole = torch.rand(n, generator=generator) < 0.1  # what the loss itself drops: everything
    share = float((seen[0] | whole).double().mean())
    assert abs(share - check.dropped_styles.judge.value) < 4 * 0.004


def test_two_weights_are_nested_guidance():
    for case in check.two_weights.judge.cases:
        none, style, both, w_style, w_words = case.values()
        arrow = nested_guidance(
            *(lambda x, t, eps=eps: eps for eps in (both, style, none)), float(w_style), float(w_words)
        )
        got = arrow(none, torch.zeros(len(none), dtype=torch.int64))
        torch.testing.assert_close(got, check.two_weights.judge.law(*case.values()))


def test_ranks_are_those_of_the_package():
    case = exercises._similar()
    assert torch.equal(exercises._ranks(*case), ranks(*case))


def test_the_encoder_of_the_package_is_a_right_answer():
    def as_asked(num_styles, num_words, max_words, width):
        words, styles = ([f"{kind}{n}" for n in range(count)] for kind, count in (("w", num_words), ("s", num_styles)))
        return WordsAndStyleEncoder(words, styles, max_words, width, depth=1, heads=2).eval()

    net = as_asked(exercises.STYLES_OF, exercises.WORDS_OF, exercises.MOST, exercises.WIDTH)
    assert exercises._parts_are_wrong(net) is None and exercises._nulls_are_wrong(net) is None
