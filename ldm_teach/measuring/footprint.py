"""What a training step takes in memory and work, counted before anybody runs it: on the meta device, at no cost."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from ldm_teach import checks


class Footprint(NamedTuple):
    """What a training step of one batch takes: counted, not measured.

    parameters: those that are trained.  state: bytes of the weights and of their average (frozen ones and buffers,
    too), of the gradients and of AdamW's two moments.  activations: bytes that the forward pass keeps for the backward
    pass.  multiplications: of both passes (half of the floating-point operations).
    """

    parameters: int
    state: int
    activations: int
    multiplications: int


class FusedAttention(TorchFunctionMode):
    """On the meta device, attention as a GPU computes it: no matrix of weights is kept (Dao et al. 2022)."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.scaled_dot_product_attention and args[0].is_meta:
            return torch.ops.aten._scaled_dot_product_flash_attention(*args)[0]
        return func(*args, **(kwargs or {}))


def num_bytes(tensors: Iterable[Tensor]) -> int:
    """The bytes of tensors, as they would be in memory."""
    return sum(tensor.nbytes for tensor in tensors)


def footprint(model: nn.Module, loss: Callable[[nn.Module], Tensor]) -> Footprint:
    """What a training step on loss(model), a scalar, takes; gradients are left in the model.

    A model on "meta" costs neither memory nor time, and what is kept is the same to the byte as on the CPU but for 24
    bytes an attention (the seed of a dropout that is not used). Not counted: what a kernel needs while it runs.
    Raises ValueError for a loss that is no scalar, or does not depend on what is trained.
    """
    checks.instance("model", model, nn.Module)
    checks.function("loss", loss, "the model")
    trained = [p for p in model.parameters() if p.requires_grad]
    weights = {p.untyped_storage()._cdata for p in model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}  # by their address: several tensors may look at one

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage
        return tensor

    with FusedAttention(), FlopCounterMode(display=False) as counter:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            value = checks.shaped("what loss returns", loss(model))
        if not value.requires_grad:
            raise ValueError(f"loss returns {checks.describe(value)}; want one that depends on the model")
        value.backward()
    return Footprint(
        parameters=sum(p.numel() for p in trained),
        state=2 * num_bytes([*model.parameters(), *model.buffers()]) + 3 * num_bytes(trained),
        activations=sum(storage.nbytes() for storage in kept.values()),
        multiplications=counter.get_total_flops() // 2,
    )
