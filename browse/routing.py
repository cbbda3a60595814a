"""The review of routes: pages by route and reason, the doubtful first, and what people say of them."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import anyio.to_thread
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from browse.browsed import Browsed, Judged, NotThere
from browse.forms import read_own_form, way_back, whole
from browse.page_drawer import can_draw
from browse.render import Pager, page
from pipeline.errors import UsageError
from pipeline.filters import ROUTES
from pipeline.labelled import label_of, label_value, paths_of
from pipeline.store import RouteLabel
from pipeline.types import DocumentRecord

ON_GRID = 24
SHOW = {"doubtful": "doubtful first", "labelled": "labelled only"}


@dataclass(frozen=True, slots=True)
class Card:
    """One page of the grid; `picture` is the path of what it looks like, "" for nothing."""

    judged: Judged
    picture: str
    label: RouteLabel | None
    paths: tuple[str, ...]  # others than its own


def review(request: Request) -> Response:
    """A part of the grid."""
    corpus: Browsed = request.app.state.corpus
    given = request.query_params
    labels = _labels(corpus)
    pages = corpus.judged()
    route, reason, show = _asked(given)
    chosen = [
        one
        for one in pages
        if (not route or one.page.route.path == route)
        and (not reason or one.page.route.reason == reason)
        and (show != "labelled" or _key(one) in labels)
    ]
    first = whole(given, "first", 0)
    reasons = Counter(one.page.route.reason for one in pages if not route or one.page.route.path == route)
    return page(
        request,
        "routing.html",
        cards=_cards(corpus, chosen[first : first + ON_GRID], labels),
        pager=Pager(first, ON_GRID, len(chosen)),
        parameters={"route": route, "reason": reason, "show": "" if show == "doubtful" else show},
        route=route,
        reason=reason,
        show=show,
        shows=SHOW,
        routes=Counter(one.page.route.path for one in pages),
        reasons=dict(reasons.most_common()),
        doubtful=sum(one.doubt is not None for one in chosen),
        labelled=len(labels),
    )


async def label(request: Request) -> Response:
    """Stores that a page should have taken another path, or takes that back."""
    fields = await read_own_form(request)
    await anyio.to_thread.run_sync(partial(_store, request.app.state.corpus, fields))
    return RedirectResponse(way_back(fields, "/routing"), 303)


def export(request: Request) -> Response:
    """All labels as JSON lines, as `docmill labels --json` prints them."""
    labels = request.app.state.corpus.store.route_labels()
    lines = (json.dumps(label_value(label), ensure_ascii=False, default=str) for label in labels)
    headers = {"Content-Disposition": 'attachment; filename="route-labels.jsonl"'}
    return Response("".join(f"{line}\n" for line in lines), media_type="application/x-ndjson", headers=headers)


def _store(corpus: Browsed, fields: dict[str, str]) -> None:
    number = whole(fields, "page", 0, least=1)
    found = corpus.routed_page(fields.get("doc_id", ""), number)
    if found is None:
        raise NotThere("there is no such page in the store; it may have changed meanwhile")
    if fields.get("path"):
        corpus.store.label_route(label_of(found, fields["path"], dt.datetime.now(dt.UTC)))
    else:
        corpus.store.unlabel_route(found.doc_id, number)


def _asked(given: QueryParams) -> tuple[str, str, str]:
    route, show = given.get("route", ""), given.get("show", "doubtful")
    if route and route not in ROUTES:
        raise UsageError(f"route: {route[:40]!r} is none of {', '.join(ROUTES)}")
    if show not in SHOW:
        raise UsageError(f"show: {show[:40]!r} is none of {', '.join(SHOW)}")
    return route, given.get("reason", "")[:200], show


def _labels(corpus: Browsed) -> dict[tuple[str, int | None, str], RouteLabel]:
    """Labels that hold for what is in the store now are found by their page's key."""
    return {(label.doc_id, label.page, label.content_sha256): label for label in corpus.store.route_labels()}


def _key(judged: Judged) -> tuple[str, int | None, str]:
    return judged.page.doc_id, judged.page.page, judged.page.content_sha256


def _cards(
    corpus: Browsed, shown: Sequence[Judged], labels: dict[tuple[str, int | None, str], RouteLabel]
) -> list[Card]:
    documents = list(dict.fromkeys(one.page.doc_id for one in shown))
    pictures = corpus.store.page_pictures(documents)
    uris = list(dict.fromkeys(one.page.source_uri for one in shown))
    records = {record.doc_id: record for record in corpus.store.documents(uris)} if uris else {}
    return [
        Card(
            one,
            _picture(one, pictures.get((one.page.doc_id, one.page.page)), records.get(one.page.doc_id)),
            labels.get(_key(one)),
            tuple(path for path in paths_of(one.page.signals) if path != one.page.route.path),
        )
        for one in shown
    ]


def _picture(judged: Judged, asset: str | None, record: DocumentRecord | None) -> str:
    if asset:
        return f"/pictures/{asset}?width=320"
    if record is not None and judged.page.page and can_draw(record):
        return f"/documents/{record.doc_id}/pages/{judged.page.page}/picture?width=320"
    return ""
