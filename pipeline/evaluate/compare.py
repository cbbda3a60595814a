"""Two models on the same documents and questions: a sample is indexed with each, in stores that are thrown away."""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from pipeline.config import Settings
from pipeline.embed import PageModel, Reranker, Unified
from pipeline.embed.choices import choices_of
from pipeline.embed.rerank import load_reranker
from pipeline.errors import UsageError
from pipeline.evaluate.figures import Figure, interval
from pipeline.evaluate.judgements import Query
from pipeline.evaluate.measure import NOBODY, Tell
from pipeline.evaluate.places import Judged, Names, judged
from pipeline.evaluate.report import Comparison, Report
from pipeline.ingest.in_force import in_force
from pipeline.ingest.open import load_both, models_to_pin
from pipeline.ingest.run import Ingest
from pipeline.search import Searcher
from pipeline.store import Store, TokenCounts, open_store

TOGETHER = 20  # documents that are indexed with one model, and then with the other
FEWEST = 5  # documents without which a sample says nothing
RUN_ID = "compare"
KEYS = {"unified": "unified", "text": "text", "pages": "pages_model"}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: what it is called, its settings, its models and its store."""

    name: str
    settings: Settings
    models: tuple[Unified, PageModel]
    store: Store
    reranker: Reranker | None = None

    def searcher(self, store: Store) -> Searcher:
        """Searches a store made with these models."""
        return Searcher(store, *self.models, self.settings.search, reranker=self.reranker)


@dataclass(frozen=True, slots=True)
class Sampled:
    """The two stores of the same documents, how many these are, and of how many."""

    sides: tuple[Side, Side]
    documents: int
    of: int

    @property
    def note(self) -> str:
        first, second = (side.name for side in self.sides)
        return f"a sample of {self.documents:,} of {self.of:,} documents was indexed with {first} and with {second}"


def other_settings(settings: Settings, model: str) -> Settings:
    """The settings with another model: `NAME` for `unified`, or `text=NAME`, `pages=NAME`. Raises `UsageError`."""
    key, found, name = model.partition("=")
    if not found or key not in KEYS:
        key, name = "unified", model
    if not name:
        raise UsageError(f"--compare {model!r}: names no model; `docmill models` shows them")
    other = in_force(settings).model_copy(update={KEYS[key]: name})
    if other == in_force(settings):
        raise UsageError(f"--compare {model}: is the model that the store is made with")
    return other


def sampled(
    settings: Settings,
    other: Settings,
    queries: Sequence[Query],
    *,
    most: int,
    limit_s: float,
    folder: Path,
    tell: Tell = NOBODY,
    now: Callable[[], dt.datetime],
) -> Sampled:
    """Up to `most` of the store's local documents, indexed with both models inside `folder`, within about `limit_s`
    seconds; documents that answer queries come first. Pages that the store has read are not read again.

    Raises `UsageError` if too few documents are files that are still there.
    """
    load_both(other)  # a name that means nothing is told before anything else
    files, of = _files(open_store(settings.store), queries)
    if len(files) < FEWEST:
        raise UsageError(
            f"{settings.store}: --compare indexes documents anew, and only {len(files)} of {of:,} are files that are "
            "still there"
        )
    own = in_force(settings)
    sides = _side(own, other, settings, folder / "first"), _side(other, own, settings, folder / "second")
    runs = tuple(_run(side, folder / name, now) for side, name in zip(sides, ("work-1", "work-2"), strict=True))
    started, done = time.monotonic(), 0
    chosen = files[:most]
    try:
        for start in range(0, len(chosen), TOGETHER):
            group = chosen[start : start + TOGETHER]
            for side, run in zip(sides, runs, strict=True):
                _index(run, side.store, group)
            done += len(group)
            tell(done, len(chosen))
            if time.monotonic() - started > limit_s:
                break
    finally:
        for run in runs:
            run.close()
    for side in sides:
        _count_tokens(side)
    return Sampled(sides, done, of)


def judged_in(sample: Sampled, queries: Sequence[Query]) -> list[Judged]:
    """The queries that have answers in the sample, without the others' answers. Raises `UsageError` if none has."""
    return [replace(one, missing={}) for one in judged(sample.sides[0].store, queries) if one.grades]


def compared(names: tuple[str, str], first: Report, second: Report, seed: int = 0) -> Comparison:
    """The two reports with the differences of their sections, paired by query."""
    differences = {}
    for section in first.sections:
        other = second.section(section.to)
        both = [id for id in section.gains if other is not None and id in other.gains]
        if other is not None and both:
            less = np.array([other.gains[id] - section.gains[id] for id in both])
            low, high = interval(less[:, None], seed)
            values = (round(float(value), 4) for value in (less.mean(), low[0], high[0]))
            differences[section.title] = Figure(*values)
    return Comparison(names, (first, second), differences)


def common(first: Iterable[Judged], second: Iterable[Judged]) -> tuple[list[Judged], list[Judged]]:
    """The queries that both have, by id: another model may cut passages otherwise, and lose a question by it."""
    left, right = ({one.query.id: one for one in several} for several in (first, second))
    ids = [id for id in left if id in right]
    return [left[id] for id in ids], [right[id] for id in ids]


def _files(store: Store, queries: Sequence[Query]) -> tuple[list[str], int]:
    """Paths of the indexed documents that are files and there, those that answer queries first; and how many documents
    there are."""
    records = [record for record in store.documents(state="indexed") if record.parent is None]
    names = Names(record.source_uri for record in records)
    wanted = {place.source_uri for query in queries for name in query.answers if (place := names.place(name))}
    paths: Mapping[str, Path] = {
        record.source_uri: Path(unquote(record.source_uri.removeprefix("file://")))
        for record in records
        if record.source_uri.startswith("file:///")
    }
    order = sorted(paths, key=lambda uri: (uri not in wanted, hashlib.sha256(uri.encode()).digest()))
    return [str(paths[uri]) for uri in order if paths[uri].is_file()], len(records)


def _side(settings: Settings, beside: Settings, live: Settings, folder: Path) -> Side:
    """One side, called by what is not as on the other."""
    ocr = settings.ocr.model_copy(update={"store": live.store})
    own = settings.model_copy(update={"store": str(folder), "ocr": ocr})
    unified, pages = load_both(own)
    named = [str(getattr(settings, key)) for key in KEYS.values() if getattr(settings, key) != getattr(beside, key)]
    name = " + ".join(filter(None, named)) or "no model of its own"
    store = open_store(own.store, create=models_to_pin(own, unified, pages))
    return Side(name, own, (unified, pages), store, load_reranker(own.rerank, choices_of(own)))


def _run(side: Side, work: Path, now: Callable[[], dt.datetime]) -> Ingest:
    return Ingest(side.settings, side.store, *side.models, run_id=RUN_ID, now=now, work_dir=work, cwd=Path("/"))


def _count_tokens(side: Side) -> None:
    pages = side.models[1]
    if pages.uses_frequencies and side.store.count()["page"]:
        counted = pages.count_frequencies(side.store.page_texts())
        side.store.set_frequencies(TokenCounts(counted.pages, counted.counts))


def _index(run: Ingest, store: Store, files: Sequence[str]) -> None:
    with store.writer():
        plan = run.plan(files)
        for number, batch in enumerate(plan.batches):
            run.write(run.embed(run.prepare(batch, number), number), number)
    store.refresh_indexes()
