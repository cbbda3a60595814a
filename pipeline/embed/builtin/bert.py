"""BERT's layers as plain functions of torch: what both built-in text models are, without importing transformers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.embed.builtin.windows import WordBatch

SHORT = 128  # tokens of a batch; sharing out so few among threads costs more than it saves on a busy machine


@dataclass(frozen=True, slots=True)
class Layer:
    """(weight, bias) of each part of one layer; query, key and value are one matrix."""

    query_key_value: tuple[Any, Any]
    mixed: tuple[Any, Any]
    mixed_norm: tuple[Any, Any]
    inner: tuple[Any, Any]
    outer: tuple[Any, Any]
    outer_norm: tuple[Any, Any]


class Bert:
    """The encoder of Devlin et al., BERT (2019), with exact GELU; it takes word vectors, not ids.

    `weights`, tensors of the type to compute in, are named as in published checkpoints, such as
    "encoder.layer.3.attention.self.query.weight". `threads` of compute, 0 leaves torch's own choice.
    """

    def __init__(self, weights: Mapping[str, Any], heads: int, epsilon: float, threads: int = 0) -> None:
        self._heads, self._epsilon, self._threads = heads, epsilon, threads
        self._places = weights["embeddings.position_embeddings.weight"]
        self._type = weights["embeddings.token_type_embeddings.weight"][0]
        self._norm = _pair(weights, "embeddings.LayerNorm")
        layers = sum(name.endswith(".intermediate.dense.weight") for name in weights)
        self._layers = [_layer(weights, f"encoder.layer.{number}") for number in range(layers)]

    def __call__(self, batches: Iterable[WordBatch]) -> Iterator[WordBatch]:
        """(places, last hidden states, mask) of each batch, in order."""
        import torch

        if self._threads:
            torch.set_num_threads(self._threads)
        for places, words, mask in batches:
            states = self.states(torch.from_numpy(words).to(self._places.dtype), torch.from_numpy(mask))
            yield places, states.float().numpy(), mask

    def states(self, words: Any, mask: Any) -> Any:
        """Last hidden states (texts, tokens, dim) of word vectors; `mask` (texts, tokens) is true for words."""
        import torch

        short = words.shape[0] * words.shape[1] <= SHORT
        with torch.inference_mode(), one_thread if short else nullcontext():
            return self._through_layers(words, None if bool(mask.all()) else mask[:, None, None, :].bool())

    def _through_layers(self, words: Any, mask: Any) -> Any:
        from torch.nn.functional import gelu, layer_norm, linear, scaled_dot_product_attention

        texts, tokens, dim = words.shape
        shape = (texts, tokens, 3, self._heads, dim // self._heads)
        states = layer_norm(words + self._type + self._places[:tokens], (dim,), *self._norm, self._epsilon)
        for layer in self._layers:
            query, key, value = linear(states, *layer.query_key_value).view(shape).permute(2, 0, 3, 1, 4)
            seen = scaled_dot_product_attention(query, key, value, attn_mask=mask)
            mixed = linear(seen.transpose(1, 2).reshape(texts, tokens, dim), *layer.mixed)
            states = layer_norm(states + mixed, (dim,), *layer.mixed_norm, self._epsilon)
            outer = linear(gelu(linear(states, *layer.inner)), *layer.outer)
            states = layer_norm(states + outer, (dim,), *layer.outer_norm, self._epsilon)
        return states


def torch_bert(weights: Mapping[str, npt.NDArray[np.float32]], heads: int, epsilon: float, threads: int = 0) -> Bert:
    """In bfloat16 where the processor computes in it: three times as fast, with a cosine of .9999 to float32."""
    import torch

    dtype = torch.bfloat16 if has_bfloat16() else torch.float32
    return Bert({name: torch.from_numpy(w).to(dtype) for name, w in weights.items()}, heads, epsilon, threads)


def has_bfloat16() -> bool:
    """True if the processor computes in bfloat16."""
    import torch

    has_mkldnn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return bool(has_mkldnn and torch.ops.mkldnn._is_mkldnn_bf16_supported())


class OneThread:
    """Within it torch computes in the calling thread alone; several threads may be in it at once.

    What torch uses otherwise is asked by the first that enters: a thread that torch has not seen before takes the
    number that is set at that moment for its own.
    """

    def __init__(self) -> None:
        self._lock, self._inside, self._usual = Lock(), 0, 1

    def __enter__(self) -> None:
        import torch

        with self._lock:
            if not self._inside:
                self._usual = torch.get_num_threads()
            self._inside += 1
            torch.set_num_threads(1)

    def __exit__(self, *_: object) -> None:
        import torch

        with self._lock:
            self._inside -= 1
            torch.set_num_threads(self._usual)


one_thread = OneThread()


def _layer(weights: Mapping[str, Any], name: str) -> Layer:
    import torch

    parts = [_pair(weights, f"{name}.attention.self.{part}") for part in ("query", "key", "value")]
    return Layer(
        (torch.cat([weight for weight, _ in parts]), torch.cat([bias for _, bias in parts])),
        _pair(weights, f"{name}.attention.output.dense"),
        _pair(weights, f"{name}.attention.output.LayerNorm"),
        _pair(weights, f"{name}.intermediate.dense"),
        _pair(weights, f"{name}.output.dense"),
        _pair(weights, f"{name}.output.LayerNorm"),
    )


def _pair(weights: Mapping[str, Any], name: str) -> tuple[Any, Any]:
    return weights[f"{name}.weight"], weights[f"{name}.bias"]
