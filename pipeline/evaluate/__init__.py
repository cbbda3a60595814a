"""How well a store is searched: judged queries, or questions made from the corpus, measured leg by leg."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from pipeline.evaluate.judgements import Query, QuerySet, read_set
from pipeline.evaluate.measure import NOBODY, Tell, ask, latency, tabulate
from pipeline.evaluate.places import Judged, Rows, judged
from pipeline.evaluate.report import Report, notes_of, several
from pipeline.search import Searcher
from pipeline.store import Store

__all__ = ["Judged", "Query", "QuerySet", "Report", "judged", "measured", "read_set"]


def measured(
    searcher: Searcher,
    queries: Sequence[Judged],
    source: str,
    *,
    seed: int = 0,
    notes: Sequence[str] = (),
    known_items: bool = False,
    left_out: Mapping[str, Set[str]] | None = None,
    live: Searcher | None = None,
    tell: Tell = NOBODY,
) -> Report:
    """Ask all queries and measure. `left_out` are rows, by query id, that count neither as right nor as wrong; `live`
    is the searcher whose store is reported on and whose latency is measured, if it is another one."""
    store = (live or searcher).store
    table = tabulate(searcher, ask(searcher, queries, left_out, tell), Rows(searcher.store))
    sections = table.sections(seed)
    times, timed = latency(live or searcher, queries)
    missing = sum(len(one.missing) for one in queries)
    all_notes = [*notes, *notes_of(sections), *_missing(queries, missing)]
    return Report(
        store=store.uri,
        models=models_of_store(store),
        rows={str(kind): count for kind, count in store.count().items()},
        source=source,
        known_items=known_items,
        queries=len(queries),
        missing=missing,
        sections=sections,
        latency_ms=times,
        timed=timed,
        notes=tuple(all_notes),
        seed=seed,
        misses=tuple(table.misses),
        runs=table.runs,
    )


def models_of_store(store: Store) -> dict[str, str]:
    """The models of a store by what they embed, in words."""
    named = (("unified", store.models.unified), ("pictures", store.models.pictures), ("pages", store.models.pages))
    return {name: f"{id.name}@{id.revision}" for name, id in named if id is not None}


def _missing(queries: Sequence[Judged], missing: int) -> list[str]:
    if not missing:
        return []
    first = next(name for one in queries for name in one.missing)
    are = "are" if missing > 1 else "is"
    return [f"{several(missing, 'answer')} {are} not in the store and count as not found (the first: {first[:100]})"]
