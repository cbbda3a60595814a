"""A document while its rows are being made: what it says of itself, and what became of its rows so far."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from pipeline.types import Failure, Info


@dataclass(slots=True)
class Draft:
    """A document while its rows are being made."""

    uri: str
    info: Info = field(default_factory=Info)
    counts: dict[str, int] = field(default_factory=lambda: {"text": 0, "image": 0, "page": 0})
    lost: dict[str, int] = field(default_factory=lambda: {"text": 0, "image": 0, "page": 0})
    failures: list[Failure] = field(default_factory=list)
    seconds: float = 0.0  # its share of the groups that it was embedded in
    reused: int = 0  # rows whose vectors were there already
    routes: Counter[str] = field(default_factory=Counter)  # its pages by route
    pages_read: int = 0  # page pictures that went through OCR
    readings_reused: int = 0  # page pictures whose words were there already

    def rows(self, modality: str) -> int:
        return self.counts[modality] - self.lost[modality]

    def next(self, modality: str) -> int:
        self.counts[modality] += 1
        return self.counts[modality] - 1


@contextmanager
def shared_time(drafts: Sequence[Draft]) -> Iterator[None]:
    """The time of the block, in equal shares to the documents of a group, one share for each of their rows."""
    started = time.perf_counter()
    yield
    seconds = time.perf_counter() - started
    for draft in drafts:
        draft.seconds += seconds / len(drafts)
