"""Upkeep of a store: books mended, small files merged, indexes brought up to date, leftovers taken away."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.backfill.reembed import finish
from pipeline.config import Settings
from pipeline.errors import TooLittleMemory
from pipeline.ingest.mend import mend_books
from pipeline.ingest.open import clear_work
from pipeline.ingest.prepare import web_folder
from pipeline.memory import available_bytes
from pipeline.sources.web.kept import Kept
from pipeline.store import Store, open_store

MB = 1_000_000


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
    settings: Settings,
    *,
    run_id: str,
    now: dt.datetime,
    waiting: Callable[[str], None] | None = None,
    free: Callable[[], int] | None = available_bytes,
) -> Upkeep:
    """Look after the store of these settings, under its writer lock; searches go on meanwhile. Changes no row.

    `free` tells how much memory there is, in bytes; None for any amount. Raises `UsageError` if there is no store,
    `StoreBusy` if another run holds it for longer than `lock_wait_s`, `TooLittleMemory` before anything is done.
    """
    store = open_store(settings.store)
    with store.writer(settings.lock_wait_s, waiting):
        if free is not None:
            _check_memory(store, free())
        clear_work(settings.store)
        before = _size(store)
        mended = mend_books(store, run_id, now)
        unused = store.drop_unused_assets()
        store.refresh_indexes(merge=True)
        Kept(web_folder(settings.store)).clean()
        finish(store, now, dt.timedelta(days=settings.backfill.keep_days))
        removed = store.remove_old_versions(dt.timedelta(days=settings.keep_days))
        rows = {str(modality): count for modality, count in store.count().items()}
        return Upkeep(mended, unused, removed, before, _size(store), rows, store.version())


def _check_memory(store: Store, free: int) -> None:
    needed = store.memory_needed()
    if needed > free:
        raise TooLittleMemory(
            f"{store.uri}: upkeep would need about {needed / MB:,.0f} MB of memory and {free / MB:,.0f} MB are free; "
            "nothing was done: stop what else runs here, use a larger machine, or say --whatever-it-takes"
        )


def _size(store: Store) -> int:
    sizes: dict[str, int] = store.status()["bytes"]
    return sum(sizes.values())
