"""The legs of a search: rows next to a vector, pages next to many, rows with words. Each is one question to LanceDB.

All but phrases, whose texts are read, are asked by its asynchronous interface, which takes half the processor time: the
other one goes back and forth between two threads some sixteen times a question, mostly for the schema.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from lancedb.query import BooleanQuery, MatchQuery, Occur, PhraseQuery

from pipeline.errors import UsageError
from pipeline.store.edge import reason
from pipeline.store.phrase import folded, has_phrase, in_order
from pipeline.store.schema import CORPUS, clean
from pipeline.store.tables import Tables
from pipeline.store.where import both, checked, is_one_of, sql_literal
from pipeline.store.words import widened
from pipeline.types import Modality

EXACT_FILTERED = 1_000  # up to so many rows that a filter leaves, comparing each is as quick as the index
REFINED = 100  # rows that the index proposes, or as many as are asked for, whose vectors are compared
MAX_QUERY = 10_000  # characters of a query that are looked at
PHRASE_COLUMNS = {"id": "id", "text": "text", "_score": "CAST(0 AS FLOAT)"}  # of a scan, which ranks nothing

Ranked = list[tuple[str, float]]  # (id, score), best first, equal scores by id: a search says the same twice


def user_filter(tables: Tables, where: str | None) -> str | None:
    """A user's condition, checked word by word and then by the query planner. Raises `UsageError`."""
    if where is None or not where.strip():
        return None
    table = tables.open(CORPUS)
    condition = checked(clean(where), table.schema.names)
    try:
        table.search().where(condition).select(["id"]).explain_plan()
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"filter {where[:200]!r}: {reason(error)}") from error
    return condition


def nearest(
    tables: Tables,
    vector: npt.ArrayLike,
    modality: Modality,
    k: int,
    where: str | None,
    only: Sequence[str] | None = None,
) -> Ranked:
    """Exact while few rows come into question; above that an approximate search whose best are scored exactly."""
    wanted = np.asarray(vector, np.float32).reshape(-1)
    column = tables.columns.of(modality)
    dim = tables.schema.field(column).type.list_size
    if wanted.shape != (dim,) or not np.isfinite(wanted).all():
        raise UsageError(f"a query vector must be {dim} finite numbers, this one has shape {wanted.shape}")
    among = None if only is None else is_one_of("id", only) if only else "FALSE"
    condition = both(_is(modality), where, among)

    async def asked(table: Any) -> Any:
        query = table.query().nearest_to(wanted).column(column).distance_type("cosine").where(condition)
        exact = await table.count_rows(condition) <= EXACT_FILTERED
        query = query.bypass_vector_index() if exact else query.refine_factor(-(-REFINED // k))
        return query.limit(k)

    return _ranked(*_found(tables, asked, "_distance"), lambda distance: 1.0 - distance)


def count_pages(tables: Tables, where: str | None) -> int:
    return int(tables.open(CORPUS).count_rows(both(_is("page"), where)))


def nearest_pages(tables: Tables, vectors: npt.ArrayLike, k: int, where: str | None, probes: int) -> Ranked:
    """Pages by MaxSim sums: exact without an index, else as the index estimates them from one bit a dimension.

    LanceDB could refine them, but then reads vectors for each query vector; the caller scores the candidates anyway.
    """
    wanted = np.asarray(vectors, np.float32)
    column = tables.columns.multivector
    dim = tables.schema.field(column).type.value_type.list_size
    if wanted.ndim != 2 or wanted.shape[1] != dim or not len(wanted) or not np.isfinite(wanted).all():
        raise UsageError(f"query vectors must be (n, {dim}) finite numbers, these have shape {wanted.shape}")

    async def asked(table: Any) -> Any:
        query = table.query().nearest_to(list(wanted)).column(column).distance_type("cosine").nprobes(probes)
        query = query.where(where) if where else query  # rows of other kinds have no multi-vector
        return query.limit(k)

    return _ranked(*_found(tables, asked, "_distance"), lambda distance: len(wanted) - distance)


def match(tables: Tables, text: str, modality: Modality | None, k: int, where: str | None) -> Ranked:
    words = clean(text[:MAX_QUERY])
    if not words.strip() or k < 1:
        return []
    condition = both(_is(modality), where)

    async def asked(table: Any) -> Any:
        query = table.query().nearest_to_text(MatchQuery(widened(words), "text"))
        query = query.where(condition) if condition else query
        return query.limit(k)

    return _ranked(*_found(tables, asked, "_score"), float)


def match_phrases(
    tables: Tables, text: str, phrases: Sequence[str], modality: Modality | None, k: int, where: str | None
) -> Ranked:
    """The index finds stems in order, the texts decide; where it knows no word of a phrase, all texts are looked at."""
    wanted = [clean(phrase[:MAX_QUERY]) for phrase in phrases]
    if not all(map(folded, wanted)) or k < 1:
        return []
    parts: list[Any] = [(Occur.MUST, PhraseQuery(phrase, "text")) for phrase in wanted]
    parts += [(Occur.SHOULD, MatchQuery(clean(text[:MAX_QUERY]), "text"))]
    condition = both(_is(modality), where)
    query = tables.open(CORPUS).search(BooleanQuery(parts), query_type="fts")
    query = query.where(condition, prefilter=True) if condition else query
    found = query.limit(k).select(["id", "text", "_score"]).to_arrow()
    if not found.num_rows:
        patterns = [f"text ILIKE {sql_literal(in_order(phrase))}" for phrase in wanted]
        scan = tables.open(CORPUS).search().where(both(condition, *patterns)).select({**PHRASE_COLUMNS})
        found = scan.limit(k).to_arrow()
    has_all = [all(has_phrase(text or "", phrase) for phrase in wanted) for text in found["text"].to_pylist()]
    kept = found.filter(pa.array(has_all, pa.bool_()))
    return _ranked(kept["id"].to_pylist(), kept["_score"].to_pylist(), float)


def _is(modality: Modality | None) -> str | None:
    return f"modality = {sql_literal(modality)}" if modality else None


def _found(tables: Tables, asked: Callable[[Any], Coroutine[Any, Any, Any]], score: str) -> tuple[list[str], list[Any]]:
    """Ids and scores of what the query finds that `asked` makes of the table; ids are not read where they are held."""
    names = tables.row_names

    async def told(table: Any) -> Any:
        query = await asked(table)
        query = query.select(["id", score]) if names is None else query.select([score]).with_row_id()
        return await query.to_arrow()

    found = tables.ask(CORPUS, told)
    return found["id"].to_pylist() if names is None else names.of(found["_rowid"]), found[score].to_pylist()


def _ranked(ids: Sequence[str], values: Sequence[Any], score: Callable[[Any], float]) -> Ranked:
    pairs = zip(ids, values, strict=True)
    scored = [(name, score(value)) for name, value in pairs if value is not None and np.isfinite(value)]
    return sorted(scored, key=lambda pair: (-pair[1], pair[0]))
