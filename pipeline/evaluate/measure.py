"""Asks a store the judged queries, leg by leg and all at once, and measures what it finds and how fast."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

import numpy as np

from pipeline.evaluate.figures import figures, of_query, percentiles
from pipeline.evaluate.places import Judged, Rows
from pipeline.evaluate.report import ALL_LEGS, Leg, Miss, Section, To
from pipeline.mix import merge
from pipeline.search import KINDS, LEGS, Candidates, Scope, Searcher
from pipeline.types import Modality

TOGETHER = 32  # queries that are embedded at once
TIMED = 200  # queries that are asked again, one by one, for their latency
NOT_RERANKED = "not reranked"
ORDER = (ALL_LEGS, NOT_RERANKED, *LEGS)

Tell = Callable[[int, int], None]  # queries done, of all
NOBODY: Tell = lambda done, of: None  # noqa: E731, ARG005
Rankings = Mapping[tuple[To, str], list[str]]  # row ids, best first, by what was searched and leg


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, what the legs found for it, and the rows that count neither as right nor as wrong."""

    judged: Judged
    found: Candidates
    left_out: Set[str] = frozenset()


@dataclass(slots=True)
class Table:
    """Metrics of queries: a row for each query and leg, by section."""

    values: dict[tuple[To, str], list[list[float]]] = field(default_factory=dict)
    gains: dict[To, dict[str, float]] = field(default_factory=dict)
    misses: list[Miss] = field(default_factory=list)
    runs: dict[str, tuple[str, ...]] = field(default_factory=dict)  # what all legs find, by query

    def add(self, judged: Judged, rankings: Mapping[tuple[To, str], Sequence[str]]) -> None:
        relevant = judged.relevant
        for key, ranked in rankings.items():
            self.values.setdefault(key, []).append(of_query(ranked, relevant))
        for to in {to for to, _ in rankings}:
            self.gains.setdefault(to, {})[judged.query.id] = self.values[to, ALL_LEGS][-1][0]
        ranked = next((ranked for (_, leg), ranked in rankings.items() if leg == ALL_LEGS), [])
        self.runs[judged.query.id] = tuple(judged.names.get(unit, unit) for unit in ranked)
        if not set(ranked[:10]) & relevant.keys():
            self.misses.append(Miss(judged.query.text, tuple(relevant), next(iter(ranked), "")))

    def sections(self, seed: int = 0) -> tuple[Section, ...]:
        """Sections in a fixed order, legs with all of them first."""
        everywhere: tuple[To, ...] = ("any", *KINDS)
        return tuple(section for to in everywhere if (section := self._section(to, seed)).legs)

    def _section(self, to: To, seed: int) -> Section:
        legs = [leg for leg in ORDER if (to, leg) in self.values]
        made = tuple(Leg(leg, figures(np.array(self.values[to, leg]), seed)) for leg in legs)
        return Section(to, len(self.values[to, legs[0]]) if legs else 0, made, self.gains.get(to, {}))


def ask(
    searcher: Searcher,
    queries: Sequence[Judged],
    left_out: Mapping[str, Set[str]] | None = None,
    tell: Tell = NOBODY,
) -> Iterator[Asked]:
    """What the legs find for each query, in order."""
    for start in range(0, len(queries), TOGETHER):
        group = queries[start : start + TOGETHER]
        for number, (one, found) in enumerate(
            zip(group, searcher.candidates([judged.query.text for judged in group], Scope()), strict=True), start + 1
        ):
            tell(number, len(queries))
            yield Asked(one, found, (left_out or {}).get(one.query.id, frozenset()))


def tabulate(searcher: Searcher, asked: Sequence[Asked] | Iterator[Asked], rows: Rows) -> Table:
    """Metrics by section and leg."""
    table = Table()
    kinds = [kind for kind, count in searcher.store.count().items() if count]
    for one in asked:
        table.add(one.judged, {key: units_of(one, ids, rows) for key, ids in rankings(searcher, one, kinds).items()})
    return table


def units_of(asked: Asked, ids: Sequence[str], rows: Rows) -> list[str]:
    """Ranked rows as documents or pages, as the query is judged."""
    return asked.judged.units(rows.places([id for id in ids if id not in asked.left_out]))


def rankings(searcher: Searcher, asked: Asked, kinds: Sequence[Modality]) -> Rankings:
    """Row ids by section and leg. A query is asked of all rows and of each kind that its answers have rows of, or of
    the one kind that it is meant for. Where there is only one kind of rows all rows are those."""
    wanted = {asked.judged.query.modality} if asked.judged.query.modality else asked.judged.kinds
    own: dict[tuple[To, str], list[str]] = {}
    if len(kinds) != 1:
        own |= {("any", leg): ids for leg, ids in _by_leg(searcher, asked, asked.found).items()}
    for kind in kinds:
        if kind in wanted:
            own |= {(kind, leg): ids for leg, ids in _by_leg(searcher, asked, asked.found.of(kind)).items()}
    return own


def _by_leg(searcher: Searcher, asked: Asked, found: Candidates) -> dict[str, list[str]]:
    """Row ids of all legs together as a search gives them, with a cross-encoder if there is one, and of each leg."""
    ranking = searcher.rank(found)
    final, _ = searcher.reranked(asked.judged.query.text, ranking)
    fused = {ALL_LEGS: [id for id, _ in final]}
    if searcher.reranks:
        fused[NOT_RERANKED] = [id for id, _ in ranking]
    return fused | {leg: merge(ids) for leg, ids in found.legs.items()} | {"bm25": merge(*found.words.values())}


def latency(searcher: Searcher, queries: Sequence[Judged], most: int = TIMED) -> tuple[dict[str, float], int]:
    """Milliseconds of a whole search of ten hits, one query at a time, by percentile; and of how many queries."""
    asked = [one.query.text for one in queries[: most + 1]]
    seconds = []
    for text in asked:
        started = time.perf_counter()
        searcher.answer_many([text], Scope(k=10))
        seconds.append(time.perf_counter() - started)
    kept = seconds[1:] or seconds  # the first one loads what the others find loaded
    return percentiles(kept), len(kept)
