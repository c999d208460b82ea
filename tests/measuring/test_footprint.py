"""What is counted on meta is what is kept on the CPU, and what can be counted by hand."""

import copy

import pytest
import torch
from torch import nn

from ldm_teach.measuring.footprint import footprint
from ldm_teach.models.attention import Attention
from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.unet import UNet
from ldm_teach.training.loop import update_average


def test_a_layer_by_hand():
    """y = W x, averaged: x is kept, (4, 3); W x and the gradient of W are multiplied, 4 * 3 * 5 each; x wants none."""
    layer = nn.Linear(3, 5, bias=False)
    found = footprint(layer, lambda model: model(torch.zeros(4, 3)).mean())
    assert found == (15, 4 * 15 * 5, 4 * 4 * 3, 2 * 60)


def test_a_storage_that_two_layers_keep_counts_once():
    layers = nn.ModuleList(nn.Linear(3, 5, bias=False) for _ in range(2))
    x = torch.zeros(4, 3)
    found = footprint(layers, lambda layers: sum(layer(x).mean() for layer in layers))
    assert found.activations == 4 * 4 * 3


def test_frozen_weights_and_buffers_are_in_memory_twice_and_have_no_gradient():
    model = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5))
    model[0].requires_grad_(False)
    found = footprint(model, lambda model: model(torch.zeros(4, 3)).mean())
    assert found.parameters == 10 and found.state == 2 * (4 * (20 + 10 + 10) + 8) + 3 * 40  # num_batches_tracked: int64


def autoencoder():
    x = torch.zeros(2, 3, 32, 32)
    model = KLAutoencoder(image_size=(32, 32), image_channels=3, widths=(16, 32), depths=(1, 2))
    return model, lambda model: model(x)[0].square().mean()


def unet():
    x, t, tokens = torch.zeros(2, 4, 16, 16), torch.zeros(2, dtype=torch.int64), torch.zeros(2, 4, 32)
    model = UNet(channels=4, widths=(32, 64), heads=(2, 2), token_width=32, depth=2)
    return model, lambda model: model(x, t, tokens).square().mean()


@pytest.mark.parametrize("make", [autoencoder, unet])
def test_on_meta_as_many_bytes_are_kept_as_on_the_cpu(make):
    on_cpu = footprint(*make())
    with torch.device("meta"):
        model, loss = make()
    on_meta = footprint(model, loss)
    seeds = 24 * sum(isinstance(module, Attention) for module in model.modules())
    assert on_meta.activations == on_cpu.activations + seeds
    assert on_meta[:2] == on_cpu[:2]


def test_state_is_what_a_step_of_training_has_in_memory():
    model, loss = unet()
    found, average = footprint(model, loss), copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters())
    optimizer.step()
    update_average(average, model, 0, 0.999)
    moments = [state[key] for state in optimizer.state.values() for key in ("exp_avg", "exp_avg_sq")]
    gradients = [p.grad for p in model.parameters()]
    held = [*model.parameters(), *average.parameters(), *gradients, *moments]
    assert found.state == sum(tensor.untyped_storage().nbytes() for tensor in held)
