"""A small store beside the user's own, in which the texts of known items are not there to be found."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.embed import PageModel, Unified
from pipeline.evaluate.judgements import Query
from pipeline.evaluate.known_items import COLUMNS, NAMES, TO, Content, Item, Without, known_items
from pipeline.evaluate.places import Judged
from pipeline.evaluate.report import several
from pipeline.ingest.context import Placed, in_context
from pipeline.page_vector import page_vectors
from pipeline.store import Models, RowFile, RowVectors, Store, TokenCounts, open_store, sql_literal
from pipeline.types import DocumentRecord, PageImage, PageInput, PictureInput, Row

MOST_ROWS = 5_000  # that are copied; a larger corpus is sampled by document
VISUAL_SHARE = 0.4  # of them for documents with pictures or pages, as far as there are any
GROUP = 250
WHEN = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)  # the copy is thrown away, and nobody asks when its rows were made


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A store without the texts of its questions, the questions, and rows that count for neither side, by query."""

    store: Store
    queries: tuple[Judged, ...]
    left_out: Mapping[str, frozenset[str]]
    notes: tuple[str, ...]


def hold_out(store: Store, unified: Unified, pages: PageModel, *, count: int, folder: Path) -> HeldOut:
    """Known items of a sample of the store, and a store of that sample without their texts, inside `folder`."""
    rows = sample(store, MOST_ROWS)
    with_pages = _reads_words(pages, rows)
    items = known_items(rows, count, with_pages=with_pages)
    changed = {without.row["id"]: without for item in items for without in item.rows}
    copy = open_store(
        str(folder / "store"), create=Models(store.models.unified, store.models.pages, store.models.pictures)
    )
    made = Embedder(store, unified, pages, folder).embed(list(changed.values()))
    with RowFile.create(folder / "rows.arrow", copy.models) as file:
        for row, vectors in _vectors(store, [row for row in rows if row["id"] not in changed]):
            file.add(_record(row, row["title"] or ""), [_row(row, _as_it_is(row), vectors)], WHEN)
        for id, without in changed.items():
            file.add(_record(without.row, without.title), [_row(without.row, without, made[id])], WHEN)
    with copy.writer():
        copy.replace(RowFile.open(folder / "rows.arrow"), sorted({row["doc_id"] for row in rows}))
        if pages.uses_frequencies:
            counted = pages.count_frequencies(copy.page_texts())
            copy.set_frequencies(TokenCounts(counted.pages, counted.counts))
        copy.refresh_indexes()
    queries = {f"{item.kind}: {item.text}": item for item in items}  # the same whatever the model
    return HeldOut(
        copy,
        tuple(_judged(id, item) for id, item in queries.items()),
        {id: item.left_out for id, item in queries.items()},
        tuple(_notes(items, len(rows), sum(store.count().values()), with_pages or not store.count()["page"])),
    )


def sample(store: Store, most: int) -> list[dict[str, Any]]:
    """Rows of whole documents, `most` of them at the most, chosen by a hash of the document; those with pictures or
    pages first, for a part of the room. A store of one very large document gives its first rows."""
    held = store.documents_held()
    order = sorted(held, key=lambda doc: hashlib.sha256(doc.encode()).digest())
    visual = [doc for doc in order if set(held[doc].rows) - {"text"}]
    taken: dict[str, int] = {}
    total = 0
    for group, limit in ((visual, int(most * VISUAL_SHARE)), (order, most)):
        for doc in group:
            size = sum(held[doc].rows.values())
            if doc not in taken and total + size <= limit:
                taken[doc] = size
                total += size
    chosen = list(taken) or order[:1]
    rows: list[dict[str, Any]] = []
    for start in range(0, len(chosen), GROUP):
        wanted = ", ".join(map(sql_literal, chosen[start : start + GROUP]))
        rows += store.some(f"doc_id IN ({wanted})", COLUMNS, most - len(rows))
    return sorted(rows, key=lambda row: row["id"])


