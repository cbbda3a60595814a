"""`docmill plan`: what an ingest would do, as a small table, one JSON object, or a manifest for later."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from cli.output import Common, common_options, console, json_line, one_line, print_line, size_text, warn
from pipeline.ingest.preview import Preview, preview

NAMED = 5  # reasons and media types that the table names


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path), help="Freeze the plan in FILE, a manifest.")
@click.option("--include", multiple=True, metavar="PATTERN", help="Take only files that match (.gitignore syntax).")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave out files that match.")
@click.option("--depth", type=click.IntRange(0, 100), help="Follow links of the same host so deep.  [default: 0]")
@click.option("--max-pages", type=click.IntRange(1), help="Pages taken of one web source.  [default: 1000]")
@click.option("--refresh", is_flag=True, help="Count stale documents as changed: an ingest is to make them again.")
@click.option("--workers", type=click.IntRange(0, 256), help="Parse workers.  [default: one a core]")
@common_options
def plan(
    common: Common,
    sources: tuple[str, ...],
    out: Path | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    depth: int | None,
    max_pages: int | None,
    refresh: bool,
    workers: int | None,
) -> int | None:
    """Say what `docmill ingest SOURCE...` would do. Nothing is written but FILE; no store is needed.

    Up to 20 documents, spread over types and sizes, are parsed to estimate pages; time and size come from what earlier
    runs took. `docmill ingest --manifest FILE` then does exactly what FILE says: a file that has changed since is not
    read. With --json one object with discovered, new, changed, unchanged, skipped, quarantined (known failures that are
    left alone), retry, gone, stale (of the unchanged, what other settings or an older docmill made), documents (by
    media type), pages (by route), seconds, bytes, sampled, basis ("past runs", or "sample": parsing alone), reasons (of
    the skipped) and warnings.
    """
    flags = {
        "sources.include": include or None,
        "sources.exclude": exclude or None,
        "web.depth": depth,
        "web.max_pages": max_pages,
        "workers": workers,
    }
    settings = common.load(flags).settings
    found = preview(settings, sources, cwd=Path.cwd(), now=_now, refresh=refresh, out=out)
    if common.json:
        print_line(json_line(found.contract()))
    else:
        _show(found, out, console())
    for warning in found.warnings:
        warn(f"warning: {warning}")
    return None


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _show(found: Preview, out: Path | None, to: Console) -> None:
    counts, cost = found.counts, found.forecast
    table = Table.grid(padding=(0, 2))
    table.add_row("sources", _counts({"discovered": found.discovered}))
    table.add_row("to work on", _counts({name: counts[name] for name in ("new", "changed", "retry")}))
    table.add_row("to leave", _counts({name: counts[name] for name in ("unchanged", "skipped", "quarantined")}))
    if found.stale:
        table.add_row(
            "stale", f"{found.stale:,} of the unchanged, made by other settings or an older docmill: --refresh"
        )
    table.add_row("to delete", _counts({"gone": counts["gone"]}))
    if found.reasons:
        table.add_row("skipped", _counts(found.reasons))
    if found.documents:
        table.add_row("documents", _counts({_short(kind): n for kind, n in found.documents.items()}))
        table.add_row("pages", f"about {_counts(cost.pages)} (from a sample of {cost.sampled} documents)")
        table.add_row("time", f"about {_time(cost.seconds)} {_basis(cost.basis)}")
        table.add_row("store grows", f"about {size_text(cost.size_bytes)}")
    to.print(table)
    if out is not None:
        to.print(f"frozen in {one_line(str(out))}: `docmill ingest --manifest FILE` does it")


def _basis(basis: str) -> str:
    return "(by past runs)" if basis == "past runs" else "of parsing (by the sample; no past run tells of embedding)"


def _counts(counts: Mapping[str, int]) -> str:
    parts = [f"{count:,} {one_line(name)}" for name, count in list(counts.items())[:NAMED]]
    left = sum(list(counts.values())[NAMED:])
    return ", ".join(parts + ([f"{left:,} more"] if left else []))


def _short(media_type: str) -> str:
    """The last word of the long names of office formats: document, presentation, sheet."""
    return media_type if len(media_type) <= 30 else media_type.rsplit(".", 1)[-1]


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
