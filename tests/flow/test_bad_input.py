"""Bad days of the real command: signals, full disks, what may not be read or written, servers that are not there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import psutil
import pytest
from bombs import BOMBS
from command import docmill, rows_of, start, summary, wait_for

pytestmark = [pytest.mark.flow, pytest.mark.filterwarnings("ignore")]  # Prefect's own warnings

WORDS = "the tide turns the wheel of the mill while the miller counts his sacks and the gate leaks "
IS_ROOT = os.geteuid() == 0
ONLY_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="uses Linux tools")
# Root without the right to read everything: what permissions mean to everybody else.
AS_OTHERS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if IS_ROOT else ()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number:02}.txt").write_text(f"part {number}: {WORDS}")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(place)]
    if not IS_ROOT or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("nothing may be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def interrupt(
    number: int, arguments: Sequence[str], store: Path, environment: dict[str, str], sign: str = "rows.arrow*"
) -> tuple[int, str]:
    """Exit code and standard error of a run that gets a signal once this is in its work folder, by default while it
    embeds; nothing of it is left 10 seconds later."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore it, and so would the run
    process = start(arguments, **environment)
    assert wait_for(lambda: any(store.glob(f".work/batch-0/{sign}")), process)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    _, err = process.communicate(timeout=10)
    _, alive = psutil.wait_procs(family, timeout=3)
    assert alive == []
    return process.returncode, err


def test_signals_end_a_run_in_order(folder: Path, store: Path, server: str) -> None:
    """Within 10 seconds, with a word on it and no process left; the next run goes on where they ended."""
    arguments = ("ingest", str(folder), "--store", str(store), "--json")
    environment = {"DOCMILL_BATCH_DOCUMENTS": "3", "PREFECT_API_URL": server}
    terminated = interrupt(signal.SIGTERM, arguments, store, environment)
    interrupted = interrupt(signal.SIGINT, arguments, store, environment)
    last = summary(docmill(*arguments, **environment))

    assert terminated == (143, "docmill: terminated; what is in the table is safe, run it again to go on\n")
    assert (interrupted[0], interrupted[1].strip()) == (130, "docmill: interrupted")
    assert last["indexed"] + last["unchanged"] == len(rows_of(store)) == 12


@pytest.mark.parametrize("sign", ["", "*/.started"])
def test_a_document_that_takes_long_does_not_delay_the_end(sign: str, tmp_path: Path, store: Path, server: str) -> None:
    """SIGTERM while parse workers start, and while all of them are at pages that would take them minutes."""
    for number in range(3):
        BOMBS["operators.pdf"](tmp_path / f"{number}.pdf")
    arguments = ("ingest", *map(str, tmp_path.glob("*.pdf")), "--store", str(store), "--workers", "2", "--json")
    environment = {"PREFECT_API_URL": server, "DOCMILL_LIMITS__PAGE_S": "600", "DOCMILL_LIMITS__DOCUMENT_S": "600"}
    code, err = interrupt(signal.SIGTERM, arguments, store, environment, sign)

    assert code == 143
    assert err.splitlines() == ["docmill: terminated; what is in the table is safe, run it again to go on"]


def test_a_temporary_server_ends_with_its_run(folder: Path, store: Path, tmp_path: Path) -> None:
    """Even with one that is killed."""
    home = {"PREFECT_HOME": str(tmp_path / "home"), "PREFECT_API_URL": ""}
    process = start(["ingest", str(folder), "--store", str(store)], **home)
    assert wait_for(lambda: bool(psutil.Process(process.pid).children(recursive=True)), process)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(family, timeout=5)

    assert alive == []


def test_a_server_that_is_not_there(folder: Path, store: Path) -> None:
    """One line that names it, exit code 1, and nothing is made."""
    done = docmill("ingest", str(folder), "--store", str(store), PREFECT_API_URL="http://127.0.0.1:9/api")

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "docmill: error: no usable Prefect server at http://127.0.0.1:9/api ([Errno 111] Connection refused); check "
        "PREFECT_API_URL, or unset it for a temporary server"
    ]
    assert not store.exists()


def test_another_run_holds_the_store(folder: Path, store: Path, server: str) -> None:
    """The second says for whom it waits; when its patience (`lock_wait_s`) is over, it ends with exit code 1."""
    from pipeline.store.lock import writer_lock

    with writer_lock(str(store), timeout_s=1):
        done = docmill("ingest", str(folder), "--store", str(store), PREFECT_API_URL=server, DOCMILL_LOCK_WAIT_S="2")

    assert done.returncode == 1
    waits, gives_up = done.stderr.splitlines()
    assert f"waiting for another run on this store (process {os.getpid()} on " in waits
    assert f"another run is writing to this store (process {os.getpid()} on " in gives_up


