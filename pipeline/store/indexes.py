"""The indexes of the tables: which there are, what they do not cover yet, and folding new rows into them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lancedb.index import Bitmap, BTree, HnswSq, IvfRq

from pipeline.store.edge import retrying
from pipeline.store.schema import ASSETS, CORPUS, DOCUMENTS
from pipeline.store.tables import TEXT_INDEX, Tables

EXACT_VECTORS = 5_000  # up to so many vectors an exact scan is fast
EXACT_PAGES = 2_000
COMPACT_ROWS = 64  # held at a time while files are merged; a row may hold a megabyte of vectors
SMALL_FRAGMENTS = 8  # so many small files are worth a compaction even if every index is complete

SCALAR: Mapping[str, Mapping[str, Any]] = {
    CORPUS: {"id": BTree(), "doc_id": BTree(), "source_uri": BTree(), "modality": Bitmap(), "text": TEXT_INDEX},
    DOCUMENTS: {"source_uri": BTree(), "state": Bitmap()},
    ASSETS: {"asset_id": BTree(), "doc_id": BTree()},
}


def refresh(tables: Tables) -> None:
    """Make missing indexes and fold new rows into the others; without new rows there is no new version."""
    for name, wanted in SCALAR.items():
        retrying(lambda name=name, wanted=wanted: _refresh(tables.fresh(name), wanted))  # type: ignore[misc]


def coverage(table: Any) -> dict[str, dict[str, int]]:
    """Rows inside and outside of each index, by column."""
    found: dict[str, dict[str, int]] = {}
    for index in table.list_indices():
        stats = table.index_stats(index.name)
        found[index.columns[0]] = {"indexed": stats.num_indexed_rows, "unindexed": stats.num_unindexed_rows}
    return found


def _refresh(table: Any, wanted: Mapping[str, Any]) -> None:
    if table.count_rows() == 0:
        return
    there = coverage(table)
    if any(index["unindexed"] for index in there.values()) or _small_fragments(table) > SMALL_FRAGMENTS:
        table.to_lance().optimize.compact_files(batch_size=COMPACT_ROWS)
        table.checkout_latest()
        table.optimize()
    for column, config in {**wanted, **_vector_indexes(table)}.items():
        if column not in there:
            table.create_index(column, config=config)


def _vector_indexes(table: Any) -> dict[str, Any]:
    """Approximate indexes, where there are enough rows to train one and to need one.

    Rows are counted by modality: asking which vectors are there would read them all.
    """
    configs: dict[str, Any] = {}
    if "vector" not in table.schema.names:
        return configs
    if table.count_rows() > EXACT_VECTORS:
        configs["vector"] = HnswSq(distance_type="cosine")
    divisible = table.schema.field("multivector").type.value_type.list_size % 8 == 0  # as this kind of index demands
    if divisible and table.count_rows("modality = 'page'") > EXACT_PAGES:
        configs["multivector"] = IvfRq(distance_type="cosine")
    return configs


def _small_fragments(table: Any) -> int:
    return int(table.stats()["fragment_stats"]["num_small_fragments"])
