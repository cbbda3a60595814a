"""The books of a backfill: what became of every chosen document, and how fast it goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.errors import AccountingError
from pipeline.types import DocumentRecord


@dataclass(frozen=True, slots=True)
class Backfilled:
    """What a backfill did. `sources` were to be read: indexed, skipped, quarantined, gone (their file is not there any
    more), or overtaken by another run that wrote them meanwhile. `current` of the `chosen` documents needed nothing."""

    kind: str
    run_id: str
    chosen: int
    current: int
    sources: int
    left: int
    indexed: int
    skipped: int
    quarantined: int
    gone: int
    overtaken: int
    embedded: int
    reused: int
    rows: Mapping[str, int]
    seconds: float
    table_version: int
    failures: tuple[DocumentRecord, ...] = ()

    def contract(self) -> dict[str, Any]:
        """The JSON object that programs get."""
        values = asdict(self)
        del values["failures"]
        return values

    def check(self) -> None:
        """Raise `AccountingError` unless every source has one outcome."""
        outcomes = self.indexed + self.skipped + self.quarantined + self.gone + self.overtaken
        if self.sources != outcomes:
            raise AccountingError(
                f"the books do not balance: {self.sources} sources were to be read, but {outcomes} are accounted for"
            )


def pace(done: int, total: int, seconds: float, thing: str = "documents") -> str:
    """How far it is, in words: done, left, rate and end.

    >>> pace(30, 120, 60)
    '30 of 120 documents, 90 left, 30 a minute, ends in about 3 min'
    >>> pace(0, 120, 3)
    '0 of 120 documents, 120 left'
    """
    left = total - done
    text = f"{done:,} of {total:,} {thing}, {left:,} left"
    if not done or seconds <= 0:
        return text
    rate = done / seconds
    text += f", {60 * rate:,.0f} a minute" if rate >= 1 / 60 else f", {3600 * rate:,.1f} an hour"
    return text + (f", ends in about {_time(left / rate)}" if left else "")


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
