"""`docmill evaluate`: how well the store is searched, leg by leg, on judged queries or on questions from the corpus."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from cli.figures import Found, print_found
from cli.output import Common, common_options, one_line, print_line
from pipeline.config import Settings
from pipeline.corpus import open_searcher
from pipeline.errors import UsageError
from pipeline.evaluate import Report, judged, measured, read_set
from pipeline.evaluate.beir import unpack as write_documents
from pipeline.evaluate.compare import Sampled, common, compared, judged_in, other_settings, sampled
from pipeline.evaluate.hold_out import HeldOut, hold_out
from pipeline.evaluate.judgements import QuerySet
from pipeline.evaluate.measure import Tell, ask
from pipeline.evaluate.page import page
from pipeline.evaluate.places import Rows
from pipeline.evaluate.report import several
from pipeline.evaluate.trec import run_lines
from pipeline.evaluate.tune import MOST, tune
from pipeline.ingest.in_force import in_force
from pipeline.languages import Sample, language_note
from pipeline.search import Searcher
from pipeline.store import Store, open_store

OWN = "the corpus itself"
LOOKED_AT = 5_000  # passages of which some are looked at for their language


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command was asked for, beside the queries."""

    count: int
    seed: int
    sample: int
    minutes: float


@click.command()
@click.argument("queries", required=False, type=click.Path(path_type=Path))
@click.option("--qrels", type=click.Path(path_type=Path), metavar="FILE", help="Judgements in a file of their own.")
@click.option("--split", default="test", show_default=True, help="Judgements of a BEIR folder: qrels/SPLIT.tsv.")
@click.option(
    "--questions",
    "count",
    type=click.IntRange(1, 1000),
    default=50,
    show_default=True,
    help="Questions of each kind that are taken from the corpus, without QUERIES.",
)
@click.option("--tune", "tuning", is_flag=True, help="Fit the weights of the legs to half of the QUERIES.")
@click.option(
    "--compare", "model", metavar="MODEL", help="Index a sample with this model, too; or pages=NAME, text=NAME."
)
@click.option(
    "--sample", type=click.IntRange(5, 100_000), default=200, show_default=True, help="Documents that are compared on."
)
@click.option(
    "--minutes", type=click.FloatRange(0, min_open=True), default=10, show_default=True, help="Of indexing them, about."
)
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write a page with charts, too.")
@click.option(
    "--run", "run_file", type=click.Path(path_type=Path), metavar="FILE", help="Write the rankings as a TREC run, too."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of what is drawn by lot.")
@click.option(
    "--unpack",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Only write a BEIR folder's documents as files.",
)
@common_options
def evaluate(
    common: Common,
    queries: Path | None,
    qrels: Path | None,
    split: str,
    count: int,
    tuning: bool,
    model: str | None,
    sample: int,
    minutes: float,
    html: Path | None,
    run_file: Path | None,
    seed: int,
    unpack: Path | None,
) -> int | None:
    """Measure what searches find: by each leg and by all together, with 95 % intervals, and how long they take.

    QUERIES is a file of JSON lines {"id", "text", "answers": ["report.pdf#3", ...]}, a table with tabs, or a folder in
    BEIR's layout. An answer is a document, by its URI, the end of its path, or its file's name, or a page of one.
    Without QUERIES headings, titles, captions and lines of pages are asked for, in a copy of (part of) the store in
    which the rows they stand above no longer hold them.
    """
    if queries is None and (unpack or qrels or tuning):
        raise click.UsageError("--unpack, --qrels and --tune go with QUERIES")
    if tuning and model is not None:
        raise click.UsageError("give one of --tune and --compare")
    for file in (html, run_file):
        if file is not None and (file.is_dir() or not file.absolute().parent.is_dir()):
            raise UsageError(f"{file}: cannot be written; name a file in a folder that is there")
    if unpack is not None and queries is not None:
        print_line(f"{several(write_documents(queries, unpack), 'document')} in {one_line(str(unpack))}")
        return None
    given = None if queries is None else read_set(queries, qrels, split)
    settings, wish = common.settings, Wish(count, seed, sample, minutes)
    store = open_store(settings.store)
    if not any(store.count().values()):
        raise UsageError(f"{store.uri}: nothing is indexed yet; `docmill ingest` fills the store")
    passages = Sample()
    passages.add(row["text"] or "" for row in store.some("modality = 'text'", ["text"], LOOKED_AT))
    language = language_note(passages.texts, in_force(settings))
    if model is not None:
        found = _compare(settings, model, given, wish)
    elif given is not None:
        found = _judged(store, settings, given, wish, tuning)
    else:
        found = Found(_known_items(store, settings, wish))
    if language:
        found = replace(found, report=replace(found.report, notes=(*found.report.notes, language)))
    if html is not None:
        _write(html, page(found.report, found.comparison, found.tuned))
    if run_file is not None:
        _write(run_file, "".join(f"{line}\n" for line in run_lines(found.report.runs)))
    print_found(found, common.json)
    return None


# ways to measure --------------------------------------------------------------------------------------------


def _judged(store: Store, settings: Settings, given: QuerySet, wish: Wish, tuning: bool) -> Found:
    searcher, places = open_searcher(settings), judged(store, given.queries)
    with _telling("asking") as tell:
        report = measured(searcher, places, given.name, seed=wish.seed, notes=given.notes, tell=tell)
    if not tuning:
        return Found(report)
    rows, present = Rows(searcher.store), settings.search.model_dump()
    with _telling("asking again, to fit weights") as tell:
        asked = list(ask(searcher, places[:MOST], tell=tell))
    return Found(report, tuned=tune(searcher, asked, present, rows, wish.seed))


def _known_items(store: Store, settings: Settings, wish: Wish) -> Report:
    """The store measured with questions from the corpus, in a copy that does not hold their texts."""
    with tempfile.TemporaryDirectory(prefix="docmill-") as folder:
        live = open_searcher(settings)
        with _telling("taking the questions' texts out of a copy"):
            held = hold_out(store, *live.models, count=wish.count, folder=Path(folder))
        _check_questions(store.uri, held)
        return _ask_held(held, live.anew(held.store), wish, live)


def _compare(settings: Settings, model: str, given: QuerySet | None, wish: Wish) -> Found:
    """A sample of the store indexed with its own models and with another one, and both asked the same."""
    other = other_settings(settings, model)
    with tempfile.TemporaryDirectory(prefix="docmill-") as folder:
        with _telling("indexing a sample with both models") as tell:
            sample = sampled(
                settings,
                other,
                () if given is None else given.queries,
                most=wish.sample,
                limit_s=60 * wish.minutes,
                folder=Path(folder),
                tell=tell,
                now=lambda: dt.datetime.now(dt.UTC),
            )
        first, second = _asked_both(sample, given, wish, Path(folder))
    names = (sample.sides[0].name, sample.sides[1].name)
    first = replace(first, notes=(sample.note, *first.notes))
    return Found(first, compared(names, first, second, wish.seed))


def _asked_both(sample: Sampled, given: QuerySet | None, wish: Wish, folder: Path) -> tuple[Report, Report]:
    searchers = [side.searcher(side.store) for side in sample.sides]
    if given is not None:
        places = judged_in(sample, given.queries)
        note = f"{len(places):,} of {len(given.queries):,} queries have answers in it"
        notes = (note, *given.notes)
        with _telling("asking both") as tell:
            reports = [measured(one, places, given.name, seed=wish.seed, notes=notes, tell=tell) for one in searchers]
        return reports[0], reports[1]
    held = []
    for number, side in enumerate(sample.sides):
        with _telling("taking the questions' texts out of a copy"):
            own = folder / f"held-{number}"
            own.mkdir()
            held.append(hold_out(side.store, *side.models, count=wish.count, folder=own))
    left, right = common(held[0].queries, held[1].queries)
    made = []
    for one, queries, side in zip(held, (left, right), sample.sides, strict=True):
        _check_questions(side.store.uri, replace(one, queries=tuple(queries)))
        copy = side.searcher(one.store)
        made.append(_ask_held(replace(one, queries=tuple(queries)), copy, wish, copy))
    return made[0], made[1]


def _ask_held(held: HeldOut, copy: Searcher, wish: Wish, live: Searcher) -> Report:
    with _telling("asking") as tell:
        return measured(
            copy,
            held.queries,
            OWN,
            seed=wish.seed,
            notes=held.notes,
            known_items=True,
            left_out=held.left_out,
            live=live,
            tell=tell,
        )


def _check_questions(uri: str, held: HeldOut) -> None:
    if not held.queries:
        raise UsageError(f"{uri}: no heading, title or caption in it is fit to be asked with; give your own QUERIES")


@contextmanager
def _telling(what: str) -> Iterator[Tell]:
    """A bar on standard error, where that is a terminal."""
    err = Console(stderr=True)
    with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, of: progress.update(task, completed=done, total=of)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror or error}") from error
