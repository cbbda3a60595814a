"""Answers queries from one table: legs find candidates, `mix` makes one ranking of them. Reads only, never writes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

from pipeline.answer import Answer, fetch_groups, hit_of, leg_places
from pipeline.candidates import Candidates, QueryVectors, at_once, begun, ended
from pipeline.config import SearchWeights
from pipeline.embed import Frequencies, PageModel, Reranker, Unified
from pipeline.embed.token_pooling import as_query
from pipeline.errors import ModelMismatch, Permanent, UsageError
from pipeline.mix import Ranking, Scored, mix, mix_example, reordered
from pipeline.page_search import EXACT_PAGES, PageSearch
from pipeline.page_vector import page_vectors
from pipeline.scope import DEPTH, KINDS, LEGS, Scope
from pipeline.store import Store
from pipeline.types import Hit, Modality, ModelId, PageInput, PictureInput, QueryTokens
from pipeline.where_on_page import page_maps

__all__ = ["DEPTH", "KINDS", "LEGS", "Answer", "Candidates", "Scope", "Searcher"]

OTHER_PAGES = 50  # that MaxSim scores because another leg found them
RERANKED = 50  # passages that a cross-encoder reads
PHRASE_ROWS = 1000  # of a kind, among those that have the phrases: the best by BM25
EXAMPLE_VECTORS = 64  # of a page that is a query: its cost grows with them, and more find no more
EMPTY = "nothing is indexed yet; `docmill ingest` fills the store"


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
        reranker: Reranker | None = None,
    ) -> None:
        self.store, self._unified, self._pages = store, unified, pages
        self._as_given, self._exact_pages, self._reranker = weights, exact_pages, reranker
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
        vectors = cache(partial(self._query_vectors, queries, scope))
        return (self._candidates(query, partial(_one_of, vectors, i), scope) for i, query in enumerate(queries))

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
        ranking = mix_example(legs, self._weights, is_page=page is not None)
        return replace(self._found(ranking, legs, scope.k, tokens), pages=chosen)

    def answer_similar(self, id: str, scope: Scope | None = None) -> Answer:
        """Rows like the row of this id, by its stored vectors: no model is asked. Itself is not among them.

        Like a passage: passages, pictures and pages by cosine. Like a picture or a page: as for one that is a query.
        Raises UsageError if there is no such row, or if it has no vector.
        """
        scope = scope or Scope()
        row = self.store.vectors([id]).get(id)
        if row is None:
            raise UsageError(f"{self.store.uri}: there is no row {id[:80]!r}; hits and `docmill rows --json` tell ids")
        kind = id.split(":")[-2]
        legs: dict[str, Scored] = {}
        if row.vector is not None:
            apart = self.store.models.pictures is not None
            seen = [leg for leg in scope.legs if not apart or (leg == "image") == (kind == "image")]
            legs = self._dense(QueryVectors(row.vector, row.vector), replace(scope, legs=seen))
        tokens, chosen = None, ""
        if row.multivector is not None and len(row.multivector):
            tokens = as_query(row.multivector, EXAMPLE_VECTORS)
        if scope.has("maxsim") and tokens is not None:
            legs["maxsim"], chosen = self._maxsim(tokens, legs.get("page", ()), scope)
        if row.vector is None and tokens is None:
            raise UsageError(f"{id}: the row has no vector to compare with; there was nothing on it to embed")
        legs = {leg: [pair for pair in scored if pair[0] != id] for leg, scored in legs.items()}
        if kind == "text":
            ranking = mix(legs, {}, self._weights)
        else:
            ranking = mix_example(legs, self._weights, is_page=kind == "page")
        return replace(self._found(ranking, legs, scope.k, tokens), pages=chosen)

    @property
    def models(self) -> tuple[Unified, PageModel]:
        return self._unified, self._pages

    @property
    def reranks(self) -> bool:
        return self._reranker is not None

    def anew(self, store: Store) -> Searcher:
        """A searcher with the same models, of a store as it now is."""
        more: dict[str, Any] = {"exact_pages": self._exact_pages, "reranker": self._reranker}
        return Searcher(store, self._unified, self._pages, self._as_given, **more)

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
            legs["maxsim"], chosen = self._maxsim(tokens, legs.get("page", ()), scope)
        return tokens, chosen

    # legs -----------------------------------------------------------------------------------------------------

    def _answer(self, query: str, found: Candidates, scope: Scope) -> Answer:
        words = [(id, score) for ids in found.words.values() for id, score in ids]
        named: dict[str, Scored] = {**found.legs, "bm25": words}
        ranking, reread = self.reranked(query, self.rank(found))
        if reread:
            named["rerank"] = reread
        answer = self._found(ranking, named, scope.k, found.tokens, query)
        return replace(answer, notes=self._notes(query, found.embedded) + found.notes, pages=found.pages)

    def reranked(self, query: str, ranking: Ranking) -> tuple[Ranking, Scored]:
        """The ranking with its first passages as the cross-encoder orders them, and these; as it is without one."""
        if self._reranker is None:
            return ranking, ()
        passages = [id for id, _ in ranking if id.rsplit(":", 2)[-2:-1] == ["text"]][:RERANKED]
        rows = self.store.fetch(passages, ("id", "text"))
        there = [id for id in passages if id in rows]
        scores = self._reranker.scores(query, [rows[id]["text"] or "" for id in there])
        reread = sorted(zip(there, scores, strict=True), key=lambda pair: -pair[1])
        return reordered(ranking, [id for id, _ in reread]), reread

    def _candidates(self, query: str, vector_of: Callable[[], QueryVectors | None], scope: Scope) -> Candidates:
        word_tasks = self._word_tasks(query, scope) if scope.has("bm25") or scope.phrases else {}
        words = at_once(word_tasks) if scope.phrases else {}  # what the other legs may look at
        only = {kind: [id for id, _ in found] for kind, found in words.items()} if scope.phrases else None
        tasks: dict[str, Callable[[], Any]] = {}
        if scope.has("maxsim") and self._counts["page"]:
            tasks["pages"] = partial(self._proposed, query, scope)
        if not scope.phrases:
            tasks |= {f"words {kind}": task for kind, task in word_tasks.items()}
        waiting = begun(tasks)
        vector = vector_of()  # the models embed the query while the table looks for its words
        dense = {} if vector is None else self._dense_tasks(vector, scope, only)
        found = ended(waiting | begun(dense))
        words = words or {kind: found[f"words {kind}"] for kind in word_tasks}
        legs: dict[str, Scored] = {leg: found[leg] for leg in KINDS if leg in found}
        (tokens, proposed), chosen = found.get("pages", (None, [])), ""
        if scope.has("maxsim"):
            others = [*legs.get("page", ())[:OTHER_PAGES], *words.get("page", ())[:OTHER_PAGES]]
            among = None if only is None else only.get("page", [])
            legs["maxsim"], chosen = self._maxsim(tokens, others, scope, among, proposed)
        missing = only is not None and not any(only.values())
        notes = (f"no row has the exact words {' and '.join(map(repr, scope.phrases))}",) if missing else ()
        return Candidates(legs, words if scope.has("bm25") else {}, chosen, tokens, vector is not None, notes)

    def _query_vectors(self, queries: Sequence[str], scope: Scope) -> Sequence[QueryVectors | None]:
        if not any(scope.has(leg) for leg in KINDS) or not any(self._counts.values()):
            return [None] * len(queries)
        self._check_unified()
        words = self._unified.embed_queries(queries)
        pictures = self._unified.embed_picture_queries(queries, words) if scope.has("image") else words
        return [QueryVectors(*pair) for pair in zip(words, pictures, strict=True)]

    def _dense(self, vector: QueryVectors, scope: Scope) -> dict[str, Scored]:
        """The rows next to the vector, of each kind that is asked for."""
        return at_once(self._dense_tasks(vector, scope, None))

    def _dense_tasks(
        self, vector: QueryVectors, scope: Scope, only: Mapping[Modality, Sequence[str]] | None
    ) -> dict[str, Callable[[], Scored]]:
        """How to find the rows next to the vector, by kind; with `only` among these."""
        shared: dict[str, Any] = {"k": scope.depth, "where": scope.condition}
        return {
            leg: partial(
                self.store.nearest,
                vector.of(leg),
                modality=leg,
                only=None if only is None else only.get(leg, []),
                **shared,
            )
            for leg in self._kinds(scope)
            if leg in scope.legs
        }

    def _word_tasks(self, query: str, scope: Scope) -> dict[Modality, Callable[[], Scored]]:
        """How to find rows with words of the query, by kind; with phrases those that have all of them."""
        match = partial(self.store.match_phrases, query, scope.phrases) if scope.phrases else None
        match = match or partial(self.store.match, query)
        depth = max(PHRASE_ROWS, scope.k) if scope.phrases else scope.depth
        return {kind: partial(match, modality=kind, k=depth, where=scope.condition) for kind in self._kinds(scope)}

    def _kinds(self, scope: Scope) -> list[Modality]:
        return [kind for kind, rows in self._counts.items() if rows and scope.modality in (None, kind)]

    def _query_tokens(self, query: str) -> QueryTokens:
        self._check("pages", self._pages.id, self.store.models.pages)
        return self._pages.embed_query(query, self._frequencies if self._pages.uses_frequencies else None)

    def _proposed(self, query: str, scope: Scope) -> tuple[QueryTokens, list[str]]:
        """The query's tokens, and pages that the multi-vector index proposes for them."""
        tokens = self._query_tokens(query)
        return tokens, [] if scope.phrases else self._page_search.propose(tokens, scope.condition, scope.depth)

    def _maxsim(
        self,
        tokens: QueryTokens | None,
        others: Scored,
        scope: Scope,
        only: Sequence[str] | None = None,
        proposed: Sequence[str] | None = None,
    ) -> tuple[Scored, str]:
        """(id, MaxSim) of pages, and how they were chosen: among `only`, or of what was proposed and of `others`."""
        if tokens is None or not self._counts["page"]:
            return [], "no pages"
        if only is not None:
            found = self._page_search.score_these(tokens, only, scope.depth)
        else:
            ids = [id for id, _ in others]
            found = self._page_search.score(tokens, ids, scope.condition, scope.depth, proposed)
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

    def _found(
        self,
        ranking: Ranking,
        legs: Mapping[str, Scored],
        k: int,
        tokens: QueryTokens | None = None,
        query: str = "",
    ) -> Answer:
        """The first k groups of the ranking and, of the pages among their best, where on them the query is answered."""
        groups = fetch_groups(self.store, [id for id, _ in ranking], k)
        pages = [group.first for group in groups if group.first["modality"] == "page"]
        maps = page_maps(self.store, self._pages, pages, tokens, query) if tokens is not None or query else {}
        places, scores = leg_places(legs, [group.first["id"] for group in groups]), dict(ranking)
        hits = [
            hit_of(group, rank, scores[group.first["id"]], places, maps.get(group.first["id"]))
            for rank, group in enumerate(groups, 1)
        ]
        return Answer(tuple(hits), maps=maps)

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


def _one_of(vectors: Callable[[], Sequence[QueryVectors | None]], place: int) -> QueryVectors | None:
    return vectors()[place]
