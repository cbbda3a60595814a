"""Fewer vectors a page: those that look alike become their mean. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.types import QueryTokens, Vectors


@dataclass(frozen=True, slots=True)
class Pooled:
    """`vectors` is (groups, dim) float32 with unit rows; `group` says for each row of the input which it went into."""

    vectors: Vectors
    group: npt.NDArray[np.int32]


def hierarchical(vectors: Vectors, factor: int) -> Pooled:
    """max(1, n // factor) means of the n unit rows, by Ward's hierarchical clustering of their cosine distances.

    There are fewer where rows are equal. Factor 1 keeps all rows as they are. Source: Clavié, Chaffin and Adams,
    "Reducing the Footprint of Multi-Vector Retrieval with Minimal Performance Impact via Token Pooling" (2024).

    >>> rows = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.float32)
    >>> pooled = hierarchical(rows, 2)
    >>> pooled.vectors[pooled.group].tolist() == rows.tolist()
    True
    """
    if factor < 1:
        raise ValueError(f"pooling must be 1 or more, not {factor}")
    wanted = max(1, len(vectors) // factor)
    if wanted >= len(vectors):
        return Pooled(vectors, np.arange(len(vectors), dtype=np.int32))
    from scipy.cluster.hierarchy import fcluster, linkage  # type: ignore[import-untyped]
    from scipy.spatial.distance import squareform  # type: ignore[import-untyped]

    distances = (1 - vectors @ vectors.T).clip(0, 2)
    tree = linkage(squareform(distances, checks=False), method="ward")
    labels = fcluster(tree, t=wanted, criterion="maxclust")
    _, group = np.unique(labels, return_inverse=True)
    sums = np.zeros((group.max() + 1, vectors.shape[1]), np.float32)
    np.add.at(sums, group, vectors)
    return Pooled(unit(sums), group.astype(np.int32))


def as_query(vectors: npt.NDArray[np.floating[Any]], most: int) -> QueryTokens:
    """A page's vectors (n, dim) as a query of at most `most`: means of those alike, weighted by how many they are.

    >>> tokens = as_query(np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float16), 2)
    >>> tokens.vectors[np.argsort(tokens.weights)].tolist(), sorted(tokens.weights.tolist())
    ([[0.0, 1.0], [1.0, 0.0]], [1.0, 3.0])
    """
    rows = np.asarray(vectors, np.float32)
    grouped = hierarchical(rows, max(1, -(-len(rows) // most)))
    return QueryTokens(grouped.vectors, np.bincount(grouped.group, minlength=len(grouped.vectors)).astype(np.float32))


def unit(rows: npt.NDArray[np.float32]) -> Vectors:
    """Rows scaled to length 1; a zero row stays zero.

    >>> unit(np.array([[3, 4], [0, 0]], np.float32)).round(1).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1), np.float32)
