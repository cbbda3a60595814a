"""Scores as pure functions of arrays and ranked ids: MaxSim, reciprocal rank fusion, retrieval metrics. No I/O."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.types import PageGrid, Vectors

REFERENCE = 100  # scores of a leg that say what chance scores
BLOCK_BYTES = 32 * 2**20  # working memory of MaxSim beside its input and output


def maxsim(
    query: Vectors,
    weights: npt.NDArray[np.floating[Any]] | None,
    documents: npt.NDArray[np.floating[Any]],
    offsets: npt.NDArray[np.integer[Any]],
) -> npt.NDArray[np.float32]:
    """Late interaction: for each query vector the best dot product on the page, averaged by weight.

    `query` is (q, d), `weights` (q,) and not negative, `documents` (total, d) float16 or float32 with the pages one
    after the other, `offsets` (n + 1,) ascending: page i is `documents[offsets[i]:offsets[i + 1]]`. Returns (n,)
    float32; with unit rows it lies in -1..1. A page without vectors scores 0, and so does everything when the query
    has no vectors or its weights sum to 0. Sums are float32; memory is bounded by blocks of whole pages.
    Source: Khattab and Zaharia, ColBERT (2020), with a weight for each query vector.

    >>> pages = np.array([[1, 0], [0, 1], [0, -1]], np.float16)
    >>> maxsim(np.eye(2, dtype=np.float32), None, pages, np.array([0, 2, 2, 3])).tolist()
    [1.0, 0.0, -0.5]
    >>> maxsim(np.eye(2, dtype=np.float32), np.array([1, 3]), pages, np.array([0, 1, 3])).tolist()
    [0.25, 0.75]
    """
    bounds = np.asarray(offsets, np.int64)
    scores = np.zeros(len(bounds) - 1, np.float32)
    shares = np.ones(len(query), np.float32) if weights is None else np.asarray(weights, np.float32)
    if len(shares) != len(query):
        raise ValueError(f"{len(query)} query vectors need as many weights, not {len(shares)}")
    if shares.sum() <= 0:
        return scores
    transposed = np.ascontiguousarray(np.asarray(query, np.float32).T)
    filled = np.flatnonzero(np.diff(bounds))  # reduceat gives nonsense for empty segments
    starts, ends = bounds[:-1][filled], bounds[1:][filled]
    rows_at_once = max(1, BLOCK_BYTES // (4 * (query.shape[1] + len(query))))
    first = 0
    while first < len(filled):
        last = max(first + 1, int(np.searchsorted(ends, starts[first] + rows_at_once, side="right")))
        rows = documents[starts[first] : ends[last - 1]].astype(np.float32, copy=False)
        best = np.maximum.reduceat(rows @ transposed, starts[first:last] - starts[first], axis=0)
        scores[filled[first:last]] = best @ shares
        first = last
    scores /= shares.sum()
    return scores


def similarity_map(
    page_vectors: npt.NDArray[np.floating[Any]],
    grid: PageGrid,
    query: Vectors,
    weights: npt.NDArray[np.floating[Any]] | None = None,
) -> npt.NDArray[np.float32]:
    """How much each cell of a page is like the question: the cosines to its query vectors, averaged by weight.

    `page_vectors` is (n, d), `query` (q, d), both with unit rows; `weights` is (q,), not negative, all 1 without. The
    map has the grid's (rows, columns), float32, NaN for a cell that no vector stands for, 0 everywhere when the query
    has no vectors or its weights sum to 0. Source: the similarity maps of Faysse et al., ColPali (2024), averaged.

    >>> cells = PageGrid(np.array([[0, 0, 1]], np.int32))
    >>> similarity_map(np.eye(2, dtype=np.float16), cells, np.array([[1, 0]], np.float32)).tolist()
    [[1.0, 1.0, 0.0]]
    """
    shares = np.ones(len(query), np.float32) if weights is None else np.asarray(weights, np.float32)
    total = float(shares.sum())
    mean = shares @ np.asarray(query, np.float32) / (total if total > 0 else 1)
    values = np.append(np.asarray(page_vectors, np.float32) @ mean, np.float32(np.nan))  # -1 takes the last
    return values[grid.owner].astype(np.float32)


@dataclass(frozen=True, slots=True)
class Fused:
    """An id after fusion; `ranks` says at which rank (from 1) each leg had it."""

    id: str
    score: float
    ranks: Mapping[str, int]


def fuse(ranked: Mapping[str, Sequence[str]], weights: Mapping[str, float], k: int = 60) -> list[Fused]:
    """Weighted reciprocal rank fusion: score = sum over legs of weight / (k + rank), best first, ties by id.

    `ranked` maps a leg to its ids, best first; the first place of an id that comes twice counts. A leg without an
    entry in `weights` has weight 1; a leg of weight 0 is left out. Source: Cormack, Clarke and Büttcher, SIGIR 2009.

    >>> [hit.id for hit in fuse({"text": ["a", "b"], "page": ["b", "c"]}, {"page": 0.9})]
    ['b', 'a', 'c']
    >>> fuse({"text": ["a"]}, {"text": 61.0})
    [Fused(id='a', score=1.0, ranks={'text': 1})]
    """
    scores: dict[str, float] = {}
    ranks: dict[str, dict[str, int]] = {}
    for leg, ids in ranked.items():
        weight = weights.get(leg, 1.0)
        if weight <= 0:
            continue
        for rank, id in enumerate(ids, 1):
            if ranks.setdefault(id, {}).setdefault(leg, rank) == rank:
                scores[id] = scores.get(id, 0.0) + weight / (k + rank)
    return [Fused(id, scores[id], ranks[id]) for id in sorted(scores, key=lambda id: (-scores[id], id))]


def combine(
    scored: Mapping[str, Sequence[tuple[str, float]]], weights: Mapping[str, float], zero: Collection[str] = ("bm25",)
) -> list[Fused]:
    """Fusion by how surprising each leg's scores are: score = sum of weight * -ln P(chance scores as high), best first.

    `scored` maps a leg to (id, score), best first. Chance is a normal distribution with mean and deviation of the leg's
    first `REFERENCE` scores; a leg of `zero` that is shorter than the longest leg scores 0 for what it does not list.
    So a leg that sees one page stand out counts for much, and one to which all pages look alike for little, whatever
    its scale. An id that a leg does not list gets nothing from it. Weights are as in `fuse`. Sources: Fisher,
    Statistical Methods for Research Workers (1925), section 21.1; scores against ranks in Bruch, Gai and Ingber, An
    Analysis of Fusion Functions for Hybrid Retrieval (2022).

    >>> cosines = [("a", 0.90), ("b", 0.89), ("c", 0.88), ("d", 0.87)]
    >>> words = [("b", 9.0), ("a", 1.0)]
    >>> [hit.id for hit in combine({"page": cosines, "bm25": words}, {})]
    ['b', 'a', 'c', 'd']
    """
    scores: dict[str, float] = {}
    ranks: dict[str, dict[str, int]] = {}
    longest = max(map(len, scored.values()), default=0)
    for leg, pairs in scored.items():
        weight = weights.get(leg, 1.0)
        if weight <= 0 or not pairs:
            continue
        reference = [score for _, score in pairs[:REFERENCE]]
        reference += [0.0] * (min(longest, REFERENCE) - len(reference)) if leg in zero else []
        mean, deviation = _normal(reference)
        for rank, (id, score) in enumerate(pairs, 1):
            if ranks.setdefault(id, {}).setdefault(leg, rank) == rank:
                scores[id] = scores.get(id, 0.0) + weight * surprise((score - mean) / deviation)
    return [Fused(id, scores[id], ranks[id]) for id in sorted(scores, key=lambda id: (-scores[id], id))]


def _normal(scores: Sequence[float]) -> tuple[float, float]:
    """Mean and deviation, 1 instead of 0; the exact fractions of `statistics` take twenty times as long."""
    mean = math.fsum(scores) / len(scores)
    return mean, math.sqrt(math.fsum((score - mean) ** 2 for score in scores) / len(scores)) or 1.0


def surprise(deviations: float) -> float:
    """-ln of the chance that a standard normal variable is at least this high.

    >>> [round(surprise(deviations), 3) for deviations in (-1.0, 0.0, 3.0, 50.0)]
    [0.173, 0.693, 6.608, 1254.831]
    """
    if deviations < 30:  # erfc is exact enough up to here, and above it comes near 0
        return -math.log(math.erfc(deviations / math.sqrt(2)) / 2)
    return deviations**2 / 2 + math.log(deviations * math.sqrt(2 * math.pi))


def ndcg_at(k: int, ranked: Sequence[str], relevant: Mapping[str, float]) -> float:
    """Normalised discounted cumulative gain of the first k ids; `relevant` maps an id to its grade (linear gain).

    >>> ndcg_at(10, ["x", "a"], {"a": 1.0}) == 1 / math.log2(3)
    True
    >>> ndcg_at(10, ["a", "b"], {"a": 2.0, "b": 1.0})
    1.0
    """
    ideal = _gain(sorted(relevant.values(), reverse=True)[:k])
    return _gain([relevant.get(id, 0.0) for id in ranked[:k]]) / ideal if ideal else 0.0


def recall_at(k: int, ranked: Sequence[str], relevant: Collection[str]) -> float:
    """Share of the relevant ids that stand among the first k; 0 when nothing is relevant.

    >>> recall_at(2, ["a", "x", "b"], {"a", "b"})
    0.5
    """
    return len(set(ranked[:k]) & set(relevant)) / len(set(relevant)) if relevant else 0.0


def mrr(ranked: Sequence[str], relevant: Collection[str]) -> float:
    """Reciprocal rank of the first relevant id; 0 when none is there. The mean over queries is MRR.

    >>> mrr(["x", "a"], {"a"})
    0.5
    """
    return next((1 / rank for rank, id in enumerate(ranked, 1) if id in relevant), 0.0)


def _gain(grades: Sequence[float]) -> float:
    return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades, 1))
