"""Token ids cut into windows and laid into padded batches of like length, as every built-in encoder takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

BATCH_TOKENS = 1024  # with padding: 4 texts of 254 tokens, 2 of 510, more of shorter ones; more do not fit the cache
BATCH_TEXTS = 32

Mask = npt.NDArray[np.bool_]  # (texts, tokens), false for padding
Batch = tuple[list[int], npt.NDArray[np.int64], Mask]  # places of the texts, ids (texts, tokens)
WordBatch = tuple[list[int], npt.NDArray[np.float32], Mask]  # the same with vectors (texts, tokens, dim)


def windows_of(ids: Sequence[int], size: int) -> list[list[int]]:
    """Consecutive windows of at most `size` ids without overlap; no ids make one empty window.

    >>> windows_of([1, 2, 3], size=2)
    [[1, 2], [3]]
    """
    return [list(ids[start : start + size]) for start in range(0, max(len(ids), 1), size)]


def padded(windows: Sequence[Sequence[int]], start: int, end: int, padding: int) -> Iterator[Batch]:
    """Batches of windows of like length, each between `start` and `end`; `places` are theirs in `windows`."""
    for batch in _batches([len(window) for window in windows]):
        width = max(len(windows[place]) for place in batch) + 2
        ids = np.full((len(batch), width), padding, np.int64)
        lengths = np.array([len(windows[place]) + 2 for place in batch])
        for row, place in enumerate(batch):
            ids[row, : lengths[row]] = [start, *windows[place], end]
        yield batch, ids, np.arange(width) < lengths[:, None]


def encodable(text: str) -> str:
    """The text with "?" for each lone surrogate, which damaged documents hold and tokenizers refuse."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places sorted by length, longest first, in batches bounded by padded tokens and by texts."""
    batch: list[int] = []
    width = 0
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        if batch and (len(batch) == BATCH_TEXTS or width * (len(batch) + 1) > BATCH_TOKENS):
            yield batch
            batch = []
        width = width if batch else lengths[place] + 2
        batch.append(place)
    if batch:
        yield batch
