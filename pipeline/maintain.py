"""Upkeep of a store: books mended, small files merged, indexes brought up to date, leftovers taken away."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.config import Settings
from pipeline.ingest.mend import mend_books
from pipeline.ingest.open import clear_work
from pipeline.ingest.prepare import web_folder
from pipeline.sources.web.kept import Kept
from pipeline.store import Store, open_store


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What was done; bytes are of all files of the tables."""

    mended: int  # documents whose ledger entry was not that of their rows
    unused_pictures: int
    old_versions: int
    bytes_before: int
    bytes_after: int
    rows: dict[str, int]
    table_version: int


def maintain(
    settings: Settings, *, run_id: str, now: dt.datetime, waiting: Callable[[str], None] | None = None
) -> Upkeep:
    """Look after the store of these settings, under its writer lock; searches go on meanwhile. Changes no row.

    Raises `UsageError` if there is no store, `StoreBusy` if another run holds it for longer than `lock_wait_s`.
    """
    store = open_store(settings.store)
    with store.writer(settings.lock_wait_s, waiting):
        clear_work(settings.store)
        before = _size(store)
        mended = mend_books(store, run_id, now)
        unused = store.drop_unused_assets()
        store.refresh_indexes(merge=True)
        Kept(web_folder(settings.store)).clean()
        removed = store.remove_old_versions(dt.timedelta(days=settings.keep_days))
        rows = {str(modality): count for modality, count in store.count().items()}
        return Upkeep(mended, unused, removed, before, _size(store), rows, store.version())


def _size(store: Store) -> int:
    sizes: dict[str, int] = store.status()["bytes"]
    return sum(sizes.values())
