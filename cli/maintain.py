"""`docmill maintain`: upkeep of a store, for once a night."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from uuid import uuid4

import click
from rich.table import Table

from cli.canary import ask, waiting
from cli.output import Common, common_options, console, json_line, print_line, size_text
from pipeline.maintain import Upkeep, maintain
from pipeline.memory import available_bytes


@click.command(name="maintain")
@click.option("--keep-days", type=click.FloatRange(min=0), help="Keep old versions for so many days.  [default: 7]")
@click.option("--whatever-it-takes", "any_memory", is_flag=True, help="Go on even if the memory may not suffice.")
@common_options
def maintain_store(common: Common, keep_days: float | None, any_memory: bool) -> int | None:
    """Merge small files, bring the indexes up to date, take away old versions and what killed runs left.

    No row changes, and searches go on meanwhile; an ingest on the same store waits until it is done, and the other way
    round. It first estimates the memory that this takes, and does nothing if there is less. A search that runs for
    longer than --keep-days may lose the version that it reads. With canary.gate known questions are asked after it, as
    by `docmill canary`. With --json one object with mended, unused_pictures, old_versions, bytes_before, bytes_after,
    rows and table_version.
    """
    settings = common.load({"keep_days": keep_days}).settings
    now = dt.datetime.now(dt.UTC)
    free = None if any_memory else available_bytes
    done = maintain(settings, run_id=str(uuid4()), now=now, waiting=waiting, free=free)
    if common.json:
        print_line(json_line(asdict(done)))
    else:
        console().print(_table(done))
    if settings.canary.gate:
        ask(settings).check()
    return None


def _table(done: Upkeep) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("size", f"{size_text(done.bytes_before)} before, {size_text(done.bytes_after)} now")
    table.add_row("removed", f"{done.old_versions:,} old versions, {done.unused_pictures:,} unused pictures")
    if done.mended:
        table.add_row("mended", f"{done.mended:,} documents in the ledger; the next ingest looks at them again")
    table.add_row("rows", ", ".join(f"{count:,} {modality}" for modality, count in done.rows.items()))
    table.add_row("table", f"version {done.table_version}")
    return table
