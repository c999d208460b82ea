"""Attention of a feature map to itself and to the tokens of a condition (Rombach et al. 2022, sec. 3.3)."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldm_teach import checks
from ldm_teach.models.layers import grid_positions, zeroed


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)) v, (B, heads, N, d): queries (B, heads, N, d), keys and values (B, heads, L, d).

    On a CPU always in float32: its gradient in bfloat16 takes seven times as long.
    """
    if q.device.type != "cpu" or q.dtype != torch.bfloat16:
        return F.scaled_dot_product_attention(q, k, v)
    with torch.autocast("cpu", enabled=False):
        return F.scaled_dot_product_attention(q.float(), k.float(), v.float()).to(q.dtype)


class Attention(nn.Module):
    """softmax(Q K^T / sqrt(d)) V over several heads: queries from x (B, N, width), keys and values from the context.

    context: (B, L, context_width). Returns (B, N, width).
    Source: Vaswani et al. 2017, eq. 1; Rombach et al. 2022, sec. 3.3.
    """

    def __init__(self, width: int, context_width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_kv = nn.Linear(context_width, 2 * width, bias=False)
        self.to_out = zeroed(nn.Linear(width, width))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        q, k, v = self.project(x, context)
        return self.to_out(attend(q, k, v).transpose(1, 2).flatten(2))

    def project(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, heads, N, d), keys and values (B, heads, L, d), d = width / heads."""
        q, k, v = self.to_q(x), *self.to_kv(context).chunk(2, dim=-1)
        return tuple(h.unflatten(-1, (self.heads, -1)).transpose(1, 2) for h in (q, k, v))

    def weights(self, x: Tensor, context: Tensor) -> Tensor:
        """The weight of each token for each query, softmax(Q K^T / sqrt(d)): (B, heads, N, L), each row of sum 1."""
        q, k, _ = self.project(x, context)
        return (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(dim=-1)


@contextlib.contextmanager
def recording_attention(network: nn.Module) -> Iterator[list[Tensor]]:
    """Keeps the weights of every cross-attention of a network, call by call in the order of the layers.

    In the `with` block each forward pass of each TransformerBlock adds a tensor (B, heads, N, L) to the list.
    """
    kept: list[Tensor] = []

    def keep(attention: Attention, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        kept.append(attention.weights(*inputs).detach())

    blocks = [module for module in network.modules() if isinstance(module, TransformerBlock)]
    hooks = [b.cross_attention.register_forward_hook(keep) for b in blocks if b.cross_attention is not None]
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()


class TransformerBlock(nn.Module):
    """Self-attention over the positions of a feature map, cross-attention to the condition, and an MLP, each residual.

    token_width = 0 leaves the cross-attention out. positions: queries, and the keys of the self-attention, are told
    where they lie. x: (B, C, H, W).  tokens: (B, L, token_width).  Returns (B, C, H, W).
    Source: Rombach et al. 2022, appendix E.2.1.
    """

    def __init__(self, channels: int, token_width: int, heads: int, positions: bool = False):
        super().__init__()
        checks.counts(channels=channels, heads=heads)
        checks.count("token_width", token_width, low=0)
        checks.flag("positions", positions)
        if channels % heads:
            raise ValueError(f"channels is {channels} and heads is {heads}; want a multiple of the heads")
        self.norm_self, self.norm_cross, self.norm_mlp = (nn.LayerNorm(channels) for _ in range(3))
        self.self_attention = Attention(channels, channels, heads)
        self.cross_attention = Attention(channels, token_width, heads) if token_width else None
        self.mlp = nn.Sequential(
            nn.Linear(channels, 4 * channels), nn.GELU(), zeroed(nn.Linear(4 * channels, channels))
        )
        self.positions = positions

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        height, width = x.shape[2:]
        place = grid_positions(height, width, x.shape[1], x) if self.positions else 0
        h = x.flatten(2).transpose(1, 2)  # (B, C, H, W) -> (B, H*W, C)
        normed = self.norm_self(h) + place
        h = h + self.self_attention(normed, normed)
        if self.cross_attention is not None:
            h = h + self.cross_attention(self.norm_cross(h) + place, tokens)
        h = h + self.mlp(self.norm_mlp(h))
        return h.transpose(1, 2).unflatten(2, x.shape[2:])  # (B, H*W, C) -> (B, C, H, W)
