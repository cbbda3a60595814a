"""What people said of the routes of pages: the table `labels`, one row a page. It is no table of the corpus."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.store.edge import retrying
from pipeline.store.schema import KEY, clean
from pipeline.store.tables import Tables
from pipeline.store.where import both, sql_literal

LABELS = "labels"
INSTANT = pa.timestamp("us", "UTC")


@dataclass(frozen=True, slots=True)
class RouteLabel:
    """The path that a page should take. It holds for the bytes it was given for (`content_sha256`), no others."""

    doc_id: str
    source_uri: str
    content_sha256: str
    page: int
    path: str  # should have been
    was: str  # the path at the time
    reason: str  # of that path
    signals: str  # JSON, as they were stored
    labelled_at: dt.datetime


def labels_schema() -> pa.Schema:
    text = pa.string()
    return pa.schema(
        [
            pa.field("id", text, nullable=False, metadata=KEY),
            *(pa.field(name, text, nullable=False) for name in ("doc_id", "source_uri", "content_sha256")),
            pa.field("page", pa.int32(), nullable=False),
            *(pa.field(name, text, nullable=False) for name in ("path", "was", "reason", "signals")),
            pa.field("labelled_at", INSTANT, nullable=False),
        ]
    )


class Labels:
    """The `labels` table; it is made with the first label. Each change is one commit that needs no writer lock."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def put(self, label: RouteLabel) -> None:
        """Set the label of a page, in place of an earlier one."""
        names = [name for name in labels_schema().names if name != "id"]
        row = {name: getattr(label, name) for name in names}
        row = {name: clean(value) if isinstance(value, str) else value for name, value in row.items()}
        rows = pa.Table.from_pylist([{"id": _id(label.doc_id, label.page), **row}], schema=labels_schema())
        self._tables.make(LABELS, labels_schema())

        def merge() -> None:
            builder = self._tables.fresh(LABELS).merge_insert("id")
            builder.when_matched_update_all().when_not_matched_insert_all().execute(rows)

        retrying(merge)

    def remove(self, doc_id: str, page: int) -> None:
        if self._tables.exists(LABELS):
            retrying(lambda: self._tables.fresh(LABELS).delete(f"id = {sql_literal(_id(doc_id, page))}"))

    def read(self, doc_id: str | None = None, content: str | None = None) -> Iterator[RouteLabel]:
        """All labels, or one document's, or those of one document's given content, in order of source and page."""
        if not self._tables.exists(LABELS):
            return
        where = both(
            f"doc_id = {sql_literal(doc_id)}" if doc_id is not None else None,
            f"content_sha256 = {sql_literal(content)}" if content is not None else None,
        )
        names = [name for name in labels_schema().names if name != "id"]
        rows: list[dict[str, Any]] = []
        for batch in self._tables.batches(LABELS, where, names):
            rows += batch.to_pylist()
        for row in sorted(rows, key=lambda row: (row["source_uri"], row["page"])):
            yield RouteLabel(**row)


def _id(doc_id: str, page: int) -> str:
    return f"{doc_id}:{page}"
