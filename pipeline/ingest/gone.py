"""What is no longer there: which known documents have gone, and their deletion."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from pipeline.errors import UsageError
from pipeline.ingest.fetch import digest_of
from pipeline.ingest.plan import gone_share
from pipeline.ingest.records import as_deleted, has_rows
from pipeline.store import Store
from pipeline.types import DocumentRecord, Found

LOOKUP = 1000  # ledger records asked for at a time
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Missing:
    """What is gone of the `known` documents below one listed folder."""

    root: str
    known: int
    uris: tuple[str, ...]

    def objection(self, limit: float, moved: Container[str] = ()) -> str | None:
        """Why so much may not go unasked: more than the share `limit` of the folder's known documents, beside those
        that have only `moved`.

        A single one may always go if others stay; the last one may not: an unmounted disk looks just like that.
        """
        gone = sum(uri not in moved for uri in self.uris)
        share = gone_share(gone, self.known)
        if share <= limit or (gone == 1 and self.known > 1):
            return None
        below = f"{gone} of {self.known} known documents below {self.root}"
        return f"{below} are gone ({share:.0%}): is a disk not mounted?"


def find_missing(
    root: str, known: int, unseen: Iterable[str], closed: Sequence[str], is_gone: Callable[[str], bool]
) -> Missing:
    """What is gone below a listed folder, of `known` documents there; of what lies below `closed` folders nothing is
    known. `unseen` are known documents that were not listed."""
    below = [uri for uri in unseen if uri.startswith(root)]
    open_ones = [uri for uri in below if not uri.startswith(tuple(closed))]
    return Missing(root, known - len(below) + len(open_ones), tuple(sorted(filter(is_gone, open_ones))))


def objection_to(missing: Missing, limit: float, store: Store | None, fresh: Iterable[Found]) -> str | None:
    """`Missing.objection`, looking for moved documents among the `fresh` files only where there would be one."""
    if store is None or missing.objection(limit) is None:
        return None
    return missing.objection(limit, moved_among(missing.uris, store, fresh))


def moved_among(uris: Iterable[str], store: Store, fresh: Iterable[Found]) -> set[str]:
    """Those of the documents whose very bytes are in a `fresh` local file now, one for each such file. Reads only files
    of the size of one of them."""
    waiting: dict[int, dict[str, list[str]]] = {}
    for group in groups(iter(uris), LOOKUP):
        for record in store.documents(group):
            waiting.setdefault(record.size_bytes, {}).setdefault(record.content_sha256, []).append(record.source_uri)
    moved: set[str] = set()
    for found in fresh:
        same_size = waiting.get(found.size_bytes, {}) if found.path is not None else {}
        if same_size and (same := same_size.get(digest_of(found, None)())):
            moved.add(same.pop())
    return moved


def agreed(missing: Iterable[Missing], limit: float, store: Store, fresh: Sequence[Found]) -> tuple[str, ...]:
    """All that is gone, each once. Raises `UsageError`, before anything is deleted, if it is too much to go unasked."""
    gone: list[str] = []
    for found in missing:
        if objection := objection_to(found, limit, store, fresh):
            raise UsageError(
                f"{objection} Nothing was deleted. If they are meant to go, run again with --allow-mass-delete"
            )
        gone += found.uris
    return tuple(dict.fromkeys(gone))


def delete(store: Store, uris: Sequence[str], run_id: str, now: dt.datetime) -> int:
    """Delete documents with their attachments: rows in one commit a group, then the ledger. Gives how many went."""
    for group in groups(iter(uris), 500):
        records = list(store.documents(group))
        for uri in group:
            records += store.documents(prefix=uri + "!/")
        records = [record for record in records if record.state != "deleted"]
        with store.settling(run_id):
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


def groups(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    """Items in lists of at most `size`."""
    while group := list(islice(items, size)):
        yield group
