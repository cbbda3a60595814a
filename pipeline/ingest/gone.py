"""What is no longer there: which known documents have gone, and their deletion. The books' side of the ledger, too."""

from __future__ import annotations

import datetime as dt
from collections.abc import Container, Iterator, Sequence, Set
from itertools import islice
from typing import TypeVar

from pipeline.errors import UsageError
from pipeline.ingest.plan import gone_share
from pipeline.ingest.records import as_deleted, has_rows
from pipeline.store import Store
from pipeline.types import DocumentRecord

FEW = 10  # so many documents may go without asking, if others stay
Item = TypeVar("Item")


def find_gone(
    store: Store, listed: Sequence[str], seen: Set[str], closed: Sequence[str], limit: float
) -> tuple[str, ...]:
    """Documents below the listed folders that were not seen; of what lies below `closed` folders nothing is known.

    Raises `UsageError`, before anything is deleted, if more than the share `limit` of a folder's known documents would
    go (a few may always go, but never all of them): an unmounted disk looks just like that.
    """
    gone: list[str] = []
    for root in listed:
        known = missing = 0
        for record in store.documents(prefix=root):
            if record.parent is None and record.state != "deleted" and not record.source_uri.startswith(tuple(closed)):
                known += 1
                if record.source_uri not in seen:
                    missing += 1
                    gone.append(record.source_uri)
        share = gone_share(missing, known)
        if share > limit and (missing > FEW or missing == known > 1):
            raise UsageError(
                f"{missing} of {known} known documents below {root} are gone ({share:.0%}): is a disk not mounted? "
                "Nothing was deleted. If they are meant to go, run again with --allow-mass-delete"
            )
    return tuple(dict.fromkeys(gone))


def delete(store: Store, uris: Sequence[str], run_id: str, now: dt.datetime) -> int:
    """Delete documents with their attachments: rows in one commit a group, then the ledger. Gives how many went."""
    for group in groups(iter(uris), 500):
        records = list(store.documents(group))
        for uri in group:
            records += store.documents(prefix=uri + "!/")
        records = [record for record in records if record.state != "deleted"]
        if any(map(has_rows, records)):
            store.replace(None, [record.doc_id for record in records])
        store.record([as_deleted(record, run_id, now) for record in records])
    return len(uris)


def vanished_attachments(
    store: Store, records: Sequence[DocumentRecord], known: Container[str]
) -> list[DocumentRecord]:
    """Attachments that the new version of their parent no longer has; `known` are the URIs of earlier versions."""
    present = {record.source_uri for record in records}
    parents = [r.source_uri for r in records if r.parent is None and r.state != "quarantined" and r.source_uri in known]
    former = (old for parent in parents for old in store.documents(prefix=parent + "!/"))
    return [old for old in former if old.state != "deleted" and old.source_uri not in present]


def ledger_rows(store: Store) -> dict[str, int]:
    """Rows by modality as the ledger says, over all documents."""
    total = {"text": 0, "image": 0, "page": 0}
    for record in store.documents():
        total["text"] += record.text_rows
        total["image"] += record.image_rows
        total["page"] += record.page_rows
    return total


def groups(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    """Items in lists of at most `size`."""
    while group := list(islice(items, size)):
        yield group
