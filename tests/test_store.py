"""The corpus: what replacing, reading, searching and indexing promise, on a real LanceDB."""

from __future__ import annotations

import datetime as dt
import threading
import tracemalloc
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.store import Models, RowFile, Store, TokenCounts, doc_id, open_store, tables
from pipeline.types import DocumentRecord, ModelId, Row

MODELS = Models(ModelId("words", "1", 8, "mean"), ModelId("tokens", "1", 16, "none"))
NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
A, B = "file:///a.pdf", "file:///o'brien \U0001f600.pdf"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"), create=MODELS)


def unit(seed: int, *shape: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def texts(count: int, words: str = "quantum pump", first: int = 0) -> list[Row]:
    return [Row("text", i, f"{words} {i}", page=i + 1, vector=unit(first + i, 8)) for i in range(count)]


def put(store: Store, uri: str, rows: Sequence[Row], **values: object) -> int:
    record = DocumentRecord(uri, doc_id(uri), "indexed", **values)
    path = Path(store.uri).parent / "rows.arrow"
    with RowFile.create(path, store.models) as file:
        file.add(record, rows, NOW)
    return store.replace(RowFile.open(path), [record.doc_id])


def ids(store: Store, uri: str | None = None) -> list[str]:
    return [row["id"].split(":", 1)[1] for row in store.rows(uri)]


def test_a_document_grows_shrinks_and_goes_in_one_commit_each(store: Store) -> None:
    """After each commit a document's rows are exactly those it was given, and others are untouched."""
    put(store, B, texts(2))
    before = list(store.rows(B))
    versions = [put(store, A, texts(3)), put(store, A, texts(5)), put(store, A, texts(1))]
    left = ids(store, A)
    versions.append(store.replace(None, [doc_id(A)]))

    assert np.diff(versions).tolist() == [1, 1, 1]
    assert left == ["text:0"]
    assert ids(store, A) == []
    assert list(store.rows(B)) == before


def test_the_same_document_again_gives_the_same_rows(store: Store) -> None:
    """Writing a document twice leaves what writing it once leaves."""
    put(store, A, texts(4))
    once = list(store.rows())
    put(store, A, texts(4))

    assert list(store.rows()) == once


def test_two_writers_of_one_new_document_leave_one_version_of_it(store: Store, tmp_path: Path) -> None:
    """Without the lock, too: whoever comes second replaces all rows of the first, and nothing is doubled."""
    other = open_store(store.uri)
    for turn in range(8):
        uri = f"file:///new-{turn}"
        started = threading.Barrier(2)

        def write(one: Store, rows: list[Row], uri: str = uri, started: threading.Barrier = started) -> None:
            record = DocumentRecord(uri, doc_id(uri), "indexed")
            with RowFile.create(tmp_path / f"{uri[8:]}-{len(rows)}", one.models) as file:
                file.add(record, rows, NOW)
            started.wait()
            one.replace(RowFile.open(file.path), [record.doc_id])

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(write, (store, other), (texts(2, "short"), texts(5, "long"))))
        found = [row["text"].split()[0] for row in store.rows(uri)]

        assert found in (["short"] * 2, ["long"] * 5)


def test_deleting_what_is_not_there_writes_nothing(store: Store) -> None:
    """No commit is made when there is neither an old nor a new row."""
    before = store.version()

    assert store.replace(None, [doc_id("file:///never")]) == before
    assert store.replace(None, []) == before


def test_thousands_of_documents_can_go_in_one_commit(store: Store) -> None:
    """A deletion is one commit however many documents it names."""
    before = put(store, A, texts(3))

    assert store.replace(None, [doc_id(A), *(doc_id(f"file:///{i}") for i in range(5000))]) == before + 1
    assert store.count() == {"text": 0, "image": 0, "page": 0}


