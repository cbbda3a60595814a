"""What goes wrong around a store ends in one clear line, and the store stays as it was."""

from __future__ import annotations

import datetime as dt
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ModelMismatch, NotAStore, StoreBusy, StoreError, UsageError
from pipeline.store import Models, RowFile, Store, doc_id, open_store, sql_literal
from pipeline.types import DocumentRecord, ModelId, Row

MODELS = Models(ModelId("words", "1", 8, "mean"), ModelId("tokens", "1", 4, "none"))
NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
A = "file:///a.pdf"
ROOT = Path(__file__).parents[1]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"), create=MODELS)


def put(store: Store, uri: str, rows: list[Row], folder: Path) -> int:
    with RowFile.create(folder / "rows.arrow", store.models) as file:
        file.add(DocumentRecord(uri, doc_id(uri), "indexed", metadata={"team": 'o\'b "x"'}), rows, NOW)
    return store.replace(file, [doc_id(uri)])


# opening ----------------------------------------------------------------------------------------------------


def test_a_missing_store_says_how_to_make_one(tmp_path: Path) -> None:
    """Opening what is not there is a usage error, and makes nothing."""
    with pytest.raises(UsageError, match=r"no docmill store at .*: run `docmill ingest` first, or give --store"):
        open_store(str(tmp_path / "none"))

    assert list(tmp_path.iterdir()) == []


def test_a_folder_or_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    """A place that holds other things is refused before anything is written to it."""
    (tmp_path / "notes.txt").write_text("heron")
    for place in (tmp_path, tmp_path / "notes.txt"):
        for create in (None, MODELS):
            with pytest.raises(NotAStore, match="give another --store"):
                open_store(str(place), create=create)

    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


def test_a_foreign_table_named_corpus_is_no_store(tmp_path: Path) -> None:
    """A LanceDB database of another program is refused, though a table there has the right name."""
    script = "import lancedb, sys; lancedb.connect(sys.argv[1]).create_table('corpus', [{'id': 'x'}])"
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)

    with pytest.raises(NotAStore, match="docmill did not make"):
        open_store(str(tmp_path))


def test_other_models_are_named_with_the_way_out(store: Store) -> None:
    """A store opened with other models names both and what can be done; without models it opens as pinned."""
    other = replace(MODELS, unified=replace(MODELS.unified, revision="2"))

    with pytest.raises(ModelMismatch, match=r"words@1 .* words@2 .*docmill backfill reembed"):
        open_store(store.uri, create=other)
    assert open_store(store.uri).models == MODELS


def test_a_store_whose_making_was_cut_off_is_finished_by_the_next_run(tmp_path: Path) -> None:
    """Whatever is missing after a kill during creation is made up for."""
    for step in (["documents.lance"], ["documents.lance", "assets.lance"]):
        place = tmp_path / str(len(step))
        made = open_store(str(place), create=MODELS)
        for name in {"documents.lance", "assets.lance", "corpus.lance"} - set(step):
            subprocess.run(["rm", "-r", str(place / name)], check=True)
        (place / "corpus.lance" / "data").mkdir(parents=True)

        with pytest.raises(UsageError, match="no docmill store"):
            open_store(str(place))
        made = open_store(str(place), create=MODELS)
        assert made.match("x", k=1) == []
        assert made.count()["text"] == 0


