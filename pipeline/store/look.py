"""Reading a store to be looked at: a part of the ledger, the pages of one document, what is on one page, its sizes.

Each answer is as small as what is shown of it, however much the store holds. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.store.ledger import COLUMNS, from_row
from pipeline.store.query import MODALITIES, plain_columns
from pipeline.store.schema import CORPUS, DOCUMENTS, TABLES, clean
from pipeline.store.tables import GROUP, Tables, groups
from pipeline.store.where import both, is_one_of, sql_literal
from pipeline.types import DocumentRecord, Modality, Route

Order = Literal["name", "newest", "largest", "rows"]
SORTED: Mapping[Order, tuple[str, Literal["ascending", "descending"]]] = {
    "name": ("source_uri", "ascending"),
    "newest": ("last_seen", "descending"),
    "largest": ("size_bytes", "descending"),
    "rows": ("rows", "descending"),
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which documents of the ledger are asked for; an empty text asks for all. `words` are looked for in name and
    title, whatever their case."""

    state: str = ""
    media_type: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A part of the ledger, and how many documents there are in all."""

    total: int
    records: tuple[DocumentRecord, ...]


@dataclass(frozen=True, slots=True)
class PageRows:
    """A part of what is on one page, and how many rows there are in all."""

    total: int
    rows: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class PageOutline:
    """One page of a document: its route, its rows by modality, and the pictures that are kept of it and on it.

    `number` is None where the format has no pages; `picture` is the asset of the page as a whole, "" without one.
    """

    number: int | None
    route: Route
    signals: str
    rows: Mapping[Modality, int]
    picture: str
    pictures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RoutedPage:
    """A page or standalone picture with the signals that it was routed by."""

    doc_id: str
    source_uri: str
    content_sha256: str
    page: int | None
    route: Route
    signals: str


def listing(tables: Tables, chosen: Chosen, order: Order, first: int, count: int) -> Listing:
    table = tables.fresh(DOCUMENTS)
    column, direction = SORTED[order]
    keys = {"source_uri": "source_uri", column: column}
    if column == "rows":
        keys["rows"] = "coalesce(text_rows, 0) + coalesce(image_rows, 0) + coalesce(page_rows, 0)"
    held = _scan(table, keys, _where(chosen))
    by = [(column, direction), *([] if column == "source_uri" else [("source_uri", "ascending")])]
    wanted = held["_rowid"].take(pc.sort_indices(held, sort_keys=by).slice(first, count)).to_pylist()
    columns = [name for name in COLUMNS if name in table.schema.names]
    return Listing(held.num_rows, tuple(from_row(row) for row in _taken(table, wanted, columns)))


def children(tables: Tables, uri: str) -> list[DocumentRecord]:
    """The attachments of one document, in order of their names."""
    table = tables.fresh(DOCUMENTS)
    held = _scan(table, {"source_uri": "source_uri"}, f"parent = {sql_literal(clean(uri))}").sort_by("source_uri")
    columns = [name for name in COLUMNS if name in table.schema.names]
    return [from_row(row) for row in _taken(table, held["_rowid"].to_pylist(), columns)]


def shown(tables: Tables, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Of rows by id what it takes to show them beside a hit."""
    columns = ["id", "doc_id", "asset_id", "bbox"]
    found: dict[str, dict[str, Any]] = {}
    for group in groups(ids, GROUP):
        for batch in tables.batches(CORPUS, is_one_of("id", group), columns):
            found.update((row["id"], row) for row in batch.to_pylist())
    return found


def record_of(tables: Tables, doc_id: str) -> DocumentRecord | None:
    """The ledger has no index by `doc_id`, and one column of it is read quickly."""
    table = tables.fresh(DOCUMENTS)
    held = _scan(table, {"doc_id": "doc_id"}, f"doc_id = {sql_literal(doc_id)}")
    columns = [name for name in COLUMNS if name in table.schema.names]
    return next((from_row(row) for row in _taken(table, held["_rowid"].to_pylist()[:1], columns)), None)


def values(tables: Tables, name: str, column: str) -> dict[str, int]:
    """How often each value of a text column stands in a table, the most frequent first; nothing counts as ""."""
    held = _scan(tables.open(name), {column: column}, None, row_ids=False)
    pairs = ((pair["values"] or "", pair["counts"]) for pair in held[column].value_counts().to_pylist())
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def outline(tables: Tables, doc_id: str) -> list[PageOutline]:
    """The pages of a document that have rows, in order; rows without a page come last."""
    columns = ["modality", "page", "route", "route_reason", "route_signals", "asset_id"]
    pages: dict[int | None, list[dict[str, Any]]] = {}
    for batch in tables.batches(CORPUS, f"doc_id = {sql_literal(doc_id)}", columns):
        for row in batch.to_pylist():
            pages.setdefault(row["page"], []).append(row)
    return [_outlined(number, pages[number]) for number in sorted(pages, key=lambda n: (n is None, n or 0))]


