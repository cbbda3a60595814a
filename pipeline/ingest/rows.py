"""Events of parsed documents to rows with vectors, in groups that keep the models busy and memory flat."""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.chunk import Chunker
from pipeline.embed import PageModel, Unified
from pipeline.errors import DocmillError, StoreError, Unreadable, to_failure
from pipeline.ingest.context import Placed, in_context
from pipeline.thumbnail import thumbnail
from pipeline.types import (
    Attachment,
    Event,
    Failure,
    Info,
    Page,
    PageEmbedding,
    PageInput,
    PageSignals,
    Passage,
    Picture,
    PictureInput,
    Row,
    TextLine,
)

FEW_LETTERS = 20  # below it a page without passages is searchable as a picture, too
PASSAGES, PICTURES, PAGES = 512, 32, 8  # group sizes: enough to sort by length, small enough to hold
GARBLED = ("garbled-unmapped", "suspect-text-layer", "scan+garbled-ocr-layer")  # routes whose text layer is no text
Vector = npt.NDArray[np.float32]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True)
class Draft:
    """A document while its rows are being made."""

    uri: str
    info: Info = field(default_factory=Info)
    counts: dict[str, int] = field(default_factory=lambda: {"text": 0, "image": 0, "page": 0})
    lost: dict[str, int] = field(default_factory=lambda: {"text": 0, "image": 0, "page": 0})
    failures: list[Failure] = field(default_factory=list)
    seconds: float = 0.0  # its share of the groups that it was embedded in

    def rows(self, modality: str) -> int:
        return self.counts[modality] - self.lost[modality]

    def next(self, modality: str) -> int:
        self.counts[modality] += 1
        return self.counts[modality] - 1


class RowMaker:
    """Chunks, embeds and hands rows to `sink(uri, rows)`; call `flush` after the last document.

    A picture or page that cannot be embedded becomes a `Failure` of its document; the other rows stay.
    """

    def __init__(
        self, unified: Unified, pages: PageModel, *, aim: int, sink: Callable[[Draft, Sequence[Row]], None]
    ) -> None:
        self._unified, self._pages, self._aim, self._sink = unified, pages, aim, sink
        self._texts: list[tuple[Draft, Row, Placed]] = []
        self._pictures: list[tuple[Draft, Row, PictureInput]] = []
        self._page_images: list[tuple[Draft, Row, PageInput]] = []

    def add(self, draft: Draft, events: Iterable[Event]) -> None:
        """Take one document's events; rows leave through the sink whenever a group is full."""
        chunker = Chunker(self._unified.count_tokens, aim=self._aim, budget=self._unified.max_tokens)
        for event in events:
            if isinstance(event, Info):
                draft.info = event
            elif isinstance(event, Failure):
                draft.failures.append(event)
            elif isinstance(event, Page):
                self._add_page(draft, chunker, event)
            elif isinstance(event, Attachment):
                continue  # a document of its own, taken up where documents are scheduled
            self._flush_full()

    def flush(self) -> None:
        self._flush_texts()
        self._flush_pages()  # may find pictures
        self._flush_pictures()

    def _add_page(self, draft: Draft, chunker: Chunker, page: Page) -> None:
        shared = Row("text", 0, "", page.number, route=page.route.path, route_reason=page.route.reason)
        shared = replace(shared, route_signals=json.dumps(asdict(page.signals)) if page.signals else "")
        for passage in chunker.feed(_for_passages(page)):
            placed = Placed(passage.text, draft.info.title, passage.headings)
            self._texts.append((draft, _text_row(shared, draft, passage), placed))
        for picture in page.pictures:
            row = replace(shared, modality="image", ordinal=draft.next("image"), text=_words(picture))
            row = replace(row, bbox=picture.bbox, picture=picture.path)
            self._pictures.append((draft, row, PictureInput(picture.path, picture.caption, picture.context)))
        if page.image is not None:
            box = (0.0, 0.0, page.image.width_pt, page.image.height_pt)
            row = replace(shared, modality="page", ordinal=draft.next("page"), bbox=box, picture=page.image.path)
            self._page_images.append((draft, row, PageInput(page.image, trusted_lines(page))))

    def _flush_full(self) -> None:
        if len(self._texts) >= PASSAGES:
            self._flush_texts()
        if len(self._pictures) >= PICTURES:
            self._flush_pictures()
        if len(self._page_images) >= PAGES:
            self._flush_pages()

    def _flush_texts(self) -> None:
        group, self._texts = self._texts, []
        if group:
            passages = [placed for _, _, placed in group]
            with _shared([draft for draft, _, _ in group]):
                vectors = self._unified.embed_texts(
                    in_context(passages, self._unified.count_tokens, self._unified.max_tokens)
                )
            self._emit((draft, replace(row, vector=v)) for (draft, row, _), v in zip(group, vectors, strict=True))

    def _flush_pictures(self) -> None:
        group, self._pictures = self._pictures, []

        def embed(items: list[tuple[Draft, Row, PictureInput]]) -> list[tuple[Vector, Path]]:
            vectors = self._unified.embed_pictures([picture for _, _, picture in items])
            return [(vector, thumbnail(item[2].path)) for vector, item in zip(vectors, items, strict=True)]

        with _shared([draft for draft, _, _ in group]):
            done = list(self._good(_one_by_one_on_error(embed, group)))
        self._emit((draft, replace(row, vector=v, picture=small)) for (draft, row, _), (v, small) in done)

    def _flush_pages(self) -> None:
        group, self._page_images = self._page_images, []

        def embed(items: list[tuple[Draft, Row, PageInput]]) -> list[tuple[PageEmbedding, Vector | None, Path]]:
            found = self._pages.embed_pages([page for _, _, page in items])
            starts = [_first_window(e.text, self._unified) for e in found if e.text.strip()]
            dense = iter(self._unified.embed_texts(starts))
            vectors = [next(dense) if e.text.strip() else None for e in found]
            small = [thumbnail(page.image.path) for _, _, page in items]
            return list(zip(found, vectors, small, strict=True))

        with _shared([draft for draft, _, _ in group]):
            done = list(self._good(_one_by_one_on_error(embed, group)))
        self._pictures += [_as_picture(draft, row) for (draft, row, _), (e, *_) in done if _is_picture(row, e.text)]
        self._emit((draft, _page_row(row, *result)) for (draft, row, _), result in done)

    def _good(
        self, done: Iterable[tuple[tuple[Draft, Row, Item], Result | Exception]]
    ) -> Iterator[tuple[tuple[Draft, Row, Item], Result]]:
        for item, result in done:
            if isinstance(result, Exception):
                self._lose(item[0], item[1], result)
            else:
                yield item, result

    def _lose(self, draft: Draft, row: Row, error: Exception) -> None:
        draft.failures.append(to_failure(error, "embed", row.page))
        draft.lost[row.modality] += 1

    def _emit(self, rows: Iterable[tuple[Draft, Row]]) -> None:
        by_document: dict[str, tuple[Draft, list[Row]]] = {}
        for draft, row in rows:
            if not _is_finite(row):
                self._lose(draft, row, Unreadable(f"{draft.uri}: its {row.modality} vector is not finite"))
                continue
            by_document.setdefault(draft.uri, (draft, []))[1].append(row)
        for draft, group in by_document.values():
            self._sink(draft, group)


