"""What a person decides about quarantined documents: to try them again, or to leave them be. Pure but for `choose`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pipeline.errors import UsageError
from pipeline.ingest.plan import IGNORED
from pipeline.store import Store
from pipeline.types import DocumentRecord

LIST = "`docmill quarantine ls --json` lists those that are, with `--ignored` those ignored by hand"


def choose(store: Store, uris: Sequence[str], fingerprint: str | None) -> list[DocumentRecord]:
    """The quarantined and ignored documents of these URIs or of this kind of failure; all quarantined ones for neither.

    Raises `UsageError` for a URI or fingerprint that none of them has.
    """
    if not uris and fingerprint is None:
        return list(store.documents(state="quarantined"))
    if fingerprint is not None:
        chosen = [record for record in _candidates(store) if record.fingerprint == fingerprint]
        if not chosen:
            raise UsageError(f"{fingerprint}: no quarantined document has this fingerprint; {LIST}")
        return chosen
    known = {record.source_uri: record for record in store.documents(uris) if _is_candidate(record)}
    for uri in uris:
        if uri not in known:
            raise UsageError(f"{uri}: not quarantined; {LIST}")
    return list(known.values())


def to_retry(store: Store, records: Sequence[DocumentRecord]) -> list[DocumentRecord]:
    """The records that must change so that the next ingest works on these documents: those of their sources, too,
    because an attachment is read with the file that it is in."""
    marked = {record.source_uri: retried(record) for record in records}
    for record in records:
        while record.parent is not None:
            parent = next(store.documents([record.parent]), None)
            if parent is None:
                break
            marked.setdefault(parent.source_uri, replace(parent, by_hand="retry"))
            record = parent
    return list(marked.values())


def retried(record: DocumentRecord) -> DocumentRecord:
    """The record in quarantine, to be worked on by the next ingest whatever the ledger says."""
    return replace(record, state="quarantined", by_hand="retry", message=_reason(record))


def ignored(record: DocumentRecord) -> DocumentRecord:
    """The record skipped until its content changes; the rows of an earlier good version stay.

    >>> record = DocumentRecord("file:///a", "a", "quarantined", message="a: damaged")
    >>> ignored(record).state, ignored(ignored(record)).message
    ('skipped', 'ignored by hand: a: damaged')
    """
    return replace(record, state="skipped", by_hand="ignore", message=f"{IGNORED}: {_reason(record)}")


def list_ignored(store: Store) -> list[DocumentRecord]:
    """The documents that are ignored by hand."""
    return [record for record in store.documents(state="skipped") if record.by_hand == "ignore"]


def _candidates(store: Store) -> Iterator[DocumentRecord]:
    yield from store.documents(state="quarantined")
    yield from list_ignored(store)


def _is_candidate(record: DocumentRecord) -> bool:
    return record.state == "quarantined" or (record.state == "skipped" and record.by_hand == "ignore")


def _reason(record: DocumentRecord) -> str:
    return record.message.removeprefix(f"{IGNORED}: ")