@dataclass(frozen=True, slots=True)
class Embedder:
    """Vectors of rows without the texts of their items; pictures pass through `folder`."""

    store: Store
    unified: Unified
    pages: PageModel
    folder: Path

    def embed(self, rows: Sequence[Without]) -> dict[str, RowVectors]:
        """By row id."""
        kinds = {kind: [one for one in rows if one.row["modality"] == kind] for kind in ("text", "image", "page")}
        return self._texts(kinds["text"]) | self._pictures(kinds["image"]) | self._pages(kinds["page"])

    def _texts(self, rows: Sequence[Without]) -> dict[str, RowVectors]:
        placed = [Placed(one.text, one.title, one.headings) for one in rows]
        texts = in_context(placed, self.unified.count_tokens, self.unified.max_tokens)
        vectors = self.unified.embed_texts(texts) if texts else ()
        return {one.row["id"]: RowVectors(one.text, v, None) for one, v in zip(rows, vectors, strict=True)}

    def _pictures(self, rows: Sequence[Without]) -> dict[str, RowVectors]:
        inputs = [PictureInput(self._picture(one.row), "", one.text) for one in rows]
        vectors = self.unified.embed_pictures(inputs) if inputs else ()
        return {one.row["id"]: RowVectors(one.text, v, None) for one, v in zip(rows, vectors, strict=True)}

    def _pages(self, rows: Sequence[Without]) -> dict[str, RowVectors]:
        if not rows:
            return {}
        made = self.pages.embed_pages([self._sheet(one) for one in rows])
        dense = page_vectors([one.text for one in made], self.unified)
        return {
            one.row["id"]: RowVectors(page.text, vector, page.vectors if len(page.vectors) else None)
            for one, page, vector in zip(rows, made, dense, strict=True)
        }

    def _sheet(self, one: Without) -> PageInput:
        path = self._picture(one.row)
        with Image.open(path) as image:
            width, height = image.size
        box = one.row["bbox"] or (0, 0, width, height)
        return PageInput(PageImage(path, width, height, box[2] - box[0], box[3] - box[1]), one.lines)

    def _picture(self, row: Content) -> Path:
        path = self.folder / f"{row['id'].replace(':', '-')}.picture"
        path.write_bytes(self.store.asset(row["asset_id"]))
        return path


def _reads_words(pages: PageModel, rows: Sequence[Content]) -> bool:
    texts = [row["text"] for row in rows if row["modality"] == "page" and (row["text"] or "").strip()]
    return bool(texts) and bool(pages.line_owners(texts[0]))


def _vectors(store: Store, rows: Sequence[Content]) -> Iterator[tuple[Content, RowVectors]]:
    for start in range(0, len(rows), GROUP):
        group = rows[start : start + GROUP]
        found = store.vectors([row["id"] for row in group])
        yield from ((row, found[row["id"]]) for row in group if row["id"] in found)


def _record(row: Content, title: str) -> DocumentRecord:
    return DocumentRecord(row["source_uri"], row["doc_id"], "indexed", title=title)


def _as_it_is(row: Content) -> Without:
    return Without(row, row["title"] or "", tuple(row["headings"] or ()), row["text"] or "")


def _row(row: Content, without: Without, vectors: RowVectors) -> Row:
    return Row(
        modality=row["modality"],
        ordinal=int(row["id"].rpartition(":")[2]),
        text=without.text,
        page=row["page"],
        bbox=None if row["bbox"] is None else tuple(row["bbox"]),
        headings=without.headings,
        vector=vectors.vector,
        multivector=vectors.multivector,
    )


def _judged(id: str, item: Item) -> Judged:
    to = TO[item.kind]
    return Judged(Query(id, item.text, modality=to), item.places, kinds=frozenset({to}))


def _notes(items: Sequence[Item], searched: int, of: int, pages_asked: bool) -> Iterator[str]:
    counts = {kind: sum(item.kind == kind for item in items) for kind in NAMES}
    named = ", ".join(several(count, *NAMES[kind]) for kind, count in counts.items() if count)
    yield (
        f"the questions are taken from the corpus: {named}; their text is taken out of the rows they stand above "
        "before these are searched, and other rows that hold it word for word count neither as right nor as wrong"
    )
    yield (
        "they can tell which leg does its part, what a setting or another model changes, and whether anything is "
        "broken; they cannot tell how well your users' own questions are answered: those are in other words"
    )
    if searched < of:
        yield f"searched among {several(searched, 'row')} of {of:,}: in the whole corpus less would be found"
    if not pages_asked:
        yield "the page model looks at pictures, out of which no line can be taken: no questions for pages"
