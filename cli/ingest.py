"""`docmill ingest`: the main job, run as a Prefect flow, with progress and a summary for people or one JSON line."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from cli.output import EXIT_QUARANTINED, Common, common_options, console, json_line, print_line, short_name, warn
from pipeline.config import Settings
from pipeline.errors import UsageError
from pipeline.ingest.stopwatch import PARSING
from pipeline.sources.listing import discover, pages
from pipeline.sources.web.addresses import check_settings

if TYPE_CHECKING:
    from flows.progress import Progress as Step
    from pipeline.ingest.accounts import Summary
    from pipeline.ingest.manifest import Manifest

NAMED = 5  # failures and slow documents that the summary names


@click.command()
@click.argument("sources", nargs=-1, metavar="SOURCE...")
@click.option(
    "--manifest",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Instead of sources: do what `docmill plan --out FILE` wrote down, and nothing else.",
)
@click.option("--include", multiple=True, metavar="PATTERN", help="Take only files that match (.gitignore syntax).")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave out files that match.")
@click.option("--depth", type=click.IntRange(0, 100), help="Follow links of the same host so deep.  [default: 0]")
@click.option("--max-pages", type=click.IntRange(1), help="Pages taken of one web source.  [default: 1000]")
@click.option("--browser", is_flag=True, help="Render pages that scripts make, with an installed Chromium.")
@click.option("--screenshot", is_flag=True, help="With --browser: take what such pages look like as pages, too.")
@click.option("--workers", type=click.IntRange(0, 256), help="Parse workers.  [default: one a core]")
@click.option("--shards", type=click.IntRange(0, 10_000), default=0, help="Cut the work into N runs for all workers.")
@click.option("--refresh", is_flag=True, help="Read again, too, what other settings or an older docmill made.")
@click.option(
    "--profile", is_flag=True, help="Say where the time went, by stage; a first use includes loading the model."
)
@click.option("--allow-mass-delete", is_flag=True, help="Delete even if most documents of a folder are gone.")
@common_options
def ingest(
    common: Common,
    sources: tuple[str, ...],
    manifest: Path | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    depth: int | None,
    max_pages: int | None,
    browser: bool,
    screenshot: bool,
    workers: int | None,
    shards: int,
    refresh: bool,
    profile: bool,
    allow_mass_delete: bool,
) -> int | None:
    """Read SOURCE... into the store: files, folders, globs, URLs, or @list.txt with one of them a line.

    A URL may be a page, a file, a sitemap or a feed; with --depth the pages and files that a page links to on its own
    host are taken as well. What may be fetched, and how fast, docs/web.md says.

    Only what is new or changed is read; what is gone from a listed folder is deleted. What other settings or an older
    docmill made is stale: it stays, and is counted, until you say --refresh. With --json the last line of the
    output is one object with run_id, discovered, indexed, unchanged, skipped, quarantined, deleted, attachments, rows,
    seconds and table_version. Exit code 3 means that some documents are in quarantine: see `docmill quarantine ls`.
    With --manifest a file that changed since the plan was made is not read; it goes to quarantine until the next run.
    """
    if bool(sources) == bool(manifest):
        raise UsageError("name sources, or a manifest with --manifest, not both: see `docmill ingest --help`")
    if manifest and (include or exclude or refresh):
        raise UsageError("--include, --exclude and --refresh do not go with --manifest: they belong to `docmill plan`")
    flags = {
        "sources.include": include or None,
        "sources.exclude": exclude or None,
        "web.depth": depth,
        "web.max_pages": max_pages,
        "web.browser": browser or None,
        "web.screenshot": screenshot or None,
        "workers": workers,
    }
    overrides = {key: value for key, value in flags.items() if value is not None}
    return ingest_now(
        common,
        sources,
        manifest,
        overrides=overrides,
        refresh=refresh,
        allow_mass_delete=allow_mass_delete,
        shards=shards,
        profile=profile,
    )


def ingest_now(
    common: Common,
    sources: Sequence[str],
    manifest: Path | None = None,
    *,
    overrides: Mapping[str, object],
    refresh: bool = False,
    allow_mass_delete: bool = False,
    shards: int = 0,
    profile: bool = False,
) -> int | None:
    """Run the flow on sources or a manifest and print its summary; gives the exit code."""
    overrides = {**({"store": common.store} if common.store is not None else {}), **overrides}
    settings = common.load(overrides).settings  # a bad setting or source is refused before a server is started for it
    discover(sources, settings.sources, settings.limits, cwd=Path.cwd())
    if pages(sources, Path.cwd()):
        check_settings(settings.web)
        from pipeline.sources.web.browser import check_browser

        check_browser(settings.web)
    if manifest is not None:
        _read(manifest)
    fields = {
        "sources": list(sources),
        "manifest": str(manifest.absolute()) if manifest else None,
        "config": str(common.config.absolute()) if common.config else None,
        "overrides": overrides,
        "refresh": refresh,
        "allow_mass_delete": allow_mass_delete,
        "shards": shards,
    }
    with _progress(quiet=common.json or not sys.stderr.isatty()) as tell:
        summary = _run(settings, fields, tell)
    for note in summary.notes:
        warn(f"note: {note}")
    if common.json:
        print_line(json_line(summary.contract() | ({"stages": dict(summary.stages)} if profile else {})))
    else:
        _show(summary, console())
        if profile and summary.stages:
            _show_stages(summary, console())
    return EXIT_QUARANTINED if summary.has_quarantine else None


def _run(settings: Settings, fields: Mapping[str, Any], tell: Callable[[Step], None]) -> Summary:
    from flows.local import has_server, import_prefect, local_server
    from flows.signals import ending_on_sigterm

    with ending_on_sigterm(), last_word():
        # Nobody watches a temporary server, so a run with nothing to do needs none; a new store has all to do.
        is_old = "://" in settings.store or Path(settings.store).exists()
        alone = not has_server(settings.serve, Path.cwd())
        if is_old and alone and (summary := _idle(settings, fields, tell)) is not None:
            return summary
        server = local_server(settings.serve, Path.cwd())
        import_prefect()  # while the server starts
        from flows.ingest import IngestRequest, run_ingest

        request = IngestRequest.model_validate(fields)
        if server is not None:
            server.wait()
        return run_ingest(request, tell)


def _idle(settings: Settings, fields: Mapping[str, Any], tell: Callable[[Step], None]) -> Summary | None:
    from flows.progress import Progress as Step
    from pipeline.ingest.idle import ingest_if_idle

    return ingest_if_idle(
        settings,
        fields["sources"],
        run_id=str(uuid4()),
        cwd=Path.cwd(),
        now=lambda: dt.datetime.now(dt.UTC),
        manifest=_read(Path(fields["manifest"])) if fields["manifest"] else None,
        refresh=fields["refresh"],
        allow_mass_delete=fields["allow_mass_delete"],
        waiting=lambda holder: tell(Step("waiting", 0, 0, holder)),
    )


def _read(manifest: Path) -> Manifest:
    from pipeline.ingest.manifest import read_manifest

    return read_manifest(manifest)


@contextmanager
def last_word() -> Iterator[None]:
    """Says what is left when SIGTERM ends the block."""
    try:
        yield
    except SystemExit:
        warn("terminated; what is in the table is safe, run it again to go on")
        raise


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[Step], None]]:
    """A bar on standard error that follows the run's steps."""
    if quiet:
        yield _warn_of_waiting
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def tell(step: Step) -> None:
            _warn_of_waiting(step)
            bar.update(task, description=step.stage, completed=step.done, total=step.total or None)

        yield tell


