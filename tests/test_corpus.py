"""Promises of the Python interface: `from pipeline import open_store`."""

from __future__ import annotations

import doctest
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from fakes import WordPages, WordUnified
from test_search import NOW, Known, KnownPages, image, make, page, text

import pipeline
from pipeline import Corpus, Filter, Scope, UsageError, open_store
from pipeline.config import SearchWeights, Settings
from pipeline.ingest.open import load_both
from pipeline.search import Searcher
from pipeline.store import Models, RowFile, Store, doc_id
from pipeline.store import open_store as open_tables
from pipeline.types import DocumentRecord, Row

ROOT = Path(__file__).parents[1]
TEXTS = {
    "energy.txt": ("Mill report", "Over twelve months the mill counted 38,400 kilowatt hours of energy."),
    "gate.txt": ("Sluice gate", "We have looked at the sluice gate at low water on the 9th of March."),
    "copy.txt": ("Sluice gate", "We have looked at the sluice gate at low water on the 9th of March."),
    "eels.txt": ("Eels", "In May 412 eels climbed past the mill, more than in any year before."),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a store of four short texts, made with the built-in models."""
    settings = Settings(store=str(tmp_path / "docmill-data"))
    unified, pages = load_both(settings)
    store = open_tables(settings.store, create=Models(unified.id, pages.id))
    vectors = unified.embed_texts([f"{title}\n{words}" for title, words in TEXTS.values()])
    records = [
        DocumentRecord(
            f"file:///mill/{name}", doc_id(f"file:///mill/{name}"), "indexed", title=title, media_type="text/plain",
            metadata={"author": "Ann"} if name == "eels.txt" else {}, modified_at=NOW,
        )
        for name, (title, _) in TEXTS.items()
    ]  # fmt: skip
    with RowFile.create(tmp_path / "rows.arrow", store.models) as file:
        for record, (_, words), vector in zip(records, TEXTS.values(), vectors, strict=True):
            file.add(record, [Row("text", 0, words, page=1, vector=vector, route="text")], NOW)
    with store.writer():
        store.replace(RowFile.open(tmp_path / "rows.arrow"), [record.doc_id for record in records])
    return tmp_path


def test_the_examples_of_the_page_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example in docs/python.md gives what the page says it gives."""
    monkeypatch.chdir(folder)
    result = doctest.testfile(str(ROOT / "docs" / "python.md"), module_relative=False)

    assert result.attempted > 10
    assert result.failed == 0


def test_naming_it_loads_nothing() -> None:
    """`import pipeline` is for programs that only want the version, too: no LanceDB, no numpy, no models."""
    program = "import pipeline, sys; print({'lancedb', 'numpy', 'torch', 'pydantic', 'prefect'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)

    assert done.stdout.strip() == "set()"
    assert all(getattr(pipeline, name) is not None for name in pipeline.__all__)
    with pytest.raises(AttributeError, match="searcher"):
        _ = pipeline.searcher  # type: ignore[attr-defined]


def test_hits_become_a_table_of_one_schema(tmp_path: Path) -> None:
    """A row for each hit, a column for each field, the same types with no hits as with some."""
    rows = {"a": text("whale"), "b": image("whale"), "c": page("whale", ["whale rope"], "x")}
    searcher = Searcher(make(tmp_path, rows), Known(), KnownPages(), SearchWeights())
    some, none = searcher.answer_many(["whale"])[0], searcher.answer_many(["whale"], Scope(where="page = 99"))[0]
    table, frame = some.to_arrow(), some.to_pandas()

    assert isinstance(table, pa.Table)
    assert table.schema == none.to_arrow().schema
    assert (none.to_arrow().num_rows, len(none)) == (0, 0)
    assert table["source_uri"].to_pylist() == [hit.source_uri for hit in some] == list(frame["source_uri"])
    assert table["legs"].to_pylist()[0][0]["rank"] >= 1


def test_a_missing_store_is_said(tmp_path: Path) -> None:
    """`UsageError`, with what to do."""
    with pytest.raises(UsageError, match="docmill ingest"):
        open_store(tmp_path / "none")


# beside a running ingest --------------------------------------------------------------------------------------


class Open(Corpus):
    """A corpus whose models compute."""

    def __init__(self, store: Store) -> None:
        super().__init__(Settings(store=store.uri))
        self._searcher = Searcher(store.snapshot(), WordUnified(), WordPages(), SearchWeights())


VERSIONS, PARTS = 12, 6


def write(folder: Path, store: Store, version: int) -> None:
    """Another document, and a new version of `doc`: `PARTS` passages that say which version it is."""
    vector = WordUnified().embed_texts(["heron"])[0]
    rows = [Row("text", part, f"heron v{version} part {part} of all", vector=vector) for part in range(PARTS)]
    with RowFile.create(folder / f"{version}.arrow", store.models) as file:
        for name in ("doc", f"more-{version}"):
            file.add(DocumentRecord(name, doc_id(name), "indexed"), rows if name == "doc" else rows[:1], NOW)
    with store.writer():
        store.replace(RowFile.open(folder / f"{version}.arrow"), [doc_id("doc"), doc_id(f"more-{version}")])
        if version % 4 == 3:
            store.refresh_indexes()


def test_searches_beside_an_ingest_see_whole_documents(tmp_path: Path) -> None:
    """While another connection writes, indexes and compacts, each answer has all of one version, and none fails."""
    store = open_tables(str(tmp_path / "store"), create=Models(WordUnified.id, WordPages.id))
    write(tmp_path, store, 0)
    corpus, seen = Open(store), []
    writer = threading.Thread(
        target=lambda: [write(tmp_path, open_tables(store.uri), n) for n in range(1, VERSIONS)], daemon=True
    )
    writer.start()
    while writer.is_alive() or not seen or seen[-1] != {f"v{VERSIONS - 1}"}:
        hits = corpus.search("heron", k=20, where="source_uri = 'doc'")
        seen.append({hit.text.split()[1] for hit in hits})
        assert (len(hits), len(seen[-1])) == (PARTS, 1)
    writer.join()

    assert len({version for versions in seen for version in versions}) > 1
    assert corpus.count()["text"] == PARTS + VERSIONS


def test_a_snapshot_keeps_to_its_commit(tmp_path: Path) -> None:
    """What is committed later is not in it; the store itself has it at once."""
    store = open_tables(str(tmp_path / "store"), create=Models(WordUnified.id, WordPages.id))
    write(tmp_path, store, 0)
    before = store.snapshot()
    write(tmp_path, store, 1)

    assert (before.count()["text"], store.count()["text"]) == (PARTS + 1, PARTS + 2)
    assert {row["text"].split()[1] for row in before.fetch(list(store.row_ids())).values()} == {"v0"}


def test_the_filters_are_arguments(tmp_path: Path) -> None:
    """`search` takes what `Filter` takes, and refuses what it refuses."""
    store = make(tmp_path, {"file:///x/a": text("whale"), "file:///y/b": replace(text("whale"), page=4)})
    corpus = Open(store)

    assert [hit.source_uri for hit in corpus.search("whale", source="/x", legs=("bm25",))] == ["file:///x/a"]
    assert [hit.page for hit in corpus.search("whale", page="3-5", legs=("bm25",))] == [4]
    with pytest.raises(UsageError, match="no page"):
        corpus.search("whale", page="x")
    assert corpus.search_many(["whale"], Scope(legs=("bm25",), filter=Filter(source="/y")))[0][0].page == 4


def test_threads_share_a_corpus(tmp_path: Path) -> None:
    """Searches of several threads at once, each with a filter of its own, get each their own hits."""
    pages = {f"p{n}": page("whale", [f"whale rope{n}"], f"whale number {n} of the long book") for n in range(8)}
    store = make(tmp_path, pages)
    corpus = Open(store)
    corpus._searcher = Searcher(store.snapshot(), Known(), KnownPages(), SearchWeights())
    with ThreadPoolExecutor(8) as pool:
        asked = [f"p{n % 8}" for n in range(64)]
        answers = list(pool.map(lambda name: corpus.search("whale", where=f"source_uri = '{name}'"), asked))

    assert [[hit.source_uri for hit in answer] for answer in answers] == [[name] for name in asked]
