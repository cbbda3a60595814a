"""Nomic Embed Vision as its paper and its published weights describe it, once more with loops, for comparison."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def published(
    weights: Mapping[str, npt.NDArray[np.float32]], pixels: Array, layers: int, heads: int, patch: int
) -> Array:
    """The vector of one picture, (width,), from its pixels, (3, side, side)."""
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    side = pixels.shape[1] // patch
    tokens = [w["embeddings.cls_token"][0, 0]]
    for row in range(side):
        for column in range(side):
            block = pixels[:, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch]
            tokens.append(linear(w, "embeddings.proj", block.reshape(-1).astype(np.float64)))
    states = np.stack(tokens) + w["embeddings.pos_embed"][0]
    for n in range(layers):
        name = f"layers.{n}"
        normed = norm(w, f"{name}.norm1", states, 1e-6)
        query, key, value = np.split(linear(w, f"{name}.attn.Wqkv", normed), 3, axis=-1)
        query, key = (turned(part, heads, side) for part in (query, key))
        states = states + linear(w, f"{name}.attn.out_proj", attended(query, key, value, heads))
        states = states + gated(w, f"{name}.mlp", norm(w, f"{name}.norm2", states, 1e-6))
    query = linear(w, "selector.attn.Wq", w["selector.attn.latent"][0])
    key, value = np.split(linear(w, "selector.attn.Wkv", states), 2, axis=-1)
    pooled = linear(w, "selector.attn.out_proj", attended(query, key, value, heads))[0]
    return pooled + gated(w, "selector.mlp", norm(w, "selector.norm1", pooled, 1e-6))


def linear(w: Mapping[str, Array], name: str, x: Array) -> Array:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def norm(w: Mapping[str, Array], name: str, x: Array, eps: float) -> Array:
    spread = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    return (x - x.mean(axis=-1, keepdims=True)) / spread * w[f"{name}.weight"] + w[f"{name}.bias"]


def gated(w: Mapping[str, Array], name: str, x: Array) -> Array:
    gate = linear(w, f"{name}.fc12", x)
    inner = linear(w, f"{name}.fc11", x) * gate / (1 + np.exp(-gate))
    if f"{name}.norm.weight" in w:
        inner = norm(w, f"{name}.norm", inner, 1e-5)
    return linear(w, f"{name}.fc2", inner)


def attended(query: Array, key: Array, value: Array, heads: int) -> Array:
    size = query.shape[-1] // heads
    found = []
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        scores = query[:, part] @ key[:, part].T / np.sqrt(size)
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        found.append(shares / shares.sum(axis=-1, keepdims=True) @ value[:, part])
    return np.concatenate(found, axis=-1)


def turned(x: Array, heads: int, side: int) -> Array:
    """Each patch's pairs of values turned by angles of its row (first half of a head) and its column (second half)."""
    size = x.shape[-1] // heads
    found = x.copy()
    for token in range(1, len(x)):
        row, column = divmod(token - 1, side)
        for head in range(heads):
            for pair in range(size // 2):
                place, band = (row, pair) if pair < size // 4 else (column, pair - size // 4)
                angle = place / 10000 ** (band / (size // 4))
                at = head * size + 2 * pair
                a, b = x[token, at], x[token, at + 1]
                found[token, at] = a * np.cos(angle) - b * np.sin(angle)
                found[token, at + 1] = b * np.cos(angle) + a * np.sin(angle)
    return found
