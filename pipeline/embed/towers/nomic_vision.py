"""Nomic Embed Vision v1.5: the picture tower that transformers lacks, in the layout its weights are published in.

A vision transformer after EVA-02 (Fang et al. 2023, arXiv:2303.11331): pre-norm blocks, SwiGLU with a norm inside,
rotary positions in two dimensions beside learned ones, and attention pooling at the end. Names of parameters are those
of the published state, so that it loads as it is; its settings come from the published `config.json`. Only what that
model uses is here, and a configuration that asks for more is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

MULTIPLE = 256  # the inner width of the gated layers is rounded up to it


@dataclass(frozen=True, slots=True)
class VisionConfig:
    """What `config.json` of the published model says."""

    width: int
    layers: int
    heads: int
    inner: int
    picture: int
    patch: int
    eps: float
    qkv_bias: bool
    fc1_bias: bool
    fc2_bias: bool
    patch_bias: bool
    norm_in_mlp: bool
    reference: int | None  # side of the grid that rotary positions are scaled to

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> VisionConfig:
        """Raises ValueError for a tower of another kind."""
        fixed = {"activation_function": "swiglu", "prenorm": True, "use_rotary_pos_emb": True, "no_embed_class": False}
        fixed |= {"register_tokens": 0, "no_cls_token": False, "num_channels": 3}
        optional = {"no_embed_class": False, "register_tokens": 0, "no_cls_token": False, "num_channels": 3}
        for name, wanted in fixed.items():
            if (found := config.get(name, optional.get(name))) != wanted:
                raise ValueError(
                    f"its config.json has {name} = {found!r}, and docmill knows this tower with {wanted!r}"
                )
        return cls(
            width=config["n_embd"],
            layers=config["n_layer"],
            heads=config["n_head"],
            inner=-(-int(config["n_inner"]) // MULTIPLE) * MULTIPLE,
            picture=config["img_size"],
            patch=config["patch_size"],
            eps=config["layer_norm_epsilon"],
            qkv_bias=config["qkv_proj_bias"],
            fc1_bias=config["mlp_fc1_bias"],
            fc2_bias=config["mlp_fc2_bias"],
            patch_bias=config["patch_embed_bias"],
            norm_in_mlp=config.get("norm_mlp", False),
            reference=_side(config.get("ref_feat_shape")),
        )


class NomicVision(nn.Module):
    """Pixels (n, 3, side, side), normalised, to one vector each, (n, width)."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.embeddings = _Embeddings(config)
        self.layers = nn.ModuleList([_Block(config) for _ in range(config.layers)])
        self.selector = _Selector(config)
        side = config.picture // config.patch
        sines, cosines = rotary(side, config.width // config.heads, config.reference or side)
        self.register_buffer("sines", sines, persistent=False)
        self.register_buffer("cosines", cosines, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        states = self.embeddings(pixels)
        for layer in self.layers:
            states = layer(states, self.sines, self.cosines)
        pooled: Tensor = self.selector(states)[:, 0]
        return pooled


def rotary(side: int, head: int, reference: int) -> tuple[Tensor, Tensor]:
    """Sines and cosines, (side * side, head): half of a head turns with the row, half with the column of a patch."""
    bands = 1.0 / 10000 ** (torch.arange(head // 4, dtype=torch.float32) / (head // 4))
    at = torch.arange(side, dtype=torch.float32) / side * reference
    rows, columns = torch.meshgrid(at, at, indexing="ij")
    angles = torch.stack([rows, columns], -1).unsqueeze(-1) * bands  # (side, side, 2, head / 4)
    angles = angles.reshape(side * side, head // 2).repeat_interleave(2, -1)
    return angles.sin(), angles.cos()


def turned(states: Tensor, sines: Tensor, cosines: Tensor) -> Tensor:
    """(n, heads, tokens, head) with all tokens but the first turned; neighbouring values are one point in a plane."""
    first, patches = states[:, :, :1], states[:, :, 1:]
    across = torch.stack([-patches[..., 1::2], patches[..., ::2]], -1).reshape(patches.shape)
    return torch.cat([first, (patches * cosines + across * sines).type_as(states)], 2)


class _Embeddings(nn.Module):
    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self._patch = config.patch
        self.proj = nn.Linear(3 * config.patch**2, config.width, bias=config.patch_bias)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, (config.picture // config.patch) ** 2 + 1, config.width))

    def forward(self, pixels: Tensor) -> Tensor:
        patches = functional.unfold(pixels, self._patch, stride=self._patch).transpose(1, 2)
        cut: Tensor = self.proj(patches)
        return torch.cat([self.cls_token.expand(len(cut), -1, -1), cut], 1) + self.pos_embed


class _Attention(nn.Module):
    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self._heads = config.heads
        self.Wqkv = nn.Linear(config.width, 3 * config.width, bias=config.qkv_bias)
        self.out_proj = nn.Linear(config.width, config.width, bias=config.qkv_bias)

    def forward(self, states: Tensor, sines: Tensor, cosines: Tensor) -> Tensor:
        query, key, value = (_heads(part, self._heads) for part in self.Wqkv(states).chunk(3, -1))
        query, key = turned(query, sines, cosines), turned(key, sines, cosines)
        found: Tensor = self.out_proj(_joined(functional.scaled_dot_product_attention(query, key, value)))
        return found


class _Gated(nn.Module):
    def __init__(self, config: VisionConfig, *, has_norm: bool) -> None:
        super().__init__()
        self.fc11 = nn.Linear(config.width, config.inner, bias=config.fc1_bias)
        self.fc12 = nn.Linear(config.width, config.inner, bias=config.fc1_bias)
        self.fc2 = nn.Linear(config.inner, config.width, bias=config.fc2_bias)
        self.norm = nn.LayerNorm(config.inner) if has_norm else nn.Identity()

    def forward(self, states: Tensor) -> Tensor:
        found: Tensor = self.fc2(self.norm(self.fc11(states) * functional.silu(self.fc12(states))))
        return found


class _Block(nn.Module):
    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.attn = _Attention(config)
        self.mlp = _Gated(config, has_norm=config.norm_in_mlp)
        self.norm1 = nn.LayerNorm(config.width, eps=config.eps)
        self.norm2 = nn.LayerNorm(config.width, eps=config.eps)

    def forward(self, states: Tensor, sines: Tensor, cosines: Tensor) -> Tensor:
        states = states + self.attn(self.norm1(states), sines, cosines)
        found: Tensor = states + self.mlp(self.norm2(states))
        return found


class _Pooling(nn.Module):
    """One learned query looks at all tokens."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self._heads = config.heads
        self.Wq = nn.Linear(config.width, config.width, bias=config.qkv_bias)
        self.Wkv = nn.Linear(config.width, 2 * config.width, bias=config.qkv_bias)
        self.latent = nn.Parameter(torch.zeros(1, 1, config.width))
        self.out_proj = nn.Linear(config.width, config.width, bias=config.qkv_bias)

    def forward(self, states: Tensor) -> Tensor:
        query = _heads(self.Wq(self.latent.expand(len(states), -1, -1)), self._heads)
        key, value = (_heads(part, self._heads) for part in self.Wkv(states).chunk(2, -1))
        found: Tensor = self.out_proj(_joined(functional.scaled_dot_product_attention(query, key, value)))
        return found


class _Selector(nn.Module):
    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.attn = _Pooling(config)
        self.mlp = _Gated(config, has_norm=False)
        self.norm1 = nn.LayerNorm(config.width, eps=config.eps)

    def forward(self, states: Tensor) -> Tensor:
        pooled = self.attn(states)
        found: Tensor = pooled + self.mlp(self.norm1(pooled))
        return found


def _heads(states: Tensor, heads: int) -> Tensor:
    return states.reshape(*states.shape[:2], heads, -1).transpose(1, 2)


def _joined(states: Tensor) -> Tensor:
    return states.transpose(1, 2).flatten(2)


def _side(shape: Any) -> int | None:
    return int(shape[0]) if isinstance(shape, list | tuple) else shape
