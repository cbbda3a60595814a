"""Taking away what a store no longer needs: old versions, files of cut-short commits, pictures nothing refers to."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pipeline.store.assets import Assets
from pipeline.store.edge import retrying
from pipeline.store.schema import ASSETS, CORPUS, TABLES
from pipeline.store.tables import BATCH, Tables

FIXED_BYTES = 100_000_000
CORPUS_TIMES = 6


def drop_unused_assets(tables: Tables, assets: Assets) -> int:
    """Delete pictures that no row shows, as a run leaves them that was killed before its rows; gives how many."""
    used: set[str] = set()
    for batch in tables.batches(CORPUS, "asset_id IS NOT NULL", ["asset_id"], 16 * BATCH):
        used.update(batch["asset_id"].to_pylist())
    unused: set[str] = set()
    for batch in tables.batches(ASSETS, "doc_id != ''", ["asset_id"], 16 * BATCH):
        unused.update(name for name in batch["asset_id"].to_pylist() if name not in used)
    assets.drop(unused)
    return len(unused)


def remove_old_versions(tables: Tables, keep: dt.timedelta, *, alone: bool) -> int:
    """Delete versions older than `keep`, save tagged ones, and the files that only they used; gives how many.

    `alone` says that nobody else can be writing: then files of commits that were cut short go as well.
    """
    return sum(retrying(lambda name=name: _clean(tables, name, keep, alone)) for name in TABLES)  # type: ignore[misc]


def _clean(tables: Tables, name: str, keep: dt.timedelta, alone: bool) -> int:
    dataset = tables.fresh(name).to_lance()
    done = dataset.cleanup_old_versions(older_than=keep, delete_unverified=alone, error_if_tagged_old_versions=False)
    return int(done.old_versions)


def memory_needed(tables: Tables) -> int:
    """Bytes that merging and indexing take at their peak beyond those of the process, by what the corpus holds.

    Measured with all indexes made anew, most of it for vector indexes: corpora of 48, 74 and 202 MB took 321, 463 and
    758 MB. The estimate is above all three; it errs to the safe side, the more the larger the corpus.
    """
    return FIXED_BYTES + CORPUS_TIMES * int(tables.open(CORPUS).stats()["total_bytes"])


def set_tag(tables: Tables, name: str) -> None:
    """The tag names the newest version of each table from now on; versions with a tag are never taken away."""
    for table in TABLES:
        retrying(lambda table=table: _tag(tables.fresh(table), name))  # type: ignore[misc]


def remove_tag(tables: Tables, name: str) -> None:
    """Versions that only this tag kept go with the next clean-up."""
    for table in map(tables.fresh, TABLES):
        if name in table.tags.list():
            table.tags.delete(name)


def tagged(tables: Tables, name: str) -> int | None:
    """The version of the corpus that has this tag."""
    tags = tables.fresh(CORPUS).tags.list()
    return int(tags[name]["version"]) if name in tags else None


def _tag(table: Any, name: str) -> None:
    if name in table.tags.list():
        table.tags.update(name, table.version)
    else:
        table.tags.create(name, table.version)
