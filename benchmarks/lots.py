"""Rows made by lot, written into a store as an ingest writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pipeline.store import RowFile, Store, doc_id
from pipeline.types import DocumentRecord, Row

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def documents(rows: Sequence[Row], size: int, first: int) -> dict[str, Sequence[Row]]:
    """Rows of documents of `size` rows each, by URI; `first` is the number of the first document."""
    return {f"lot://{first + start // size:06}": rows[start : start + size] for start in range(0, len(rows), size)}


def commit(store: Store, path: Path, documents: Mapping[str, Sequence[Row]]) -> None:
    """The rows of documents, by URI, in one commit, by way of a row file at `path`."""
    records = [DocumentRecord(uri, doc_id(uri), "indexed") for uri in documents]
    with RowFile.create(path, store.models) as file:
        for record in records:
            file.add(record, documents[record.source_uri], NOW)
    with store.writer():
        store.replace(RowFile.open(path), [record.doc_id for record in records])
