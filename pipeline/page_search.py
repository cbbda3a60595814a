"""Late interaction over a table: which pages MaxSim scores, and their scores. Exact over all while that is as quick."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from pipeline.embed.maxsim_torch import maxsim_torch
from pipeline.mix import Scored
from pipeline.score import maxsim
from pipeline.store import PageVectors, Store
from pipeline.types import QueryTokens

EXACT_PAGES = 1_000  # up to so many scoring all is exact and not slower; the index is made for more
EXACT_BYTES = 256 << 20  # of vectors that may be held to do so
READY_BYTES = 64 << 20  # of float16 that are held as float32, which takes twice as much
CANDIDATES = 200  # pages that the multi-vector index proposes, more if more hits are asked for
PROBES, PROBED_VECTORS = 32, 16_000  # partitions of the index to look at: so many, or one for so many vectors
AT_ONCE = 512  # candidates whose vectors are in memory
SAMPLE = 64  # pages whose vectors are counted to tell the bytes of all


@dataclass(frozen=True, slots=True)
class PageScores:
    """(id, MaxSim) of pages, best first, and in words how the pages were chosen."""

    ranked: Scored
    chosen: str


def is_exact(pages: int, page_bytes: float, most_pages: int = EXACT_PAGES) -> bool:
    """Whether MaxSim scores all `pages` that come into question, whose vectors take about `page_bytes` each.

    >>> is_exact(1_000, 49_000), is_exact(1_000, 524_000), is_exact(10_000, 49_000)
    (True, False, False)
    """
    return pages <= most_pages and pages * page_bytes <= EXACT_BYTES


class PageSearch:
    """MaxSim over the pages of a store as it stands; vectors of an exact search are held for the next query."""

    def __init__(self, store: Store, exact_pages: int = EXACT_PAGES, device: str = "cpu") -> None:
        """`device` is where MaxSim is computed: numpy on a CPU, torch on a GPU."""
        self._store, self._exact_pages = store, exact_pages
        self._maxsim = partial(maxsim_torch, device=device) if device == "cuda" else maxsim
        self._held: tuple[str | None, PageVectors | None, int] | None = None
        self._read: dict[str, npt.NDArray[np.float32]] = {}  # vectors of pages that were candidates before
        self._read_bytes = 0

    def propose(self, tokens: QueryTokens, where: str | None, depth: int) -> list[str]:
        """Pages that the multi-vector index proposes for `score`; none where all are scored."""
        if self._all(where)[0] is not None:
            return []
        asked = tokens.vectors[tokens.weights > 0]
        most = max(CANDIDATES, depth)
        found = self._store.nearest_pages(asked, k=most, where=where, probes=self._probes) if len(asked) else []
        return [id for id, _ in found]

    def score(
        self,
        tokens: QueryTokens,
        others: Iterable[str],
        where: str | None,
        depth: int,
        proposed: Sequence[str] | None = None,
    ) -> PageScores:
        """The `depth` best pages among those that meet `where`: of all, or of the candidates where there are too many.

        Candidates are what `propose` gives, or gave, and `others`, pages that other legs found.
        """
        held, pages = self._all(where)
        if held is not None:
            return PageScores(_best(self._scored(tokens, held), depth), f"exact over all {pages:,} pages")
        found = self.propose(tokens, where, depth) if proposed is None else proposed
        scored = self._scored_by_id(tokens, sorted({*found, *others}))
        chosen = f"exact over {len(scored):,} of {pages:,} pages, candidates by many vectors, one, and BM25"
        return PageScores(_best(scored, depth), chosen)

    def score_these(self, tokens: QueryTokens, ids: Sequence[str], depth: int) -> PageScores:
        """The `depth` best of these pages."""
        scored = self._scored_by_id(tokens, ids)
        return PageScores(_best(scored, depth), f"exact over the {len(scored):,} pages that have the phrases")

    def _scored_by_id(self, tokens: QueryTokens, ids: Sequence[str]) -> list[tuple[str, float]]:
        groups = (ids[first : first + AT_ONCE] for first in range(0, len(ids), AT_ONCE))
        return [pair for group in groups for pair in self._scored(tokens, self._vectors(group))]

    def _vectors(self, ids: Sequence[str]) -> PageVectors:
        """The vectors of some pages, as float32; those that were read before are not read again."""
        read = dict(self._read)  # another thread may let go of them meanwhile
        new = self._store.multivectors(ids=[id for id in ids if id not in read])
        fresh = {
            id: new.vectors[new.offsets[place] : new.offsets[place + 1]].astype(np.float32)
            for place, id in enumerate(new.ids)
        }
        self._keep(fresh)
        known = {**read, **fresh}
        there = [id for id in ids if id in known]
        offsets = np.cumsum([0, *(len(known[id]) for id in there)], dtype=np.int64)
        empty = np.zeros((0, self._store.models.pages.dim), np.float32)
        return PageVectors(there, np.concatenate([empty, *(known[id] for id in there)]), offsets)

    def _keep(self, fresh: Mapping[str, npt.NDArray[np.float32]]) -> None:
        size = sum(matrix.nbytes for matrix in fresh.values())
        if self._read_bytes + size > EXACT_BYTES:
            self._read, self._read_bytes = {}, 0
        if size <= EXACT_BYTES:
            self._read = {**self._read, **fresh}
            self._read_bytes += size

    def _scored(self, tokens: QueryTokens, pages: PageVectors) -> list[tuple[str, float]]:
        scores = self._maxsim(tokens.vectors, tokens.weights, pages.vectors, pages.offsets)
        return list(zip(pages.ids, scores.tolist(), strict=True))

    def _all(self, where: str | None) -> tuple[PageVectors | None, int]:
        """The vectors of all pages in question, or None if there are too many; and how many there are."""
        held = self._held  # another thread may ask with another condition meanwhile
        if held is None or held[0] != where:
            pages = self._store.count_pages(where)
            vector_bytes = self._store.models.pages.dim * np.dtype(np.float16).itemsize
            exact = is_exact(pages, self._page_vectors * vector_bytes, self._exact_pages)
            held = self._held = where, _ready(self._store.multivectors(where=where)) if exact else None, pages
        return held[1:]

    @cached_property
    def _probes(self) -> int:
        """Partitions to look at: a quarter of an index whose partitions are small, most of one with large ones."""
        return max(PROBES, int(self._store.count_pages() * self._page_vectors / PROBED_VECTORS))

    @cached_property
    def _page_vectors(self) -> float:
        """About how many vectors a page has."""
        sizes = self._store.page_counts(SAMPLE).vectors
        return float(sizes.mean()) if len(sizes) else 0.0


def _ready(pages: PageVectors) -> PageVectors:
    """In float32, as they are multiplied, unless that takes much memory: the conversion costs more than the product."""
    return replace(pages, vectors=pages.vectors.astype(np.float32)) if pages.vectors.nbytes <= READY_BYTES else pages


def _best(scored: Iterable[tuple[str, float]], depth: int) -> list[tuple[str, float]]:
    return sorted(scored, key=lambda pair: (-pair[1], pair[0]))[:depth]
