"""Cutting a run into shards that other processes take, and putting together what they did. Pure but for the store.

The ledger is the truth: a source that it names with the run's id is done, whoever did it, however often it was begun.
"""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.config import Settings
from pipeline.errors import AccountingError
from pipeline.ingest.records import NEW, mark
from pipeline.ingest.run import Ingest
from pipeline.sources.listing import look_up
from pipeline.store import Listed, Store
from pipeline.types import DocumentRecord, Found

LEAST_BYTES = 20_000  # what a document counts at least: a small one has its cost, too
GROUP = 500


def cut(found: Iterable[Found], shards: int) -> list[list[Found]]:
    """The sources in at most so many shards of about the same size, none of them empty: the largest first, each to the
    shard that has least.

    >>> sizes = (("a", 900_000), ("b", 500_000), ("c", 500_000), ("d", 1))
    >>> [[one.uri for one in shard] for shard in cut([Found(name, "", size, None) for name, size in sizes], 2)]
    [['a', 'd'], ['b', 'c']]
    """
    ordered = sorted(found, key=lambda one: (-one.size_bytes, one.uri))
    heap = [(0, number) for number in range(min(shards, len(ordered)))]
    lists: list[list[Found]] = [[] for _ in heap]
    for one in ordered:
        size, number = heapq.heappop(heap)
        lists[number].append(one)
        heapq.heappush(heap, (size + max(one.size_bytes, LEAST_BYTES), number))
    return lists


def list_shards(store: Store, run_id: str, shards: Sequence[Sequence[Found]], now: dt.datetime) -> None:
    """Write the lists of a run, with what the ledger says of each source now."""

    def listed() -> Iterable[Listed]:
        for number, shard in enumerate(shards):
            for start in range(0, len(shard), GROUP):
                group = shard[start : start + GROUP]
                known = {r.source_uri: mark(r) for r in store.documents([one.uri for one in group])}
                for one in group:
                    note = (*known.get(one.uri, NEW), one.skip, one.sha256, one.revision if one.pinned else None)
                    yield Listed(number, one.uri, one.size_bytes, note)

    store.add_shards(run_id, listed(), now)


def to_do(store: Store, run_id: str, shard: int, *, again: bool) -> list[Found]:
    """What is left of a shard: its sources but those that the run has done, as they are now. If they are to be read
    `again`, what is not there any more is left alone."""
    listed = store.shards(run_id, shard)
    done: set[str] = set()
    for start in range(0, len(listed), GROUP):
        records = store.documents([one.uri for one in listed[start : start + GROUP]])
        done.update(record.source_uri for record in records if record.run_id == run_id)
    found = [_as_found(one) for one in sorted(listed, key=lambda one: one.uri) if one.uri not in done]
    return [one for one in found if one.revision or not again]


def _as_found(listed: Listed) -> Found:
    skip, sha256, pinned = listed.note[4:7]
    if pinned is not None:
        return Found(listed.uri, pinned, listed.size_bytes, None, skip=skip, pinned=True)
    now = look_up(listed.uri)
    return replace(now, skip=skip, sha256=sha256, size_bytes=now.size_bytes or listed.size_bytes)


@dataclass(slots=True)
class Collected:
    """What became of the sources of all shards: their records, those that others wrote meanwhile, those whose file is
    gone, and those that were not done."""

    done: list[DocumentRecord] = field(default_factory=list)
    attachments: list[DocumentRecord] = field(default_factory=list)
    overtaken: list[DocumentRecord] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raise `AccountingError` if a source was not done."""
        if self.missing:
            raise AccountingError(
                f"{len(self.missing)} documents were not done, {self.missing[0]} among them; run it again to go on"
            )


def collect(store: Store, run_id: str, is_gone: Callable[[str], bool]) -> Collected:
    """Read in the ledger what became of the sources that were listed for a run."""
    listed: Mapping[str, Sequence[str | None]] = {one.uri: one.note[:4] for one in store.shards(run_id)}
    found = Collected()
    for record in store.of_run(run_id):
        if record.source_uri in listed:
            found.done.append(record)
        elif record.parent is not None and record.state != "deleted" and _source(record) in listed:
            found.attachments.append(record)
    left = sorted(listed.keys() - {record.source_uri for record in found.done})
    for start in range(0, len(left), GROUP):
        group = left[start : start + GROUP]
        now = {record.source_uri: record for record in store.documents(group)}
        for uri in group:
            if uri in now and list(mark(now[uri])) != list(listed[uri]):
                found.overtaken.append(now[uri])
            else:
                (found.gone if is_gone(uri) else found.missing).append(uri)
    return found


def settle(run: Ingest, found: Collected) -> dict[str, int]:
    """Count in a run what its shards did; gives the sums of their notes. A shard that was killed has left no note, so
    that its rows are neither counted as embedded nor as reused."""
    sums: dict[str, int] = {}
    for counts in run.store.shard_counts(run.run_id):
        for name, count in counts.items():
            sums[name] = sums.get(name, 0) + count
    records = [*found.done, *found.attachments]
    run.take_over(records, embedded=sums.get("embedded", 0), reused=sums.get("reused", 0))
    return sums


def shared_settings(settings: Settings) -> dict[str, Any]:
    """The settings that all shards must work by, whatever the settings of their machines say; no secrets."""
    chosen: dict[str, Any] = {"store": settings.store, "unified": settings.unified, "pages": settings.pages_model}
    for name in ("batch_documents", "batch_mb", "retries"):
        chosen[name] = getattr(settings, name)
    for name in ("chunks", "page", "limits"):
        chosen |= {f"{name}.{key}": value for key, value in getattr(settings, name).model_dump().items()}
    return chosen


def _source(record: DocumentRecord) -> str:
    return record.source_uri.partition("!/")[0]