def test_a_damaged_store_is_one_line(store: Store, tmp_path: Path) -> None:
    """Overwritten data files end in a `StoreError` that names the store, never in a traceback of the engine."""
    put(store, A, [Row("text", 0, "x", vector=np.ones(8, np.float32))], tmp_path)
    for file in Path(store.uri, "corpus.lance", "data").iterdir():
        file.write_bytes(b"garbage")

    with pytest.raises(StoreError, match=r"cannot read the corpus.*missing or damaged") as caught:
        list(open_store(store.uri).rows())
    assert "\n" not in str(caught.value)
    assert store.uri in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_keeps_the_old_version(tmp_path: Path) -> None:
    """A commit that finds the disk full is one line, and the rows from before are still read."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        store = open_store(str(disk / "store"), create=MODELS)
        put(store, A, [Row("text", 0, "before")], tmp_path)
        words = np.random.default_rng(0).bytes(3_000_000).hex()
        with pytest.raises(StoreError, match="the disk is full") as caught:
            put(store, A, [Row("text", i, words[i * 6000 : i * 6000 + 6000]) for i in range(1000)], tmp_path)

        assert "\n" not in str(caught.value)
        assert [row["text"] for row in open_store(store.uri).rows()] == ["before"]
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk")
def test_a_read_only_disk_can_be_read_and_says_so_when_written(tmp_path: Path) -> None:
    """A store on a read-only disk is searched as ever; writing, locking or making one there is one line."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        put(open_store(str(disk / "store"), create=MODELS), A, [Row("text", 0, "heron")], tmp_path)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        store = open_store(str(disk / "store"), create=MODELS)

        assert len(store.match("heron", k=1)) == 1
        with pytest.raises(StoreError, match="read-only"):
            store.replace(None, [doc_id(A)])
        with pytest.raises(StoreError, match="read-only"), store.writer():
            pass
        with pytest.raises(StoreError, match="read-only"):
            open_store(str(disk / "new"), create=MODELS)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


# writing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (Row("text", 0, "", vector=np.full(8, np.nan, np.float32)), "not finite"),
        (Row("page", 0, "", multivector=np.full((2, 4), np.inf, np.float16)), "not finite"),
        (Row("text", 0, "", vector=np.ones(9, np.float32)), r"\(n, 8\)"),
        (Row("page", 0, "", multivector=np.ones((2, 5), np.float16)), r"\(n, 4\)"),
        (Row("image", 0, "", picture=Path("/nowhere/x.png")), "read the picture"),
    ],
)
def test_rows_that_cannot_be_right_are_refused(tmp_path: Path, row: Row, reason: str) -> None:
    """Vectors that are not numbers or not of the model, and missing pictures, are refused when they are added."""
    with RowFile.create(tmp_path / "rows.arrow", MODELS) as file, pytest.raises(StoreError, match=reason):
        file.add(DocumentRecord(A, doc_id(A), "indexed"), [row], NOW)


def test_an_unfinished_file_of_rows_is_not_written(store: Store, tmp_path: Path) -> None:
    """A file that is missing, cut off or something else is refused."""
    (tmp_path / "cut").write_bytes(b"ARROW1\0\0 and then nothing")

    for name in ("missing", "cut"):
        with pytest.raises(StoreError, match="cannot open the file of rows"):
            RowFile.open(tmp_path / name)


def test_a_batch_that_broke_off_leaves_no_file_of_rows(tmp_path: Path) -> None:
    """An error while rows are added removes the file, so that half of a batch is never taken for all of it."""
    path = tmp_path / "rows.arrow"
    rows = [*[Row("text", 0, "")] * 300, Row("text", 1, "", vector=np.ones(1, np.float32))]
    with pytest.raises(StoreError, match="vectors"), RowFile.create(path, MODELS) as file:
        file.add(DocumentRecord(A, doc_id(A), "indexed"), rows, NOW)

    assert not path.exists()


def test_rows_of_other_documents_and_doubled_rows_are_not_written(store: Store, tmp_path: Path) -> None:
    """A file that does not fit the documents to be replaced is refused as a whole."""
    before = store.version()
    with RowFile.create(tmp_path / "rows.arrow", MODELS) as file:
        file.add(DocumentRecord(A, doc_id(A), "indexed"), [Row("text", 0, "")] * 2, NOW)

    with pytest.raises(StoreError, match="not to be replaced"):
        store.replace(file, [doc_id("file:///b")])
    with pytest.raises(StoreError, match="twice"):
        store.replace(file, [doc_id(A)])
    assert store.version() == before


def test_a_second_writer_is_told_who_writes(store: Store) -> None:
    """The lock keeps a second writer out, names the first, and is free again afterwards."""
    with store.writer():
        with pytest.raises(StoreBusy, match=rf"process {os.getpid()} on .*, since \d{{4}}-") as caught:
            open_store(store.uri).writer(timeout_s=0.1).__enter__()
        assert "\n" not in str(caught.value)
    with store.writer(timeout_s=0.1):
        pass


