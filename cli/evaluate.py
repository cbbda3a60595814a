"""`docmill evaluate`: how well the store is searched, leg by leg, on judged queries or on questions from the corpus."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cli.output import Common, common_options, console, json_line, one_line, print_line, warn
from pipeline.config import Settings
from pipeline.embed import PageModel, Unified
from pipeline.errors import UsageError
from pipeline.evaluate import Report, judged, read_set
from pipeline.evaluate import evaluate as measure
from pipeline.evaluate.beir import unpack as write_documents
from pipeline.evaluate.figures import METRICS
from pipeline.evaluate.hold_out import hold_out
from pipeline.evaluate.measure import Tell
from pipeline.evaluate.page import page
from pipeline.evaluate.report import Section, figure_text, several
from pipeline.ingest.open import models_of
from pipeline.search import Searcher
from pipeline.store import open_store


@click.command()
@click.argument("queries", required=False, type=click.Path(path_type=Path))
@click.option(
    "--qrels", type=click.Path(path_type=Path), metavar="FILE", help="Judgements, if they stand by themselves."
)
@click.option("--split", default="test", show_default=True, help="Judgements of a BEIR folder: qrels/SPLIT.tsv.")
@click.option(
    "--questions",
    "count",
    type=click.IntRange(1, 1000),
    default=50,
    show_default=True,
    help="Questions of each kind that are taken from the corpus, without QUERIES.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of everything that is drawn by lot."
)
@click.option(
    "--html", type=click.Path(path_type=Path), metavar="FILE", help="Write the figures as a page with charts, too."
)
@click.option(
    "--unpack",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Only write the documents of a BEIR folder into DIR, as files to ingest.",
)
@common_options
def evaluate(
    common: Common,
    queries: Path | None,
    qrels: Path | None,
    split: str,
    count: int,
    seed: int,
    html: Path | None,
    unpack: Path | None,
) -> int | None:
    """Measure what searches find: by each leg and by all together, with 95 % intervals, and how long they take.

    QUERIES is a file of JSON lines {"id", "text", "answers": ["report.pdf#3", ...]}, a table with tabs, or a folder in
    BEIR's layout. An answer is a document, by its URI, the end of its path, or its file's name, or a page of one.
    Without QUERIES headings, titles, captions and lines of pages are asked for, in a copy of (part of) the store in
    which the rows they stand above no longer hold them.
    """
    if queries is None and (unpack or qrels):
        raise click.UsageError("--unpack and --qrels go with QUERIES")
    if unpack is not None and queries is not None:
        print_line(f"{several(write_documents(queries, unpack), 'document')} in {one_line(str(unpack))}")
        return None
    if html is not None and (html.is_dir() or not html.absolute().parent.is_dir()):
        raise UsageError(f"{html}: cannot be written; name a file in a folder that is there")
    found = None if queries is None else read_set(queries, qrels, split)
    settings = common.settings
    store = open_store(settings.store)
    if not any(store.count().values()):
        raise UsageError(f"{store.uri}: nothing is indexed yet; `docmill ingest` fills the store")
    models = models_of(settings)
    searcher = Searcher(store, *models, settings.search)
    if found is not None:
        with _telling("asking") as tell:
            places = judged(store, found.queries)
            report = measure(searcher, places, found.name, seed=seed, notes=found.notes, tell=tell)
    else:
        report = _known_items(searcher, models, settings, count, seed)
    if html is not None:
        _write(html, page(report))
    if common.json:
        print_line(json_line(report.contract()))
    else:
        _show(report, console())
    for note in report.notes:
        warn(note)
    return None


def _write(html: Path, text: str) -> None:
    try:
        html.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{html}: cannot be written: {error.strerror or error}") from error


def _known_items(
    live: Searcher, models: tuple[Unified, PageModel], settings: Settings, count: int, seed: int
) -> Report:
    """The store measured with questions from the corpus, in a copy that does not hold their texts."""
    with tempfile.TemporaryDirectory(prefix="docmill-") as folder:
        with _telling("taking the questions' texts out of a copy"):
            held = hold_out(live.store, *models, count=count, folder=Path(folder))
        if not held.queries:
            raise UsageError(
                f"{live.store.uri}: no heading, title or caption in it is fit to be asked with; give your own QUERIES"
            )
        with _telling("asking") as tell:
            return measure(
                Searcher(held.store, *models, settings.search),
                held.queries,
                "the corpus itself",
                seed=seed,
                notes=held.notes,
                known_items=True,
                left_out=held.left_out,
                live=live,
                tell=tell,
            )


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
    table = Table("leg", *METRICS, box=None, padding=(0, 1, 0, 0), title=title, title_justify="left")
    for number, leg in enumerate(section.legs):
        table.add_row(leg.name, *(figure_text(leg.figures[name]) for name in METRICS), style="" if number else "bold")
    return table
