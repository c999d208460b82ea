import math

import pytest
import torch

from ldm_teach.models.conditioning import ClassEncoder
from ldm_teach.models.unet import Attention, TransformerBlock, UNet, listened, sinusoidal_embedding


def randomized(module: torch.nn.Module) -> torch.nn.Module:
    """The module with no parameter at zero: the zero-initialized ends would hide what is inside."""
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)
    return module.eval()


@pytest.fixture
def unet() -> UNet:
    return randomized(UNet(channels=3, widths=(16, 32), heads=(0, 2), token_width=8))


def inputs(batch: int = 4):
    generator = torch.Generator().manual_seed(1)
    x, tokens = torch.randn(batch, 3, 8, 8, generator=generator), torch.randn(batch, 5, 8, generator=generator)
    return x, torch.arange(batch) * 100, tokens


def test_starts_at_zero_and_keeps_the_shape():
    x, t, tokens = inputs()
    fresh = UNet(channels=3, widths=(16, 32), heads=(0, 2), token_width=8)
    assert torch.equal(fresh(x, t, tokens), torch.zeros_like(x))


@pytest.mark.parametrize(
    "widths, heads, depth", [((16,), (2,), 2), ((16, 32, 32), (0, 0, 4), 1), ((16, 32), (2, 2), 2)]
)
def test_other_depths(widths, heads, depth):
    x, t, tokens = inputs()
    assert UNet(3, widths, heads, depth, token_width=8)(x, t, tokens).shape == x.shape


def test_each_sample_is_on_its_own(unet):
    x, t, tokens = inputs()
    torch.testing.assert_close(unet(x, t, tokens)[2:3], unet(x[2:3], t[2:3], tokens[2:3]), rtol=1e-4, atol=1e-5)


def test_time_and_condition_matter(unet):
    x, t, tokens = inputs()
    assert not torch.allclose(unet(x, t, tokens), unet(x, t + 1, tokens))
    assert not torch.allclose(unet(x, t, tokens), unet(x, t, tokens + 1))


def test_the_order_of_tokens_does_not_matter(unet):
    """Cross-attention is a soft lookup in a set."""
    x, t, tokens = inputs()
    torch.testing.assert_close(unet(x, t, tokens), unet(x, t, tokens.flip(1)), rtol=1e-4, atol=1e-5)


def test_attention_is_its_formula():
    attention = randomized(Attention(8, 6, heads=2)).double()
    generator = torch.Generator().manual_seed(2)
    x, context = (torch.randn(1, n, c, generator=generator).double() for n, c in ((3, 8), (5, 6)))
    q, (k, v) = attention.to_q(x), attention.to_kv(context).chunk(2, dim=-1)
    out = []
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        weights = (q[0, :, part] @ k[0, :, part].T / math.sqrt(4)).softmax(dim=-1)
        out.append(weights @ v[0, :, part])
    torch.testing.assert_close(attention(x, context)[0], attention.to_out(torch.cat(out, dim=-1)))


def test_the_weights_are_those_that_the_output_is_made_with():
    attention = randomized(Attention(8, 6, heads=2)).double()
    x, context = torch.randn(3, 4, 8).double(), torch.randn(3, 5, 6).double()
    weights = attention.weights(x, context)
    assert weights.shape == (3, 2, 4, 5)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 2, 4).double())
    values = attention.project(x, context)[2]
    torch.testing.assert_close(attention.to_out((weights @ values).transpose(1, 2).flatten(2)), attention(x, context))


def test_listening_keeps_the_weights_of_each_layer_and_changes_nothing(unet):
    x, t, tokens = inputs()
    silent = unet(x, t, tokens)
    with listened(unet) as kept:
        heard = unet(x, t, tokens)
    assert torch.equal(silent, heard)
    assert [tuple(w.shape) for w in kept] == [(4, 2, 16, 5)] * 2  # at 4x4, on the way down and up
    unet(x, t, tokens)
    assert len(kept) == 2
    with listened(UNet(channels=3, widths=(16,), heads=(2,), token_width=8, concatenate=True)) as kept:
        pass
    assert kept == []


def test_embedding_tells_all_timesteps_apart():
    embedding = sinusoidal_embedding(torch.arange(1000), 64)
    assert embedding.shape == (1000, 64)
    distance = torch.cdist(embedding, embedding) + 10 * torch.eye(1000)
    assert distance.min() > 0.1


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


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda x, t, k: (x[:, :2], t, k), r"x has shape \(4, 2, 8, 8\); want \(B, 3, H, W\)"),
        (lambda x, t, k: (x[..., :7], t, k), "divisible by 2"),
        (lambda x, t, k: (x, t[:3], k), r"t has shape \(3,\); want \(4,\)"),
        (lambda x, t, k: (x, t, k[:, :, :4]), r"tokens have shape \(4, 5, 4\); want \(4, L, 8\)"),
    ],
)
def test_bad_arguments(unet, change, words):
    with pytest.raises(ValueError, match=words):
        unet(*change(*inputs()))


def test_with_positions_the_place_of_a_position_matters():
    """Without them, shuffled positions give the shuffled output of a transformer block; with them they do not."""
    x, _, tokens = inputs()
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
    x, t, _ = inputs()
    unet = randomized(UNet(3, (16, 32), (0, 2), token_width=8, concatenate=True))
    seen = []
    unet.enter.register_forward_hook(lambda module, arguments, output: seen.append(arguments[0]))
    tokens = torch.randn(4, 64, 8, generator=torch.Generator().manual_seed(4))
    assert unet(x, t, tokens).shape == x.shape and not torch.allclose(unet(x, t, tokens), unet(x, t, -tokens))
    assert torch.equal(seen[0][:, :3], x) and torch.equal(seen[0][:, 3:, 2, 5], tokens[:, 2 * 8 + 5])
    assert not any("cross_attention" in name for name, _ in unet.named_parameters())
    with pytest.raises(ValueError, match="tokens are 5; to be concatenated want 64"):
        unet(x, t, tokens[:, :5])
