"""What a store holds, as `docmill status` and the web page tell it. Reads only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pipeline.canary import NOTE
from pipeline.config import Settings
from pipeline.errors import DocmillError
from pipeline.ingest.open import models_of
from pipeline.ingest.recipes import recipes_of
from pipeline.page_storage import PageSizes, storage
from pipeline.store import Models, Store

COUNTED = 5_000  # pages whose vectors are counted; counting reads them


@dataclass(frozen=True, slots=True)
class LastCanary:
    """What the canary noted the last time that searches were good."""

    at: str
    version: int
    questions: int
    found: int  # of the questions, those whose document was among the first ten hits


def status_of(settings: Settings, store: Store, counted: int = COUNTED) -> dict[str, Any]:
    """The store's own status, with stale documents by the settings in force and what the vectors of pages take."""
    found = store.status() | {"stale": stale(settings, store)}
    if pages := found["rows"]["page"]:
        counts, model = store.page_counts(counted), store.models.pages
        found["pages"] = storage(PageSizes(counts.vectors, counts.tokens, model.dim, model.pooling), pages)
    return found


def stale(settings: Settings, store: Store) -> int | None:
    """Indexed documents that an ingest with these settings would count as stale; None if it would refuse the store."""
    try:
        unified, pages = models_of(settings)
    except DocmillError:
        return None
    is_same = Models(unified.id, pages.id, unified.pictures_id) == store.models
    return store.stale(recipes_of(settings, unified, pages).rows) if is_same else None


def last_canary(store: Store) -> LastCanary | None:
    """None if it was never asked, or by a docmill that noted it otherwise."""
    note = store.note(NOTE)
    if note is None:
        return None
    try:
        value = json.loads(note)
        ranks = [answer["rank"] for answer in value["answers"]]
        found = sum(rank is not None for rank in ranks)
        return LastCanary(str(value["at"]), int(value["version"]), len(ranks), found)
    except (ValueError, KeyError, TypeError):
        return None
