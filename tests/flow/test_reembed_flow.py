"""A store is moved to other models by the real command line, while ingests add documents and searches run."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from command import docmill, rows_of, start, summary
from mixed import write

pytestmark = [
    pytest.mark.flow,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore"),  # Prefect's own warnings
]
OTHER = "builtin-multilingual"
QUESTION = "lighthouse keeper of the harbour"


class Meanwhile(threading.Thread):
    """Does something again and again until it is told to stop; keeps what it got."""

    def __init__(self, action: Any) -> None:
        super().__init__(daemon=True)
        self._action, self._end = action, threading.Event()
        self.results: list[Any] = []

    def run(self) -> None:
        while not self._end.is_set():
            self.results.append(self._action(len(self.results)))

    def stop(self) -> list[Any]:
        self._end.set()
        self.join(300)
        return self.results


def killed_after(arguments: tuple[str, ...], ready: Any, **environment: str) -> bool:
    """Start a command, and kill it with all that it started once `ready` is true; False if it ended before."""
    process = start(arguments, **environment)
    until = time.monotonic() + 300
    while process.poll() is None and not ready() and time.monotonic() < until:
        time.sleep(0.2)
    alive = process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return alive


def test_a_store_in_use_is_moved_to_another_model(tmp_path: Path, server: str) -> None:
    """Killed twice as it fills; ingests add documents and searches run meanwhile, with the old settings: no search
    fails, no document is lost, every row has the new model in the end, and the way back works."""
    from pipeline.store import open_store

    folder, store = tmp_path / "docs", tmp_path / "store"
    folder.mkdir()
    for number in range(60):
        write(folder / f"{number:02}.txt", random.Random(number))
    (folder / "keeper.txt").write_text(f"The {QUESTION} wrote a letter.")
    common = ("--store", str(store), "--json")
    environment = {"PREFECT_API_URL": server, "DOCMILL_WORKERS": "1", "DOCMILL_BACKFILL__ROWS": "16"}
    summary(docmill("ingest", str(folder), *common, timeout_s=300, **environment))
    old = open_store(str(store)).models

    def add(number: int) -> int:
        write(folder / f"new-{number}.txt", random.Random(1000 + number))
        return docmill("ingest", str(folder), *common, timeout_s=300, **environment).returncode

    def search(_: int) -> tuple[int, bool]:
        done = docmill("search", QUESTION, "-k", "3", *common, timeout_s=300, **environment)
        found = json.loads(done.stdout)["hits"] if done.returncode == 0 else []
        return done.returncode, any("keeper.txt" in hit["source_uri"] for hit in found)

    def filled(rows: int) -> Any:
        def is_so() -> bool:
            found = open_store(str(store))
            target = found.sets.next
            return (
                target is not None and sum(found.count().values()) - sum(found.count_missing(target).values()) >= rows
            )

        return is_so

    ingests, searches = Meanwhile(add), Meanwhile(search)
    ingests.start()
    searches.start()
    command = ("backfill", "reembed", "--unified", OTHER, "--share", "0.3", *common)
    killed = [killed_after(command, filled(rows), **environment) for rows in (1, 40)]
    done = docmill(*command[:-5], *common, "--no-gate", timeout_s=900, **environment)
    codes, answers = ingests.stop(), searches.stop()
    last = summary(docmill("ingest", str(folder), *common, timeout_s=300, **environment))
    after = open_store(str(store))
    rows = rows_of(store)
    vectors = after.vectors([row["id"] for row in rows])
    back = docmill("backfill", "rollback", *common, timeout_s=900, **environment)
    before = open_store(str(store))
    final = search(0)
    print(f"{len(codes)} ingests, {len(answers)} searches meanwhile, killed {killed}; {done.stdout.strip()}")

    assert killed == [True, True]
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["switched"]
    assert set(codes) == {0}
    assert set(answers) == {(0, True)}
    assert (last["discovered"], last["quarantined"]) == (61 + len(codes), 0)
    assert last["indexed"] + last["unchanged"] == last["discovered"] == len({row["source_uri"] for row in rows})
    assert after.models.unified != old.unified
    assert {row["unified_model"] for row in rows} == {str(after.models.unified)}
    assert all(vectors[row["id"]].vector is not None for row in rows)
    assert back.returncode == 0, back.stderr
    assert before.models == old
    assert {row["unified_model"] for row in rows_of(store)} == {str(old.unified)}
    assert len(rows_of(store)) == len(rows)
    assert final == (0, True)
