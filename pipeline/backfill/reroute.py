"""Routing stored pages again: their signals to the present rule, without opening a document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from pipeline.backfill.choice import Choice, Work, to_read
from pipeline.doubt import read_signals
from pipeline.ingest.plan import Recipes
from pipeline.ingest.text_layer import routers_reason
from pipeline.labelled import LABELLED, routes_of
from pipeline.route import route
from pipeline.store import Store
from pipeline.types import DocumentRecord, Route

Change = tuple[Route, Route]


@dataclass(frozen=True, slots=True)
class Rerouting:
    """Pages by the change of their route, the sources that must be read for them, and the documents that only need to
    be told that the present rule would not change them."""

    changes: Mapping[Change, int]
    work: Work
    agreed: tuple[DocumentRecord, ...]


def reroute(store: Store, choice: Choice, recipes: Recipes) -> Rerouting:
    """What the present rule says of the chosen documents' pages, or where there is one, a person's label.

    Only rows tell of their page: one without any, such as a blank page, stays as it is.
    """
    chosen = {record.doc_id: record for record in choice.records(store) if record.state == "indexed"}
    moved: dict[tuple[str, int | None], Change] = {}
    labels = routes_of(store.route_labels())
    for document, page, before, signals in store.routes():
        said = labels.get((document, chosen[document].content_sha256), {}) if document in chosen else {}
        now = (said.get(page) if page is not None else None) or routed(signals)
        if document in chosen and now is not None and not _same(before, now):
            moved[document, page] = (before, now)
    documents = {document for document, _ in moved}
    work = to_read(((record, record.doc_id in documents) for record in chosen.values()), choice.limit)
    agreed = (r for r in chosen.values() if r.doc_id not in documents and _only_router_differs(r, recipes))
    return Rerouting(Counter(moved.values()), work, tuple(replace(record, recipe=recipes.rows) for record in agreed))


@lru_cache(maxsize=4096)
def routed(signals: str) -> Route | None:
    """The route of a page with these stored signals; None for what cannot be read. What a signal's row lacks, because
    it was not measured then, counts as its default.

    >>> routed('{"chars": 0, "coverage": 1.0, "biggest": 1.0}')
    Route(path='page', reason='scan')
    """
    read = read_signals(signals)
    try:
        return None if read is None else route(read)
    except TypeError:
        return None


def _same(before: Route, now: Route) -> bool:
    """A page whose text layer was compared with OCR has the path and the reason that came of it."""
    if now.reason == LABELLED:
        return now.path == before.path
    bare = routers_reason(before.reason)
    return now == before if bare == before.reason else bare == now.reason


def _only_router_differs(record: DocumentRecord, recipes: Recipes) -> bool:
    made, now = record.recipe.rpartition("."), recipes.rows.rpartition(".")
    return made[0] == now[0] and made[2] != now[2]
