"""The search view: answers grouped by document, with pictures, places on pages, and why each was found."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from browse.browsed import Browsed
from browse.forms import Asked, read_body, whole
from browse.places import Overlay, overlay
from browse.render import page
from pipeline.answer import Answer
from pipeline.errors import UsageError
from pipeline.store import doc_id
from pipeline.types import Hit
from pipeline.wording import snippet, words_to_mark

EXAMPLE_BYTES = 30_000_000
SNIPPET = 320  # characters
LEG_NAMES = {
    "text": "passages by meaning",
    "image": "pictures by meaning",
    "page": "pages by meaning",
    "maxsim": "pages, late interaction",
    "bm25": "words",
    "rerank": "read again by a cross-encoder",
}


@dataclass(frozen=True, slots=True)
class Leg:
    """Where a leg found a hit."""

    name: str
    means: str
    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Found:
    """A hit as it is shown. `picture` is the path of what to show beside it, "" for nothing."""

    hit: Hit
    doc_id: str
    snippet: str
    legs: tuple[Leg, ...]
    picture: str
    overlay: Overlay | None


@dataclass(frozen=True, slots=True)
class Group:
    """The hits of one document, at the place of its best."""

    doc_id: str
    source_uri: str
    title: str
    hits: tuple[Found, ...]


def search(request: Request) -> Response:
    """The whole page; with a query its answers, too."""
    asked = Asked.read(request.query_params)
    return page(request, "search.html", **_answered(request.app.state.corpus, asked))


def answers(request: Request) -> Response:
    """The answers alone, as a part of the page."""
    asked = Asked.read(request.query_params)
    return page(request, "answers.html", **_answered(request.app.state.corpus, asked))


async def answers_like(request: Request) -> Response:
    """The answers to a picture, or a page of a PDF, that is sent as it is."""
    asked = Asked.read(request.query_params)
    number = whole(request.query_params, "page", 1, least=1)
    content = await read_body(request, EXAMPLE_BYTES)
    if not content:
        raise UsageError("the file is empty")
    limiter = request.app.state.limiters["example"]
    return await anyio.to_thread.run_sync(_like, request, asked, number, content, limiter=limiter)


def _like(request: Request, asked: Asked, number: int, content: bytes) -> Response:
    corpus: Browsed = request.app.state.corpus
    started = time.perf_counter()
    answer = search_bytes(corpus, asked, number, content)
    groups = grouped(corpus, answer, [])
    return page(request, "answers.html", **_values(asked, answer, groups, started, is_example=True))


def search_bytes(corpus: Browsed, asked: Asked, number: int, content: bytes) -> Answer:
    """Rows like a picture or a page that somebody sent. Raises `UsageError` if it cannot be read."""
    with tempfile.TemporaryDirectory(prefix="docmill-browse-") as folder:
        path = Path(folder) / "the picture"
        path.write_bytes(content)
        try:
            return corpus.search_file(path, number, asked.scope())
        except UsageError as error:
            raise UsageError(str(error).replace(f"{path}: ", "").replace(str(path), "the picture")) from error


def _answered(corpus: Browsed, asked: Asked) -> dict[str, Any]:
    started = time.perf_counter()
    if asked.like:
        answer = corpus.search_like(asked.like, asked.scope())
        return _values(asked, answer, grouped(corpus, answer, []), started, is_example=True)
    if not asked.q.strip():
        return _values(asked, None, [], started)
    answer = corpus.search(asked.q, asked.scope())
    return _values(asked, answer, grouped(corpus, answer, marked_words(asked.q)), started)


def _values(
    asked: Asked, answer: Answer | None, groups: Sequence[Group], started: float, *, is_example: bool = False
) -> dict[str, Any]:
    return {
        "asked": asked,
        "answer": answer,
        "groups": groups,
        "words": marked_words(asked.q),
        "is_example": is_example,
        "took_ms": round(1000 * (time.perf_counter() - started)),
    }


def marked_words(query: str) -> list[str]:
    """Those of more than three letters, where the query has any: the others stand everywhere.

    >>> marked_words("where is the mill?")
    ['where', 'mill']
    """
    words = words_to_mark(query)
    return [word for word in words if len(word) > 3 or not word.isascii()] or words


def grouped(corpus: Browsed, answer: Answer, words: Sequence[str]) -> list[Group]:
    """The hits by document, documents in order of their best hit."""
    rows = corpus.store.shown([hit.id for hit in answer.hits])
    documents = list(dict.fromkeys(doc_id(hit.source_uri) for hit in answer.hits))
    on_page = [doc_id(hit.source_uri) for hit in answer.hits if hit.modality == "text" and hit.bbox and hit.page]
    of_pages = corpus.store.page_rows(list(dict.fromkeys(on_page)))
    whole_pages = {(row["doc_id"], row["page"]): row for row in of_pages if row["asset_id"] and row["bbox"]}
    drawable = corpus.drawable([hit.source_uri for hit in answer.hits if hit.modality == "text" and hit.bbox])
    groups: dict[str, list[Found]] = {document: [] for document in documents}
    for hit in answer.hits:
        row = rows.get(hit.id)
        if row is not None:
            groups[row["doc_id"]].append(_found(hit, row, whole_pages, answer, words, drawable))
    return [
        Group(document, hits[0].hit.source_uri, hits[0].hit.title, tuple(hits))
        for document, hits in groups.items()
        if hits
    ]


def _found(
    hit: Hit,
    row: Mapping[str, Any],
    whole_pages: Mapping[tuple[str, int | None], Mapping[str, Any]],
    answer: Answer,
    words: Sequence[str],
    drawable: Collection[str],
) -> Found:
    legs = tuple(
        Leg(name, LEG_NAMES[name], hit.legs[name]["rank"], hit.legs[name]["score"])
        for name in LEG_NAMES
        if name in hit.legs
    )
    document = row["doc_id"]
    asset, laid = row["asset_id"], None
    if hit.modality == "page" and row["bbox"]:
        boxes = [region.bbox for region in hit.boxes]
        laid = overlay((row["bbox"][2], row["bbox"][3]), boxes, answer.maps.get(hit.id))
    elif hit.modality == "text" and hit.bbox and (document, hit.page) in whole_pages:
        under = whole_pages[document, hit.page]
        asset, laid = under["asset_id"], overlay((under["bbox"][2], under["bbox"][3]), [hit.bbox], None)
    picture = f"/pictures/{asset}?width=480" if asset else ""
    if not picture and hit.modality == "text" and hit.bbox and document in drawable:
        box = ",".join(f"{side:.1f}" for side in hit.bbox)
        picture = f"/documents/{document}/pages/{hit.page}/picture?width=480&box={box}"
    return Found(hit, document, snippet(hit.text, words, SNIPPET), legs, picture, laid)