@contextmanager
def _shared(drafts: Sequence[Draft]) -> Iterator[None]:
    """The time of the block, in equal shares to the documents of a group, one share for each of their rows."""
    started = time.perf_counter()
    yield
    seconds = time.perf_counter() - started
    for draft in drafts:
        draft.seconds += seconds / len(drafts)


def trusted_lines(page: Page) -> tuple[TextLine, ...] | None:
    """The text layer's lines, if it can stand for what is seen on the page picture; None asks for OCR.

    A garbled layer never can. Where pictures cover half of the page or more, only a real OCR layer can.
    """
    lines = tuple(TextLine(text, box) for part in page.parts for text, box in part.lines)
    signals = page.signals
    if not isinstance(signals, PageSignals) or page.route.reason in GARBLED:
        return None
    layered = page.route.reason == "scan+ocr-layer"
    enough = sum(len(line.text) for line in lines) >= (60 if layered else 250)
    return lines if enough and (layered or signals.coverage < 0.5) else None


def _for_passages(page: Page) -> Page:
    """The page without the text that its picture will tell; form values and notes stand in no picture's words."""
    if page.route.path != "page":
        return page
    return replace(page, parts=tuple(part for part in page.parts if part.kind in ("form", "note")))


def _is_picture(row: Row, text: str) -> bool:
    """A page that was taken for a scan, but has next to no words, such as a photograph that fills it."""
    return row.route == "page" and len("".join(text.split())) < FEW_LETTERS


def _as_picture(draft: Draft, page: Row) -> tuple[Draft, Row, PictureInput]:
    assert page.picture is not None
    row = replace(page, modality="image", ordinal=draft.next("image"))
    return draft, row, PictureInput(page.picture)


def _text_row(shared: Row, draft: Draft, passage: Passage) -> Row:
    return replace(
        shared,
        ordinal=draft.next("text"),
        text=passage.text,
        page=passage.page,
        bbox=passage.bbox,
        headings=passage.headings,
        token_count=passage.token_count,
    )


def _page_row(row: Row, embedding: PageEmbedding, vector: Vector | None, small: Path) -> Row:
    many = embedding.vectors if len(embedding.vectors) else None
    return replace(row, text=embedding.text, multivector=many, vector=vector, picture=small)


def _is_finite(row: Row) -> bool:
    return all(bool(np.isfinite(v).all()) for v in (row.vector, row.multivector) if v is not None)


def _words(picture: Picture) -> str:
    return "\n".join(words for words in (picture.caption, picture.context) if words)


def _first_window(text: str, unified: Unified) -> str:
    """As much of the page's beginning as fits the embedder's budget; the rest is in the multi-vector and in BM25."""
    words = text.split()
    low, high = 0, min(len(words), unified.max_tokens)
    while low < high:
        middle = (low + high + 1) // 2
        fits = unified.count_tokens([" ".join(words[:middle])])[0] <= unified.max_tokens
        low, high = (middle, high) if fits else (low, middle - 1)
    return " ".join(words[:low]) or text[: unified.max_tokens]


def _one_by_one_on_error(
    embed: Callable[[list[Item]], Sequence[Result]], items: list[Item]
) -> Iterator[tuple[Item, Result | Exception]]:
    """Results of one batched call; if it fails, of a call for each item, so that one bad item costs only itself."""
    if not items:
        return
    try:
        yield from zip(items, embed(items), strict=True)
    except (DocmillError, OSError, ValueError, RuntimeError) as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):  # no document's fault
            raise StoreError(f"{error}: no room for pictures; make some and run again, the table is safe") from error
        if len(items) == 1:
            yield items[0], error
            return
        for item in items:
            yield from _one_by_one_on_error(embed, [item])
