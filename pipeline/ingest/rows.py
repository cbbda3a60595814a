"""Events of parsed documents to rows with vectors, in groups that keep the models busy and memory flat."""

from __future__ import annotations

import errno
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.chunk import Chunker
from pipeline.embed import PageModel, Unified
from pipeline.errors import DocmillError, StoreError, Unreadable, UsageError, to_failure
from pipeline.ingest.context import Placed, in_context
from pipeline.ingest.draft import Draft, shared_time
from pipeline.ingest.reading import PageReader
from pipeline.ingest.reuse import NOTHING, Known, page_key, picture_key, text_key
from pipeline.ingest.stopwatch import Stopwatch
from pipeline.ingest.text_layer import for_passages, is_suspect, judged, trusted_lines
from pipeline.layout import ReadBy, dump_layout
from pipeline.page_vector import page_vectors
from pipeline.store import RowVectors
from pipeline.thumbnail import thumbnails
from pipeline.types import (
    Attachment,
    Event,
    Failure,
    Info,
    Page,
    PageInput,
    Passage,
    Picture,
    PictureInput,
    Row,
)

FEW_LETTERS = 20  # below it a page without passages is searchable as a picture, too
AHEAD = 4  # events looked at before one is taken
PASSAGES, PICTURES, PAGES = 512, 32, 16  # group sizes: enough to sort by length, small enough to hold
Vector = npt.NDArray[np.float32]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page on its way to the page model; `by` is None until its picture has been read, if it is to be."""

    input: PageInput
    by: ReadBy | None = None


class RowMaker:
    """Chunks, embeds and hands rows to `sink(draft, rows)`; call `flush` after the last document.

    What is `known` is not embedded again, what `reader` knows not read again. A picture or page that cannot be embedded
    becomes a `Failure` of its document; the other rows stay.
    """

    def __init__(
        self,
        unified: Unified,
        pages: PageModel,
        *,
        aim: int,
        sink: Callable[[Draft, Sequence[Row]], None],
        known: Known = NOTHING,
        reader: PageReader | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        self._unified, self._pages, self._aim, self._sink, self._known = unified, pages, aim, sink, known
        self._stopwatch = stopwatch or Stopwatch()
        self._reader = reader or PageReader(pages.reader, stopwatch=self._stopwatch)
        self._texts: list[tuple[Draft, Row]] = []
        self._pictures: list[tuple[Draft, Row, PictureInput]] = []
        self._page_images: list[tuple[Draft, Row, Sheet]] = []

    def add(self, draft: Draft, events: Iterable[Event]) -> None:
        """Take one document's events; rows leave through the sink whenever a group is full."""
        chunker = Chunker(self._unified.count_tokens, aim=self._aim, budget=self._unified.max_tokens)
        for event in self._read_ahead(events):
            if isinstance(event, Info):
                draft.info = event
            elif isinstance(event, Failure):
                draft.failures.append(event)
            elif isinstance(event, Page):
                self._add_page(draft, chunker, event)
            elif isinstance(event, Attachment):
                continue  # a document of its own, taken up where documents are scheduled
            self._flush_full()

    def _read_ahead(self, events: Iterable[Event]) -> Iterator[Event]:
        """The events, some of them later: pages that have to be read before they are cut into passages are begun."""
        ahead: deque[Event] = deque()
        for event in events:
            if isinstance(event, Page) and event.image is not None and is_suspect(event):
                self._reader.begin(event.image)
            ahead.append(event)
            if len(ahead) > AHEAD:
                yield ahead.popleft()
        yield from ahead

    def flush(self) -> None:
        self._flush_texts()
        self._flush_pages()  # may find pictures
        self._flush_pictures()

    def _add_page(self, draft: Draft, chunker: Chunker, page: Page) -> None:
        page, sheet = self._sheet(draft, page)
        draft.routes[page.route.path] += 1
        shared = Row("text", 0, "", page.number, route=page.route.path, route_reason=page.route.reason)
        shared = replace(shared, route_signals=json.dumps(asdict(page.signals)) if page.signals else "")
        with self._stopwatch.of("chunk"):
            passages = list(chunker.feed(for_passages(page)))
        for passage in passages:
            self._texts.append((draft, _text_row(shared, draft, passage)))
        for picture in page.pictures:
            row = replace(shared, modality="image", ordinal=draft.next("image"), text=_words(picture))
            row = replace(row, bbox=picture.bbox, picture=picture.path)
            self._pictures.append((draft, row, PictureInput(picture.path, picture.caption, picture.context)))
        if sheet is not None:
            image = sheet.input.image
            box = (0.0, 0.0, image.width_pt, image.height_pt)
            row = replace(shared, modality="page", ordinal=draft.next("page"), bbox=box, picture=image.path)
            self._page_images.append((draft, row, sheet))

    def _sheet(self, draft: Draft, page: Page) -> tuple[Page, Sheet | None]:
        """The page picture with the lines that can stand for it, if any; a suspect layer is compared with OCR first."""
        image = page.image
        if image is None:
            return page, None
        if not is_suspect(page):
            return page, Sheet(PageInput(image, trusted_lines(page)))
        with shared_time([draft]):
            (found,) = _one_by_one_on_error(lambda images: [self._reader.read(draft, i) for i in images], [image])
        if isinstance(found[1], Exception):
            return page, Sheet(PageInput(image))  # read again with the others, and lost there
        reading, by = found[1]
        page, lines = judged(page, reading)
        return page, Sheet(PageInput(image, lines), by)

    def _flush_full(self) -> None:
        if len(self._texts) >= PASSAGES:
            self._flush_texts()
        if len(self._pictures) >= PICTURES:
            self._flush_pictures()
        if len(self._page_images) >= PAGES:
            self._flush_pages()

    def _flush_texts(self) -> None:
        # Under the title that is stored with the rows, so that a row's embedded text can be told from the row.
        group = [(draft, row, Placed(row.text, draft.info.title, row.headings)) for draft, row in self._texts]
        self._texts = []
        with shared_time([draft for draft, *_ in group]):
            made, new = self._split(group, _text_key)
            passages = [placed for *_, placed in new]
            with self._stopwatch.of("embed text"):
                texts = in_context(passages, self._unified.count_tokens, self._unified.max_tokens)
                vectors = self._unified.embed_texts(texts) if texts else ()
        self._emit((draft, replace(row, vector=stored.vector)) for (draft, row, _), stored in made)
        self._emit((draft, replace(row, vector=v)) for (draft, row, _), v in zip(new, vectors, strict=True))

    def _flush_pictures(self) -> None:
        group, self._pictures = self._pictures, []

        def embed(items: list[tuple[Draft, Row, PictureInput]]) -> list[Vector]:
            with self._stopwatch.of("embed pictures"):
                return list(self._unified.embed_pictures([picture for *_, picture in items]))

        with shared_time([draft for draft, *_ in group]):
            made, new = self._split(self._with_thumbnails(group), _picture_key)
            done = list(self._good(_one_by_one_on_error(embed, new)))
        self._emit((draft, replace(row, vector=stored.vector)) for (draft, row, _), stored in made)
        self._emit((draft, replace(row, vector=vector)) for (draft, row, _), vector in done)

    def _flush_pages(self) -> None:
        group, self._page_images = self._page_images, []
        with shared_time([draft for draft, *_ in group]):
            made, new = self._split(self._with_thumbnails(group), _page_key)
            done = [*made, *self._good(_one_by_one_on_error(self._embed_pages, self._read(new)))]
        self._pictures += [_as_picture(item) for item, page in done if _is_picture(item[1], page.text)]
        self._emit((draft, _page_row(row, page)) for (draft, row, _), page in done)

    def _read(self, items: list[tuple[Draft, Row, Sheet]]) -> list[tuple[Draft, Row, Sheet]]:
        """The items with the lines of their pictures; what was left out of one is a warning of its document."""

        def sheets(group: list[tuple[Draft, Row, Sheet]]) -> list[Sheet]:
            return [self._sheet_read(draft, sheet) for draft, _, sheet in group]

        for *_, sheet in items:
            if sheet.input.lines is None:
                self._reader.begin(sheet.input.image)
        read = [found for item in items for found in self._good(_one_by_one_on_error(sheets, [item]))]
        for (draft, row, _), sheet in read:
            if sheet.by is not None and sheet.by.note:
                draft.failures.append(Failure("embed", "TextLeftOut", sheet.by.note, row.page))
        return [(draft, row, sheet) for (draft, row, _), sheet in read]

    def _sheet_read(self, draft: Draft, sheet: Sheet) -> Sheet:
        if sheet.input.lines is not None:
            return sheet
        reading, by = self._reader.read(draft, sheet.input.image)
        return Sheet(replace(sheet.input, lines=reading.lines), by)

    def _embed_pages(self, items: list[tuple[Draft, Row, Sheet]]) -> list[RowVectors]:
        with self._stopwatch.of("embed pages"):
            found = self._pages.embed_pages([sheet.input for *_, sheet in items])
            vectors = page_vectors([e.text for e in found], self._unified)
        many = [e.vectors if len(e.vectors) else None for e in found]
        return [
            RowVectors(e.text, one, several, dump_layout(e.lines, e.grid, sheet.by), e.token_count)
            for e, one, several, (*_, sheet) in zip(found, vectors, many, items, strict=True)
        ]

    def _split(
        self, group: list[tuple[Draft, Row, Item]], key: Callable[[tuple[Draft, Row, Item]], bytes]
    ) -> tuple[list[tuple[tuple[Draft, Row, Item], RowVectors]], list[tuple[Draft, Row, Item]]]:
        """The items whose vectors are known, with them, and those that are new."""
        if not self._known:
            return [], group
        found = list(zip(group, self._known.find([key(item) for item in group]), strict=True))
        made = [(item, stored) for item, stored in found if stored is not None]
        for (draft, *_), _ in made:
            draft.reused += 1
        return made, [item for item, stored in found if stored is None]

    def _with_thumbnails(self, group: list[tuple[Draft, Row, Item]]) -> list[tuple[Draft, Row, Item]]:
        """The items whose pictures can be kept, with what is kept of them as the row's picture."""

        def shrink(items: list[tuple[Draft, Row, Item]]) -> list[Path]:
            with self._stopwatch.of("thumbnails"):
                return thumbnails([_kept(row) for _, row, _ in items])

        small = self._good(_one_by_one_on_error(shrink, group))
        return [(draft, replace(row, picture=path), item) for (draft, row, item), path in small]

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


