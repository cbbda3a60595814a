"""The ledger: one row a source and what became of it, in the table `documents`. Knows nothing of corpus rows."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import UsageError
from pipeline.store.edge import reason, retrying
from pipeline.store.schema import DOCUMENTS, clean, documents_schema, to_json
from pipeline.store.tables import GROUP, Tables, groups
from pipeline.store.where import both, checked, is_one_of, sql_literal
from pipeline.types import DocumentRecord, Outline

COLUMNS = [field.name for field in fields(DocumentRecord)]


class Ledger:
    """The `documents` table, keyed by `source_uri`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def record(self, records: Sequence[DocumentRecord]) -> None:
        """Insert or overwrite in one commit; of two records of one source the last counts."""
        latest = {clean(record.source_uri): _to_row(record) for record in records}
        if not latest:
            return
        rows = pa.Table.from_pylist(list(latest.values()), schema=documents_schema())

        def merge() -> None:
            table = self._tables.fresh(DOCUMENTS)
            if missing := [field for field in rows.schema if field.name not in table.schema.names]:
                table.add_columns(missing)  # an older store; its rows have nothing there
            builder = table.merge_insert("source_uri")
            builder.when_matched_update_all().when_not_matched_insert_all().execute(rows)

        retrying(merge)

    def read(self, uris: Sequence[str] | None, state: str | None, prefix: str | None) -> Iterator[DocumentRecord]:
        """Records that meet all given conditions, in order of `source_uri`."""
        state_is = f"state = {sql_literal(state)}" if state else None
        begins = f"starts_with(source_uri, {sql_literal(clean(prefix))})" if prefix else None
        if uris is None:
            yield from self._select(both(state_is, begins))
            return
        for group in groups(sorted({clean(uri) for uri in uris}), GROUP):
            yield from self._select(both(is_one_of("source_uri", group), state_is, begins))

    def outlines(self, prefixes: Sequence[str]) -> Iterator[Outline]:
        """Sources below one of the prefixes that are there, each once, in no particular order; no attachments."""
        there = set(self._tables.open(DOCUMENTS).schema.names)
        names = [field.name for field in fields(Outline) if field.name in there]  # an older store lacks some
        begins = " OR ".join(f"starts_with(source_uri, {sql_literal(clean(prefix))})" for prefix in prefixes)
        where = f"parent IS NULL AND state != 'deleted' AND ({begins})"
        for batch in self._tables.batches(DOCUMENTS, where, names, 16 * GROUP) if prefixes else ():
            for row in batch.to_pylist():
                known: dict[str, Any] = {name: value or "" for name, value in row.items()}
                yield Outline(**known)

    def choose(
        self, where: str | None, since: dt.datetime | None, until: dt.datetime | None
    ) -> Iterator[DocumentRecord]:
        """Records that a user's condition holds for, of documents changed at `since` or later and before `until`; by
        the day that they were first seen where their source tells no date. In order of `source_uri`."""
        when = "coalesce(modified_at, first_seen)"
        after = f"{when} >= {_instant(since)}" if since else None
        before = f"{when} < {_instant(until)}" if until else None
        yield from self._select(both(self._user_filter(where), after, before))

    def of_run(self, run_id: str) -> Iterator[DocumentRecord]:
        yield from self._select(f"run_id = {sql_literal(run_id)}")

    def count_of_run(self, run_id: str) -> int:
        return int(self._tables.open(DOCUMENTS).count_rows(f"run_id = {sql_literal(run_id)} AND parent IS NULL"))

    def _user_filter(self, where: str | None) -> str | None:
        if where is None or not where.strip():
            return None
        table = self._tables.open(DOCUMENTS)
        condition = checked(where, table.schema.names)
        try:
            table.search().where(condition).select(["source_uri"]).explain_plan()
        except (ValueError, RuntimeError) as error:
            raise UsageError(f"filter {where[:200]!r}: {reason(error)}") from error
        return condition

    def copies(self, contents: Sequence[str]) -> Iterator[DocumentRecord]:
        """Indexed documents with these content hashes."""
        for group in groups(sorted(set(contents)), GROUP):
            yield from self._select(both(is_one_of("content_sha256", group), "state = 'indexed'"))

    def states(self) -> dict[str, int]:
        """Number of documents by state."""
        counted: Counter[str] = Counter()
        for batch in self._tables.batches(DOCUMENTS, None, ["state"]):
            counted.update(batch["state"].to_pylist())
        return dict(sorted(counted.items()))

    def stale(self, recipe: str) -> int:
        """Number of indexed documents that another recipe made."""
        return int(self._tables.open(DOCUMENTS).count_rows(f"state = 'indexed' AND recipe != {sql_literal(recipe)}"))

    def row_counts(self) -> dict[str, int]:
        """Rows by modality, summed over all documents."""
        names = {"text": "text_rows", "image": "image_rows", "page": "page_rows"}
        total = dict.fromkeys(names, 0)
        for batch in self._tables.batches(DOCUMENTS, None, list(names.values()), 16 * GROUP):
            for modality, column in names.items():
                total[modality] += pc.sum(batch[column]).as_py() or 0
        return total

    def _select(self, where: str | None) -> Iterator[DocumentRecord]:
        there = set(self._tables.open(DOCUMENTS).schema.names)
        columns = [name for name in COLUMNS if name in there]
        for row in self._tables.ordered(DOCUMENTS, where, columns, ["source_uri"], _keys):
            yield from_row(row)


def _instant(moment: dt.datetime) -> str:
    return f"timestamp '{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}'"


def _keys(batch: Any) -> Any:
    return pa.record_batch({"source_uri": batch["source_uri"].dictionary_encode(), "_rowid": batch["_rowid"]})


def _to_row(record: DocumentRecord) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in COLUMNS}
    values |= {name: clean(value) for name, value in values.items() if isinstance(value, str)}
    values["warnings"] = [clean(warning) for warning in record.warnings]
    values["metadata"] = to_json(record.metadata)
    return values


def from_row(row: dict[str, Any]) -> DocumentRecord:
    warnings, metadata = tuple(row.pop("warnings") or ()), json.loads(row.pop("metadata") or "{}")
    values = {name: value for name, value in row.items() if value is not None}  # what an older store lacks is a default
    return DocumentRecord(**values, warnings=warnings, metadata=metadata)
