"""Token ids cut into windows and laid into padded batches of like length, as every built-in encoder takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

BATCH_TOKENS = 1024  # with padding: 4 texts of 254 tokens, 2 of 510, more of shorter ones; more do not fit the cache
BATCH_TEXTS = 32

Batch = tuple[list[int], Any, Any]


def windows_of(ids: Sequence[int], size: int) -> list[list[int]]:
    """Consecutive windows of at most `size` ids without overlap; no ids make one empty window.

    >>> windows_of([1, 2, 3], size=2)
    [[1, 2], [3]]
    """
    return [list(ids[start : start + size]) for start in range(0, max(len(ids), 1), size)]


def padded(windows: Sequence[Sequence[int]], start: int, end: int, padding: int) -> Iterator[Batch]:
    """(places in `windows`, ids, mask) a batch: int64 tensors (windows, longest), each between `start` and `end`."""
    import torch

    for batch in _batches([len(window) for window in windows]):
        width = max(len(windows[place]) for place in batch) + 2
        ids = torch.full((len(batch), width), padding, dtype=torch.long)
        mask = torch.zeros((len(batch), width), dtype=torch.long)
        for row, place in enumerate(batch):
            tokens = [start, *windows[place], end]
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
        yield batch, ids, mask


def has_bfloat16() -> bool:
    """True if the processor computes in bfloat16, which is then about three times as fast as float32."""
    import torch

    has_mkldnn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return bool(has_mkldnn and torch.ops.mkldnn._is_mkldnn_bf16_supported())


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
