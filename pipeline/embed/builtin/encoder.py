"""BERT's layers on the fastest of what is installed: OpenVINO, where it computes the same, or torch.

Both take word vectors in batches of like length, and give the last hidden states in float32.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipeline.embed.builtin.bert import torch_bert
from pipeline.embed.builtin.bert_openvino import OpenVinoBert
from pipeline.embed.builtin.bert_short import ShortBert
from pipeline.embed.builtin.windows import WordBatch
from pipeline.embed.openvino_core import has_openvino

LEAST_COSINE = 0.999  # to float32, of the mean of a text's states
CHECKED = (24, 7)  # tokens of the texts that are compared, the second one padded

Array = npt.NDArray[np.float32]

log = logging.getLogger(__name__)


class Encoder(Protocol):
    def __call__(self, batches: Iterable[WordBatch]) -> Iterator[WordBatch]:
        """(places, last hidden states, mask) of each batch of word vectors, in order."""


def fastest(weights: Mapping[str, Array], heads: int, epsilon: float, threads: int = 0) -> Encoder:
    """OpenVINO where it is installed and its vectors are those of float32 (cosine .999), otherwise torch.

    `threads` of compute, 0 means one a core.
    """
    if has_openvino():
        try:
            found = OpenVinoBert(weights, heads, epsilon, threads)
            cosine = agreement(found, ShortBert(weights, heads, epsilon))
            if cosine >= LEAST_COSINE:
                return found
            log.warning("OpenVINO computes other text vectors here (cosine %.4f); torch is used instead", cosine)
        except (ImportError, RuntimeError) as error:
            log.warning("OpenVINO cannot run the text model here (%s); torch is used instead", _line(error))
    return torch_bert(weights, heads, epsilon, threads)


def agreement(encoder: Encoder, exact: ShortBert) -> float:
    """The least cosine of an encoder's text vectors to exact ones, over two short texts in one batch."""
    dim = exact.dim
    words = np.random.default_rng(0).normal(0, 0.05, (len(CHECKED), max(CHECKED), dim)).astype(np.float32)
    mask = np.arange(max(CHECKED)) < np.array(CHECKED)[:, None]
    ((_, states, _),) = encoder([(list(range(len(CHECKED))), words, mask)])
    return min(
        _cosine(states[text, :tokens].mean(axis=0), exact(words[text, :tokens]).mean(axis=0))
        for text, tokens in enumerate(CHECKED)
    )


def _cosine(one: Array, other: Array) -> float:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
