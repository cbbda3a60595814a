"""Upkeep of a store as a flow, for once a night."""

from __future__ import annotations

import datetime as dt

from prefect import flow, runtime
from prefect.artifacts import create_markdown_artifact
from pydantic import Field

from flows.canary import guard_now
from flows.reports import markdown_table
from flows.request import Request
from flows.server import rename_run
from pipeline.maintain import Upkeep
from pipeline.maintain import maintain as look_after
from pipeline.memory import available_bytes

MB = 1_000_000


class MaintainRequest(Request):
    """Which store to look after, and how."""

    whatever_it_takes: bool = Field(default=False, description="go on even if the memory may not suffice")
    keep_days: float | None = Field(default=None, ge=0, description="days to keep old versions; `keep_days` when empty")


@flow(name="maintain", flow_run_name="maintain", persist_result=False, validate_parameters=True)
def maintain(request: MaintainRequest) -> Upkeep:
    """Merge small files, bring the indexes up to date, take away old versions; changes no row."""
    settings = request.settings()
    if request.keep_days is not None:
        settings = settings.model_copy(update={"keep_days": request.keep_days})
    now = dt.datetime.now(dt.UTC)
    free = None if request.whatever_it_takes else available_bytes
    done = look_after(settings, run_id=str(runtime.flow_run.id), now=now, free=free)
    freed = max(0, done.bytes_before - done.bytes_after) / MB
    rename_run(f"maintain {now:%Y-%m-%d} ({freed:,.1f} MB freed)")
    facts = {
        "size": f"{done.bytes_before / MB:,.1f} MB before, {done.bytes_after / MB:,.1f} MB now",
        "removed": f"{done.old_versions:,} old versions, {done.unused_pictures:,} unused pictures",
        "mended": f"{done.mended:,} documents in the ledger",
        "rows": ", ".join(f"{count:,} {modality}" for modality, count in done.rows.items()),
        "table": f"version {done.table_version}",
    }
    create_markdown_artifact(f"## Upkeep\n\n{markdown_table(('', ''), facts)}", key="maintain")
    guard_now(settings, request.folder)
    return done
