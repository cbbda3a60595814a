"""`docmill backfill`: what is in the store is done again, by another parser, routing rule or model."""

from __future__ import annotations

import datetime as dt
import functools
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import click
from rich.table import Table

from cli.ingest import last_word
from cli.output import EXIT_QUARANTINED, Common, common_options, console, json_line, one_line, print_line, warn
from pipeline.backfill.accounts import Backfilled, pace
from pipeline.backfill.choice import Choice, Work, to_reparse
from pipeline.backfill.reroute import Change, reroute
from pipeline.config import Settings
from pipeline.errors import UsageError
from pipeline.ingest.open import models_of, models_to_pin
from pipeline.ingest.run import recipes_of
from pipeline.store import Store, find_store

if TYPE_CHECKING:
    from flows.progress import Progress as Step

P = ParamSpec("P")
SAY_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Options:
    """What all backfills that read documents take."""

    where: str | None
    since: dt.datetime | None
    until: dt.datetime | None
    limit: int | None
    share: float | None
    shards: int
    dry_run: bool

    @property
    def choice(self) -> Choice:
        return Choice(self.where, self.since, self.until, self.limit)


def choice_options(command: Callable[Concatenate[Options, P], int | None]) -> Callable[P, int | None]:
    """Adds the filters, the throttle and `--dry-run`; the command gets them as one value."""
    moment = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"])

    @click.option("--where", metavar="SQL", help="Only documents whose ledger entry is so: media_type = 'text/html'")
    @click.option("--since", type=moment, metavar="DATE", help="Only documents changed at this time (UTC) or later.")
    @click.option("--until", type=moment, metavar="DATE", help="Only documents changed before this time (UTC).")
    @click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Read at most N documents.")
    @click.option("--share", type=click.FloatRange(0, 1, min_open=True), help="Share of the time to work.")
    @click.option("--shards", type=click.IntRange(0, 10_000), default=0, help="Cut it into N runs for all workers.")
    @click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
    @functools.wraps(command)
    def with_choice(*args: P.args, **kwargs: P.kwargs) -> int | None:
        options: dict[str, Any] = dict(kwargs)
        values = {field.name: options.pop(field.name) for field in fields(Options)}
        values |= {name: values[name] and values[name].replace(tzinfo=dt.UTC) for name in ("since", "until")}
        return command(Options(**values), *args, **options)

    return with_choice


@click.group()
def backfill() -> None:
    """Do documents of the store again, while it is searched and written to."""


@backfill.command()
@choice_options
@common_options
def reparse(common: Common, options: Options) -> int | None:
    """Read documents again that an older docmill or other settings made.

    Which ones is said by filters over the ledger: its columns are source_uri, state, media_type, recipe, error, stage,
    size_bytes, text_rows, image_rows, page_rows, first_seen, last_seen, modified_at, metadata.KEY and more. What the
    present recipe has made is left alone, so a backfill that was stopped goes on where it was. With --json one object
    with chosen, current, sources, left, indexed, skipped, quarantined, gone, overtaken, embedded, reused, rows, seconds
    and table_version; with --dry-run one with chosen, current, documents and left.
    """
    settings, store = _open(common)
    if options.dry_run:
        unified, pages = models_of(settings)
        work = to_reparse(store, options.choice, recipes_of(settings, unified, pages))
        _show_plan(common, "reparse", work, {})
        return None
    return _run(common, settings, "reparse", options)


@backfill.command(name="reroute")
@choice_options
@common_options
def reroute_pages(common: Common, options: Options) -> int | None:
    """Route pages again by the present rule, and read those documents of which a page takes another way.

    The rule decides by the signals that are stored with the rows: to find out, no document is opened. Of a document
    that is read only what changed is embedded. A page without a row, such as a blank one, stays as it is. With
    --dry-run --json one object with chosen, current, documents, left and pages: how many go from which route to which.
    """
    settings, store = _open(common)
    if options.dry_run:
        unified, pages = models_of(settings)
        found = reroute(store, options.choice, recipes_of(settings, unified, pages))
        _show_plan(common, "reroute", found.work, found.changes)
        return None
    return _run(common, settings, "reroute", options)