@ONLY_LINUX
def test_what_may_not_be_read(folder: Path, store: Path, server: str) -> None:
    """A file goes to quarantine with the reason, a folder is skipped; both are read once that is allowed."""
    from pipeline.store import open_store

    (folder / "inner").mkdir()
    (folder / "inner" / "deep.txt").write_text("below a closed folder")
    (folder / "00.txt").chmod(0)
    (folder / "inner").chmod(0)
    arguments = ("ingest", str(folder), "--store", str(store), "--json")
    first = docmill(*arguments, before=AS_OTHERS, PREFECT_API_URL=server)
    (failed,) = open_store(str(store)).documents(state="quarantined")
    for closed in (folder / "00.txt", folder / "inner"):
        closed.chmod(0o700)
    second = summary(docmill(*arguments, before=AS_OTHERS, PREFECT_API_URL=server))

    assert first.returncode == 3
    assert [summary(first)[name] for name in ("indexed", "skipped", "quarantined")] == [11, 1, 1]
    assert "00.txt: permission denied" in failed.message
    assert [second[name] for name in ("indexed", "unchanged", "quarantined")] == [2, 11, 0]


@ONLY_LINUX
@pytest.mark.parametrize("made_before", [True, False])
def test_a_store_that_may_not_be_written(made_before: bool, folder: Path, store: Path, server: str) -> None:
    """One line, exit code 1; what is in it can still be read."""
    if made_before:
        summary(docmill("ingest", str(folder / "00.txt"), "--store", str(store), "--json", PREFECT_API_URL=server))
    else:
        store.mkdir()
    for path in (store, *store.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    done = docmill("ingest", str(folder), "--store", str(store), before=AS_OTHERS, PREFECT_API_URL=server)
    found = docmill("rows", "--store", str(store), "--json", before=AS_OTHERS)
    for path in (store, *store.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)

    assert done.returncode == 1
    assert [line.count("permission denied") for line in done.stderr.splitlines()] == [1]
    assert found.returncode == (0 if made_before else 2)


@pytest.mark.parametrize("free_kb", [20, *(pytest.param(kb, marks=pytest.mark.slow) for kb in (80, 140, 200))])
def test_a_full_disk(free_kb: int, folder: Path, small_disk: Path, server: str) -> None:
    """Wherever it fills up: one line, exit code 1, every document old or new; with room again, all are there."""
    store = small_disk / "store"
    run = partial(docmill, "ingest", str(folder), "--json", "--store", PREFECT_API_URL=server)
    summary(run(str(store)))
    for number in range(8):
        (folder / f"{number:02}.txt").write_text("\n\n".join(f"new {part} {WORDS * 5}" for part in range(9)))
    (small_disk / "filler").write_bytes(b"x" * max(0, shutil.disk_usage(small_disk).free - free_kb * 1024))
    before = {row["id"]: row for row in rows_of(store)}
    full = run(str(store))
    left = {row["id"]: row for row in rows_of(store)}
    (small_disk / "filler").unlink()
    again = summary(run(str(store)))
    texts = [row["text"] for row in rows_of(store)]

    assert full.returncode == 1
    assert len(full.stderr.splitlines()) == 1
    assert left == before or len(left) == len(texts)  # the commit came first, and only the indexes found no room
    assert again["indexed"] + again["unchanged"] == 12
    assert sum("new 8" in text for text in texts) == 8


def test_a_reader_that_goes_away_and_a_store_that_is_deleted(folder: Path, store: Path, server: str) -> None:
    """`docmill ... | head -1` says nothing on standard error, and nothing outside of a store remembers it."""
    arguments = ["ingest", str(folder / "00.txt"), "--store", str(store), "--json"]
    process = start(arguments, PREFECT_API_URL=server)
    assert process.stdout is not None
    process.stdout.close()
    err = process.communicate(timeout=60)[1]
    rows = len(rows_of(store))
    shutil.rmtree(store)
    again = summary(docmill(*arguments, PREFECT_API_URL=server))

    assert "Traceback" not in err
    assert (again["indexed"], again["rows"]["text"]) == (1, rows)


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (lambda store: store.write_text("x"), 1, "it is a file, not a store"),
        (lambda store: (store.mkdir(), (store / "photo.jpg").touch()), 1, "holds other files (photo.jpg)"),
    ],
)
def test_a_store_that_is_something_else(make, code: int, words: str, folder: Path, store: Path, server: str) -> None:  # type: ignore[no-untyped-def]
    """One line that says what is there; it is left alone."""
    make(store)

    done = docmill("ingest", str(folder), "--store", str(store), PREFECT_API_URL=server)

    assert done.returncode == code
    (line,) = done.stderr.splitlines()
    assert words in line
