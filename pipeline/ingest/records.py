"""Ledger records: what became of a document, as a value. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from pipeline.errors import fingerprint
from pipeline.ingest.by_hand import ignored
from pipeline.ingest.draft import Draft
from pipeline.ingest.plan import Decision, Recipes
from pipeline.store import doc_id
from pipeline.types import DocumentRecord, Failure, Found, Prepared

Mark = tuple[str, str, str, str]
NEW: Mark = ("", "", "", "")  # of a source that the ledger has never heard of


def mark(record: DocumentRecord) -> Mark:
    """What differs between two ledger entries of one source that different runs made."""
    return record.run_id, record.state, record.content_sha256, record.recipe


def record_of(
    item: Prepared, draft: Draft | None, failure: Failure | None, recipes: Recipes, run_id: str, now: dt.datetime
) -> DocumentRecord:
    """The record of a document that was worked on: indexed, skipped with its reason, or quarantined."""
    blob = item.blob
    record = DocumentRecord(
        blob.uri,
        doc_id(blob.uri),
        "indexed",
        revision=item.revision,
        content_sha256=blob.sha256,
        size_bytes=blob.size_bytes,
        media_type=blob.media_type,
        recipe=recipes.rows,
        parent=blob.parent,
        run_id=run_id,
        first_seen=now,
        last_seen=now,
        modified_at=blob.modified_at,
        seconds=round(item.seconds, 3),
        metadata=dict(blob.metadata),
    )
    failure = failure or item.failure
    if failure is None and item.skip:
        return replace(record, state="skipped", error="Skipped", message=item.skip, stage="fetch")
    if failure is None and draft is not None:
        record = _with_draft(record, draft)
        if has_rows(record):
            return record
        if not draft.failures:
            return replace(
                record, state="skipped", error="Empty", message="no text, picture or page in it", stage="parse"
            )
        failure = draft.failures[0]
    if failure is None:
        raise ValueError(f"{blob.uri}: neither rows nor a reason")
    return replace(
        record,
        state="quarantined",
        recipe=recipes.attempt,
        error=failure.error,
        stage=failure.stage,
        page=failure.page,
        message=failure.message,
        transient=failure.transient,
        attempts=item.attempts,
        fingerprint=fingerprint(failure),
        text_rows=0,
        image_rows=0,
        page_rows=0,
    )


def merged(record: DocumentRecord, before: DocumentRecord | None) -> DocumentRecord:
    """A new record with what the ledger already knew: first seen, attempts, and the rows a failed document keeps."""
    if before is None:
        return record
    record = replace(record, first_seen=before.first_seen or record.first_seen)
    if record.state != "quarantined":
        return record
    attempts = record.attempts + (before.attempts if before.content_sha256 == record.content_sha256 else 0)
    rows = (before.text_rows, before.image_rows, before.page_rows)
    record = replace(record, attempts=attempts, text_rows=rows[0], image_rows=rows[1], page_rows=rows[2])
    stays_ignored = before.by_hand == "ignore" and before.content_sha256 == record.content_sha256
    return ignored(record) if stays_ignored else record


def note(
    found: Found, before: DocumentRecord | None, decision: Decision, run_id: str, now: dt.datetime
) -> list[DocumentRecord]:
    """What the ledger must learn of a source that needs no work; nothing, if it knows it already."""
    if decision.action == "skipped" and found.skip is not None:
        record = DocumentRecord(
            found.uri,
            doc_id(found.uri),
            "skipped",
            revision=found.revision,
            size_bytes=found.size_bytes,
            error="Skipped",
            stage="discover",
            message=found.skip,
            run_id=run_id,
            first_seen=before.first_seen if before else now,
            last_seen=now,
            modified_at=found.modified_at,
        )
        same = before is not None and (before.state, before.message, before.revision) == (
            "skipped",
            found.skip,
            found.revision,
        )
        return [] if same else [record]
    if decision.touched and before is not None:
        return [replace(before, revision=found.revision, modified_at=found.modified_at, last_seen=now)]
    return []


def as_deleted(record: DocumentRecord, run_id: str, now: dt.datetime) -> DocumentRecord:
    """The record of a document whose source is gone."""
    return replace(record, state="deleted", text_rows=0, image_rows=0, page_rows=0, run_id=run_id, last_seen=now)


def has_rows(record: DocumentRecord) -> bool:
    return record.text_rows + record.image_rows + record.page_rows > 0


def _with_draft(record: DocumentRecord, draft: Draft) -> DocumentRecord:
    info = draft.info
    metadata = dict(record.metadata) | dict(info.metadata) | ({"author": info.author} if info.author else {})
    warnings = tuple(f"page {f.page}: {f.message}" if f.page else f.message for f in draft.failures)
    return replace(
        record,
        title=info.title,
        metadata=metadata,
        warnings=warnings,
        text_rows=draft.rows("text"),
        image_rows=draft.rows("image"),
        page_rows=draft.rows("page"),
        embed_seconds=round(draft.seconds, 4),
    )
