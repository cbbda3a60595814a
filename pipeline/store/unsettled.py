"""Marks that rows are being written whose ledger records are still to come: what a run leaves that is cut short there.

They are tags of the corpus, which work in a folder and in a bucket alike and cost a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.store.schema import CORPUS
from pipeline.store.tables import Tables

PREFIX = "unsettled-"


def mark(tables: Tables, run_id: str) -> None:
    table, name = tables.fresh(CORPUS), PREFIX + run_id
    try:
        table.tags.create(name, table.version)
    except (OSError, RuntimeError, ValueError):
        if name not in table.tags.list():
            raise


def marks(tables: Tables) -> list[str]:
    """Ids of the runs that left a mark."""
    names = tables.fresh(CORPUS).tags.list()
    return sorted(name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))


def unmark(tables: Tables, run_ids: Sequence[str]) -> None:
    table = tables.fresh(CORPUS)
    for name in (PREFIX + run_id for run_id in run_ids):
        try:
            table.tags.delete(name)
        except (OSError, RuntimeError, ValueError):
            if name in table.tags.list():
                raise
