"""The list of documents, and one document page by page with what was found on it and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast, get_args

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from browse.browsed import Browsed, NotThere
from browse.forms import whole
from browse.page_drawer import can_draw
from browse.places import Shape, around, shape
from browse.render import STATES, Pager, page
from pipeline.doubt import doubt, read_signals
from pipeline.errors import UsageError
from pipeline.labelled import paths_of
from pipeline.store import Chosen, Order, PageOutline
from pipeline.types import Box, DocumentRecord

IN_LIST, IN_STRIP, ON_PAGE = 50, 12, 100
DEPTH = 5  # of the tree of attachments
ORDERS: Mapping[Order, str] = {"name": "name", "newest": "last looked at", "largest": "size", "rows": "rows"}


@dataclass(frozen=True, slots=True)
class Branch:
    """A document with what is attached to it."""

    record: DocumentRecord
    children: tuple[Branch, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page to lay boxes on: its picture's path ("" for none), its size in points, and one box a row that has one."""

    picture: str
    width: float
    height: float
    boxes: Mapping[str, Shape] = field(default_factory=dict)


def documents(request: Request) -> Response:
    """The list, filtered and in parts."""
    corpus: Browsed = request.app.state.corpus
    given = request.query_params
    state, order = given.get("state", ""), given.get("order", "name")
    if state and state not in STATES:
        raise UsageError(f"state: {state[:40]!r} is none of {', '.join(STATES)}")
    if order not in get_args(Order):
        raise UsageError(f"order: {order[:40]!r} is none of {', '.join(get_args(Order))}")
    chosen = Chosen(state, given.get("type", "")[:200], given.get("q", "").strip()[:200])
    first = whole(given, "first", 0)
    found = corpus.store.listing(chosen, order=cast(Order, order), first=first, count=IN_LIST)
    parameters = {
        "q": chosen.words,
        "state": state,
        "type": chosen.media_type,
        "order": order if order != "name" else "",
    }
    return page(
        request,
        "documents.html",
        records=found.records,
        pager=Pager(first, IN_LIST, found.total),
        chosen=chosen,
        order=order,
        orders=ORDERS,
        parameters=parameters,
        types=corpus.store.media_types(),
    )


def by_source(request: Request) -> Response:
    """A document by its source URI, for links from elsewhere."""
    uri = request.query_params.get("uri", "")
    record = next(request.app.state.corpus.store.documents([uri]), None)
    if record is None:
        raise NotThere("there is no such document")
    return RedirectResponse(f"/documents/{record.doc_id}", 303)


