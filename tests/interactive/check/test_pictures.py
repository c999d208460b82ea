"""The laws of notebook 12's exercises are those of the package, and its numbers follow from them."""

import torch
from torch.nn import functional as F

from ldm_teach.interactive import check
from ldm_teach.models.conditioning import SpatialTokens
from ldm_teach.models.layers import grid_positions
from ldm_teach.models.unet import UNet
from ldm_teach.theory.guidance import classifier_free_guidance, compose


def test_the_squares_and_the_tokens_are_those_of_the_encoder():
    encoder = SpatialTokens(3, (16, 24), 4, 32)
    x = torch.randn(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    unshuffle, project = encoder.enter
    squares = check.cut_into_squares.judge.law(x)
    torch.testing.assert_close(unshuffle(x).flatten(2).mT, squares)
    features = encoder.block(F.linear(squares, project.weight.flatten(1), project.bias).mT.unflatten(2, (4, 6)))
    placed = check.mended_tokens.judge.law(features, grid_positions(4, 6, 32, x))
    torch.testing.assert_close(placed, encoder(x))


def test_a_condition_said_twice_is_guidance():
    one, null = torch.randn(2, 5, 2, generator=torch.Generator().manual_seed(0))
    said, nothing = (lambda x, t, eps=eps: eps for eps in (one, null))
    x, t = torch.zeros(5, 2), torch.zeros(5, dtype=torch.int64)
    twice = compose([(said, 0.5), (said, 0.25)], nothing)(x, t)
    w = check.said_twice.judge.value
    torch.testing.assert_close(twice, classifier_free_guidance(said, nothing, w)(x, t))


def test_the_first_layer_of_the_package_with_concatenation_is_a_right_answer():
    class Entry(torch.nn.Module):
        def __init__(self, channels, token_width, width):
            super().__init__()
            unet = UNet(channels, widths=(width,), heads=(0,), token_width=token_width, concatenate=True)
            self.enter = unet.enter

        def forward(self, x, tokens):
            return self.enter(torch.cat([x, tokens.transpose(1, 2).unflatten(2, x.shape[2:])], dim=1))

    assert check.concatenated_entry.verdict(Entry).startswith("well done")
