"""BERT's layers on OpenVINO, built from weights alone; each core has a batch of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.embed.builtin.windows import Mask, WordBatch
from pipeline.embed.eight_bit import Ranges, in_eight_bits
from pipeline.embed.openvino_core import Streams, openvino

Array = npt.NDArray[np.float32]
UNSEEN = -1e4  # added to how much a token looks at padding: in half precision, too, e to the power of it is 0


class OpenVinoBert:
    """The encoder of Devlin et al., BERT (2019), with exact GELU; in bfloat16 where the processor computes in it.

    Weights are named as `bert.Bert` takes them. `threads` of compute, 0 means one a core. Raises RuntimeError if
    OpenVINO cannot run it here. Products that `ranges` names are computed in 8 bits.
    """

    def __init__(
        self,
        weights: Mapping[str, Array],
        heads: int,
        epsilon: float,
        threads: int = 0,
        ranges: Ranges = MappingProxyType({}),
    ) -> None:
        model = bert_model(weights, heads, epsilon)
        in_eight_bits(model, ranges)
        self._run = Streams(model, threads)

    def __call__(self, batches: Iterable[WordBatch]) -> Iterator[WordBatch]:
        """(places, last hidden states, mask) of each batch, in order."""
        begun: deque[tuple[list[int], Mask]] = deque()

        def inputs() -> Iterator[tuple[Array, Array]]:
            for places, words, mask in batches:
                begun.append((places, mask))
                yield bert_inputs(words, mask)

        for (states,) in self._run(inputs()):
            places, mask = begun.popleft()
            yield places, states, mask


def bert_inputs(words: Array, mask: Mask) -> tuple[Array, Array]:
    """What the network takes: word vectors (texts, tokens, dim), and what is added for the mask (texts, tokens)."""
    return words, np.where(mask, np.float32(0), np.float32(UNSEEN))


def bert_model(weights: Mapping[str, Array], heads: int, epsilon: float) -> Any:
    """The network, from `bert_inputs` to states; its products have the names of their (first) weights."""
    opset13, make = openvino().opset13, openvino().Model
    dim = weights["embeddings.LayerNorm.weight"].shape[0]
    words = opset13.parameter([-1, -1, dim], np.float32, name="words")
    added = opset13.parameter([-1, -1], np.float32, name="mask")
    layers = _Layers(weights, heads, epsilon, opset13)
    seen = opset13.unsqueeze(added, np.array([1, 2], np.int64))
    states = layers.normed(opset13.add(words, layers.places(words)), "embeddings.LayerNorm")
    for number in range(sum(name.endswith(".intermediate.dense.weight") for name in weights)):
        states = layers.layer(states, seen, f"encoder.layer.{number}")
    return make([states], [words, added])


class _Layers:
    """Parts of the graph; `ops` are OpenVINO's operations."""

    def __init__(self, weights: Mapping[str, Array], heads: int, epsilon: float, ops: Any) -> None:
        self._weights, self._heads, self._epsilon, self._ops = weights, heads, epsilon, ops

    def layer(self, states: Any, seen: Any, name: str) -> Any:
        ops, own = self._ops, f"{name}.attention.self"
        parts = ops.split(
            self.linear(states, *(f"{own}.{part}" for part in ("query", "key", "value"))), np.int64(-1), 3
        )
        query, key, value = (self._by_head(parts.output(part)) for part in range(3))
        mixed = ops.scaled_dot_product_attention(query, key, value, seen)
        joined = ops.reshape(ops.transpose(mixed, _axes(0, 2, 1, 3)), _axes(0, 0, -1), True)
        mixed = self.linear(joined, f"{name}.attention.output.dense")
        states = self.normed(ops.add(states, mixed), f"{name}.attention.output.LayerNorm")
        inner = ops.gelu(self.linear(states, f"{name}.intermediate.dense"), "erf")
        outer = self.linear(inner, f"{name}.output.dense")
        return self.normed(ops.add(states, outer), f"{name}.output.LayerNorm")

    def places(self, words: Any) -> Any:
        """What is added to each word for its place, (tokens, dim)."""
        ops = self._ops
        tokens = ops.gather(ops.shape_of(words), np.array([1], np.int64), np.int64(0))
        places = self._weights["embeddings.position_embeddings.weight"]
        kind = self._weights["embeddings.token_type_embeddings.weight"][0]
        return ops.slice(self._constant(places + kind), _axes(0), tokens, _axes(1), _axes(0))

    def linear(self, states: Any, *names: str) -> Any:
        """One product, which has the first of the names, with the weights of all names side by side."""
        ops, weights = self._ops, self._weights
        matrix, bias = (np.concatenate([weights[f"{name}.{kind}"] for name in names]) for kind in ("weight", "bias"))
        product = ops.matmul(states, self._constant(matrix), False, True)
        product.set_friendly_name(names[0])
        return ops.add(product, self._constant(bias))

    def normed(self, states: Any, name: str) -> Any:
        ops = self._ops
        even = ops.mvn(states, _axes(-1), True, self._epsilon, "inside_sqrt")
        scaled = ops.multiply(even, self._constant(self._weights[f"{name}.weight"]))
        return ops.add(scaled, self._constant(self._weights[f"{name}.bias"]))

    def _by_head(self, states: Any) -> Any:
        """(texts, tokens, dim) to (texts, heads, tokens, dim of a head)."""
        parted = self._ops.reshape(states, _axes(0, 0, self._heads, -1), True)
        return self._ops.transpose(parted, _axes(0, 2, 1, 3))

    def _constant(self, values: Array) -> Any:
        return self._ops.constant(np.ascontiguousarray(values, np.float32))


def _axes(*numbers: int) -> npt.NDArray[np.int64]:
    return np.array(numbers, np.int64)
