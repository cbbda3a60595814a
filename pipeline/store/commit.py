"""Replacing rows of the corpus in one commit. Knows no ledger and no pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import lance
import pyarrow as pa
from lance.fragment import write_fragments

from pipeline.store.edge import retrying
from pipeline.store.rowfile import RowFile
from pipeline.store.schema import CORPUS, PICTURES, Columns, corpus_schema, is_vector_column
from pipeline.store.tables import Tables
from pipeline.store.where import is_one_of

LARGE_BYTES = 64 << 20  # a merge holds about twice the size of its file in memory


def replace_rows(tables: Tables, rows: RowFile | None, doc_ids: Sequence[str]) -> None:
    """The rows of `doc_ids` become exactly `rows`; tried again from the newest version when another commit came first.

    Merging, the default, also refuses two writers that add the same new document at once. A large file is streamed to
    disk and committed together with the deletion of the old rows, in flat memory; there only the writer lock keeps such
    writers apart.
    """
    here = is_one_of("doc_id", sorted(set(doc_ids)))
    _add_missing_columns(tables.fresh(CORPUS), corpus_schema(tables.models(), tables.columns))
    if rows is not None and rows.path.stat().st_size > LARGE_BYTES:
        retrying(lambda: _stream(tables.fresh(CORPUS), rows, here, tables.columns))
    else:
        retrying(lambda: _merge(tables.fresh(CORPUS), rows, here, tables.columns))


def _add_missing_columns(table: Any, schema: Any) -> None:
    """An older store; its rows have nothing there."""
    if missing := [field for field in schema if field.name not in table.schema.names]:
        table.add_columns(missing)


def _for_table(reader: Any, schema: Any, columns: Columns) -> Any:
    """The rows with the vectors in the columns in force, and nothing in those of other models: a row that changed must
    not keep a vector of what it was."""
    if schema.names == reader.schema.names:
        return reader
    source = {columns.vector: "vector", columns.multivector: "multivector", columns.pictures: PICTURES}
    names = [source.get(name, None if is_vector_column(name) else name) for name in schema.names]

    def adapted() -> Iterator[Any]:
        for batch in reader:
            arrays = [
                batch[name] if name in batch.schema.names else pa.nulls(batch.num_rows, field.type)
                for name, field in zip(names, schema, strict=True)
            ]
            yield pa.record_batch(arrays, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, adapted())


def _merge(table: Any, rows: RowFile | None, here: str, columns: Columns) -> None:
    """Deleting in the same commit compares all ids of the table; where nothing is to be deleted it is left out."""
    dataset = table.to_lance()
    is_new = dataset.count_rows(here) == 0
    if is_new and (rows is None or rows.is_empty()):
        return
    source = table.schema.empty_table() if rows is None else _for_table(rows.reader(), table.schema, columns)
    if is_new:  # in this version: after a commit of another writer the question is asked anew
        merge = dataset.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
        merge.conflict_retries(0).execute(source)
        return
    merge = table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
    # LanceDB refuses missing vectors without this flag; bad ones were refused when the file was made.
    merge.when_not_matched_by_source_delete(here).execute(source, on_bad_vectors="null")


def _stream(table: Any, rows: RowFile, here: str, columns: Columns) -> None:
    dataset = table.to_lance()
    removed, updated = [], []
    for fragment in dataset.get_fragments():
        if fragment.count_rows(here):
            left = fragment.delete(here)
            removed += [fragment.fragment_id] if left is None else []
            updated += [left] if left is not None else []
    reader = _for_table(rows.reader(), table.schema, columns)
    change = lance.LanceOperation.Update(
        removed_fragment_ids=removed,
        updated_fragments=updated,
        new_fragments=write_fragments(reader, dataset, schema=reader.schema, mode="append"),
        fields_modified=[],
    )
    lance.LanceDataset.commit(dataset, change, read_version=dataset.version)
