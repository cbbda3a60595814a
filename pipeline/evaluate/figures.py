"""Retrieval metrics over many queries, with intervals by the bootstrap. Pure: arrays in, figures out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.score import mrr, ndcg_at, recall_at

METRICS = ("ndcg@10", "recall@1", "recall@5", "recall@10", "mrr")
RESAMPLES = 2_000
AT_ONCE = 2_000_000  # drawn numbers that are in memory
PERCENTILES = (50, 90, 95, 99)

Values = npt.NDArray[np.float64]  # (queries, metrics), each 0..1


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over queries, and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def of_query(ranked: Sequence[str], relevant: Mapping[str, float]) -> list[float]:
    """The metrics of one query, in the order of `METRICS`.

    >>> of_query(["x", "a"], {"a": 1.0})[1:]
    [0.0, 1.0, 1.0, 0.5]
    """
    recalls = [recall_at(k, ranked, relevant.keys()) for k in (1, 5, 10)]
    return [ndcg_at(10, ranked, relevant), *recalls, mrr(ranked, relevant.keys())]


def figures(values: Values, seed: int = 0) -> dict[str, Figure]:
    """Mean and interval of each metric. An interval says how far the mean would move with other queries of the same
    kind; it says nothing of queries of another kind. No queries give no figures."""
    if not len(values):
        return {}
    low, high = interval(values, seed)
    rows = zip(METRICS, values.mean(axis=0), low, high, strict=True)
    return {name: Figure(*(round(float(number), 4) for number in numbers)) for name, *numbers in rows}


def interval(values: Values, seed: int = 0) -> tuple[Values, Values]:
    """The ends of the 95 % intervals of the column means, (columns,) each: percentiles of the means of `RESAMPLES`
    draws of as many rows with replacement. Source: Efron, Bootstrap methods (1979).

    >>> low, high = interval(np.array([[0.0], [1.0]] * 50))
    >>> bool(0.38 < low[0] < 0.42), bool(0.58 < high[0] < 0.62)
    (True, True)
    """
    lot = np.random.default_rng(seed)
    size = max(1, AT_ONCE // (len(values) * values.shape[1]))
    means = []
    for start in range(0, RESAMPLES, size):
        drawn = lot.integers(0, len(values), (min(size, RESAMPLES - start), len(values)))
        means.append(values[drawn].mean(axis=1))
    low, high = np.percentile(np.concatenate(means), (2.5, 97.5), axis=0)
    return low, high


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Latencies in milliseconds, by percentile.

    >>> percentiles([0.010, 0.020])["p50"]
    15.0
    """
    if not seconds:
        return {}
    found = np.percentile(np.array(seconds) * 1000, PERCENTILES)
    return {f"p{level}": round(float(value), 1) for level, value in zip(PERCENTILES, found, strict=True)}
