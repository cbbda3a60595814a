"""A run that is killed anywhere, with all its processes, loses nothing: the next one ends where a clean run would."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from command import docmill, start, summary, wait_for
from mixed import DEV, MIXED, SAMPLES, check, check_vectors, copy_mixed, write

pytestmark = [pytest.mark.flow, pytest.mark.filterwarnings("ignore")]  # Prefect's own warnings

LONGEST_S = 20.0
SIGNS = {  # of how far a run has come: files below the store that then appear or change
    "started": ".docmill.writer.json",
    "parsing": ".work/batch-*/*",
    "embedding": ".work/batch-*/rows.arrow*",
    "writing": "assets.lance/_versions/*",
    "committed": "corpus.lance/_versions/*",
    "noted": "documents.lance/_versions/*",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    return folder


def ingest(folder: Path, store: Path) -> tuple[str, ...]:
    return ("ingest", str(folder), "--store", str(store), "--json", "--workers", "2")


def seen(sign: str, store: Path) -> set[tuple[str, int]]:
    """The files of a sign, with the time of their last change: a run makes files of names that the last one left."""
    found = set()
    for path in store.glob(SIGNS[sign]):
        with suppress(FileNotFoundError):
            found.add((str(path), path.stat().st_mtime_ns))
    return found


def kill_after(sign: str, moment_s: float, folder: Path, store: Path, environment: Mapping[str, str]) -> bool:
    """Start a run, and kill it with all that it started so long after the sign; False if it was faster."""
    before = seen(sign, store)
    process = start(ingest(folder, store), **environment)
    try:
        running = wait_for(lambda: not before >= seen(sign, store), process, timeout_s=900)
        time.sleep(moment_s)
        finished = process.poll() is not None
    finally:
        with suppress(ProcessLookupError):  # it was faster
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    return running and not finished


def test_five_kills(folder: Path, tmp_path: Path, server: str) -> None:
    """Five moments of runs over twenty small files of many kinds, one of them broken; some change in between."""
    store, clean, chance = tmp_path / "store", tmp_path / "clean", random.Random(5)
    environment = {"DOCMILL_BATCH_DOCUMENTS": "5", "PREFECT_API_URL": server}
    for name in MIXED:
        shutil.copy(SAMPLES / name, folder)
    texts = [folder / f"{number:02}.txt" for number in range(20 - len(MIXED))]
    for path in texts:
        write(path, chance)
    cut_short = 0
    for _ in range(5):
        cut_short += kill_after("started", chance.uniform(0, 2.5), folder, store, environment)
        for path in chance.sample(texts, 4):
            write(path, chance)
    last = summary(docmill(*ingest(folder, store), **environment))
    once = summary(docmill(*ingest(folder, clean), **environment))

    assert cut_short > 1
    assert last["discovered"] == last["indexed"] + last["unchanged"] + last["quarantined"] == 20
    assert last["rows"] == once["rows"]
    check(store, clean)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.skipif(not DEV.is_dir(), reason="needs the development data")
def test_fifty_kills(folder: Path, tmp_path: Path, server: str) -> None:
    """Fifty moments, from the first look at the folder to the last index, of runs over sixty files of every kind; of
    these, a fifth each time is new, gone or moved, and some are changed."""
    survive(50, folder, tmp_path, server)


def survive(kills: int, folder: Path, tmp_path: Path, server: str) -> None:
    """So many kills, one run to the end, and one that has nothing to do; compared with a store that saw no kill."""
    store, clean, chance = tmp_path / "store", tmp_path / "clean", random.Random(50)
    # killed runs delete nothing, so that more and more names are gone: the guard would refuse the next run
    environment = {"DOCMILL_BATCH_DOCUMENTS": "4", "DOCMILL_SOURCES__MASS_DELETE": "1", "PREFECT_API_URL": server}
    files = copy_mixed(folder, 60, chance)
    killed: Counter[str] = Counter()
    for _ in range(4 * kills):
        away = disturb(folder, tmp_path, files, chance)
        sign = chance.choice(list(SIGNS))
        moment_s = chance.uniform(0, LONGEST_S) if sign == "started" else chance.uniform(0, 1)
        killed[sign] += kill_after(sign, moment_s, folder, store, environment)
        restore(away)
        if killed.total() == kills:
            break
    last = summary(docmill(*ingest(folder, store), timeout_s=1500, **environment))
    again = summary(docmill(*ingest(folder, store), timeout_s=1500, **environment))
    docmill(*ingest(folder, clean), timeout_s=1500, **environment)
    print(f"killed after these signs: {dict(killed)}; at last {dict(last)}")

    assert killed.total() == kills
    assert last["discovered"] == 60
    assert (again["indexed"], again["deleted"], again["table_version"]) == (0, 0, last["table_version"])
    check(store, clean)
    check_vectors(store, clean)


def disturb(folder: Path, aside: Path, files: list[Path], chance: random.Random) -> dict[Path, Path]:
    """Put some files elsewhere, some under another name, and bytes behind the end of others; gives what was moved."""
    few = chance.sample(files, 12)
    away = {path: aside / path.name for path in few[:6]} | {path: folder / f"moved-{path.name}" for path in few[6:10]}
    for path, place in away.items():
        path.rename(place)
    for path in few[10:]:
        with path.open("ab") as file:
            file.write(b"\n")
    return away


def restore(away: Mapping[Path, Path]) -> None:
    for path, place in away.items():
        place.rename(path)