def _warn_of_waiting(step: Step) -> None:
    if step.stage == "queued":
        warn(step.note)
    if step.stage == "waiting":
        warn(f"waiting for another run on this store ({step.note})")


def _show(summary: Summary, out: Console) -> None:
    changed = summary.indexed or summary.deleted or summary.failures
    verdict = "done" if changed else "unchanged: nothing to do"
    out.print(f"{verdict} in {summary.seconds:.1f} s")
    table = Table.grid(padding=(0, 2))
    table.add_row("sources", _sources_line(summary))
    if summary.attachments or summary.deleted:
        table.add_row("beside them", f"{summary.attachments} attachments, {summary.deleted} deleted")
    table.add_row("rows", ", ".join(f"{count:,} {modality}" for modality, count in summary.rows.items()))
    if summary.embedded or summary.reused:
        table.add_row("of this run", f"{summary.embedded:,} rows embedded, {summary.reused:,} reused")
    if summary.pages_read or summary.readings_reused:
        table.add_row("OCR", f"{summary.pages_read:,} pages read, {summary.readings_reused:,} taken from earlier runs")
    if summary.stale:
        stale = f"{summary.stale:,} made by other settings or an older docmill: --refresh makes them again"
        table.add_row("stale", stale)
    table.add_row("table", f"version {summary.table_version}, run {summary.run_id}")
    out.print(table)
    if summary.failures:
        out.print("in quarantine (`docmill quarantine ls` shows all):")
        for record in summary.failures[:NAMED]:
            out.print(f"  {short_name(record.source_uri)}: {record.message}")


def _show_stages(summary: Summary, out: Console) -> None:
    """Seconds by stage; nothing for a run that had nothing to do."""
    table = Table("stage", "seconds", "of the run", box=None, padding=(0, 2, 0, 0))
    for stage, seconds in summary.stages.items():
        share = seconds / summary.seconds if summary.seconds else 0.0
        beside = stage == PARSING
        table.add_row(stage, f"{seconds:,.1f}", "beside it" if beside else f"{share:.0%}")
    out.print(table)


def _sources_line(summary: Summary) -> str:
    return (
        f"{summary.discovered:,} discovered = {summary.indexed:,} indexed + {summary.unchanged:,} unchanged + "
        f"{summary.skipped:,} skipped + {summary.quarantined:,} quarantined"
    )
