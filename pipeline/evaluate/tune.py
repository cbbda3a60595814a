"""Fits the weights of the legs to a user's queries, and says on queries that were held out whether that helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.errors import UsageError
from pipeline.evaluate.figures import Figure, interval
from pipeline.evaluate.measure import Asked, units_of
from pipeline.evaluate.places import Rows
from pipeline.evaluate.report import Tuned
from pipeline.score import ndcg_at
from pipeline.search import LEGS, Searcher

STEPS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)  # a leg's weight, times the present one (or 1 where that is 0)
ROUNDS = 3  # over all legs; a round that changes nothing is the last
FEWEST = 20  # queries; with fewer each half says next to nothing
MOST = 2_000  # whose candidates are held in memory
MARGIN = 0.002  # of nDCG@10 that a change must gain, or the weights would follow noise


def tune(searcher: Searcher, asked: Sequence[Asked], weights: Mapping[str, float], rows: Rows, seed: int = 0) -> Tuned:
    """Weights by coordinate ascent on nDCG@10 over half of the queries, drawn by `seed`, measured on the other half.

    Candidates are searched once and fused anew for each trial. A leg that none of them has keeps its weight. Raises
    `UsageError` for fewer than `FEWEST` queries.
    """
    if len(asked) < FEWEST:
        raise UsageError(f"--tune needs {FEWEST} queries at least, half of them to test on; there are {len(asked)}")
    order = np.random.default_rng(seed).permutation(len(asked))
    half = len(asked) // 2
    fitted_on, tested_on = ([asked[i] for i in part] for part in (order[:half], order[half:]))
    found = _climb(searcher, fitted_on, weights, rows)
    before, after = (_gains(searcher, tested_on, some, rows) for some in (weights, found))
    return Tuned(found, half, len(tested_on), _figure(before), _figure(after), _figure(after - before))


def _climb(searcher: Searcher, asked: Sequence[Asked], weights: Mapping[str, float], rows: Rows) -> dict[str, float]:
    best = dict(weights)
    reached = float(_gains(searcher, asked, best, rows).mean())
    for _ in range(ROUNDS):
        start = dict(best)
        for leg in _legs(asked):
            for step in STEPS:
                trial = {**best, leg: round(step * (weights[leg] or 1.0), 3)}
                if trial == best or not any(trial.values()):
                    continue
                gain = float(_gains(searcher, asked, trial, rows).mean())
                if gain > reached + MARGIN:
                    best, reached = trial, gain
        if best == start:
            break
    return best


def _legs(asked: Sequence[Asked]) -> list[str]:
    """The legs that found anything for these queries."""
    there = {leg for one in asked for leg, ids in one.found.legs.items() if ids}
    words = any(ids for one in asked for ids in one.found.words.values())
    return [leg for leg in LEGS if leg in there or (leg == "bm25" and words)]


def _gains(
    searcher: Searcher, asked: Sequence[Asked], weights: Mapping[str, float], rows: Rows
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """nDCG@10 of all legs under some weights, by query, asked of the rows that each query is meant for."""
    gains = []
    for one in asked:
        kind = one.judged.query.modality
        ranking = searcher.rank(one.found if kind is None else one.found.of(kind), weights)
        gains.append(ndcg_at(10, units_of(one, [id for id, _ in ranking], rows), one.judged.relevant))
    return np.array(gains)


def _figure(gains: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Figure:
    low, high = interval(gains[:, None])
    return Figure(round(float(gains.mean()), 4), round(float(low[0]), 4), round(float(high[0]), 4))
