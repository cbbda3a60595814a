"""Picture vectors in the space of the text model: EfficientNet-lite0 class probabilities, projected onto label texts.

The method is ConSE (Norouzi et al. 2014, arXiv:1312.5650) over several views of the picture. It finds what kinds of
things a picture shows; it cannot tell one person from another, count, or read. Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.embed.builtin.lite0 import INPUT_PX, lite0
from pipeline.embed.builtin.text import unit
from pipeline.errors import Unreadable, UsageError
from pipeline.types import ModelId, Vectors

LABELS = Path(__file__).parent / "labels.npz"
E5_LABELS = LABELS.with_name("labels_e5.npz")
CENTRE = 0.875  # share of the short side in the centre crop
TEMPERATURE = 1.5
KEPT_CLASSES = 40
SOFTENED = 0.8  # power of the probabilities: what is also likely counts more, as classes stand for whole scenes here
WINDOW, STARTS = 7, (0, 4, 7)  # windows on the 14 x 14 map of the large view
BATCH = 1  # more do not fit the cache: four take 30 % more processor time a picture


@dataclass(frozen=True, slots=True)
class Views:
    """One picture as the network takes it: (3, side, side) float32, 224 and 224 and 448."""

    centre: npt.NDArray[np.float32]
    whole: npt.NDArray[np.float32]
    large: npt.NDArray[np.float32]


class PictureModel:
    """Pictures to vectors; `text_model` is what the label matrix must have been made with."""

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
        found = [project(self._probabilities(batch), labels) for batch in _batched(paths)]
        return np.vstack(found) if found else np.zeros((0, labels.shape[1]), dtype=np.float32)

    def _probabilities(self, paths: Sequence[Path]) -> npt.NDArray[np.float32]:
        """(n, 1000): the mean of three opinions, the small views, the average window and the surest window."""
        import torch

        if self._threads:
            torch.set_num_threads(self._threads)
        views = [read_views(path) for path in paths]
        small = np.stack([view.centre for view in views] + [view.whole for view in views])
        large = np.stack([view.large for view in views])
        with torch.inference_mode():
            means = lite0().extract_features(torch.from_numpy(small)).mean(dim=(2, 3))
            centre, whole = _classify(means).chunk(2)
            windows = _classify(_windows(lite0().extract_features(torch.from_numpy(large))))
            mixed = ((centre + whole) / 2 + windows.mean(dim=1) + windows.amax(dim=1)) / 3
        return np.asarray(mixed.numpy(), dtype=np.float32)


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


def read_views(path: Path) -> Views:
    """The three views of a picture; transparent parts become white. Raises Unreadable."""
    try:
        with Image.open(path) as opened:
            opened.draft("RGB", (4 * INPUT_PX, 4 * INPUT_PX))  # a large JPEG is decoded at a fraction of its size
            picture = on_white(opened)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Unreadable(f"{path.name}: the picture cannot be decoded ({error})") from error
    width, height = picture.size
    side = min(width, height) * CENTRE
    left, top = (width - side) / 2, (height - side) / 2
    return Views(
        _pixels(picture, INPUT_PX, (left, top, left + side, top + side)),
        _pixels(picture, INPUT_PX, (0, 0, width, height)),
        _pixels(picture, 2 * INPUT_PX, (0, 0, width, height)),
    )


def on_white(picture: Image.Image) -> Image.Image:
    """The picture in RGB, white where it was transparent."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    ground = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(ground, layer).convert("RGB")


def _pixels(picture: Image.Image, side: int, box: tuple[float, float, float, float]) -> npt.NDArray[np.float32]:
    resized = picture.resize((side, side), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)
    scaled = (np.asarray(resized, dtype=np.float32) - 127) / 128
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))


def _windows(maps: Any) -> Any:
    """(n, channels, 14, 14) to (n, 10, channels): nine overlapping windows and the whole map, each averaged."""
    import torch

    cut = [maps[:, :, y : y + WINDOW, x : x + WINDOW] for y in STARTS for x in STARTS]
    return torch.stack([window.mean(dim=(2, 3)) for window in (*cut, maps)], dim=1)


def _classify(features: Any) -> Any:
    return (lite0()._fc(features) / TEMPERATURE).softmax(dim=-1)


def _batched(paths: Sequence[Path]) -> Iterator[Sequence[Path]]:
    for start in range(0, len(paths), BATCH):
        yield paths[start : start + BATCH]


@cache
def _label_file(path: Path) -> tuple[str, npt.NDArray[np.float32]]:
    with np.load(path) as file:
        return str(file["text_model"]), file["vectors"].astype(np.float32)
