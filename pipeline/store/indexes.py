"""The indexes of the tables: which there are, what they do not cover yet, and folding new rows into them."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from lancedb.index import Bitmap, BTree, HnswSq, IvfRq

from pipeline.store.edge import retrying
from pipeline.store.schema import ASSETS, CORPUS, DOCUMENTS, is_vector_column
from pipeline.store.tables import TEXT_INDEX, Tables

EXACT_VECTORS = 5_000  # up to so many vectors an exact scan is fast
EXACT_PAGES = 1_000  # a search in memory is as quick as the index up to here
PARTITION_VECTORS = 12_500  # in a partition of the multi-vector index as it is made; LanceDB splits those that grow
COMPACT_ROWS = 64  # held at a time while files are merged; a row may hold a megabyte of vectors
TRAINING_ROWS = 256  # vectors without which no index is made
UNTRAINABLE = ("cannot train", "/ivf_")  # of no vectors, or of vectors without a direction (all zeros)
SMALL_FRAGMENTS = 8  # so many small files are worth a compaction even if every index is complete

SCALAR: Mapping[str, Mapping[str, Any]] = {
    CORPUS: {"id": BTree(), "doc_id": BTree(), "source_uri": BTree(), "modality": Bitmap(), "text": TEXT_INDEX},
    DOCUMENTS: {"source_uri": BTree(), "content_sha256": BTree(), "state": Bitmap()},
    ASSETS: {"asset_id": BTree(), "doc_id": BTree()},
}


def refresh(tables: Tables, merge: bool = False) -> None:
    """Make missing indexes and fold new rows into the others; without new rows there is no new version.

    With `merge` any two small files are worth merging.
    """
    for name, wanted in SCALAR.items():
        retrying(lambda name=name, wanted=wanted: _refresh(tables.fresh(name), wanted, merge))  # type: ignore[misc]


def coverage(table: Any) -> dict[str, dict[str, int]]:
    """Rows inside and outside of each index, by column."""
    found: dict[str, dict[str, int]] = {}
    for index in table.list_indices():
        stats = table.index_stats(index.name)
        found[index.columns[0]] = {"indexed": stats.num_indexed_rows, "unindexed": stats.num_unindexed_rows}
    return found


def _refresh(table: Any, wanted: Mapping[str, Any], merge: bool) -> None:
    vector_indexes = _vector_indexes(table)
    _drop(table, _vector_columns(table) - vector_indexes.keys())
    if table.count_rows() == 0:
        return
    there = coverage(table)
    worth_merging = 1 if merge else SMALL_FRAGMENTS
    if any(index["unindexed"] for index in there.values()) or _small_fragments(table) > worth_merging:
        table.to_lance().optimize.compact_files(batch_size=COMPACT_ROWS)
        table.checkout_latest()
        _fold_in(table)
    for column, config in {**wanted, **vector_indexes}.items():
        if column not in coverage(table):
            _create(table, column, config)


def _fold_in(table: Any) -> None:
    """New rows into all indexes; one that cannot take rows without usable vectors is dropped, to be made anew."""
    try:
        table.optimize()
    except (RuntimeError, ValueError, OSError) as error:
        if not _untrainable(error):
            raise
        _drop(table, _vector_columns(table))
        table.optimize()


def _create(table: Any, column: str, config: Any) -> None:
    """Make an index, unless its vectors cannot train one: without it the search is exact, only slower."""
    try:
        table.create_index(column, config=config)
    except (RuntimeError, ValueError, OSError) as error:
        if not _untrainable(error):
            raise


def _untrainable(error: Exception) -> bool:
    return any(sign in str(error) for sign in UNTRAINABLE)


def _drop(table: Any, columns: Set[str]) -> None:
    """Drop indexes on these columns; one that has no vectors left could not be brought up to date."""
    for index in table.list_indices():
        if index.columns[0] in columns:
            table.drop_index(index.name)


def _vector_indexes(table: Any) -> dict[str, Any]:
    """Approximate indexes, where there are enough rows to need one and enough vectors to train it.

    Rows are counted by modality: asking which of them have a vector would read all vectors.
    """
    columns = sorted(_vector_columns(table))
    many = columns and table.count_rows() > EXACT_VECTORS
    dense = [name for name in columns if many and not name.startswith("multi") and _trainable(table, name)]
    configs: dict[str, Any] = {name: HnswSq(distance_type="cosine") for name in dense}
    pages = table.count_rows("modality = 'page'") if columns else 0
    for name in [name for name in columns if name.startswith("multi") and pages > EXACT_PAGES]:
        divisible = table.schema.field(name).type.value_type.list_size % 8 == 0  # as this kind of index demands
        if divisible and _trainable(table, name):
            configs[name] = IvfRq(distance_type="cosine", num_partitions=_partitions(table, name, pages))
    return configs


def _vector_columns(table: Any) -> set[str]:
    return {name for name in table.schema.names if is_vector_column(name)}


def _partitions(table: Any, name: str, pages: int) -> int:
    """So many that each has about `PARTITION_VECTORS` vectors; LanceDB's own choice goes by rows, not by vectors."""
    query = table.search().where(f"{name} IS NOT NULL").select({"vectors": f"array_length({name})"})
    sizes: list[int] = query.limit(TRAINING_ROWS).to_arrow()["vectors"].to_pylist()
    return max(1, round(pages * sum(sizes) / len(sizes) / PARTITION_VECTORS))


def _trainable(table: Any, column: str) -> bool:
    query = table.search().where(f"{column} IS NOT NULL").select(["id"]).limit(TRAINING_ROWS)
    found = sum(int(batch.num_rows) for batch in query.to_batches(batch_size=COMPACT_ROWS))
    return found == TRAINING_ROWS


def _small_fragments(table: Any) -> int:
    return int(table.stats()["fragment_stats"]["num_small_fragments"])
