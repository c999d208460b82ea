import pytest
import torch

from ldm_teach.models.attention import TransformerBlock
from ldm_teach.models.unet import UNet
from tests.helpers import randomized, unet_inputs


def test_starts_at_zero_and_keeps_the_shape():
    x, t, tokens = unet_inputs()
    fresh = UNet(channels=3, widths=(16, 32), heads=(0, 2), token_width=8)
    assert torch.equal(fresh(x, t, tokens), torch.zeros_like(x))


@pytest.mark.parametrize(
    "widths, heads, depth", [((16,), (2,), 2), ((16, 32, 32), (0, 0, 4), 1), ((16, 32), (2, 2), 2)]
)
def test_other_depths(widths, heads, depth):
    x, t, tokens = unet_inputs()
    assert UNet(3, widths, heads, depth, token_width=8)(x, t, tokens).shape == x.shape


def test_each_sample_is_on_its_own(unet):
    x, t, tokens = unet_inputs()
    torch.testing.assert_close(unet(x, t, tokens)[2:3], unet(x[2:3], t[2:3], tokens[2:3]), rtol=1e-4, atol=1e-5)


def test_time_and_condition_matter(unet):
    x, t, tokens = unet_inputs()
    assert not torch.allclose(unet(x, t, tokens), unet(x, t + 1, tokens))
    assert not torch.allclose(unet(x, t, tokens), unet(x, t, tokens + 1))


def test_the_order_of_tokens_does_not_matter(unet):
    """Cross-attention is a soft lookup in a set."""
    x, t, tokens = unet_inputs()
    torch.testing.assert_close(unet(x, t, tokens), unet(x, t, tokens.flip(1)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda x, t, k: (x[:, :2], t, k), r"\(4, 2, 8, 8\); want floating-point of shape \(B, 3, H, W\)"),
        (lambda x, t, k: (x[..., :7], t, k), "divisible by 2"),
        (lambda x, t, k: (x, t[:3], k), r"t is a int64 tensor of shape \(3,\); want an int64 tensor of shape \(4,\)"),
        (lambda x, t, k: (x, t, k[:, :, :4]), r"\(4, 5, 4\); want floating-point of shape \(4, L, 8\)"),
    ],
)
def test_bad_arguments(unet, change, words):
    with pytest.raises(ValueError, match=words):
        unet(*change(*unet_inputs()))


def test_with_positions_the_place_of_a_position_matters():
    """Without them, shuffled positions give the shuffled output of a transformer block; with them they do not."""
    x, _, tokens = unet_inputs()
    x = torch.cat([x] * 6, dim=1)[:, :16]
    shuffle = torch.randperm(64, generator=torch.Generator().manual_seed(3))
    shuffled = x.flatten(2)[:, :, shuffle].unflatten(2, (8, 8))
    for positions in (False, True):
        block = randomized(TransformerBlock(16, 8, 2, positions))
        same = torch.allclose(
            block(shuffled, tokens), block(x, tokens).flatten(2)[:, :, shuffle].unflatten(2, (8, 8)), atol=1e-4
        )
        assert same != positions


def test_concatenated_tokens_are_laid_out_row_by_row():
    x, t, _ = unet_inputs()
    unet = randomized(UNet(3, (16, 32), (0, 2), token_width=8, concatenate=True))
    seen = []
    unet.enter.register_forward_hook(lambda module, arguments, output: seen.append(arguments[0]))
    tokens = torch.randn(4, 64, 8, generator=torch.Generator().manual_seed(4))
    assert unet(x, t, tokens).shape == x.shape and not torch.allclose(unet(x, t, tokens), unet(x, t, -tokens))
    assert torch.equal(seen[0][:, :3], x) and torch.equal(seen[0][:, 3:, 2, 5], tokens[:, 2 * 8 + 5])
    assert not any("cross_attention" in name for name, _ in unet.named_parameters())
    with pytest.raises(ValueError, match="\\(4, 5, 8\\); want floating-point of shape \\(4, 64, 8\\)"):
        unet(x, t, tokens[:, :5])


@pytest.mark.parametrize(
    "settings",
    [dict(widths=(33, 66)), dict(widths=(64, 126), heads=(0, 4)), dict(widths=(66, 130), heads=(0, 2), positions=True)],
)
def test_widths_that_no_embedding_or_head_can_have_are_refused_at_the_door(settings):
    with pytest.raises(ValueError, match="do not fit; want widths that are multiples of"):
        UNet(**settings)