def _is_picture(row: Row, text: str) -> bool:
    """A page that was taken for a scan, but has next to no words, such as a photograph that fills it."""
    return row.route == "page" and len("".join(text.split())) < FEW_LETTERS


def _as_picture(item: tuple[Draft, Row, Sheet]) -> tuple[Draft, Row, PictureInput]:
    draft, row, sheet = item
    whole = sheet.input.image.path
    return draft, replace(row, modality="image", ordinal=draft.next("image"), picture=whole), PictureInput(whole)


def _text_key(item: tuple[Draft, Row, Placed]) -> bytes:
    return text_key(item[2])


def _picture_key(item: tuple[Draft, Row, PictureInput]) -> bytes:
    return picture_key(_kept(item[1]), item[1].text)


def _page_key(item: tuple[Draft, Row, Sheet]) -> bytes:
    return page_key(_kept(item[1]), item[1], item[2].input)


def _kept(row: Row) -> Path:
    """The picture of a picture's or a page's row."""
    assert row.picture is not None
    return row.picture


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


def _page_row(row: Row, page: RowVectors) -> Row:
    row = replace(row, text=page.text, token_count=page.token_count, layout=page.layout)
    return replace(row, multivector=page.multivector, vector=page.vector)


def _is_finite(row: Row) -> bool:
    return all(bool(np.isfinite(v).all()) for v in (row.vector, row.multivector) if v is not None)


def _words(picture: Picture) -> str:
    return "\n".join(words for words in (picture.caption, picture.context) if words)


def _one_by_one_on_error(
    embed: Callable[[list[Item]], Sequence[Result]], items: list[Item]
) -> Iterator[tuple[Item, Result | Exception]]:
    """Results of one batched call; if it fails, of a call for each item, so that one bad item costs only itself."""
    if not items:
        return
    try:
        yield from zip(items, embed(items), strict=True)
    except UsageError:  # a model that cannot be used is no document's fault either
        raise
    except (DocmillError, OSError, ValueError, RuntimeError) as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):  # no document's fault
            raise StoreError(f"{error}: no room for pictures; make some and run again, the table is safe") from error
        if len(items) == 1:
            yield items[0], error
            return
        for item in items:
            yield from _one_by_one_on_error(embed, [item])