def document(request: Request) -> Response:
    """One document and one of its pages."""
    corpus: Browsed = request.app.state.corpus
    record = corpus.record(request.path_params["doc_id"])
    pages = corpus.store.outline(record.doc_id)
    here = _chosen_page(pages, request)
    first = whole(request.query_params, "first", 0)
    number = here.number if here else None
    rows = corpus.store.on_page(record.doc_id, number, first=first, count=ON_PAGE)
    place = pages.index(here) if here else 0
    start = max(0, min(place - IN_STRIP // 2, len(pages) - IN_STRIP))
    labels = {label.page: label for label in corpus.store.route_labels(record.doc_id, record.content_sha256)}
    return page(
        request,
        "document.html",
        record=record,
        pages=pages,
        here=here,
        strip=pages[start : start + IN_STRIP],
        strip_before=pages[start - 1] if start > 0 else None,
        strip_after=pages[start + IN_STRIP] if start + IN_STRIP < len(pages) else None,
        previous=pages[place - 1] if place > 0 else None,
        next=pages[place + 1] if place + 1 < len(pages) else None,
        drawable=can_draw(record),
        rows=rows.rows,
        pager=Pager(first, ON_PAGE, rows.total),
        sheet=_sheet(record, here, rows.rows),
        signals=_signals(here),
        doubt=doubt(here.signals) if here and here.signals else None,
        label=labels.get(number) if number is not None else None,
        paths=[path for path in paths_of(here.signals) if path != here.route.path] if here else [],
        tree=_tree(corpus, record),
        parents=_parents(corpus, record),
    )


def page_sheet(request: Request) -> Response:
    """A page that must be drawn, with its boxes, or the boxes alone: a part of the page of its document."""
    corpus: Browsed = request.app.state.corpus
    doc_id, number = request.path_params["doc_id"], request.path_params["number"]
    record = corpus.record(doc_id)
    first = whole(request.query_params, "first", 0)
    rows = corpus.store.on_page(doc_id, number, first=first, count=ON_PAGE).rows
    try:
        drawn = corpus.drawn_page(record, number)
    except UsageError as error:
        return page(request, "undrawn.html", sheet=_blank_sheet(rows), message=str(error))
    path = f"/documents/{doc_id}/pages/{number}/picture?width=1280"
    return page(request, "sheet.html", sheet=Sheet(path, _pt(drawn.width_pt), _pt(drawn.height_pt), _boxes(rows)))


def _chosen_page(pages: Sequence[PageOutline], request: Request) -> PageOutline | None:
    asked = request.query_params.get("page", "")
    if not pages:
        return None
    if not asked:
        return pages[0]
    number = None if asked == "none" else whole(request.query_params, "page", 1)
    found = next((page for page in pages if page.number == number), None)
    if found is None:
        raise NotThere("there is nothing of this page in the store")
    return found


def _sheet(record: DocumentRecord, here: PageOutline | None, rows: Sequence[Mapping[str, Any]]) -> Sheet | None:
    """What the rows of a page are laid on; None where nothing says where they are."""
    boxes = _boxes(rows)
    whole_page = next((row for row in rows if row["modality"] == "page" and row["bbox"]), None)
    if here is None or (not boxes and whole_page is None):
        return None
    if whole_page is not None and here.picture:
        _, _, width, height = whole_page["bbox"]
        return Sheet(f"/pictures/{here.picture}?width=1280", _pt(width), _pt(height), boxes)
    picture = next((row for row in rows if row["modality"] == "image" and row["bbox"] and row["asset_id"]), None)
    if picture is not None and record.media_type.startswith("image/"):
        _, _, width, height = picture["bbox"]
        return Sheet(f"/pictures/{picture['asset_id']}?width=1280", _pt(width), _pt(height), boxes)
    return _blank_sheet(rows)


def _blank_sheet(rows: Sequence[Mapping[str, Any]]) -> Sheet:
    width, height = around([cast(Box, tuple(row["bbox"])) for row in rows if row["bbox"]])
    return Sheet("", _pt(width), _pt(height), _boxes(rows))


def _pt(length: float) -> float:
    return round(length, 1)


def _boxes(rows: Sequence[Mapping[str, Any]]) -> dict[str, Shape]:
    """Boxes of passages and pictures by row id, numbered in order; a page row is the page itself."""
    with_place = [row for row in rows if row["bbox"] and row["modality"] != "page"]
    return {row["id"]: shape(row["bbox"], number=number) for number, row in enumerate(with_place, 1)}


def _signals(here: PageOutline | None) -> dict[str, Any]:
    read = read_signals(here.signals) if here and here.signals else None
    return {} if read is None else {name: getattr(read, name) for name in read.__slots__}


def _tree(corpus: Browsed, record: DocumentRecord, depth: int = DEPTH) -> Branch:
    children = corpus.store.children(record.source_uri) if depth else []
    return Branch(record, tuple(_tree(corpus, child, depth - 1) for child in children))


def _parents(corpus: Browsed, record: DocumentRecord) -> list[DocumentRecord]:
    """The file that a document is in, and the one that that is in; the outermost first."""
    found: list[DocumentRecord] = []
    while record.parent and len(found) < 2 * DEPTH:
        parent = next(corpus.store.documents([record.parent]), None)
        if parent is None:
            break
        found.insert(0, parent)
        record = parent
    return found