def _open(common: Common) -> tuple[Settings, Store]:
    settings = common.settings
    unified, pages = models_of(settings)
    store = find_store(settings.store, models_to_pin(settings, unified, pages))
    if store is None:
        raise UsageError(f"no docmill store at {settings.store}: run `docmill ingest` first, or give --store")
    return settings, store


def _show_plan(common: Common, kind: str, work: Work, changes: Mapping[Change, int]) -> None:
    moved = [
        {"from": before.path, "from_reason": before.reason, "to": now.path, "to_reason": now.reason, "pages": pages}
        for (before, now), pages in sorted(changes.items(), key=lambda item: -item[1])
    ]
    counts = {"chosen": work.chosen, "current": work.current, "documents": len(work.sources), "left": work.left}
    if common.json:
        print_line(json_line({"kind": kind, **counts, **({"pages": moved} if kind == "reroute" else {})}))
        return
    table = Table.grid(padding=(0, 2))
    table.add_row("chosen", f"{work.chosen:,} documents, of which {work.current:,} need nothing")
    table.add_row("to read", f"{len(work.sources):,}" + (f", {work.left:,} more are left" if work.left else ""))
    for move in moved:
        before, now = (f"{move[end]} ({one_line(str(move[f'{end}_reason']))})" for end in ("from", "to"))
        table.add_row("pages", f"{move['pages']:,} from {before} to {now}")
    console().print(table)


def _run(common: Common, settings: Settings, kind: str, options: Options) -> int | None:
    from flows.local import import_prefect, local_server
    from flows.signals import ending_on_sigterm

    with ending_on_sigterm(), last_word():
        server = local_server(settings.serve, Path.cwd())
        import_prefect()
        from flows.backfill import BackfillRequest, run_backfill

        request = BackfillRequest(
            kind=kind,
            where=options.where,
            since=options.since,
            until=options.until,
            limit=options.limit,
            share=options.share,
            shards=options.shards,
            config=str(common.config.absolute()) if common.config else None,
            overrides={"store": settings.store} if common.store is not None else {},
        )
        if server is not None:
            server.wait()
        with told() as tell:
            done = run_backfill(request, tell)
    _show_done(common, done)
    return EXIT_QUARANTINED if done.quarantined or any(r.parent for r in done.failures) else None


@contextmanager
def told() -> Iterator[Callable[[Step], None]]:
    """A listener that says on standard error how far a backfill is: now and then, and in place on a terminal."""
    started, last = time.monotonic(), [0.0]

    def tell(step: Step) -> None:
        now = time.monotonic()
        if step.stage == "waiting":
            warn(f"waiting for another run on this store ({step.note})")
        elif step.stage == "queued":
            warn(step.note)
        elif step.stage == "written" and (now - last[0] > SAY_EVERY_S or step.done == step.total):
            last[0] = now
            warn(pace(step.done, step.total, now - started))

    yield tell
    sys.stderr.flush()


def _show_done(common: Common, done: Backfilled) -> None:
    if common.json:
        print_line(json_line(done.contract()))
        return
    out = console()
    out.print(f"{done.kind} done in {done.seconds:.1f} s" if done.sources else f"{done.kind}: nothing to do")
    table = Table.grid(padding=(0, 2))
    table.add_row("chosen", f"{done.chosen:,} documents, of which {done.current:,} needed nothing")
    parts = [(name, getattr(done, name)) for name in ("indexed", "skipped", "quarantined", "gone", "overtaken")]
    table.add_row("read", f"{done.sources:,} = " + " + ".join(f"{count:,} {name}" for name, count in parts))
    if done.left:
        table.add_row("left", f"{done.left:,}: run it again to go on")
    table.add_row("rows", f"{done.embedded:,} embedded, {done.reused:,} reused")
    table.add_row("table", f"version {done.table_version}, run {done.run_id}")
    out.print(table)
