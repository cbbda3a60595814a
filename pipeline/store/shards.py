"""Work lists: which sources each shard of a run takes, in a table of the store, so that any machine can read them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.store.edge import retrying
from pipeline.store.schema import INSTANT, clean
from pipeline.store.tables import Tables
from pipeline.store.where import sql_literal

SHARDS = "shards"
KEPT = dt.timedelta(days=30)  # lists of runs that never ended go when another one is made
SCHEMA = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("shard", pa.int32(), nullable=False),
        pa.field("source_uri", pa.string()),  # null in a shard's note of what it did
        pa.field("size_bytes", pa.int64()),
        pa.field("note", pa.string()),  # JSON
        pa.field("created", INSTANT),
    ]
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A source in the list of a shard; `note` is what its maker wants to know again."""

    shard: int
    uri: str
    size_bytes: int
    note: Sequence[str | None] = ()


class WorkLists:
    """The table `shards`, made when it is first needed."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, run_id: str, listed: Iterable[Listed], now: dt.datetime) -> None:
        """Write the lists of a run, in one commit."""
        rows = [
            {"run_id": run_id, "shard": one.shard, "source_uri": clean(one.uri), "size_bytes": one.size_bytes}
            | {"note": json.dumps(one.note), "created": now}
            for one in listed
        ]
        self._append(rows)
        retrying(lambda: self._tables.fresh(SHARDS).delete(f"created < timestamp '{(now - KEPT).isoformat()}'"))

    def done(self, run_id: str, shard: int, counts: dict[str, int], now: dt.datetime) -> None:
        """Note what a shard did."""
        row = {"run_id": run_id, "shard": shard, "source_uri": None, "size_bytes": 0, "note": json.dumps(counts)}
        self._append([row | {"created": now}])

    def read(self, run_id: str, shard: int | None = None) -> Iterator[Listed]:
        """The sources of one shard of a run, or of all."""
        for row in self._rows(run_id, shard, "source_uri IS NOT NULL"):
            yield Listed(row["shard"], row["source_uri"], row["size_bytes"], json.loads(row["note"]))

    def counts(self, run_id: str) -> Iterator[dict[str, int]]:
        """What the shards of a run noted."""
        for row in self._rows(run_id, None, "source_uri IS NULL"):
            yield json.loads(row["note"])

    def drop(self, run_id: str) -> None:
        if self._tables.exists(SHARDS):
            retrying(lambda: self._tables.fresh(SHARDS).delete(f"run_id = {sql_literal(run_id)}"))

    def _append(self, rows: list[dict[str, Any]]) -> None:
        self._tables.make(SHARDS, SCHEMA)
        retrying(lambda: self._tables.fresh(SHARDS).add(pa.Table.from_pylist(rows, schema=SCHEMA)))

    def _rows(self, run_id: str, shard: int | None, also: str) -> Iterator[dict[str, Any]]:
        if not self._tables.exists(SHARDS):
            return
        where = f"run_id = {sql_literal(run_id)} AND {also}" + ("" if shard is None else f" AND shard = {shard}")
        for batch in self._tables.batches(SHARDS, where, ["shard", "source_uri", "size_bytes", "note"], 8192):
            yield from batch.to_pylist()
