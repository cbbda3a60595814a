"""BERT's layers on the fastest of what is installed: OpenVINO, where it computes the same, or torch.

OpenVINO computes some products in 8 bits where the processor multiplies bytes and the model was measured.

Both take word vectors in batches of like length, and give the last hidden states in float32.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipeline.embed.builtin.bert import torch_bert
from pipeline.embed.builtin.bert_openvino import OpenVinoBert
from pipeline.embed.builtin.bert_short import ShortBert
from pipeline.embed.builtin.windows import WordBatch
from pipeline.embed.eight_bit import Ranges, multiplies_bytes
from pipeline.embed.openvino_core import has_openvino

LEAST_COSINE = 0.999  # to float32, of the mean of a text's states
TRIED = "The mill stands by the weir; its wheel, 4.2 m wide, was repaired in 1897 and turns again (see page 12)."
TOKENS = 24  # of a text made up
START = 0.3  # of a text that is compared as well, padded

Array = npt.NDArray[np.float32]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Measured:
    """What 8 bits need to know of a model: the ranges of its products, and a text to be tried on."""

    ranges: Ranges
    words: Array  # (tokens, dim), word vectors


class Encoder(Protocol):
    def __call__(self, batches: Iterable[WordBatch]) -> Iterator[WordBatch]:
        """(places, last hidden states, mask) of each batch of word vectors, in order."""


def fastest(
    weights: Mapping[str, Array], heads: int, epsilon: float, threads: int = 0, measured: Measured | None = None
) -> Encoder:
    """OpenVINO where it is installed and its vectors are those of float32 (cosine .999), otherwise torch.

    `threads` of compute, 0 means one a core. What was `measured` lets OpenVINO compute in 8 bits, by the same rule.
    """
    text = measured.words if measured else None
    for name, ranges in _ways(measured) if has_openvino() else ():
        try:
            found = OpenVinoBert(weights, heads, epsilon, threads, ranges)
            cosine = agreement(found, ShortBert(weights, heads, epsilon), text)
        except (ImportError, RuntimeError) as error:
            log.warning("%s cannot run the text model here (%s); it is not used", name, _line(error))
            continue
        if cosine >= LEAST_COSINE:
            return found
        log.warning("%s computes other text vectors here (cosine %.4f); it is not used", name, cosine)
    return torch_bert(weights, heads, epsilon, threads)


def _ways(measured: Measured | None) -> Iterator[tuple[str, Ranges]]:
    """What is tried in turn, and the ranges of the products in 8 bits."""
    if measured and measured.ranges and multiplies_bytes():
        yield "OpenVINO in 8 bits", measured.ranges
    yield "OpenVINO", {}


def agreement(encoder: Encoder, exact: ShortBert, text: Array | None = None) -> float:
    """The least cosine of an encoder's text vectors to exact ones: a text and the start of it, in one batch.

    `text` is word vectors (tokens, dim), None means some at random.
    """
    if text is None:
        text = np.random.default_rng(0).normal(0, 0.05, (TOKENS, exact.dim)).astype(np.float32)
    lengths = len(text), round(len(text) * START)
    mask = np.arange(lengths[0]) < np.array(lengths)[:, None]
    ((_, states, _),) = encoder([([0, 1], np.stack([text, text]), mask)])
    return min(
        _cosine(states[row, :tokens].mean(axis=0), exact(text[:tokens]).mean(axis=0))
        for row, tokens in enumerate(lengths)
    )


def _cosine(one: Array, other: Array) -> float:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
