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
from uuid import uuid4

import click
from rich.table import Table

from cli.ingest import last_word
from cli.output import EXIT_QUARANTINED, Common, common_options, console, json_line, one_line, print_line, warn
from pipeline.backfill.accounts import Backfilled, pace
from pipeline.backfill.choice import Choice, Work, to_reparse
from pipeline.backfill.reembed import cancel, finish, long_passages, restore_tag
from pipeline.backfill.reroute import Change, reroute
from pipeline.config import Settings
from pipeline.errors import UsageError
from pipeline.ingest.in_force import in_force, with_names
from pipeline.ingest.open import load_both, models_of, models_to_pin
from pipeline.ingest.recipes import recipes_of
from pipeline.store import Names, Store, find_store, open_store

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


@backfill.command()
@click.option("--unified", metavar="NAME", default="", help="The next embedder of passages and pictures.")
@click.option("--text", metavar="NAME", default="", help="The next embedder of passages beside one for pictures only.")
@click.option("--pages", metavar="NAME", default="", help="The next embedder of page pictures.")
@click.option("--no-gate", is_flag=True, help="Switch even if known items are found less often than before.")
@click.option("--finish", "end", flag_value="finish", help="Drop the vectors of the models before.")
@click.option("--cancel", "end", flag_value="cancel", help="Give up a move that is not done yet.")
@choice_options
@common_options
def reembed(
    common: Common, options: Options, unified: str, text: str, pages: str, no_gate: bool, end: str | None
) -> int | None:
    """Move the store to other models, while it is searched and written to.

    Their vectors are filled in beside those in force; then known items are asked for with both, and if the next models
    find enough (backfill.recall), one commit puts them in force. The vectors before are kept for `docmill backfill
    rollback`, until --finish, or a `docmill maintain` after backfill.keep_days. Killed anywhere, it goes on where it
    was. With filters or --limit (of rows) it fills only these and does not switch while others are left. With --json
    one object with unified, pages, rows, left, long (passages that the next model reads in pieces), recall_before,
    recall_after, switched, table_version and seconds.
    """
    settings = common.settings
    if options.shards:
        raise UsageError("--shards does not go with reembed: one run fills the vectors")
    if end is not None:
        return _end(common, settings, end)
    if not (unified or text or pages):
        raise UsageError("name the next models, with --unified, --text or --pages")
    if options.dry_run:
        return _show_move(common, settings, Names(unified, pages, text))
    fields = {"unified": unified, "text": text, "pages": pages, "gate": not no_gate}
    fields |= {name: getattr(options, name) for name in ("where", "since", "until", "limit", "share")}
    return _move(common, settings, fields)


@backfill.command()
@click.option("--restore", is_flag=True, help="The table as it was at the tag, without what was written since.")
@common_options
def rollback(common: Common, restore: bool) -> int | None:
    """Go back to the models before the last reembed, while their vectors are kept.

    What was written since gets vectors of theirs first, so nothing is lost. With --restore the table becomes what it
    was when the reembed began; what was written since is read again by the next ingest of its folder.
    """
    if restore:
        return _end(common, common.settings, "restore")
    return _move(common, common.settings, {"back": True})


def _move(common: Common, settings: Settings, fields: Mapping[str, Any]) -> int | None:
    from flows.local import import_prefect, local_server
    from flows.signals import ending_on_sigterm

    store = open_store(settings.store)  # refused before a server is started for it
    with ending_on_sigterm(), last_word():
        server = local_server(settings.serve, Path.cwd())
        import_prefect()
        from flows.reembed import ReembedRequest, run_reembed

        config = str(common.config.absolute()) if common.config else None
        overrides = {"store": settings.store} if common.store is not None else {}
        request = ReembedRequest.model_validate({**fields, "config": config, "overrides": overrides})
        if server is not None:
            server.wait()
        with told("rows") as tell:
            done = run_reembed(request, tell)
    if common.json:
        print_line(json_line(done.contract()))
        return None
    out = console()
    out.print(f"{done.kind}: {done.rows:,} rows filled in {done.seconds:.1f} s, {done.left:,} left")
    if done.recall_before is not None and done.recall_after is not None:
        out.print(f"recall of known items: {done.recall_before:.3f} before, {done.recall_after:.3f} now")
    if done.long:
        out.print(f"{done.long:,} passages are longer than the model reads: `docmill backfill reparse` cuts them anew")
    if done.switched:
        values = {"unified": done.unified, "text": done.text, "pages": done.pages}
        out.print("in force; set in docmill.toml: " + ", ".join(f'{name} = "{v}"' for name, v in values.items() if v))
        out.print(f"{one_line(store.uri)}: version {done.table_version}; the vectors before are kept for a rollback")
    return None


def _show_move(common: Common, settings: Settings, names: Names) -> int | None:
    live = in_force(settings)
    names = Names(names.unified or live.unified, names.pages or live.pages_model, names.text)
    next_unified, _ = load_both(with_names(settings, names))
    store = open_store(settings.store)
    rows, long = sum(store.count().values()), long_passages(store, next_unified)
    if common.json:
        print_line(json_line({"kind": "reembed", "rows": rows, "long": long}))
    else:
        console().print(f"{rows:,} rows; {long:,} passages are longer than the next model reads at once")
    return None


def _end(common: Common, settings: Settings, how: str) -> int | None:
    store, now = open_store(settings.store), dt.datetime.now(dt.UTC)
    with store.writer(settings.lock_wait_s):
        if how == "cancel":
            cancel(store)
        elif how == "restore":
            restore_tag(store, str(uuid4()), now)
        elif not finish(store, now, dt.timedelta(0)):
            raise UsageError(f"{settings.store}: keeps no vectors of models before, or its reembed is not done")
    if common.json:
        print_line(json_line({"done": how, "table_version": store.version()}))
    else:
        console().print(f"{how}: done, version {store.version()}")
    return None


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
def told(thing: str = "documents") -> Iterator[Callable[[Step], None]]:
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
            warn(pace(step.done, step.total, now - started, thing))

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
