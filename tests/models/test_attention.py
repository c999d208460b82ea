import math

import torch

from ldm_teach.models.attention import Attention, attend, recording_attention
from ldm_teach.models.unet import UNet
from tests.helpers import randomized, unet_inputs


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


def test_a_cpu_attends_in_float32_whatever_the_precision_around_it():
    q, k, v = (torch.randn(2, 2, n, 8, generator=torch.Generator().manual_seed(n)).bfloat16() for n in (3, 5, 5))
    want = torch.nn.functional.scaled_dot_product_attention(q.float(), k.float(), v.float())
    with torch.autocast("cpu", torch.bfloat16):
        found = attend(q, k, v)
    assert found.dtype == torch.bfloat16 and torch.equal(found, want.bfloat16())


def test_the_weights_are_those_that_the_output_is_made_with():
    attention = randomized(Attention(8, 6, heads=2)).double()
    x, context = torch.randn(3, 4, 8).double(), torch.randn(3, 5, 6).double()
    weights = attention.weights(x, context)
    assert weights.shape == (3, 2, 4, 5)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 2, 4).double())
    values = attention.project(x, context)[2]
    torch.testing.assert_close(attention.to_out((weights @ values).transpose(1, 2).flatten(2)), attention(x, context))


def test_listening_keeps_the_weights_of_each_layer_and_changes_nothing(unet):
    x, t, tokens = unet_inputs()
    silent = unet(x, t, tokens)
    with recording_attention(unet) as kept:
        heard = unet(x, t, tokens)
    assert torch.equal(silent, heard)
    assert [tuple(w.shape) for w in kept] == [(4, 2, 16, 5)] * 2  # at 4x4, on the way down and up
    unet(x, t, tokens)
    assert len(kept) == 2
    with recording_attention(UNet(channels=3, widths=(16,), heads=(2,), token_width=8, concatenate=True)) as kept:
        pass
    assert kept == []
