"""What happens to a run when the ground moves under it: the store goes away, rows go away, clocks jump."""

from __future__ import annotations

import datetime as dt
import os
import random
import shutil
from pathlib import Path

import lancedb
import pytest
from command import docmill, start, summary, wait_for
from mixed import check, write

pytestmark = [pytest.mark.flow, pytest.mark.filterwarnings("ignore")]  # Prefect's own warnings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(30):
        write(folder / f"{number:02}.txt", random.Random(number))
    return folder


def batches_written(store: Path) -> int:
    """Commits to the corpus; making the table and its text index are two of them."""
    return max(0, len(list(store.glob("corpus.lance/_versions/*"))) - 2)


def ingest(folder: Path, store: Path) -> tuple[str, ...]:
    return ("ingest", str(folder), "--store", str(store), "--json")


def test_the_store_is_deleted_in_mid_run(folder: Path, tmp_path: Path, server: str) -> None:
    """Exit code 1 and one line that names the store; the next run makes it anew, whole."""
    store, environment = tmp_path / "store", {"PREFECT_API_URL": server, "DOCMILL_BATCH_DOCUMENTS": "2"}
    process = start(ingest(folder, store), **environment)
    assert wait_for(lambda: batches_written(store) >= 2, process)
    shutil.rmtree(store, ignore_errors=True)
    _, errors = process.communicate(timeout=120)
    shutil.rmtree(store, ignore_errors=True)  # what the run wrote while it was being deleted
    again = summary(docmill(*ingest(folder, store), **environment))

    assert process.returncode == 1
    (line,) = errors.splitlines()
    assert line.startswith(f"docmill: error: {store}: ")
    assert again["indexed"] == again["discovered"] == 30


def test_rows_that_somebody_takes_out_in_mid_run_are_missed(folder: Path, tmp_path: Path, server: str) -> None:
    """The books are checked against the table itself: exit code 1, and the next run puts the document back."""
    store, environment = tmp_path / "store", {"PREFECT_API_URL": server, "DOCMILL_BATCH_DOCUMENTS": "2"}
    process = start(ingest(folder, store), **environment)
    assert wait_for(lambda: batches_written(store) >= 2, process)
    lancedb.connect(str(store)).open_table("corpus").delete("source_uri LIKE '%/00.txt'")
    _, errors = process.communicate(timeout=120)
    docmill(*ingest(folder, store), **environment)
    clean = tmp_path / "clean"
    docmill(*ingest(folder, clean), **environment)

    assert process.returncode == 1
    assert "the books do not balance" in errors
    check(store, clean)


def test_times_of_files_and_ledger_may_jump_back(folder: Path, tmp_path: Path, server: str) -> None:
    """A file that was restored with an older time is taken, an equal one under another time is not read as changed;
    records that a clock of the future wrote do no harm."""
    store, environment = tmp_path / "store", {"PREFECT_API_URL": server}
    docmill(*ingest(folder, store), **environment)
    documents = lancedb.connect(str(store)).open_table("documents")
    future = dt.datetime(2071, 1, 1, tzinfo=dt.UTC)
    documents.update(values={"last_seen": future, "first_seen": future, "modified_at": future})
    write(folder / "00.txt", random.Random(99))
    for name in ("00.txt", "01.txt"):
        os.utime(folder / name, (1, 1))
    done = summary(docmill(*ingest(folder, store), **environment))

    assert (done["indexed"], done["unchanged"]) == (1, 29)
