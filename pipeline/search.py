"""Answers queries from one table: legs find candidates, `mix` makes one ranking of them. Reads only, never writes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.config import SearchWeights
from pipeline.embed import Frequencies, PageModel, Unified
from pipeline.embed.token_pooling import as_query
from pipeline.errors import ModelMismatch, Permanent, UsageError
from pipeline.mix import Ranking, Scored, merge, mix, mix_example
from pipeline.page_search import EXACT_PAGES, PageSearch
from pipeline.page_vector import page_vectors
from pipeline.regions import PageMap
from pipeline.store import Store
from pipeline.types import Box, Hit, Modality, ModelId, PageInput, PictureInput, QueryTokens
from pipeline.where_on_page import page_maps

Vector = npt.NDArray[np.float32]  # one, (dim,)
LEGS = ("text", "image", "page", "maxsim", "bm25")
KINDS: tuple[Modality, ...] = ("text", "image", "page")
DEPTH = 100  # candidates of a leg; more only if more hits are asked for
EXAMPLE_VECTORS = 64  # of a page that is a query: its cost grows with them, and more find no more
EMPTY = "nothing is indexed yet; `docmill ingest` fills the store"


@dataclass(frozen=True, slots=True)
class Scope:
    """What part of the table a search looks at, and with which legs."""

    k: int = 10
    modality: Modality | None = None
    where: str | None = None
    legs: Collection[str] = LEGS

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UsageError(f"k is {self.k}; a search gives at least 1 hit")
        if unknown := sorted(set(self.legs) - set(LEGS)):
            raise UsageError(f"no leg is called {unknown[0]!r}; the legs are {', '.join(LEGS)}")

    @property
    def depth(self) -> int:
        return max(DEPTH, self.k)

    def has(self, leg: str) -> bool:
        """True if the leg was asked for and can find rows of the modality asked for."""
        return leg in self.legs and (leg == "bm25" or self.modality in (None, "page" if leg == "maxsim" else leg))


@dataclass(frozen=True, slots=True)
class QueryVectors:
    """One query as a vector to find passages and pages with, and as one to find pictures with: (dim,) each."""

    words: Vector
    pictures: Vector

    def of(self, leg: Modality) -> Vector:
        return self.pictures if leg == "image" else self.words


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits, best first; `notes` says what the asker should know, `pages` how MaxSim chose the pages it scored.

    `maps` tells of page hits, by id, how well each of their parts fits the query.
    """

    hits: tuple[Hit, ...] = ()
    notes: tuple[str, ...] = ()
    pages: str = ""
    maps: Mapping[str, PageMap] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidates:
    """What was found for one query before anything is fused: (id, score) by leg, and of BM25 by kind of row."""

    legs: Mapping[str, Scored] = field(default_factory=dict)
    words: Mapping[Modality, Scored] = field(default_factory=dict)
    pages: str = ""  # how MaxSim chose the pages it scored
    tokens: QueryTokens | None = None
    embedded: bool = False

    def of(self, kind: Modality) -> Candidates:
        """Those among rows of one kind."""
        own = {leg: ids for leg, ids in self.legs.items() if ("page" if leg == "maxsim" else leg) == kind}
        return replace(self, legs=own, words={kind: self.words[kind]} if kind in self.words else {})


