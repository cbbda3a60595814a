"""Promises of two-stage page search: what it chooses, that it finds what an exact search finds, and filters."""

from __future__ import annotations

import datetime as dt
import doctest
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pipeline import page_search as page_search_module
from pipeline.page_search import PageSearch
from pipeline.store import Models, RowFile, Store, doc_id, open_store
from pipeline.types import DocumentRecord, ModelId, QueryTokens, Row, TokenVectors

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
DIM, PAGES, VECTORS = 32, 1_200, 6


def unit(seed: int, *shape: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


def put(store: Store, folder: Path, documents: dict[str, list[TokenVectors]]) -> None:
    records = [DocumentRecord(name, doc_id(name), "indexed") for name in documents]
    with RowFile.create(folder / "rows.arrow", store.models) as file:
        for record, pages in zip(records, documents.values(), strict=True):
            file.add(record, [Row("page", i, "", multivector=page) for i, page in enumerate(pages)], NOW)
    with store.writer():
        store.replace(RowFile.open(folder / "rows.arrow"), [record.doc_id for record in records])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """More pages than are scored without an index, a document of pages unlike all others, and one added later."""
    folder = tmp_path_factory.mktemp("pages")
    made = open_store(
        str(folder / "store"), create=Models(ModelId("m", "1", 8, "none"), ModelId("p", "1", DIM, "none"))
    )
    centre = unit(1, 1, DIM)
    near = [unit(i // 10, VECTORS, DIM) + unit(i, VECTORS, DIM) / 2 + 2 * centre for i in range(PAGES)]  # tens alike
    near = [(page / np.linalg.norm(page, axis=1, keepdims=True)).astype(np.float16) for page in near]
    put(made, folder, {"near": near, "far": [-page for page in near[:3]]})
    with made.writer():
        made.refresh_indexes()
    put(made, folder, {"late": [near[7]]})
    return made


def question(store: Store, page: int) -> QueryTokens:
    """What a page of `near` says, with noise."""
    vectors = store.multivectors(ids=[f"{doc_id('near')}:page:{page}"]).vectors.astype(np.float32)
    vectors = vectors + 0.1 * unit(page, *vectors.shape)
    return QueryTokens(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.ones(len(vectors), np.float32))


def names(ranked: Sequence[tuple[str, float]]) -> list[str]:
    return [id for id, _ in ranked]


def test_candidates_find_what_an_exact_search_finds(store: Store) -> None:
    """The first ten of an exact search over all pages, with the same scores, by scoring a fifth of them."""
    found = []
    for page in range(0, 100, 10):
        tokens = question(store, page)
        exact, few = (
            PageSearch(store, 2_000).score(tokens, (), None, 10),
            PageSearch(store, 0).score(tokens, (), None, 10),
        )
        found.append(len(set(names(exact.ranked)) & set(names(few.ranked))) / 10)
        best = f"{doc_id('near')}:page:{page}"
        assert dict(few.ranked)[best] == pytest.approx(dict(exact.ranked)[best], abs=1e-6)

    assert "multivector" in store.status()["indexes"]["corpus"]
    assert exact.chosen == "exact over all 1,204 pages"
    assert few.chosen == "exact over 200 of 1,204 pages, candidates by many vectors, one, and BM25"
    assert np.mean(found) >= 0.9


@pytest.mark.parametrize("most", [0, 2_000])
def test_a_filter_is_put_before_candidates_are_drawn(store: Store, most: int) -> None:
    """Pages that lie farther from the question than all others are found if only they meet the condition."""
    found = PageSearch(store, most).score(question(store, 5), (), "source_uri = 'far'", 10)

    assert set(names(found.ranked)) == {f"{doc_id('far')}:page:{i}" for i in range(3)}
    assert found.ranked[0][1] < 0


def test_pages_behind_the_index_are_candidates_too(store: Store) -> None:
    """A page that was added after the index was made is found by it."""
    found = PageSearch(store, 0).score(question(store, 7), (), None, 2)

    assert store.status()["indexes"]["corpus"]["multivector"]["unindexed"] == 1
    assert set(names(found.ranked)) == {f"{doc_id('late')}:page:0", f"{doc_id('near')}:page:7"}


def test_pages_of_other_legs_are_scored(store: Store) -> None:
    """What words or the dense vector found is scored, however far the index thinks it is, and nothing twice."""
    far, near = f"{doc_id('far')}:page:1", f"{doc_id('near')}:page:5"
    alone = PageSearch(store, 0).score(question(store, 5), (), None, 100)
    with_others = PageSearch(store, 0).score(question(store, 5), [near, far, far], None, 100)

    assert alone.chosen.startswith("exact over 200 of")
    assert with_others.chosen.startswith("exact over 201 of")
    assert with_others.ranked == alone.ranked


@pytest.mark.parametrize("at_once", [7, 512])
def test_as_many_pages_as_are_asked_for_come_back(store: Store, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the usual candidates are scored if more hits are wanted, some at a time, in the order of all."""
    monkeypatch.setattr(page_search_module, "AT_ONCE", at_once)
    found = PageSearch(store, 0).score(question(store, 5), (), None, 300).ranked

    assert len(found) == 300
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


def test_large_pages_are_never_held_all_together(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes count as well as pages: vectors that would not fit are not read for an exact search."""
    monkeypatch.setattr(page_search_module, "EXACT_BYTES", 1_000)
    found = PageSearch(store, 2_000).score(question(store, 5), (), None, 10)

    assert found.chosen.startswith("exact over 200 of 1,204 pages")


def test_a_question_without_vectors_finds_nothing_by_itself(store: Store) -> None:
    """No token of weight: only what others found, with score 0, and no error."""
    nothing = QueryTokens(np.zeros((0, DIM), np.float32), np.zeros(0, np.float32))

    assert PageSearch(store, 0).score(nothing, (), None, 10).ranked == []


def test_the_examples_in_the_docstrings_run() -> None:
    """Worked examples are true."""
    assert doctest.testmod(page_search_module).failed == 0
