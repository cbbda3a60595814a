"""The real command line with its store, and its sources, on a local S3 server."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("s3fs")
pytest.importorskip("moto")

from command import docmill, rows_of, start, summary
from local_s3 import BUCKET, S3, running

pytestmark = [pytest.mark.flow, pytest.mark.filterwarnings("ignore")]  # Prefect's own warnings

STORE, DOCS = f"s3://{BUCKET}/db", f"s3://{BUCKET}/docs/"
SAMPLES = Path(__file__).parents[2] / "sample_docs"
MIXED = ("notes.md", "minutes.eml", "handbook.docx", "paper.pdf")


@pytest.fixture(scope="module")
def running_server() -> Iterator[S3]:
    with running() as s3:
        yield s3


@pytest.fixture
def s3(running_server: S3) -> S3:
    running_server.clear()
    return running_server


@pytest.fixture
def environment(server: str, tmp_path: Path) -> dict[str, str]:
    return {"PREFECT_API_URL": server, "DOCMILL_BATCH_DOCUMENTS": "4", "XDG_CACHE_HOME": str(tmp_path / "cache")}


def ingest(*sources: str, store: str = STORE) -> tuple[str, ...]:
    return ("ingest", *sources, "--store", store, "--json", "--workers", "2")


def answer(*arguments: str, store: str = STORE, code: int = 0, **environment: str) -> Any:
    """What a command prints as JSON."""
    done = docmill(*arguments, "--store", store, "--json", **environment)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def fill(s3: S3) -> None:
    for name in MIXED:
        s3.put(f"docs/{name}", (SAMPLES / name).read_bytes())
    s3.put("docs/broken.pdf", "%PDF-1.7 nothing more")
    for number in range(6):
        s3.put(f"docs/{number}.txt", f"report {number} about the mill wheel and the river")


def check(store: str) -> None:
    """Each id once, and a ledger that counts the rows."""
    from pipeline.store import open_store

    rows, records = rows_of(store), list(open_store(store).documents())
    held = Counter(row["source_uri"] for row in rows)
    noted = {record.source_uri: record.text_rows + record.image_rows + record.page_rows for record in records}

    assert len({row["id"] for row in rows}) == len(rows)
    assert {uri: count for uri, count in noted.items() if count} == dict(held)


def test_every_command_works_with_store_and_sources_on_s3(
    s3: S3, environment: Mapping[str, str], tmp_path: Path
) -> None:
    """Plan, ingest, again, change, delete, search, rows, status and quarantine, as with folders."""
    fill(s3)
    manifest = str(tmp_path / "plan.jsonl")
    planned = answer("plan", DOCS, "--out", manifest, **environment)
    s3.put("docs/0.txt", "changed since the plan was made")
    s3.put("docs/late.txt", "not in the plan")
    first = summary(docmill("ingest", "--manifest", manifest, *ingest()[1:], **environment))
    second = summary(docmill(*ingest(DOCS), **environment))
    again = summary(docmill(*ingest(DOCS), **environment))
    s3.delete("docs/1.txt")
    last = summary(docmill(*ingest(DOCS), **environment))
    status = answer("status", **environment)
    hits = answer("search", "a plan that was changed", "-k", "3", **environment)
    failures = answer("quarantine", "ls", **environment)
    retried = answer("quarantine", "retry", "--all", **environment)

    assert (planned["new"], planned["discovered"]) == (11, 11)
    assert (first["discovered"], first["indexed"], first["quarantined"]) == (11, 9, 2)
    assert (second["discovered"], second["indexed"], second["unchanged"]) == (12, 2, 9)
    assert (again["indexed"], again["unchanged"], again["table_version"]) == (0, 11, second["table_version"])
    assert (last["deleted"], last["unchanged"]) == (1, 10)
    assert status["rows"] == last["rows"]
    assert DOCS + "0.txt" in [hit["source_uri"] for hit in hits["hits"]]
    assert [failure["source_uri"] for failure in failures] == [DOCS + "broken.pdf"]
    assert retried["command"].endswith(DOCS + "broken.pdf")
    check(STORE)


def test_killed_runs_end_as_a_clean_one_would(s3: S3, environment: Mapping[str, str], tmp_path: Path) -> None:
    """Killed three times, with all that they started, while they write to the bucket; then run once more."""
    fill(s3)
    chance = random.Random(3)
    for _ in range(3):
        process = start(ingest(DOCS), **environment)
        _wait_for_work(s3, process)
        time.sleep(chance.uniform(0, 2.5))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    last = summary(docmill(*ingest(DOCS), **environment))
    clean = summary(docmill(*ingest(DOCS, store=str(tmp_path / "clean")), **environment))

    assert last["rows"] == clean["rows"]
    assert rows_of(STORE) == rows_of(tmp_path / "clean")
    check(STORE)


def _wait_for_work(s3: S3, process: Any) -> None:
    """Until the store is being made, or written to again."""
    s3.downloads()
    until = time.monotonic() + 60
    while process.poll() is None and not s3.downloads() and time.monotonic() < until:
        time.sleep(0.02)


@pytest.mark.slow
def test_two_machines_may_write_at_once(s3: S3, environment: Mapping[str, str], tmp_path: Path) -> None:
    """Without a common lock: overlapping sources, no id twice, nothing lost, both runs' books balance."""
    fill(s3)
    for number in range(6, 18):
        s3.put(f"docs/{number}.txt", f"report {number} about the mill wheel and the river")
    specs = ([DOCS + "[0-9].txt", DOCS + "*.*m*"], [DOCS])
    caches = [{"XDG_CACHE_HOME": str(tmp_path / name)} for name in ("one", "two")]
    runs = [start(ingest(*spec), **{**environment, **cache}) for spec, cache in zip(specs, caches, strict=True)]
    ended = [(*run.communicate(timeout=200), run.returncode) for run in runs]
    after = summary(docmill(*ingest(DOCS), **environment))
    clean = summary(docmill(*ingest(DOCS, store=str(tmp_path / "clean")), **environment))

    assert all(code in (0, 3) for _, _, code in ended), [error for _, error, _ in ended]
    assert (after["indexed"], after["rows"]) == (0, clean["rows"])
    assert rows_of(STORE) == rows_of(tmp_path / "clean")
    check(STORE)
