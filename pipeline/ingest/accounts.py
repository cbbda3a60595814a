"""The books of a run: what became of every source, and the check that nothing is missing."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.errors import AccountingError
from pipeline.types import DocumentRecord

KEPT = 20  # slowest documents and failures that a summary names


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of a run. The counts are of sources; `attachments` stand beside them; `rows` is the whole table."""

    run_id: str
    discovered: int
    indexed: int
    unchanged: int
    skipped: int
    quarantined: int
    deleted: int
    attachments: int
    rows: Mapping[str, int]
    seconds: float
    table_version: int
    slowest: tuple[tuple[float, str], ...] = ()  # (seconds, source_uri)
    failures: tuple[DocumentRecord, ...] = ()  # of this run, the first ones
    embedded: int = 0  # rows of this run that a model worked on
    reused: int = 0  # rows of this run whose vectors were in the store already
    stale: int = 0  # of the unchanged, those that other settings or an older version made
    pages_read: int = 0  # page pictures of this run that went through OCR
    readings_reused: int = 0  # page pictures of this run whose words OCR had read before
    routes: Mapping[str, int] = field(default_factory=dict)  # pages that were read, by route
    bytes: int = 0  # size of the documents that were read
    stages: Mapping[str, float] = field(default_factory=dict)  # seconds of this run, as `Stopwatch.taken` gives them
    notes: tuple[str, ...] = ()  # what a person should know of what was read
    why: Mapping[str, int] = field(default_factory=dict)  # sources that were worked on: new, changed, retry, ...

    @property
    def has_quarantine(self) -> bool:
        """Whether some source of the run, or an attachment of it, is in quarantine."""
        return self.quarantined > 0 or any(record.parent for record in self.failures)

    def contract(self) -> dict[str, object]:
        """The JSON object that programs depend on."""
        names = ("run_id", "discovered", "indexed", "unchanged", "skipped", "quarantined", "deleted", "attachments")
        head: dict[str, object] = {name: getattr(self, name) for name in names}
        return head | {"rows": dict(self.rows), "seconds": self.seconds, "table_version": self.table_version}


@dataclass(slots=True)
class Tally:
    """Running counts of a run's outcomes."""

    outcomes: Counter[str] = field(default_factory=Counter)
    attachments: int = 0
    slowest: list[tuple[float, str]] = field(default_factory=list)
    failures: list[DocumentRecord] = field(default_factory=list)
    embedded: int = 0
    reused: int = 0
    routes: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    pages_read: int = 0
    readings_reused: int = 0

    def add_readings(self, read: int, reused: int) -> None:
        """Count the page pictures that went through OCR, and those whose words were there already."""
        self.pages_read += read
        self.readings_reused += reused

    def add_rows(self, records: Sequence[DocumentRecord], reused: int) -> None:
        """Count the rows of a batch, `reused` of which no model had to work on."""
        written = sum(record.text_rows + record.image_rows + record.page_rows for record in records)
        self.embedded += written - reused
        self.reused += reused

    def add(self, record: DocumentRecord) -> None:
        if record.state == "quarantined" and len(self.failures) < KEPT:
            self.failures.append(record)
        self.bytes += record.size_bytes if record.parent is None else 0
        if record.parent is not None:
            self.attachments += 1
            return
        self.outcomes[record.state] += 1
        heapq.heappush(self.slowest, (record.seconds, record.source_uri))
        if len(self.slowest) > KEPT:
            heapq.heappop(self.slowest)


def check(summary: Summary, ledger_rows: Mapping[str, int]) -> None:
    """Raise `AccountingError` unless every source has one outcome and the table holds the rows the ledger says."""
    outcomes = summary.indexed + summary.unchanged + summary.skipped + summary.quarantined
    if summary.discovered != outcomes:
        raise AccountingError(
            f"the books do not balance: {summary.discovered} sources discovered, but {outcomes} accounted for "
            f"({summary.indexed} indexed + {summary.unchanged} unchanged + {summary.skipped} skipped + "
            f"{summary.quarantined} quarantined)"
        )
    if dict(summary.rows) != dict(ledger_rows):
        raise AccountingError(
            f"the books do not balance: the table holds {dict(summary.rows)} rows, the ledger says {dict(ledger_rows)}"
        )
