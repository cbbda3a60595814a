"""`docmill evaluate`: how well the store is searched, leg by leg, on judged queries or on questions from the corpus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cli.output import Common, common_options, console, json_line, one_line, print_line, warn
from pipeline.corpus import open_searcher
from pipeline.errors import UsageError
from pipeline.evaluate import Report, judged, read_set
from pipeline.evaluate import evaluate as measure
from pipeline.evaluate.beir import unpack as write_documents
from pipeline.evaluate.figures import METRICS
from pipeline.evaluate.measure import Tell
from pipeline.evaluate.report import Section, figure_text, several


@click.command()
@click.argument("queries", required=False, type=click.Path(path_type=Path))
@click.option(
    "--qrels", type=click.Path(path_type=Path), metavar="FILE", help="Judgements, if they stand by themselves."
)
@click.option("--split", default="test", show_default=True, help="Judgements of a BEIR folder: qrels/SPLIT.tsv.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of everything that is drawn by lot."
)
@click.option(
    "--unpack",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Only write the documents of a BEIR folder into DIR, as files to ingest.",
)
@common_options
def evaluate(
    common: Common, queries: Path | None, qrels: Path | None, split: str, seed: int, unpack: Path | None
) -> int | None:
    """Measure what searches find: by each leg and by all together, with 95 % intervals, and how long they take.

    QUERIES is a file of JSON lines {"id", "text", "answers": ["report.pdf#3", ...]}, a table with tabs, or a folder in
    BEIR's layout. An answer is a document, by its URI, the end of its path, or its file's name, or a page of one.
    """
    if queries is None:
        raise click.UsageError("--unpack goes with a folder in BEIR's layout" if unpack else "give QUERIES")
    if unpack is not None:
        print_line(f"{several(write_documents(queries, unpack), 'document')} in {one_line(str(unpack))}")
        return None
    found = read_set(queries, qrels, split)
    searcher = open_searcher(common.settings)
    if not any(searcher.store.count().values()):
        raise UsageError(f"{searcher.store.uri}: nothing is indexed yet; `docmill ingest` fills the store")
    with _telling("asking") as tell:
        report = measure(
            searcher, judged(searcher.store, found.queries), found.name, seed=seed, notes=found.notes, tell=tell
        )
    if common.json:
        print_line(json_line(report.contract()))
    else:
        _show(report, console())
    for note in report.notes:
        warn(note)
    return None


@contextmanager
def _telling(what: str) -> Iterator[Tell]:
    """A bar on standard error, where that is a terminal."""
    err = Console(stderr=True)
    with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, of: progress.update(task, completed=done, total=of)


def _show(report: Report, out: Console) -> None:
    head = Table.grid(padding=(0, 2))
    head.add_row("store", one_line(report.store))
    head.add_row("rows", ", ".join(f"{count:,} {kind}" for kind, count in report.rows.items()))
    head.add_row("models", ", ".join(f"{kind}: {one_line(name)}" for kind, name in report.models.items()))
    head.add_row("questions", f"{report.queries:,} of {one_line(report.source)}")
    out.print(head)
    for section in report.sections:
        out.print(_table(section))
    times = ", ".join(f"{name} {value:,.0f} ms" for name, value in report.latency_ms.items())
    out.print(f"latency of one search, {several(report.timed, 'query', 'queries')}: {times}")


def _table(section: Section) -> Table:
    title = f"{section.title}, {several(section.queries, 'query', 'queries')}"
    table = Table("leg", *METRICS, box=None, padding=(0, 2, 0, 0), title=title, title_justify="left")
    for number, leg in enumerate(section.legs):
        table.add_row(leg.name, *(figure_text(leg.figures[name]) for name in METRICS), style="" if number else "bold")
    return table
