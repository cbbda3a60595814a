"""The same search and the same documents as JSON, for programs; read only. `/api` describes it without a network."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from anyio.to_thread import run_sync
from fastapi import FastAPI, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from browse.browsed import Browsed
from browse.finding import EXAMPLE_BYTES, search_bytes
from browse.forms import MOST_HITS, MOST_QUERY, Asked, read_body
from browse.render import page
from pipeline import __version__
from pipeline.answer import Answer
from pipeline.labelled import label_value
from pipeline.status import status_of
from pipeline.store import Chosen, Order, PageOutline
from pipeline.types import DocumentRecord, Hit

MOST_ROWS = 500
State = Literal["", "indexed", "skipped", "quarantined", "deleted"]
Kind = Annotated[Literal["", "text", "image", "page"], Query(description="only passages, pictures or pages")]
Source = Annotated[str, Query(max_length=500, description="part of the source's name, or a pattern with *")]
Path = Annotated[Literal["", "text", "image", "page", "both"], Query(description="only pages that took this route")]
Day = Annotated[str, Query(description="a day such as 2026-01-31", pattern=r"^(\d{4}-\d{2}-\d{2})?$")]
K = Annotated[int, Query(ge=1, le=MOST_HITS, description="number of hits")]
First = Annotated[int, Query(ge=0, description="how many to pass over")]
Count = Annotated[int, Query(ge=1, le=MOST_ROWS, description="how many to give")]


class Found(BaseModel):
    """An answer; a hit has the fields that `docmill search --json` prints."""

    hits: list[Hit]
    notes: list[str] = Field(description="what the asker should know")
    took_ms: int


class Documents(BaseModel):
    """A part of the ledger."""

    total: int
    documents: list[DocumentRecord]


class Document(BaseModel):
    """One document, and those of its pages that have rows."""

    document: DocumentRecord
    pages: list[PageOutline]


class Rows(BaseModel):
    """A part of what is on one page."""

    total: int
    rows: list[dict[str, Any]]


def make_api(corpus: Browsed, handlers: Mapping[Any, Callable[[Any, Any], Any]]) -> FastAPI:
    """The API over a store; `handlers` say what is answered to which error."""
    api = FastAPI(
        title="docmill",
        version=__version__,
        description="Search one docmill store and look at its documents. Nothing here writes.",
        docs_url=None,  # FastAPI's own pages load scripts from elsewhere
        redoc_url=None,
        exception_handlers=dict(handlers),
    )

    @api.get("/search", summary="Search by words")
    def search(
        q: Annotated[str, Query(min_length=1, max_length=MOST_QUERY, description="the question")],
        k: K = 10,
        kind: Kind = "",
        source: Source = "",
        route: Path = "",
        since: Day = "",
        until: Day = "",
    ) -> Found:
        """Passages, pictures and pages in one ranking. What stands in double quotes must be there in these words."""
        started = time.perf_counter()
        return _found(corpus.search(q, Asked(q, kind, source, route, since, until, k).scope()), started)

    @api.post("/search", summary="Search by a picture or a page of a PDF", openapi_extra=_takes_file())
    async def search_by_picture(
        request: Request,
        page: Annotated[int, Query(ge=1, description="of a PDF or TIFF")] = 1,
        k: K = 10,
        kind: Kind = "",
        source: Source = "",
        route: Path = "",
    ) -> Found:
        """The body is the file as it is. It is read by a worker that can be killed, and not kept."""
        started = time.perf_counter()
        content = await read_body(request, EXAMPLE_BYTES)
        asked = Asked("", kind, source, route, k=k)
        limiter = request.app.state.limiters["example"]
        return _found(await run_sync(search_bytes, corpus, asked, page, content, limiter=limiter), started)

    @api.get("/similar", summary="Search by a row of the store")
    def similar(id: Annotated[str, Query(max_length=200)], k: K = 10, kind: Kind = "") -> Found:
        """Rows like the row of this id, by its stored vectors."""
        started = time.perf_counter()
        return _found(corpus.search_like(id, Asked(kind=kind, k=k).scope()), started)

    @api.get("/documents", summary="List documents")
    def documents(
        q: Annotated[str, Query(max_length=200, description="part of the name or title")] = "",
        state: State = "",
        type: Annotated[str, Query(max_length=200, description="media type")] = "",
        order: Order = "name",
        first: First = 0,
        count: Count = 50,
    ) -> Documents:
        """What the ledger knows of each source."""
        found = corpus.store.listing(Chosen(state, type, q), order=order, first=first, count=count)
        return Documents(total=found.total, documents=list(found.records))

    @api.get("/documents/{doc_id}", summary="One document")
    def document(doc_id: str) -> Document:
        """Its ledger entry, and its pages with their routes."""
        record = corpus.record(doc_id)
        return Document(document=record, pages=corpus.store.outline(record.doc_id))

    @api.get("/documents/{doc_id}/rows", summary="What is on one page")
    def rows(
        doc_id: str,
        page: Annotated[int | None, Query(ge=1, description="without it: rows that are on no page")] = None,
        first: First = 0,
        count: Count = 100,
    ) -> Rows:
        """Passages, pictures and the page itself in reading order, without vectors."""
        found = corpus.store.on_page(corpus.record(doc_id).doc_id, page, first=first, count=count)
        return Rows(total=found.total, rows=list(found.rows))

    @api.get("/labels", summary="Labels of routes")
    def labels() -> list[dict[str, Any]]:
        """Pages whose route people marked as wrong."""
        return [label_value(label) for label in corpus.store.route_labels()]

    @api.get("/status", summary="What the store holds")
    def status() -> dict[str, Any]:
        """As `docmill status --json` prints it."""
        return status_of(corpus.settings, corpus.store, counted=200)

    return api


def described(request: Request) -> Response:
    """The API for people, from its own OpenAPI document."""
    return page(request, "api.html", api=request.app.state.api.openapi(), base=str(request.base_url).rstrip("/"))


def _takes_file() -> dict[str, Any]:
    file = {"schema": {"type": "string", "format": "binary"}}
    return {"requestBody": {"required": True, "content": {"image/*": file, "application/pdf": file}}}


def _found(answer: Answer, started: float) -> Found:
    took = round(1000 * (time.perf_counter() - started))
    return Found(hits=list(answer.hits), notes=list(answer.notes), took_ms=took)
