"""Picture vectors in the space of the text model: EfficientNet-lite0 class probabilities, projected onto label texts.

The method is ConSE (Norouzi et al. 2014, arXiv:1312.5650) over several views of the picture. It finds what kinds of
things a picture shows; it cannot tell one person from another, count, or read. Nothing is downloaded.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.embed.builtin import lite0
from pipeline.embed.builtin.lite0_check import Classify, expected, seen
from pipeline.embed.builtin.text import unit
from pipeline.embed.builtin.views import read_views
from pipeline.embed.openvino_core import has_openvino
from pipeline.errors import UsageError
from pipeline.types import ModelId, Vectors

LABELS = Path(__file__).parent / "labels.npz"
E5_LABELS = LABELS.with_name("labels_e5.npz")
KEPT_CLASSES = 40
SOFTENED = 0.8  # power of the probabilities: what is also likely counts more, as classes stand for whole scenes here
MOST_AT_ONCE = 8  # pictures: each takes some 15 MB, by torch 55
LEAST_ALIKE = 0.999  # cosine of vectors that may lie in one table

log = logging.getLogger(__name__)


class PictureModel:
    """Pictures to vectors; `text_model` is what the label matrix must have been made with.

    `threads` of compute, 0 means one a core. Each takes a picture of its own, from reading it to its probabilities, so
    that none waits for another.
    """

    def __init__(self, text_model: ModelId, threads: int = 0, labels: Path = LABELS) -> None:
        self._text_model, self._threads, self._labels = text_model, threads, labels

    @property
    def revision(self) -> str:
        """Names the label texts and how they are mixed; pictures under another revision are not comparable."""
        with np.load(self._labels) as file:
            return f"labels-{str(file['source_sha256'])[:8]}-top{KEPT_CLASSES}"

    def embed(self, paths: Sequence[Path]) -> Vectors:
        """(n, 384) float32 unit rows in the order of `paths`.

        Raises Unreadable, naming the file, for a picture that cannot be decoded.
        """
        labels = load_labels(self._text_model, self._labels)
        if not paths:
            return np.zeros((0, labels.shape[1]), dtype=np.float32)
        classify = _classifier(self._threads, self._labels)
        with ThreadPoolExecutor(_at_once(self._threads), "pictures") as pool:
            found = list(pool.map(lambda path: classify(read_views(path)), paths))
        return project(np.stack(found), labels)


def project(probabilities: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]) -> Vectors:
    """Class probabilities (n, classes) and label vectors (classes, dim) to (n, dim) unit rows, by the best classes.

    >>> print(project(np.float32([[0.9, 0.1]]), np.eye(2, dtype=np.float32)).round(2))
    [[0.99 0.17]]
    """
    kept = min(KEPT_CLASSES, probabilities.shape[1])
    best = np.argpartition(-probabilities, kept - 1, axis=1)[:, :kept]
    weights = np.take_along_axis(probabilities, best, axis=1) ** np.float32(SOFTENED)
    weights = weights / weights.sum(axis=1, keepdims=True)
    return unit(np.einsum("nk,nkd->nd", weights, labels[best]))


def load_labels(text_model: ModelId, path: Path = LABELS) -> npt.NDArray[np.float32]:
    """The label matrix (1000, 384); raises UsageError if another text model made it."""
    made_with, vectors = _label_file(path)
    if made_with != str(text_model):
        raise UsageError(
            f"{path.name} was made with {made_with}, but the text model is {text_model}; "
            "rebuild it with: python -m benchmarks.make_labels"
        )
    return vectors


@dataclass(frozen=True, slots=True)
class Means:
    """Where a space has a common direction: the mean of all label vectors and that of captions as questions, (dim,)."""

    labels: npt.NDArray[np.float32]
    queries: npt.NDArray[np.float32]


@cache
def load_means(path: Path) -> Means:
    with np.load(path) as file:
        return Means(file["vectors"].astype(np.float32).mean(axis=0), file["query_mean"].astype(np.float32))


@cache
def _classifier(threads: int, labels: Path) -> Classify:
    """OpenVINO where it is installed and sees the same, otherwise torch."""
    fast = checked(lambda: _openvino(threads), _label_file(labels)[1]) if has_openvino() else None
    if fast is None:
        lite0.lite0()  # here, as otherwise every thread would load it
    return fast or lite0.classify


def _openvino(threads: int) -> Classify:
    from pipeline.embed.builtin.lite0_openvino import loaded

    return loaded(threads, _at_once(threads))


def checked(make: Callable[[], Classify], labels: npt.NDArray[np.float32]) -> Classify | None:
    """The engine that `make` gives, or None and a line in the log if its vectors are not those of torch."""
    try:
        classify = make()
        alike = agreement(classify, labels)
    except (ImportError, RuntimeError, ValueError) as error:
        message = " ".join(str(error).split())[:200]
        log.warning("OpenVINO cannot embed pictures here (%s); torch is used instead", message)
        return None
    if alike >= LEAST_ALIKE:
        return classify
    log.warning("OpenVINO computes other picture vectors here (cosine %.4f); torch is used instead", alike)
    return None


def agreement(classify: Classify, labels: npt.NDArray[np.float32]) -> float:
    """The least cosine of an engine's picture vectors to torch's, over two drawings."""
    found, exact = project(seen(classify), labels), project(expected(), labels)
    return float((found * exact).sum(axis=1).min())


def _at_once(threads: int) -> int:
    return min(threads or os.cpu_count() or 1, MOST_AT_ONCE)


@cache
def _label_file(path: Path) -> tuple[str, npt.NDArray[np.float32]]:
    with np.load(path) as file:
        return str(file["text_model"]), file["vectors"].astype(np.float32)
