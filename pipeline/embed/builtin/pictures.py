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
from PIL import Image, ImageDraw

from pipeline.embed.builtin import lite0
from pipeline.embed.builtin.text import unit
from pipeline.embed.builtin.views import Views, read_views, views_of
from pipeline.embed.openvino_core import has_openvino
from pipeline.errors import UsageError
from pipeline.types import ModelId, Vectors

LABELS = Path(__file__).parent / "labels.npz"
E5_LABELS = LABELS.with_name("labels_e5.npz")
KEPT_CLASSES = 40
SOFTENED = 0.8  # power of the probabilities: what is also likely counts more, as classes stand for whole scenes here
MOST_AT_ONCE = 8  # pictures, as each takes some 50 MB
WORTH_IT = 32  # pictures from which on a faster engine makes up for the second it takes to load
LEAST_ALIKE = 0.999  # cosine of vectors that may lie in one table

Classify = Callable[[Views], lite0.Probabilities]


class PictureModel:
    """Pictures to vectors; `text_model` is what the label matrix must have been made with.

    `threads` of compute, 0 means one a core. Each takes a picture of its own, from reading it to its probabilities, so
    that none waits for another.
    """

    def __init__(self, text_model: ModelId, threads: int = 0, labels: Path = LABELS) -> None:
        self._text_model, self._threads, self._labels = text_model, threads, labels
        self._asked = 0

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
        self._asked += len(paths)
        classify = _classifier(self._threads, self._labels, self._asked >= WORTH_IT)
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
def _classifier(threads: int, labels: Path, many: bool) -> Classify:
    """The fastest engine there is, or for few pictures the one that is ready first."""
    lite0.lite0()  # not by several threads at once
    if not (many and has_openvino()):
        return lite0.classify
    from pipeline.embed.builtin import lite0_openvino

    return checked(lambda: lite0_openvino.loaded(threads, _at_once(threads)), lite0.classify, _label_file(labels)[1])


def checked(make: Callable[[], Classify], exact: Classify, labels: npt.NDArray[np.float32]) -> Classify:
    """What `make` makes, if it gives two drawings the vectors of `exact`; otherwise `exact`, and a line in the log."""
    drawings = [views_of(_drawing(kind)) for kind in range(2)]
    try:
        fast = make()
        found, expected = (project(np.stack([f(views) for views in drawings]), labels) for f in (fast, exact))
    except (ImportError, RuntimeError) as error:
        problem = " ".join(str(error).split())[:200]
    else:
        alike = float((found * expected).sum(axis=1).min())
        if alike >= LEAST_ALIKE:
            return fast
        problem = f"vectors of the same picture have a cosine of {alike:.4f}"
    logging.getLogger(__name__).warning("pictures are embedded by torch, not by OpenVINO: %s", problem)
    return exact


def _drawing(kind: int) -> Image.Image:
    """A picture without a file: discs on a ground of changing colour."""
    ramp = Image.linear_gradient("L").resize((320, 240))
    picture = Image.merge("RGB", (ramp, ramp.rotate(180), Image.radial_gradient("L").resize((320, 240))))
    draw = ImageDraw.Draw(picture)
    for step in range(6):
        left, top, size = 40 * step + 10, (70 * step * (kind + 1)) % 160, 30 + 12 * step
        draw.ellipse((left, top, left + size, top + size), fill=["orange", "navy"][kind], outline="white", width=3)
    return picture


def _at_once(threads: int) -> int:
    return min(threads or os.cpu_count() or 1, MOST_AT_ONCE)


@cache
def _label_file(path: Path) -> tuple[str, npt.NDArray[np.float32]]:
    with np.load(path) as file:
        return str(file["text_model"]), file["vectors"].astype(np.float32)
