"""A run that is killed anywhere, with all its processes, loses nothing: the next one ends where a clean run would."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from command import docmill, start, summary, wait_for
from mixed import MIXED, SAMPLES, check, write

pytestmark = [pytest.mark.flow, pytest.mark.filterwarnings("ignore")]  # Prefect's own warnings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty small files of many kinds, one of them broken, one in mail."""
    folder = tmp_path / "docs"
    folder.mkdir()
    for name in MIXED:
        shutil.copy(SAMPLES / name, folder)
    for number in range(20 - len(MIXED)):
        write(folder / f"{number:02}.txt", random.Random(number))
    return folder


def ingest(folder: Path, store: Path) -> tuple[str, ...]:
    return ("ingest", str(folder), "--store", str(store), "--json", "--workers", "2")


def kill_somewhere(folder: Path, store: Path, moment_s: float, environment: dict[str, str]) -> bool:
    """Start a run, and kill it with all that it started so long after its work began; False if it was faster."""
    process = start(ingest(folder, store), **environment)
    running = wait_for(lambda: any(store.glob(".work/*")) or any(store.glob(".docmill.writer.json")), process)
    time.sleep(moment_s)
    finished = process.poll() is not None
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return running and not finished


def survive(kills: int, folder: Path, tmp_path: Path, server: str) -> None:
    """Kill so many runs over a folder that changes between them; compare with one clean run at the end."""
    store, clean, chance = tmp_path / "store", tmp_path / "clean", random.Random(kills)
    environment = {"DOCMILL_BATCH_DOCUMENTS": "5", "PREFECT_API_URL": server}
    cut_short = 0
    for _ in range(kills):
        cut_short += kill_somewhere(folder, store, chance.uniform(0, 2.5), environment)
        for number in chance.sample(range(20 - len(MIXED)), 4):
            write(folder / f"{number:02}.txt", chance)
    last = summary(docmill(*ingest(folder, store), **environment))
    once = summary(docmill(*ingest(folder, clean), **environment))

    assert cut_short > kills / 3
    assert last["discovered"] == last["indexed"] + last["unchanged"] + last["quarantined"] == 20
    assert last["rows"] == once["rows"]
    check(store, clean)


def test_five_kills(folder: Path, tmp_path: Path, server: str) -> None:
    """At five moments of parsing, embedding and writing."""
    survive(5, folder, tmp_path, server)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty_kills(folder: Path, tmp_path: Path, server: str) -> None:
    """The same, often enough to meet rare moments."""
    survive(50, folder, tmp_path, server)
