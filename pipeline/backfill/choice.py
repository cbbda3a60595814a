"""Which documents a backfill is about, and which sources must be read for them. Reads the ledger, writes nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from pipeline.config import Settings
from pipeline.ingest.plan import Recipes, in_batches, may_succeed
from pipeline.store import Store
from pipeline.types import DocumentRecord, Found


@dataclass(frozen=True, slots=True)
class Choice:
    """`where` is a filter over the ledger's columns; the times are those of a document's last change; `limit` is how
    many sources are read at most, so that a backfill can be tried on a few."""

    where: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    limit: int | None = None

    def records(self, store: Store) -> Iterator[DocumentRecord]:
        """The chosen documents that can be done again: not what is gone, ignored by hand or was never fetched."""
        for record in store.choose(self.where, self.since, self.until):
            if record.state != "deleted" and record.by_hand != "ignore" and record.stage != "discover":
                yield record


@dataclass(frozen=True, slots=True)
class Work:
    """Sources to read, by URI with their sizes in bytes; `current` of the `chosen` documents need nothing, `left` are
    sources beyond the limit."""

    sources: Mapping[str, int]
    chosen: int
    current: int
    left: int = 0

    def found(self) -> Iterator[Found]:
        return (Found(uri, "", size, None) for uri, size in self.sources.items())

    def batches(self, settings: Settings) -> list[tuple[Found, ...]]:
        """The sources in batches as an ingest takes them. Their revisions are looked up when their turn comes."""
        return list(in_batches(self.found(), settings.batch_documents, settings.batch_mb * 1_000_000))


def to_read(records: Iterable[tuple[DocumentRecord, bool]], limit: int | None) -> Work:
    """The sources of the documents that are to be done (True); an attachment is read with the file that it is in."""
    sources: dict[str, int] = {}
    chosen = current = 0
    for record, is_to_do in records:
        chosen += 1
        current += not is_to_do
        if is_to_do:
            uri = record.source_uri.partition("!/")[0]
            sources[uri] = max(sources.get(uri, 0), record.size_bytes)
    taken = dict(islice(sources.items(), limit))
    return Work(taken, chosen, current, len(sources) - len(taken))


def to_reparse(store: Store, choice: Choice, recipes: Recipes) -> Work:
    """All chosen documents but those that the present recipe made, or has tried in vain."""
    return to_read(((record, not is_current(record, recipes)) for record in choice.records(store)), choice.limit)


def is_current(record: DocumentRecord, recipes: Recipes) -> bool:
    """Nothing would change if it were read again: made by these recipes, or failed under them for good."""
    if record.by_hand == "retry":
        return False
    if record.state == "quarantined":
        return not may_succeed(record, recipes)
    return record.recipe == recipes.rows
