"""PDF to events, one page at a time. The only door to MuPDF: another PDF library would replace `pdf*.py` alone.

MuPDF is not thread-safe and runs in a process of its own (`sandbox.py`). No network, no script, no link is followed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from stringprep import in_table_b1, in_table_c12
from unicodedata import normalize

from pipeline.errors import DocmillError, LimitExceeded, PasswordNeeded, Unreadable, to_failure
from pipeline.parse import ParseOptions
from pipeline.parse.pdf_errors import cause
from pipeline.parse.pdf_extras import AttachmentWriter, FormField, form_fields, notes
from pipeline.parse.pdf_library import pymupdf
from pipeline.parse.pdf_order import Row, rows, rows_in_order
from pipeline.parse.pdf_page import Content, Line, read_content
from pipeline.parse.pdf_pictures import PictureTaker, find_listed, page_image, too_large
from pipeline.parse.pdf_signals import find_figures, page_signals
from pipeline.parse.pdf_tables import FoundTable, find_tables
from pipeline.parse.pdf_text import body_type, paragraphs, to_part
from pipeline.types import Attachment, Blob, Box, Event, Failure, Info, Page, PageImage, Part, Route

MUPDF_ERRORS = (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, pymupdf.mupdf.FzErrorBase)
NO_MEMORY = re.compile(r"\b[mc]?(?:re)?alloc\b.*failed")
JUNK_TITLE = re.compile(
    r"^(?:microsoft (?:word|powerpoint|excel)\b.*|untitled\b.*|\(?anonymous\)?|.*\.(?:docx?|pptx?|xlsx?)"
    r"|\S+\.\w{2,4}|\W*)$",
    re.IGNORECASE,
)
CACHE_PAGES = 10  # so often MuPDF's store is emptied but for a fifth: the colour conversions in use are dear to make
CACHE_DROPPED = 80  # percent
LONGEST_TITLE = 300
METADATA = {"subject": "subject", "keywords": "keywords", "creationDate": "created", "producer": "producer"}


@dataclass(slots=True)
class _Reading:
    """What is remembered from page to page."""

    options: ParseOptions
    work_dir: Path
    pictures: PictureTaker
    attachments: AttachmentWriter
    pictured: frozenset[int]  # pages that are known to name pictures
    types: Counter[tuple[float, bool]] = field(default_factory=Counter)
    text_bytes: int = 0


def parse(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """`Info`, then each page from `options.first_page` on, with the files attached to it, then the document's files.

    A page that MuPDF cannot read is a `Failure` with its number, and the next one follows. Raises `Unreadable`,
    `PasswordNeeded` or `LimitExceeded` for the whole document.
    """
    with _open(blob, options) as doc:
        info = _info(doc)
        yield info
        listed = find_listed(doc)
        reading = _Reading(
            options,
            work_dir,
            PictureTaker(work_dir, options.limits, listed.repeated),
            AttachmentWriter(work_dir, options.limits),
            listed.pictured,
        )
        read = 0
        for number in range(options.first_page, doc.page_count + 1):
            events = list(_page_events(doc, number, reading))
            read += any(isinstance(event, Page) for event in events)
            yield from events
            if number == 1 and not info.title and (title := _title_of(events)):
                yield replace(info, title=title)
            if number % CACHE_PAGES == 0:
                pymupdf.TOOLS.store_shrink(CACHE_DROPPED)
            if reading.text_bytes > options.limits.text_mb * 1_000_000:
                yield _text_limit(number, doc.page_count, options)
                return
        if not read and options.first_page == 1:
            raise Unreadable(f"{blob.name}: none of its {doc.page_count} pages could be read{cause()}")
        yield from _attached(reading, doc.page_count, doc=doc)
        if reading.pictures.left_out:
            problem = (
                f"{reading.pictures.left_out} pictures beyond limits.pictures ({options.limits.pictures}) were left out"
            )
            yield to_failure(LimitExceeded(problem), "parse", doc.page_count)


def _open(blob: Blob, options: ParseOptions) -> pymupdf.Document:
    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    pymupdf.TOOLS.reset_mupdf_warnings()
    if not blob.path.stat().st_size:
        raise Unreadable(f"{blob.name}: an empty file")
    try:
        doc = pymupdf.open(blob.path, filetype="pdf")
        pages = 0 if doc.needs_pass else doc.page_count
    except MUPDF_ERRORS as error:
        _check_memory(error)
        raise Unreadable(f"{blob.name}: not a readable PDF{cause(error)}") from error
    if not doc.is_pdf:
        raise Unreadable(f"{blob.name}: named a PDF but holds something else; give it its own suffix")
    if doc.needs_pass:
        _unlock(doc, blob, options)
        pages = doc.page_count
    if pages == 0:
        raise Unreadable(f"{blob.name}: a damaged PDF, or one with no pages{cause()}")
    if pages > options.limits.pages:
        raise LimitExceeded(f"{blob.name}: {pages} pages, more than limits.pages ({options.limits.pages}) allows")
    return doc


def _unlock(doc: pymupdf.Document, blob: Blob, options: ParseOptions) -> None:
    for password in dict.fromkeys(("", *options.passwords, *map(_prepared, options.passwords))):
        if doc.authenticate(password):
            return
    tried = f"none of the {len(options.passwords)} given opens it" if options.passwords else "none is set"
    raise PasswordNeeded(f"{blob.name}: needs a password and {tried}; add it to sources.passwords")


def _prepared(password: str) -> str:
    """As a PDF 2.0 writer prepares it (SASLprep, RFC 4013), which MuPDF leaves to its caller."""
    kept = (" " if in_table_c12(letter) else letter for letter in password if not in_table_b1(letter))
    return normalize("NFKC", "".join(kept))


def _info(doc: pymupdf.Document) -> Info:
    given = {key: " ".join(str(value).split()) for key, value in (doc.metadata or {}).items() if value}
    try:
        toc = doc.get_toc()
    except MUPDF_ERRORS:
        toc = []  # a broken outline is no reason to lose the document
    title = given.get("title", "")
    return Info(
        title="" if JUNK_TITLE.match(title) else title[:LONGEST_TITLE],
        author=given.get("author", ""),
        page_count=doc.page_count,
        outline=tuple((int(level), " ".join(str(text).split()), int(page)) for level, text, page in toc[:10_000]),
        metadata={name: given[key] for key, name in METADATA.items() if key in given},
    )


def _page_events(doc: pymupdf.Document, number: int, reading: _Reading) -> Iterator[Event]:
    pymupdf.TOOLS.reset_mupdf_warnings()
    try:
        page = doc.load_page(number - 1)
        content = read_content(page, number in reading.pictured)
        yield from _read_page(page, content, number, reading)
        yield from _attached(reading, number, page=page)
    except MUPDF_ERRORS as error:
        _check_memory(error)
        problem = Unreadable(f"page {number} could not be read ({error}){cause()}")
        problem.__cause__ = error
        yield to_failure(problem, "parse", number)


def _read_page(page: pymupdf.Page, content: Content, number: int, reading: _Reading) -> Iterator[Event]:
    figures = find_figures(content)
    signals = page_signals(content, figures)
    route = reading.options.route(signals, number)
    parts = _parts(page, content, figures, reading.types)
    show = cache(page.get_displaylist)
    pictures = reading.pictures.take(show, content, figures, parts)
    image: PageImage | None = None
    failure: Failure | None = None
    if route.path in ("page", "both"):
        try:
            path = reading.work_dir / f"page-{number:06d}.png"
            image = page_image(show, content, reading.options.dpi, reading.options.limits, path)
        except LimitExceeded as error:
            failure = to_failure(LimitExceeded(f"page {number}: {error}"), "parse", number)
            route = Route("text", f"{route.reason}, not rendered")  # its words are all that can be had
    elif problem := too_large(content, reading.options.limits):
        failure = to_failure(LimitExceeded(f"page {number}: {problem}; it was left out"), "parse", number)
    if image is None:
        parts = [replace(part, lines=()) for part in parts]
    if not parts and not pictures and image is None and failure is None:
        failure = _nothing_read(page, number)
    reading.text_bytes += sum(len(part.text.encode(errors="replace")) for part in parts)
    label = page.get_label() or ""
    yield Page(number, route, signals, label if label != str(number) else "", tuple(parts), tuple(pictures), image)
    if failure:
        yield failure


def _nothing_read(page: pymupdf.Page, number: int) -> Failure | None:
    """That a page is empty because it is damaged, not because it is blank."""
    told = cause()
    if not told and not page.parent.is_repaired:
        return None
    return to_failure(Unreadable(f"page {number}: a damaged page, nothing on it could be read{told}"), "parse", number)


def _parts(
    page: pymupdf.Page, content: Content, figures: Sequence[Box], types: Counter[tuple[float, bool]]
) -> list[Part]:
    """All text of the page, told once: paragraphs and tables in reading order, then sideways text, forms and notes."""
    for line in content.lines:
        types[line.size, line.bold] += len(line.text)
    body, bold = body_type(types)
    fields = form_fields(page)
    tables = find_tables(content, figures)
    taken = {id(line) for table in tables for line in table.lines}
    free = [line for line in content.lines if id(line) not in taken and not _is_value(line, fields)]
    return [
        *_told(free, tables, body, bold),
        *(replace(to_part([row], body, True), kind="text", level=0) for row in rows(content.aside)),
        *(field.part for field in fields),
        *notes(page, content.text),
    ]


def _told(lines: list[Line], tables: list[FoundTable], body: float, bold: bool) -> list[Part]:
    """Paragraphs and tables in order: a table takes part in it as one line as large as the table."""
    anchors = [Line("", table.part.bbox or table.flow, table.flow, body) for table in tables]
    by_anchor = {id(anchor): table.part for anchor, table in zip(anchors, tables, strict=True)}
    parts: list[Part] = []
    waiting: list[Row] = []
    for row in rows_in_order([*lines, *anchors]):
        texts = tuple(line for line in row if id(line) not in by_anchor)
        found = [by_anchor[id(line)] for line in row if id(line) in by_anchor]
        if found:
            parts += [to_part(group, body, bold) for group in paragraphs(waiting)] + found
            waiting = []
            parts += [to_part(group, body, bold) for group in paragraphs(rows(texts))]
        else:
            waiting.append(row)
    return parts + [to_part(group, body, bold) for group in paragraphs(waiting)]


def _is_value(line: Line, fields: list[FormField]) -> bool:
    """True for the printed value of a form field, which the field's own part tells with its label."""
    x, y = (line.bbox[0] + line.bbox[2]) / 2, (line.bbox[1] + line.bbox[3]) / 2
    return any(
        line.text in field.value and field.bbox[0] <= x <= field.bbox[2] and field.bbox[1] <= y <= field.bbox[3]
        for field in fields
    )


