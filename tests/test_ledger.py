"""The ledger: one row a source, found again by source, state and folder."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import lancedb
import pytest

from pipeline.store import Models, Store, doc_id, open_store
from pipeline.types import DocumentRecord, ModelId

MODELS = Models(ModelId("words", "1", 8, "mean"), ModelId("tokens", "1", 4, "none"))
NOW = dt.datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=dt.UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"), create=MODELS)


def record(uri: str, state: str = "indexed") -> DocumentRecord:
    return DocumentRecord(uri, doc_id(uri), state)


def test_a_record_comes_back_as_it_was_written(store: Store) -> None:
    """Every field of a record survives, with its type."""
    full = replace(
        record("file:///o'brien%20\U0001f600\\.pdf", "quarantined"),
        size_bytes=1 << 40,
        parent="file:///mail.eml",
        page=3,
        transient=True,
        message="a 'quoted' reason",
        warnings=("page 2 is missing", ""),
        first_seen=NOW,
        last_seen=NOW,
        modified_at=NOW,
        seconds=1.25,
        metadata={"team": "x", "a'b": '"'},
    )
    store.record([full, record("file:///other")])

    assert list(store.documents([full.source_uri])) == [full]


def test_a_later_record_takes_the_place_of_the_earlier(store: Store) -> None:
    """There is one row a source, within a call and over calls."""
    store.record([record("a", "quarantined"), record("b")])
    store.record([record("a"), record("a", "deleted")])

    assert [(r.source_uri, r.state) for r in store.documents()] == [("a", "deleted"), ("b", "indexed")]
    assert store.status()["documents"] == {"deleted": 1, "indexed": 1}


def test_records_are_found_by_source_state_and_folder(store: Store) -> None:
    """Conditions narrow each other; a folder's name with % and _ in it means only itself."""
    uris = ["file:///a_b/1", "file:///a_b/2", "file:///aXb/1", "file:///50%/1", "file:///500/1", "x' OR '1'='1"]
    store.record([record(uri, "skipped" if uri.endswith("2") else "indexed") for uri in uris])

    assert [r.source_uri for r in store.documents(prefix="file:///a_b/")] == uris[:2]
    assert [r.source_uri for r in store.documents(prefix="file:///50%")] == ["file:///50%/1"]
    assert [r.source_uri for r in store.documents(state="skipped", prefix="file:///a_b/")] == [uris[1]]
    assert [r.source_uri for r in store.documents([uris[1], uris[2], "none"], state="indexed")] == [uris[2]]
    assert [r.source_uri for r in store.documents(["x' OR '1'='1"])] == ["x' OR '1'='1"]
    assert list(store.documents([])) == []


def test_more_sources_than_one_query_takes_are_all_found(store: Store) -> None:
    """Thousands of sources can be looked up at once, and come in order of their URI."""
    uris = [f"file:///{i:05}" for i in range(1700)]
    store.record([record(uri) for uri in uris])
    store.refresh_indexes()

    assert [r.source_uri for r in store.documents(list(reversed(uris)))] == uris
    assert [r.source_uri for r in store.documents()] == uris


def test_the_ledger_leaves_the_corpus_alone(store: Store) -> None:
    """Recording documents makes no new version of the corpus, and recording nothing none at all."""
    before = store.version()
    store.record([record("a")])
    versions = store.status()["versions"]
    store.record([])

    assert store.version() == before
    assert store.status()["versions"] == versions


def test_a_store_without_the_newer_columns_is_read_and_written(tmp_path: Path) -> None:
    """An older ledger reads as if nothing was decided by hand, and learns the columns at the next write."""
    store = open_store(str(tmp_path / "store"), create=MODELS)
    store.record([record("file:///old", "quarantined")])
    table = lancedb.connect(store.uri).open_table("documents")
    table.drop_columns(["by_hand", "embed_seconds"])
    older = open_store(store.uri)
    before = list(older.documents())
    older.record([replace(record("file:///new", "quarantined"), by_hand="retry", embed_seconds=1.5)])

    assert before == [record("file:///old", "quarantined")]
    assert [(r.by_hand, r.embed_seconds) for r in older.documents()] == [("retry", 1.5), ("", 0.0)]