WRITER = """
import sys, datetime as dt
from pathlib import Path
from pipeline.store import RowFile, doc_id, open_store
from pipeline.types import DocumentRecord, Row
store = open_store(sys.argv[1])
turn = 0
with store.writer():
    while True:
        turn += 1
        with RowFile.create(Path(sys.argv[2]), store.models) as file:
            record = DocumentRecord("file:///a.pdf", doc_id("file:///a.pdf"), "indexed")
            file.add(record, [Row("text", i, str(turn)) for i in range(30)], dt.datetime.now(dt.UTC))
        store.replace(file, [record.doc_id])
        print(turn, flush=True)
"""


def test_a_killed_writer_leaves_a_whole_store_and_a_free_lock(store: Store, tmp_path: Path) -> None:
    """After kill -9 in the middle of writing, a document is all of one version and the next writer can go on."""
    command = [sys.executable, "-c", WRITER, store.uri, str(tmp_path / "child.arrow")]
    for pause_s in (0.0, 0.05):
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(pause_s)
            child.send_signal(signal.SIGKILL)

        with store.writer(timeout_s=2):
            found = [row["text"] for row in store.rows()]
            assert len(found) == 30
            assert len(set(found)) == 1
            put(store, A, [Row("text", 0, "after")], tmp_path)
        assert [row["text"] for row in store.rows()] == ["after"]


# filters ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "where",
    [
        "page = 1",
        "page >= 1 AND page < 2 or page is null",
        "not (page in (2, 3)) and modality NOT IN ('image')",
        "text LIKE 'her%' and lower(text) = 'heron'",
        "page between 0 and 1",
        "array_has(headings, 'Birds')",
        "starts_with(source_uri, 'file:///') AND contains(source_uri, '.pdf')",
        "ingested_at >= timestamp '2020-01-01 00:00:00'",
        "metadata.team = 'o''b \"x\"'",
        "metadata.team in ('x', 'o''b \"x\"') and metadata.other is null and metadata.team is not null",
        "metadata.team != 'x'",
        "   ",
    ],
)
def test_conditions_on_columns_and_own_keys_work(store: Store, tmp_path: Path, where: str) -> None:
    """A filter may use every column, the user's own metadata keys, and the usual comparisons."""
    row = Row("text", 0, "heron", page=1, headings=("Birds",))
    put(store, A, [row], tmp_path)

    assert len(store.match("heron", k=5, where=where)) == 1


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("nosuch = 1", "there is no column 'nosuch'; there are .*modality"),
        ("' OR 1=1 --", "cannot read it"),
        ("page = 1 OR 1=1 --", "cannot read it|AND, OR or the end"),
        ("page = 1) OR (page = 2", "AND, OR or the end"),
        ("x' ; drop table corpus", "cannot read it"),
        ("page = 1; delete from corpus", "cannot read it"),
        ("page IN (SELECT page FROM corpus)", "no column 'SELECT'"),
        ("sleep(10) = 1", "there is no function 'sleep'"),
        ("page = 'x'", "filter"),
        ("page", "expected a comparison"),
        ("page =", "found its end"),
        ("(" * 5000 + "page = 1" + ")" * 5000, "nested deeper"),
        ("page = 1 " * 5000, "longer than"),
        ("metadata.team > 'x'", "after metadata.KEY"),
        ("text = 'never closed", "cannot read it"),
    ],
)
def test_a_filter_that_is_no_condition_says_what_is_wrong(store: Store, where: str, reason: str) -> None:
    """Anything but a condition on columns is a usage error of one line."""
    with pytest.raises(UsageError, match=reason) as caught:
        store.match("x", k=1, where=where)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["' OR 1=1 --", "x' ; drop", "''", "\\'", "\\", "\U0001f600", "\n", "%_", "é" * 1000])
def test_no_value_escapes_from_its_literal(store: Store, tmp_path: Path, value: str) -> None:
    """A value, whatever stands in it, finds itself and nothing else, by our own and by a user's filter."""
    put(store, value, [Row("text", 0, "heron")], tmp_path)
    put(store, "file:///other", [Row("text", 0, "stork")], tmp_path)

    assert [row["text"] for row in store.rows(value)] == ["heron"]
    found = store.match("heron stork", k=5, where=f"source_uri = {sql_literal(value)}")
    assert [re.sub(":.*", "", name) for name, _ in found] == [doc_id(value)]