def test_every_field_comes_back_as_it_was_given(store: Store) -> None:
    """A row keeps its text, place, route and time, whatever characters stand in it."""
    row = Row("image", 0, "tab\t'x' \udcff \U0001f600", page=3, bbox=(1, 2, 3, 4.5), headings=("A", "B"), token_count=7)
    put(store, B, [row], title="T", recipe="r", run_id="run", modified_at=NOW, metadata={"team": "x"})
    found = next(store.rows(B))

    assert found["text"] == "tab\t'x' \\udcff \U0001f600"
    assert (found["page"], found["bbox"], found["headings"], found["token_count"]) == (3, [1, 2, 3, 4.5], ["A", "B"], 7)
    assert (found["source_uri"], found["title"], found["recipe"], found["run_id"]) == (B, "T", "r", "run")
    assert (found["ingested_at"], found["source_modified_at"], found["metadata"]) == (NOW, NOW, '{"team":"x"}')
    assert found["unified_model"] == str(MODELS.unified)
    assert store.fetch([found["id"], "nothing"]) == {found["id"]: found}


def test_multivectors_come_back_exactly_and_only_where_they_are(store: Store) -> None:
    """Multi-vectors keep every float16 bit, in the asked order; rows without one are left out."""
    first, second = unit(1, 3, 16).astype(np.float16), unit(2, 2, 16).astype(np.float16)
    pages = [Row("page", 0, "", multivector=first), Row("page", 1, ""), Row("page", 2, "", multivector=second)]
    put(store, A, [*texts(2), *pages])
    found = store.multivectors()
    name = f"{doc_id(A)}:page:"
    turned = store.multivectors([name + "2", name + "1", name + "0", "no such row"])

    assert found.ids == [name + "0", name + "2"]
    assert found.offsets.tolist() == [0, 3, 5]
    assert found.vectors.dtype == np.float16
    assert np.array_equal(found.vectors, np.concatenate([first, second]))
    assert np.array_equal(turned.vectors, np.concatenate([second, first]))
    assert store.multivectors(where="source_uri = 'x'").vectors.shape == (0, 16)


def test_nearest_ranks_by_cosine_and_filters_first(store: Store) -> None:
    """The similarities are those of numpy; rows without a vector or outside the filter take no place."""
    rows = [*texts(30), Row("text", 30, "no vector"), Row("image", 0, "", vector=unit(3, 8))]
    put(store, A, rows)
    wanted = unit(3, 8)
    found = store.nearest(wanted, modality="text", k=31)
    exact = {f"{doc_id(A)}:text:{i}": float(wanted @ unit(i, 8)) for i in range(30)}
    limited = store.nearest(wanted, modality="text", k=2, where="page > 28")

    assert [name for name, _ in found] == sorted(exact, key=lambda name: -exact[name])
    assert all(abs(score - exact[name]) < 1e-5 for name, score in found)
    assert {name.split(":")[-1] for name, _ in limited} == {"28", "29"}
    assert [name for name, _ in store.nearest(wanted, modality="image", k=9)] == [f"{doc_id(A)}:image:0"]