def page_rows(tables: Tables, doc_id: str, page: int | None, first: int, count: int) -> PageRows:
    """Rows of one page, or those without a page: passages, pictures, the page itself, each in reading order."""
    on = "page IS NULL" if page is None else f"page = {int(page)}"
    table = tables.fresh(CORPUS)
    held = _scan(table, {"id": "id", "modality": "modality"}, both(f"doc_id = {sql_literal(doc_id)}", on))
    if not held.num_rows:
        return PageRows(0, ())
    ordinals = pc.list_element(pc.split_pattern(held["id"], ":", max_splits=1, reverse=True), 1).cast(pa.int32())
    keys = pa.table({"kind": pc.index_in(held["modality"], pa.array(MODALITIES)), "ordinal": ordinals})
    order = pc.sort_indices(keys, sort_keys=[("kind", "ascending"), ("ordinal", "ascending")])
    wanted = held["_rowid"].take(order.slice(first, count)).to_pylist()
    return PageRows(held.num_rows, tuple(_taken(table, wanted, plain_columns(tables))))


def page_pictures(tables: Tables, doc_ids: Sequence[str]) -> dict[tuple[str, int | None], str]:
    """The asset that shows a page, or a standalone picture, as a whole; what only stands on a page is left out."""
    found: dict[tuple[str, int | None], str] = {}
    columns = ["doc_id", "page", "modality", "media_type", "asset_id"]
    for group in groups(doc_ids, GROUP):
        where = both(is_one_of("doc_id", group), "modality != 'text'", "asset_id IS NOT NULL")
        for batch in tables.batches(CORPUS, where, columns):
            for row in batch.to_pylist():
                key = row["doc_id"], row["page"]
                if row["modality"] == "page":
                    found[key] = row["asset_id"]
                elif (row["media_type"] or "").startswith("image/"):
                    found.setdefault(key, row["asset_id"])
    return found


def routed_pages(tables: Tables) -> Iterator[RoutedPage]:
    """Every page that has signals, once, in no particular order."""
    names = ["doc_id", "page", "source_uri", "content_sha256", "route", "route_reason", "route_signals"]
    where = "route_signals IS NOT NULL AND route_signals != ''"
    held = _scan(tables.open(CORPUS), {name: name for name in names}, where, row_ids=False)
    once = held.group_by(["doc_id", "page"], use_threads=False).aggregate([(name, "first") for name in names[2:]])
    for group in once.to_batches():
        for document, page, *rest in zip(*(column.to_pylist() for column in group.columns), strict=True):
            uri, content, path, reason, signals = rest
            yield RoutedPage(document, uri, content or "", page, Route(path, reason or ""), signals)


def column_bytes(tables: Tables) -> dict[str, dict[str, int]]:
    """Bytes on disk by table and column, of the newest version without its indexes; pictures are kept beside them."""
    found: dict[str, dict[str, int]] = {}
    for name in TABLES:
        dataset = tables.fresh(name).to_lance()
        owner = {id: field.name() for field in dataset.lance_schema.fields() for id in _ids(field)}
        sizes: dict[str, int] = {}
        for part in dataset.stats.data_stats().fields:
            column = owner.get(part.id, "")
            sizes[column] = sizes.get(column, 0) + int(part.bytes_on_disk)
        found[name] = {column: size for column, size in sizes.items() if column}
    return found


def tags(tables: Tables) -> dict[str, int]:
    """Tags of the corpus and the version that each names."""
    found = tables.fresh(CORPUS).tags.list()
    return {name: int(found[name]["version"]) for name in sorted(found)}


def versions(tables: Tables) -> list[dict[str, Any]]:
    """The versions of the corpus that are kept, newest first: number and time."""
    kept = tables.fresh(CORPUS).list_versions()
    return [{"version": int(one["version"]), "timestamp": one["timestamp"]} for one in reversed(kept)]


def _ids(field: Any) -> Iterator[int]:
    yield field.id()
    for child in field.children():
        yield from _ids(child)


def _where(chosen: Chosen) -> str | None:
    state = f"state = {sql_literal(chosen.state)}" if chosen.state else None
    kind = f"media_type = {sql_literal(clean(chosen.media_type))}" if chosen.media_type else None
    if not chosen.words:
        return both(state, kind)
    words = sql_literal(clean(chosen.words.lower()))
    return both(state, kind, f"contains(lower(source_uri), {words}) OR contains(lower(coalesce(title, '')), {words})")


def _scan(table: Any, columns: Mapping[str, str], where: str | None, *, row_ids: bool = True) -> Any:
    """Some columns of all rows that this holds for, as one Arrow table."""
    query = table.search().select(dict(columns))
    query = query.with_row_id(True) if row_ids else query
    query = query.where(where) if where else query
    batches = list(query.to_batches(batch_size=16_384))
    if batches:
        return pa.Table.from_batches(batches)
    return pa.table({name: pa.array([], pa.string()) for name in [*columns, *(["_rowid"] if row_ids else [])]})


def _taken(table: Any, row_ids: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]]:
    """These rows, in this order."""
    if not row_ids:
        return []
    taken = table.take_row_ids(list(row_ids)).select(list(columns)).with_row_id().to_arrow()
    by_id = {row.pop("_rowid"): row for row in taken.to_pylist()}
    return [by_id[row] for row in row_ids if row in by_id]


def _outlined(number: int | None, rows: Sequence[Mapping[str, Any]]) -> PageOutline:
    counted = {kind: sum(row["modality"] == kind for row in rows) for kind in MODALITIES}
    routed = next((row for row in rows if row["route_signals"]), rows[0])
    whole = next((row["asset_id"] for row in rows if row["modality"] == "page" and row["asset_id"]), "")
    pictures = tuple(row["asset_id"] for row in rows if row["modality"] == "image" and row["asset_id"])
    route = Route(routed["route"] or "text", routed["route_reason"] or "")
    return PageOutline(number, route, routed["route_signals"] or "", counted, whole, pictures)
