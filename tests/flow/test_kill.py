"""A run that is killed anywhere, with all its processes, loses nothing: the next one ends where a clean run would."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from command import docmill, rows_of, start, summary, wait_for

pytestmark = [pytest.mark.flow, pytest.mark.filterwarnings("ignore")]  # Prefect's own warnings

SAMPLES = Path(__file__).parents[2] / "sample_docs"
MIXED = ("notes.md", "open-day.html", "minutes.eml", "handbook.docx", "visitors.xlsx", "paper.pdf", "truncated.pdf")
WORDS = ("tide", "wheel", "sluice", "gate", "mill", "stone", "flour", "river", "water", "grain", "harbour", "ledger")


def write(path: Path, chance: random.Random) -> None:
    path.write_text("\n\n".join(" ".join(chance.choices(WORDS, k=60)) for _ in range(chance.randint(1, 4))))


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


def check(store: Path, clean: Path) -> None:
    """The rows of a clean run, each id once, and a ledger that counts them."""
    from pipeline.store import open_store

    rows, records = rows_of(store), list(open_store(str(store)).documents())
    held = Counter(row["source_uri"] for row in rows)
    noted = {record.source_uri: record.text_rows + record.image_rows + record.page_rows for record in records}

    assert len({row["id"] for row in rows}) == len(rows)
    assert rows == rows_of(clean)
    assert {uri: count for uri, count in noted.items() if count} == dict(held)


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