class Searcher:
    """Searches a table as it stands when first asked; make a new one to see later commits.

    MaxSim scores all pages, and holds their vectors in memory, where there are at most `exact_pages` and they are not
    too large. Models are asked for vectors only by legs that need them.
    """

    def __init__(
        self,
        store: Store,
        unified: Unified,
        pages: PageModel,
        weights: SearchWeights,
        *,
        exact_pages: int = EXACT_PAGES,
    ) -> None:
        self.store, self._unified, self._pages = store, unified, pages
        self._weights: dict[str, float] = weights.model_dump()
        self._page_search = PageSearch(store, exact_pages, pages.device)

    def search(
        self,
        query: str,
        *,
        k: int = 10,
        modality: Modality | None = None,
        where: str | None = None,
        legs: Collection[str] = LEGS,
    ) -> list[Hit]:
        """The k best rows for a query in words; `where` is an SQL filter over columns, put before any ranking."""
        return list(self.answer_many([query], Scope(k, modality, where, legs))[0].hits)

    def search_picture(
        self,
        picture: Path,
        *,
        k: int = 10,
        modality: Modality | None = None,
        where: str | None = None,
        page: PageInput | None = None,
    ) -> list[Hit]:
        """The k best rows for a picture; `page` is the same picture as a page, if it may be one."""
        return list(self.answer_picture(picture, Scope(k, modality, where), page).hits)

    def answer_many(self, queries: Sequence[str], scope: Scope | None = None) -> list[Answer]:
        """One answer a query, in order; the queries are embedded together. Raises UsageError for an empty query."""
        scope = scope or Scope()
        found = self.candidates(queries, scope)
        if not any(self._counts.values()):
            return [Answer(notes=(EMPTY,)) for _ in queries]
        return [self._answer(query, one, scope) for query, one in zip(queries, found, strict=True)]

    def candidates(self, queries: Sequence[str], scope: Scope | None = None) -> Iterator[Candidates]:
        """What the legs find for each query, in order; the queries are embedded together, the rest is done one by one.

        Raises UsageError for an empty query.
        """
        scope = scope or Scope()
        for query in queries:
            if not query.strip():
                raise UsageError("the query is empty; give it at least one word")
        vectors = self._query_vectors(queries, scope) if any(self._counts.values()) else [None] * len(queries)
        return (self._candidates(query, vectors[i], scope) for i, query in enumerate(queries))

    def rank(self, found: Candidates, weights: Mapping[str, float] | None = None) -> Ranking:
        """One ranking of what the legs found, by the weights of the settings or by others."""
        return mix(found.legs, found.words, weights or self._weights, one_scale=self._unified.one_scale)

    def answer_picture(self, picture: Path, scope: Scope | None = None, page: PageInput | None = None) -> Answer:
        """Rows like a picture; with `page`, the picture as a page, pages that look and read like it come first.

        Pictures by likeness of their vectors; pages by their dense vector and by MaxSim, the page's own vectors being
        the query; texts that fit keep some places. Raises UsageError if the picture is unreadable.
        """
        scope = scope or Scope()
        if not any(self._counts.values()):
            return Answer(notes=(EMPTY,))
        self._check_unified()
        try:
            vector = self._unified.embed_pictures([PictureInput(picture)])[0]
            legs = self._dense(QueryVectors(vector, vector), self._seen(scope))
            tokens, chosen = (None, "") if page is None else self._like_page(page, legs, scope)
        except Permanent as error:
            raise UsageError(str(error)) from error
        hits, maps = self._hits(mix_example(legs, self._weights, is_page=page is not None), legs, scope.k, tokens)
        return Answer(hits, pages=chosen, maps=maps)

    def _seen(self, scope: Scope) -> Scope:
        """What a picture's own vector can find: where pictures have a model of their own, pictures."""
        alone = self._unified.pictures_id is not None
        return replace(scope, legs=[leg for leg in scope.legs if leg == "image"]) if alone else scope

    def _like_page(self, page: PageInput, legs: dict[str, Scored], scope: Scope) -> tuple[QueryTokens | None, str]:
        """Puts what is like the page into `legs` instead of what is like its picture: by its words and by MaxSim."""
        if not any(scope.has(leg) for leg in ("text", "page", "maxsim")):
            return None, ""
        self._check("pages", self._pages.id, self.store.models.pages)
        read = self._pages.embed_pages([page])[0]
        vector = page_vectors([read.text], self._unified)[0]
        told = replace(scope, legs=[leg for leg in scope.legs if leg != "image"])
        dense = {} if vector is None else self._dense(QueryVectors(vector, vector), told)
        legs |= {leg: dense.get(leg, []) for leg in ("text", "page") if leg in legs or leg in dense}
        tokens = as_query(read.vectors, EXAMPLE_VECTORS)
        chosen = ""
        if scope.has("maxsim"):
            legs["maxsim"], chosen = self._maxsim(tokens, [id for id, _ in legs.get("page", ())], scope)
        return tokens, chosen

    # legs -----------------------------------------------------------------------------------------------------

    def _answer(self, query: str, found: Candidates, scope: Scope) -> Answer:
        words = [(id, score) for ids in found.words.values() for id, score in ids]
        named: dict[str, Scored] = {**found.legs, "bm25": words}
        hits, maps = self._hits(self.rank(found), named, scope.k, found.tokens, query)
        return Answer(hits, self._notes(query, found.embedded), found.pages, maps)

    def _candidates(self, query: str, vector: QueryVectors | None, scope: Scope) -> Candidates:
        legs: dict[str, Scored] = {} if vector is None else self._dense(vector, scope)
        words = self._words(query, scope) if scope.has("bm25") else {}
        tokens = self._query_tokens(query) if scope.has("maxsim") and self._counts["page"] else None
        chosen = ""
        if scope.has("maxsim"):
            others = [id for id, _ in [*legs.get("page", ()), *words.get("page", ())]]
            legs["maxsim"], chosen = self._maxsim(tokens, others, scope)
        return Candidates(legs, words, chosen, tokens, vector is not None)

    def _query_vectors(self, queries: Sequence[str], scope: Scope) -> Sequence[QueryVectors | None]:
        if not any(scope.has(leg) for leg in KINDS):
            return [None] * len(queries)
        self._check_unified()
        words = self._unified.embed_queries(queries)
        pictures = self._unified.embed_picture_queries(queries, words) if scope.has("image") else words
        return [QueryVectors(*pair) for pair in zip(words, pictures, strict=True)]

    def _dense(self, vector: QueryVectors, scope: Scope) -> dict[str, Scored]:
        return {
            leg: self.store.nearest(vector.of(leg), modality=leg, k=scope.depth, where=scope.where)
            for leg in self._kinds(scope)
            if leg in scope.legs
        }

    def _words(self, query: str, scope: Scope) -> dict[Modality, Scored]:
        return {
            kind: self.store.match(query, k=scope.depth, modality=kind, where=scope.where)
            for kind in self._kinds(scope)
        }

    def _kinds(self, scope: Scope) -> list[Modality]:
        return [kind for kind, rows in self._counts.items() if rows and scope.modality in (None, kind)]

    def _query_tokens(self, query: str) -> QueryTokens:
        self._check("pages", self._pages.id, self.store.models.pages)
        return self._pages.embed_query(query, self._frequencies if self._pages.uses_frequencies else None)

    def _maxsim(self, tokens: QueryTokens | None, others: Sequence[str], scope: Scope) -> tuple[Scored, str]:
        if tokens is None or not self._counts["page"]:
            return [], "no pages"
        found = self._page_search.score(tokens, others, scope.where, scope.depth)
        return found.ranked, found.chosen

    # what is asked of the table once --------------------------------------------------------------------------

    @cached_property
    def _counts(self) -> dict[Modality, int]:
        return self.store.count()

    @cached_property
    def _frequencies(self) -> Frequencies | None:
        counted = self.store.frequencies()
        return None if counted is None else Frequencies(counted.pages, counted.counts)

    # results --------------------------------------------------------------------------------------------------

    def _hits(
        self,
        ranking: Ranking,
        legs: Mapping[str, Scored],
        k: int,
        tokens: QueryTokens | None = None,
        query: str = "",
    ) -> tuple[tuple[Hit, ...], dict[str, PageMap]]:
        """The first k rows of the ranking and, of the pages among them, where on them the query is answered."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for leg, ids in legs.items():
            scores = dict(ids)
            for rank, id in enumerate(merge(ids), 1):
                found.setdefault(id, {})[leg] = {"rank": rank, "score": round(scores[id], 6)}
        rows = self.store.fetch([id for id, _ in ranking[:k]])
        there = [(id, score) for id, score in ranking[:k] if id in rows]  # a running ingest may have taken one away
        pages = [rows[id] for id, _ in there if rows[id]["modality"] == "page"]
        maps = page_maps(self.store, self._pages, pages, tokens, query) if tokens is not None or query else {}
        hits = [
            _hit(rows[id], rank, score, found.get(id, {}), maps.get(id)) for rank, (id, score) in enumerate(there, 1)
        ]
        return tuple(hits), maps

    def _notes(self, query: str, embedded: bool) -> tuple[str, ...]:
        return self._unified.notes(query) if embedded else ()

    def _check_unified(self) -> None:
        unified, models = self._unified, self.store.models
        self._check("text" if unified.pictures_id and models.pictures else "unified", unified.id, models.unified)
        self._check("unified", unified.pictures_id, models.pictures)

    def _check(self, setting: str, loaded: ModelId | None, pinned: ModelId | None) -> None:
        if pinned != loaded:
            raise ModelMismatch(
                f"the table was made with {pinned or 'no such model'}, but `{setting}` is now {loaded or 'not set'}; "
                f"set `{setting}` back, or embed again: docmill backfill reembed --{setting} NAME"
            )


def _hit(
    row: Mapping[str, Any], rank: int, score: float, legs: Mapping[str, Mapping[str, Any]], place: PageMap | None
) -> Hit:
    box: Box | None = None if row["bbox"] is None else tuple(row["bbox"])
    boxes = place.regions if place is not None else ()
    is_page = row["modality"] == "page" and box is not None
    return Hit(
        id=row["id"],
        rank=rank,
        score=score,
        modality=row["modality"],
        source_uri=row["source_uri"],
        page=row["page"],
        bbox=boxes[0].bbox if boxes else box,
        text=row["text"] or "",
        route=row["route"] or "",
        legs=legs,
        title=row["title"] or "",
        headings=tuple(row["headings"] or ()),
        boxes=boxes,
        page_size=(box[2], box[3]) if is_page and box is not None else None,
    )