def _attached(
    reading: _Reading, number: int, page: pymupdf.Page | None = None, doc: pymupdf.Document | None = None
) -> Iterator[Attachment | Failure]:
    """Attached files of a page or of the document; what stops them is a failure of that page, not of its text."""
    try:
        if page is not None:
            yield from reading.attachments.of_page(page)
        if doc is not None:
            yield from reading.attachments.of_document(doc)
    except DocmillError as error:
        yield to_failure(error, "parse", number)
    except MUPDF_ERRORS as error:
        _check_memory(error)
        problem = Unreadable(f"an attachment could not be read ({error})")
        problem.__cause__ = error
        yield to_failure(problem, "parse", number)


def _title_of(events: list[Event]) -> str:
    """The heading of page 1 that is set largest: the lowest level, and of those the first."""
    headings = [part for event in events if isinstance(event, Page) for part in event.parts if part.kind == "heading"]
    return min(headings, key=lambda part: part.level).text[:LONGEST_TITLE] if headings else ""


def _text_limit(number: int, pages: int, options: ParseOptions) -> Failure:
    problem = f"over {options.limits.text_mb} MB of text (limits.text_mb); stopped after page {number} of {pages}"
    return to_failure(LimitExceeded(problem), "parse", number)


def _check_memory(error: BaseException) -> None:
    """Raises `MemoryError` for what MuPDF says when it gets no more memory."""
    if NO_MEMORY.search(str(error)):
        raise MemoryError(str(error)) from error