@pytest.mark.parametrize("most", [0, 1_000])
def test_a_version_answers_like_the_store(store: Store, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Whether the ids of its rows are held or read: the same as the store said when it was at this version."""
    monkeypatch.setattr(tables, "MOST_ROWS", most)
    pages = [Row("page", i, f"pump {i}", multivector=unit(50 + i, 3, 16).astype(np.float16)) for i in range(4)]
    for first, uri in ((0, A), (10, B), (20, "file:///c.pdf")):
        put(store, uri, [*texts(5, first=first), *pages])
    put(store, A, [])

    def asked(one: Store) -> list[list[tuple[str, float]]]:
        nearest = one.nearest(unit(3, 8), modality="text", k=20)
        return [
            nearest,
            one.nearest_pages(unit(7, 2, 16), k=20),
            one.match("quantum", k=20),
            one.match("pump", modality="page", k=20),
        ]

    then, before = asked(store), store.snapshot()
    put(store, A, texts(5))

    assert asked(before) == asked(before) == then
    assert [len(found) for found in then] == [10, 8, 10, 8]
    assert len(store.match("quantum", k=20)) == 15


def test_pages_rank_by_maxsim(store: Store) -> None:
    """Late interaction scores are the sums over query tokens of their best cosine on the page."""
    pages = [unit(i, 3 + i, 16).astype(np.float16) for i in range(5)]
    put(store, A, [*(Row("page", i, "", page=i, multivector=page) for i, page in enumerate(pages)), Row("page", 5, "")])
    wanted = unit(99, 4, 16)
    found = store.nearest_pages(wanted, k=9)
    exact = {f"{doc_id(A)}:page:{i}": float((wanted @ page.T).max(axis=1).sum()) for i, page in enumerate(pages)}

    assert [name for name, _ in found] == sorted(exact, key=lambda name: -exact[name])
    assert all(abs(score - exact[name]) < 1e-2 for name, score in found)
    assert len(store.nearest_pages(wanted, k=9, where="page < 2")) == 2


def test_words_find_rows_written_before_and_after_the_index(store: Store) -> None:
    """BM25 sees a row at once, without any refresh, and never one that was replaced."""
    put(store, A, texts(3, "zebra"))
    store.refresh_indexes()
    put(store, B, texts(2, "zebra"))
    put(store, A, texts(1, "heron"))

    assert {name.split(":")[0] for name, _ in store.match("zebra", k=9)} == {doc_id(B)}
    assert len(store.match("HERONS", k=9, modality="text")) == 1
    assert store.match("heron", k=9, modality="page") == []
    assert store.match("heron", k=9, where=f"doc_id = '{doc_id(B)}'") == []


@pytest.mark.parametrize("words", ["", "  ", "the", "'\"(", "AND OR", "text:", "\x00", "\udcff", "~^*", "x" * 20_000])
def test_a_query_is_words_never_syntax(store: Store, words: str) -> None:
    """Nothing that can be typed into a search box is an error, and no stop word finds anything."""
    put(store, A, texts(2, "the heron"))

    assert store.match(words, k=5) == []


def test_arabic_words_are_found_behind_their_prefixes(store: Store) -> None:
    """The article and small words are written together with the next one, and short vowels may be left out."""
    lines = ["اكتمل السد في الربيع", "طحين"]
    put(store, A, [Row("text", i, line, vector=unit(i, 8)) for i, line in enumerate(lines)])
    forms = ("سد", "والسد", "بالسد", "للسد", "السَّد")

    assert [len(store.match(form, k=5)) for form in forms] == [1] * 5
    assert store.match("سدادة", k=5) == []


def test_words_of_other_scripts_are_found(store: Store) -> None:
    """Chinese, Japanese and Thai text is cut into words, accents do not matter, part numbers are words."""
    lines = ["我爱北京天安门", "東京タワーは高い", "ภาษาไทยง่าย", "le café noir", "pump XJ-4500"]
    put(store, A, [Row("text", i, line, vector=unit(i, 8)) for i, line in enumerate(lines)])
    found = [store.match(query, k=1)[0][0][-1] for query in ("北京", "タワー", "ไทย", "cafe", "XJ-4500")]

    assert found == ["0", "1", "2", "3", "4"]


def test_rows_come_in_document_order(store: Store) -> None:
    """Rows are sorted by source, page, kind and ordinal (as a number), whatever the order of writing."""
    page = Row("page", 0, "", page=1)
    picture = Row("image", 0, "", page=1)
    loose = Row("image", 1, "")
    put(store, "file:///b", [loose, page, picture, *(Row("text", i, "", page=1) for i in reversed(range(11)))])
    put(store, "file:///a", texts(1))

    assert ids(store)[0] == "text:0"
    assert ids(store)[1:] == [*(f"text:{i}" for i in range(11)), "image:0", "page:0", "image:1"]
    assert next(store.rows())["source_uri"] == "file:///a"


def test_reading_all_rows_takes_flat_memory(store: Store) -> None:
    """20,000 rows are read in batches; Python holds a small part of them at a time."""
    put(store, A, [Row("text", i, "word " * 40) for i in range(20_000)])
    tracemalloc.start()
    count = sum(1 for _ in store.rows())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert count == 20_000
    assert peak < 8_000_000


def test_a_reader_sees_all_of_the_old_or_all_of_the_new(store: Store) -> None:
    """While a document is rewritten, no read returns a mixture of two versions."""
    put(store, A, texts(40, "heron"))
    reading, seen = open_store(store.uri), []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append({row["text"].split()[0] for row in reading.rows()})

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(6):
        put(store, A, texts(40 - turn, "zebra" if turn % 2 else "stork"))
    done.set()
    reader.join()

    assert seen
    assert all(len(words) == 1 for words in seen)


def test_a_file_uri_names_the_same_store(store: Store) -> None:
    """A store may be given as a `file://` URI."""
    put(store, A, texts(2))

    assert open_store(Path(store.uri).as_uri()).count() == store.count()


def test_an_open_store_sees_what_others_commit(store: Store) -> None:
    """A store that stays open reads the newest commit without being opened again."""
    other = open_store(store.uri)
    other.count()
    version = put(store, A, texts(3))

    assert other.count()["text"] == 3
    assert other.version() == version
    assert other.match("pump", k=1)


def test_refreshing_indexes_covers_all_rows_and_then_rests(store: Store) -> None:
    """After a refresh no row is outside an index; a second refresh writes no new version of any table."""
    store.refresh_indexes()
    for turn in range(3):
        put(store, f"file:///{turn}", texts(10))
        store.record([DocumentRecord(f"file:///{turn}", doc_id(f"file:///{turn}"), "indexed")])
    store.refresh_indexes()
    status = store.status()
    store.refresh_indexes()

    assert {"id", "doc_id", "source_uri", "modality", "text"} <= status["indexes"]["corpus"].keys()
    assert all(i["unindexed"] == 0 for table in status["indexes"].values() for i in table.values())
    assert store.status()["versions"] == status["versions"]


def test_large_tables_get_vector_indexes_that_find_the_same(store: Store) -> None:
    """Above the limits of exact search an index is built, and its first hits are those of an exact search."""
    pages = [Row("page", i, "", multivector=unit(i, 4, 16).astype(np.float16)) for i in range(2100)]
    put(store, A, [Row("text", i, "", vector=unit(i, 8)) for i in range(6000)] + pages)
    wanted = unit(123, 8)
    store.refresh_indexes()
    found = store.nearest(wanted, modality="text", k=10)
    exact = sorted(range(6000), key=lambda i: -float(wanted @ unit(i, 8)))[:10]
    page = store.nearest_pages(unit(1000, 4, 16), k=3)[0]

    assert {"vector", "multivector"} <= store.status()["indexes"]["corpus"].keys()
    assert len({int(name.split(":")[-1]) for name, _ in found} & set(exact)) >= 9
    assert found[0][1] == pytest.approx(1.0, abs=1e-5)
    assert page == (f"{doc_id(A)}:page:1000", pytest.approx(4.0, abs=0.1))  # as the index estimates it


@pytest.mark.parametrize("vector", [None, np.zeros(8, np.float32)])
def test_rows_without_usable_vectors_never_stop_a_refresh(store: Store, vector: np.ndarray | None) -> None:
    """Many rows without a vector, or with one of zeros, leave the other indexes complete, now and with later rows."""
    put(store, A, [Row("text", i, "heron", vector=vector) for i in range(5100)])
    store.refresh_indexes()
    put(store, B, texts(3, "heron"))
    store.refresh_indexes()
    found = store.nearest(unit(0, 8), modality="text", k=5)
    store.replace(None, [doc_id(A), doc_id(B)])
    store.refresh_indexes()

    assert found[0][0] == f"{doc_id(B)}:text:0"
    assert store.status()["indexes"]["corpus"]["text"]["unindexed"] == 0


def test_a_very_long_document_is_replaced_like_a_short_one(tmp_path: Path) -> None:
    """A file of rows too large for a merge is streamed: one commit, old rows gone, others untouched, indexes right."""
    models = Models(MODELS.unified, ModelId("wide", "1", 128, "none"))
    store = open_store(str(tmp_path / "store"), create=models)
    wide = np.ones((1000, 128), np.float16)
    put(store, B, texts(2, "heron"))
    first = put(store, A, [*texts(5, "zebra"), *(Row("page", i, "stork", multivector=wide) for i in range(300))])
    store.refresh_indexes()
    before = store.version()
    second = put(store, A, [*texts(2, "crane"), *(Row("page", i, "crane", multivector=wide) for i in range(280))])

    assert (tmp_path / "rows.arrow").stat().st_size > 64 << 20
    assert (first, second) == (first, before + 1)
    assert store.count() == {"text": 4, "image": 0, "page": 280}
    assert store.match("zebra stork", k=5) == []
    assert len(store.match("crane", k=500)) == 282
    assert len(store.match("heron", k=5)) == 2


def test_pictures_are_kept_while_a_row_needs_them(store: Store, tmp_path: Path) -> None:
    """A picture's bytes come back; those of the old version are dropped, shared ones and other documents' stay."""
    for name in ("one", "two", "three"):
        (tmp_path / name).write_bytes(b"\x89PNG" + name.encode() * 50_000)
    put(store, B, [Row("image", 0, "", picture=tmp_path / "one")])
    put(store, A, [Row("image", i, "", picture=tmp_path / name) for i, name in enumerate(("one", "two"))])
    old = [row["asset_id"] for row in store.rows(A)]
    put(store, A, [Row("image", i, "", picture=tmp_path / name) for i, name in enumerate(("one", "three"))])
    new = [row["asset_id"] for row in store.rows(A)]

    assert [store.asset(name) for name in new] == [(tmp_path / name).read_bytes() for name in ("one", "three")]
    assert old[0] == new[0]
    with pytest.raises(UsageError, match="no asset"):
        store.asset(old[1])
    assert store.asset(next(store.rows(B))["asset_id"]) == (tmp_path / "one").read_bytes()


def test_token_counts_come_back_and_the_same_again_write_nothing(store: Store) -> None:
    """Token counts survive deletions of documents; setting equal ones makes no new version."""
    before = store.frequencies()
    store.set_frequencies(TokenCounts(3, np.arange(9)))
    version = store.status()["versions"]["assets"]
    store.set_frequencies(TokenCounts(3, np.arange(9)))
    again = store.status()["versions"]["assets"]
    store.set_frequencies(TokenCounts(4, np.arange(9)))
    found = store.frequencies()

    assert before is None
    assert again == version
    assert found is not None
    assert (found.pages, found.counts.tolist()) == (4, list(range(9)))


def test_page_texts_are_those_of_pages(store: Store) -> None:
    """Token counts are made from page rows alone."""
    put(store, A, [*texts(3), Row("page", 0, "one"), Row("page", 1, "two")])

    assert sorted(store.page_texts()) == ["one", "two"]


def test_a_run_that_is_cut_short_leaves_its_mark(store: Store) -> None:
    """Until it is taken away: a run that ends as it should leaves none, and may mark the store again and again."""
    with store.settling("one"):
        marked = store.unsettled()
    for _ in range(2):
        with pytest.raises(KeyError), store.settling("two"):
            raise KeyError
    left = store.unsettled()
    store.settle(["two", "never"])

    assert (marked, left, store.unsettled()) == (["one"], ["two"], [])
