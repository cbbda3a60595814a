"""BERT's layers in NumPy for few words: a question or a small file gets its vectors without torch or OpenVINO.

To import torch takes a second and a half of processor time, OpenVINO with its check half a second. The same as
`bert.py` computes, in float32 (cosine .9999 where that computes in bfloat16).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

MOST_TOKENS = 512  # of a process; an engine takes a third of the time for each, and loading it no longer counts

Array = npt.NDArray[np.float32]


class ShortBert:
    """The encoder of Devlin et al., BERT (2019), with exact GELU; weights are named as `bert.Bert` takes them."""

    def __init__(self, weights: Mapping[str, Array], heads: int, epsilon: float) -> None:
        self._weights, self._heads, self._epsilon = weights, heads, epsilon
        self._layers = sum(name.endswith(".intermediate.dense.weight") for name in weights)

    @property
    def dim(self) -> int:
        return len(self._weights["embeddings.LayerNorm.weight"])

    def __call__(self, words: Array) -> Array:
        """Last hidden states (tokens, dim) of the word vectors of one text."""
        kind = self._weights["embeddings.token_type_embeddings.weight"][0]
        places = self._weights["embeddings.position_embeddings.weight"][: len(words)]
        states = self._normed(words + kind + places, "embeddings.LayerNorm")
        for number in range(self._layers):
            layer = f"encoder.layer.{number}"
            mixed = self._linear(self._seen(states, f"{layer}.attention.self"), f"{layer}.attention.output.dense")
            states = self._normed(states + mixed, f"{layer}.attention.output.LayerNorm")
            inner = gelu(self._linear(states, f"{layer}.intermediate.dense"))
            states = self._normed(states + self._linear(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
        return states

    def _seen(self, states: Array, name: str) -> Array:
        """What each token sees in all of them, (tokens, dim)."""
        shape = (len(states), self._heads, -1)
        query, key, value = (
            self._linear(states, f"{name}.{part}").reshape(shape).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / np.float32(np.sqrt(query.shape[-1]))
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        seen: Array = (shares @ value).transpose(1, 0, 2).reshape(len(states), -1)
        return seen

    def _linear(self, states: Array, name: str) -> Array:
        product: Array = states @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return product

    def _normed(self, states: Array, name: str) -> Array:
        centred = states - states.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(self._epsilon))
        normed: Array = centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return normed


def gelu(values: Array) -> Array:
    """x * P(X <= x) of a normal X; the error function by Abramowitz and Stegun (1964), 7.1.26, exact to 1.5e-7.

    >>> gelu(np.float32([-1, 0, 1])).round(4).tolist()
    [-0.15870000422000885, 0.0, 0.8413000106811523]
    """
    far = np.abs(values) * np.float32(np.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * far)
    terms = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    tail = 0.5 * terms * np.exp(-far * far)  # P(X > |x|)
    share: Array = np.where(values < 0, tail, 1 - tail)
    return values * share.astype(np.float32)


class FewWords:
    """How many words a process has had embedded without an engine. The one of the process is `few_words`."""

    def __init__(self) -> None:
        self._tokens = 0

    def hold(self, windows: Sequence[Sequence[int]]) -> bool:
        """Whether these windows of token ids (no special ones) are to be embedded here; then they are counted."""
        tokens = sum(len(window) + 2 for window in windows)
        if not tokens or "torch" in sys.modules or self._tokens + tokens > MOST_TOKENS:
            return False
        self._tokens += tokens
        return True


few_words = FewWords()
