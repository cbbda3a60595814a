"""Mends the books after a run that was killed between the rows of a batch and its ledger records.

The rows of a batch are one commit, so each of its documents is whole; only the ledger does not know it yet. Its records
are corrected to the rows that are there, and made to be looked at again when their source is met next.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace

from pipeline.store import Store
from pipeline.types import DocumentRecord, State


def mend_books(store: Store, run_id: str, now: dt.datetime) -> int:
    """Make the ledger's row counts those of the table, document by document; gives how many were wrong.

    Reads only two columns of either while the totals agree and no run has left its mark, as it is unless one was cut
    short. Totals may agree by chance, and a document may have as many rows as before, but of other bytes.
    """
    cut_short = store.unsettled()
    if not cut_short and store.ledger_counts() == dict(store.count()):
        return 0
    held = store.documents_held()
    wrong = []
    for record in store.documents():
        there = held.pop(record.doc_id, None)
        rows = there.rows if there else {}
        other_bytes = there is not None and record.content_sha256 not in ("", there.content_sha256)
        if rows != _noted(record) or (record.state == "indexed" and other_bytes):
            wrong.append(_corrected(record, rows, run_id, now))
    for doc_id, there in held.items():  # the ledger has never heard of them
        uri = there.source_uri
        unknown = DocumentRecord(uri, doc_id, "indexed", parent=uri.rpartition("!/")[0] or None, first_seen=now)
        wrong.append(_corrected(unknown, there.rows, run_id, now))
    store.record(wrong)
    store.settle(cut_short)
    return len(wrong)


def _noted(record: DocumentRecord) -> dict[str, int]:
    rows = {"text": record.text_rows, "image": record.image_rows, "page": record.page_rows}
    return {modality: count for modality, count in rows.items() if count}


def _corrected(record: DocumentRecord, rows: Mapping[str, int], run_id: str, now: dt.datetime) -> DocumentRecord:
    """Without a hash and a revision the next run that meets the source reads it again, and reuses what fits."""
    state: State = "indexed" if rows else "deleted"
    return replace(
        record,
        state="quarantined" if record.state == "quarantined" else state,
        revision="",
        content_sha256="",
        text_rows=rows.get("text", 0),
        image_rows=rows.get("image", 0),
        page_rows=rows.get("page", 0),
        run_id=run_id,
        last_seen=now,
    )
