"""A store is moved to other models by the real command line, while ingests add documents and searches run."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from command import docmill, rows_of, start, summary, wait_for
from mixed import write
from PIL import Image, ImageDraw, ImageFont
from tiny_late import colqwen2

pytestmark = [
    pytest.mark.flow,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore"),  # Prefect's own warnings
]
FILES = 200
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


def left(store: Path) -> int:
    """How many rows have no vectors of the next model yet; 0 as well when no move is under way."""
    from pipeline.store import open_store

    found = open_store(str(store))
    return sum(found.count_missing(found.sets.next).values()) if found.sets.next else 0


def killed_while_filling(arguments: tuple[str, ...], store: Path, rows: int, **environment: str) -> int:
    """Start a command, kill it with all that it started once it has at most so many rows left; gives how many."""
    process = start(arguments, **environment)
    wait_for(lambda: 0 < left(store) <= rows, process, timeout_s=300)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return left(store)


def test_a_store_in_use_is_moved_to_another_model(tmp_path: Path, server: str) -> None:
    """Killed twice as it fills; ingests add documents and searches run meanwhile, with the old settings: no search
    fails, no document is lost, every row has the new model in the end, and the way back works."""
    from pipeline.store import open_store

    folder, store = tmp_path / "docs", tmp_path / "store"
    folder.mkdir()
    for number in range(FILES):
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

    ingests, searches = Meanwhile(add), Meanwhile(search)
    ingests.start()
    searches.start()
    command = ("backfill", "reembed", "--unified", OTHER, *common)
    total = len(rows_of(store))
    slowly = (*command, "--share", "0.2")
    killed = [killed_while_filling(slowly, store, total * part // 10, **environment) for part in (8, 4)]
    done = docmill(*command, "--no-gate", timeout_s=900, **environment)
    codes, answers = ingests.stop(), searches.stop()
    last = summary(docmill("ingest", str(folder), *common, timeout_s=300, **environment))
    after = open_store(str(store))
    rows = rows_of(store)
    vectors = after.vectors([row["id"] for row in rows])
    back = docmill("backfill", "rollback", *common, timeout_s=900, **environment)
    before = open_store(str(store))
    final = search(0)
    kept = len(rows_of(store))
    restored = docmill("backfill", "rollback", "--restore", *common, timeout_s=300, **environment)
    at_tag = {row["source_uri"] for row in rows_of(store)}
    healed = summary(docmill("ingest", str(folder), *common, timeout_s=300, **environment))
    print(f"{len(codes)} ingests, {len(answers)} searches meanwhile; killed with {killed} rows of {total} to fill")
    print(done.stdout.strip())

    assert total > killed[0] > killed[1] > 0
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["switched"]
    assert set(codes) == {0}
    assert set(answers) == {(0, True)}
    assert (last["discovered"], last["quarantined"]) == (FILES + 1 + len(codes), 0)
    assert last["indexed"] + last["unchanged"] == last["discovered"] == len({row["source_uri"] for row in rows})
    assert after.models.unified != old.unified
    assert {row["unified_model"] for row in rows} == {str(after.models.unified)}
    assert all(vectors[row["id"]].vector is not None for row in rows)
    assert back.returncode == 0, back.stderr
    assert before.models == old
    assert {row["unified_model"] for row in rows_of(store)} == {str(old.unified)}
    assert (kept, final) == (len(rows), (0, True))
    assert restored.returncode == 0, restored.stderr
    assert len(at_tag) < FILES + 1 + len(codes)
    assert open_store(str(store)).models == old
    assert (healed["deleted"], healed["rows"]) == (0, last["rows"])
    assert search(0) == (0, True)


def test_pages_are_moved_to_another_model(tmp_path: Path, server: str) -> None:
    """The many vectors of each page are of the other model, of another width, and of the first one after the way back;
    nothing else is embedded. Killed as it fills, it goes on."""
    from pipeline.store import open_store

    model, folder, store = tmp_path / "colqwen2", tmp_path / "docs", tmp_path / "store"
    colqwen2(model)
    folder.mkdir()
    (folder / "words.txt").write_text(f"The {QUESTION} wrote a letter.")
    for number in range(6):
        scan(folder / f"{number}.png", f"letter {number} about the harbour")
    common = ("--store", str(store), "--json")
    environment = {"PREFECT_API_URL": server, "DOCMILL_WORKERS": "1", "DOCMILL_BACKFILL__ROWS": "1"}
    summary(docmill("ingest", str(folder), *common, timeout_s=300, **environment))
    before = widths(store)
    command = ("backfill", "reembed", "--pages", str(model), "--no-gate", *common)
    killed = killed_while_filling((*command, "--share", "0.1"), store, 4, **environment)
    done = docmill(*command, timeout_s=300, **environment)
    moved, rows, model_then = widths(store), rows_of(store), str(open_store(str(store)).models.pages)
    found = docmill("search", "harbour", "--modality", "page", *common, timeout_s=300, **environment)
    back = docmill("backfill", "rollback", *common, timeout_s=300, **environment)
    print(f"killed with {killed} pages to fill; {done.stdout.strip()}")

    assert done.returncode == 0, done.stderr
    assert 0 < killed < 6
    assert json.loads(done.stdout)["rows"] == killed
    assert (before, moved) == ({128}, {8})
    assert {row["page_model"] for row in rows if row["modality"] == "page"} == {model_then}
    assert len(json.loads(found.stdout)["hits"]) == 6
    assert back.returncode == 0, back.stderr
    assert widths(store) == before


def scan(path: Path, words: str) -> None:
    picture = Image.new("RGB", (850, 1100), "white")
    for line in range(10):
        ImageDraw.Draw(picture).text((80, 80 + 60 * line), words, "black", ImageFont.load_default(36))
    picture.save(path)


def widths(store: Path) -> set[int]:
    """Numbers in each of the many vectors of the pages."""
    from pipeline.store import open_store

    found = open_store(str(store))
    vectors = found.vectors([row["id"] for row in found.rows() if row["modality"] == "page"])
    return {one.multivector.shape[1] for one in vectors.values() if one.multivector is not None}
