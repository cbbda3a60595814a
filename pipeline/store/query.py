"""Reading the corpus: rows in order, nearest vectors, words, multi-vectors. Writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.store.schema import CORPUS, Columns, is_vector_column
from pipeline.store.tables import GROUP, Tables, groups
from pipeline.store.where import both, is_one_of, sql_literal
from pipeline.types import Modality, Route

MODALITIES: tuple[Modality, ...] = ("text", "image", "page")  # in document order
VECTOR_BATCH = 32  # rows with multi-vectors read at a time
INPUTS = ("id", "modality", "title", "headings", "text", "bbox", "asset_id", "route", "route_reason", "route_signals")
PAGE_PLACES = ("id", "doc_id", "page", "bbox", "asset_id")


@dataclass(frozen=True, slots=True)
class PageVectors:
    """Multi-vectors of pages: page i is `ids[i]` and `vectors[offsets[i]:offsets[i + 1]]`."""

    ids: list[str]
    vectors: npt.NDArray[np.floating[Any]]  # (total, dim), float16 as they are stored
    offsets: npt.NDArray[np.int64]  # (pages + 1,)


@dataclass(frozen=True, slots=True)
class PageCounts:
    """Vectors of each page, and those it would have without pooling; 0 where there are none or nobody knows."""

    vectors: npt.NDArray[np.int64]  # (pages,)
    tokens: npt.NDArray[np.int64]  # (pages,)


@dataclass(frozen=True, slots=True)
class Held:
    """What the corpus holds of one document: rows by modality, made of the bytes with this hash."""

    source_uri: str
    content_sha256: str
    rows: dict[str, int]


@dataclass(frozen=True, slots=True)
class RowVectors:
    """What the models made of one row: its vectors, and of a page the text that was read on it and where."""

    text: str
    vector: npt.NDArray[np.float32] | None  # (dim,)
    multivector: npt.NDArray[np.float16] | None  # (vectors, dim)
    layout: str = ""
    token_count: int | None = None  # of a page: vectors it would have without pooling


def count(tables: Tables) -> dict[Modality, int]:
    counted: Counter[str] = Counter()
    for batch in tables.batches(CORPUS, None, ["modality"]):
        counted.update({pair["values"]: pair["counts"] for pair in batch["modality"].value_counts().to_pylist()})
    return {modality: counted[modality] for modality in MODALITIES}


def documents_held(tables: Tables) -> dict[str, Held]:
    found: dict[str, Held] = {}
    columns = ["doc_id", "source_uri", "content_sha256", "modality"]
    for batch in tables.batches(CORPUS, None, columns, 16 * GROUP):
        values = (batch[name].to_pylist() for name in columns)
        for document, uri, content, modality in zip(*values, strict=True):
            rows = found.setdefault(document, Held(uri, content, {})).rows
            rows[modality] = rows.get(modality, 0) + 1
    return found


def rows(tables: Tables, where: str | None) -> Iterator[dict[str, Any]]:
    key = ["source_uri", "page", "modality", "id"]
    yield from tables.ordered(CORPUS, where, plain_columns(tables), key, _document_order)


def some(tables: Tables, where: str, columns: Sequence[str], limit: int) -> list[dict[str, Any]]:
    found = tables.open(CORPUS).search().where(where).select(list(columns)).limit(limit).to_arrow()
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


def fetch(tables: Tables, ids: Sequence[str], columns: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    wanted = plain_columns(tables) if columns is None else columns
    for group in groups(ids, GROUP):

        async def asked(table: Any, group: Sequence[str] = group) -> Any:
            return await table.query().where(is_one_of("id", group)).select(list(wanted)).to_arrow()

        found.update((row["id"], row) for row in tables.ask(CORPUS, asked).to_pylist())
    return found


def page_counts(tables: Tables, most: int) -> PageCounts:
    query = tables.open(CORPUS).search().where("modality = 'page'")
    found = (
        query.select({"vectors": f"array_length({tables.columns.multivector})", "tokens": "token_count"})
        .limit(most)
        .to_arrow()
    )
    vectors, tokens = (pc.fill_null(found[name].combine_chunks(), 0).to_numpy() for name in ("vectors", "tokens"))
    return PageCounts(np.asarray(vectors, np.int64), np.asarray(tokens, np.int64))


def multivectors(tables: Tables, ids: Sequence[str] | None, where: str | None, dim: int) -> PageVectors:
    found: dict[str, npt.NDArray[np.float16]] = {}
    column = tables.columns.multivector
    conditions = [None] if ids is None else [is_one_of("id", group) for group in groups(ids, GROUP)]
    for condition in conditions:
        for batch in tables.batches(CORPUS, both("modality = 'page'", condition, where), ["id", column], VECTOR_BATCH):
            full = batch.filter(pc.is_valid(batch[column]))
            found.update(zip(full["id"].to_pylist(), _matrices(full[column], dim), strict=True))
    order = sorted(found, key=_page_order) if ids is None else [name for name in dict.fromkeys(ids) if name in found]
    offsets = np.cumsum([0] + [len(found[name]) for name in order], dtype=np.int64)
    vectors = np.empty((int(offsets[-1]), dim), np.float16)
    for name, start in zip(order, offsets, strict=False):
        matrix = found.pop(name)  # what was read is let go page by page, so that it is not held twice
        vectors[start : start + len(matrix)] = matrix
    return PageVectors(order, vectors, offsets)


def page_rows(tables: Tables, doc_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    for group in groups(doc_ids, GROUP):
        for batch in tables.batches(CORPUS, both(is_one_of("doc_id", group), "modality = 'page'"), PAGE_PLACES):
            yield from batch.to_pylist()


def inputs(tables: Tables, doc_ids: Sequence[str], embedding: str) -> Iterator[dict[str, Any]]:
    made_so = f"starts_with(recipe, {sql_literal(embedding + '.')})"
    for group in groups(doc_ids, GROUP):
        for batch in tables.batches(CORPUS, both(is_one_of("doc_id", group), made_so), INPUTS):
            yield from batch.to_pylist()


def routes(tables: Tables) -> Iterator[tuple[str, int | None, Route, str]]:
    columns = ["doc_id", "page", "route", "route_reason", "route_signals"]
    for batch in tables.batches(CORPUS, "route_signals IS NOT NULL AND route_signals != ''", columns):
        for document, page, path, why, signals in zip(*(c.to_pylist() for c in batch.columns), strict=True):
            yield document, page, Route(path, why), signals


def long_passages(tables: Tables, doc_ids: Sequence[str], budget: int) -> set[str]:
    found: set[str] = set()
    for group in groups(doc_ids, GROUP):
        condition = both(is_one_of("doc_id", group), f"modality = 'text' AND token_count > {budget}")
        for batch in tables.batches(CORPUS, condition, ["doc_id"]):
            found.update(batch["doc_id"].to_pylist())
    return found


def layouts(tables: Tables, doc_ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    if "layout" not in tables.open(CORPUS).schema.names:
        return
    for group in groups(doc_ids, GROUP):
        condition = both(is_one_of("doc_id", group), "modality = 'page'")
        for batch in tables.batches(CORPUS, condition, ["id", "layout"]):
            pairs = zip(batch["id"].to_pylist(), batch["layout"].to_pylist(), strict=True)
            yield from ((name, layout) for name, layout in pairs if layout)


def vectors(tables: Tables, ids: Sequence[str], dim: int) -> dict[str, RowVectors]:
    found: dict[str, RowVectors] = {}
    there = tables.open(CORPUS).schema.names
    wanted = ("id", "text", *tables.columns.names(), "layout", "token_count")
    columns = [name for name in wanted if name in there]
    for group in groups(ids, GROUP):
        for batch in tables.batches(CORPUS, is_one_of("id", group), columns, VECTOR_BATCH):
            many = batch[tables.columns.multivector]
            singles = _single(batch, tables.columns)
            late = _matrices(many.filter(pc.is_valid(many)), dim)
            has_many = many.is_valid().to_pylist()
            layouts = batch["layout"].to_pylist() if "layout" in columns else [None] * len(batch)
            counts = batch["token_count"].to_pylist()
            for name, text, vector, several, layout, tokens in zip(
                batch["id"].to_pylist(), batch["text"].to_pylist(), singles, has_many, layouts, counts, strict=True
            ):
                found[name] = RowVectors(text, vector, next(late) if several else None, layout or "", tokens)
    return found


def _single(batch: Any, columns: Columns) -> list[npt.NDArray[np.float32] | None]:
    """The one vector of each row, from whichever column holds it."""
    found: list[npt.NDArray[np.float32] | None] = [None] * len(batch)
    for column in (batch[name] for name in (columns.vector, columns.pictures) if name in batch.schema.names):
        dense = iter(column.flatten().to_numpy().reshape(-1, column.type.list_size))  # those that are not null
        for place, is_there in enumerate(column.is_valid().to_pylist()):
            if is_there:
                found[place] = next(dense)
    return found


def _matrices(column: Any, dim: int) -> Iterator[npt.NDArray[np.float16]]:
    flat = column.values.flatten().to_numpy(zero_copy_only=False).reshape(-1, dim)
    starts = column.offsets.to_numpy()
    for start, end in pairwise(starts):
        yield flat[start:end]


def _page_order(name: str) -> tuple[str, int]:
    document, _, ordinal = name.rpartition(":")
    return document, int(ordinal)


def _document_order(batch: Any) -> Any:
    parts = pc.split_pattern(batch["id"], ":", max_splits=1, reverse=True)
    return pa.record_batch(
        {
            "source_uri": batch["source_uri"].dictionary_encode(),
            "page": batch["page"],
            "modality": pc.index_in(batch["modality"], pa.array(MODALITIES)),
            "ordinal": pc.list_element(parts, 1).cast(pa.int32()),
            "_rowid": batch["_rowid"],
        }
    )


def plain_columns(tables: Tables) -> list[str]:
    return [name for name in tables.open(CORPUS).schema.names if name != "layout" and not is_vector_column(name)]
