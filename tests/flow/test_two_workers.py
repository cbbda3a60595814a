"""Two workers share a backfill: the same table as by one, sooner; and one of them may be killed."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pytest
from command import docmill, rows_of, start, summary
from local_s3 import BUCKET, running
from mixed import check, write
from PIL import Image
from workers import Pool, pool

pytestmark = [
    pytest.mark.flow,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore"),  # Prefect's own warnings
]
PICTURES, SHARDS = 96, 8  # a dozen a shard: decoding takes longer than the start of its process
ONE_THREAD = {"DOCMILL_WORKERS": "1", "DOCMILL_BATCH_DOCUMENTS": "4", "OMP_NUM_THREADS": "1"}
SHARE = 0.65  # of one worker's time that two may take; docs/scaling.md says what was measured


def pictures(folder: Path, count: int, size: tuple[int, int] = (5000, 4000)) -> None:
    """Large pictures: most of a second of decoding each, and next to nothing for a model. A few are made; the others
    differ from them in bytes that no decoder looks at."""
    folder.mkdir()
    made = []
    for number in range(min(count, 6)):
        blocks = np.random.default_rng(number).integers(0, 255, (40, 50, 3), dtype=np.uint8)
        target = io.BytesIO()
        Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC).save(target, "JPEG", quality=80)
        made.append(target.getvalue())
    for number in range(count):
        (folder / f"{number:02}.jpg").write_bytes(made[number % len(made)] + str(number).encode())


def make_stale(store: Path | str) -> None:
    """As if an older parser had read all documents: the next reparse reads each of them, and embeds none."""
    options = {"endpoint": os.environ.get("AWS_ENDPOINT_URL", ""), "allow_http": "true", "region": "us-east-1"}
    database = lancedb.connect(str(store), storage_options=options if "://" in str(store) else None)
    older = "concat(substr(recipe, 1, 8), '.00000000', substr(recipe, 18))"
    database.open_table("documents").update(where="state = 'indexed'", values_sql={"recipe": older})


def reparse(workers: Pool, store: Path | str, shards: int, **more: str) -> tuple[dict[str, Any], float]:
    """The result of a backfill in shards, and its seconds of wall time."""
    started = time.monotonic()
    arguments = ("backfill", "reparse", "--shards", str(shards), "--store", str(store), "--json")
    done = docmill(*arguments, timeout_s=1200, PREFECT_API_URL=workers.url, **ONE_THREAD, **more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), time.monotonic() - started


def test_two_workers_are_faster_than_one_and_make_the_same_table(tmp_path: Path) -> None:
    """Eight shards of decoding, one thread each: both workers do some, the rows are those of one worker."""
    folder, one, two = tmp_path / "docs", tmp_path / "one", tmp_path / "two"
    pictures(folder, PICTURES)
    with pool(tmp_path / "pool", **ONE_THREAD) as workers:
        made = ("ingest", str(folder), "--store", str(one), "--json")
        summary(docmill(*made, timeout_s=900, PREFECT_API_URL=workers.url))
        make_stale(one)
        shutil.copytree(one, two)
        workers.start("first")
        alone, seconds_alone = reparse(workers, one, SHARDS)
        workers.start("second")
        time.sleep(15)  # until it has started; one worker's start was not counted either
        together, seconds_together = reparse(workers, two, SHARDS)
        by_first, by_second = workers.taken("first") - SHARDS, workers.taken("second")
    print(f"one worker {seconds_alone:.1f} s, two {seconds_together:.1f} s: {seconds_together / seconds_alone:.2f}")

    assert (alone["indexed"], together["indexed"], together["embedded"]) == (PICTURES, PICTURES, 0)
    assert by_first + by_second == SHARDS
    assert min(by_first, by_second) > 0
    check(two, one)
    assert seconds_together <= SHARE * seconds_alone


def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    """SIGKILL to a worker and to its run: the run is marked Crashed without a person, its shard is done by the other
    worker, and the table is right."""
    folder, store, clean = tmp_path / "docs", tmp_path / "store", tmp_path / "clean"
    pictures(folder, 8)
    with pool(tmp_path / "pool", **ONE_THREAD) as workers:
        made = ("ingest", str(folder), "--store", str(store), "--json")
        summary(docmill(*made, timeout_s=900, PREFECT_API_URL=workers.url))
        shutil.copytree(store, clean)
        make_stale(store)
        workers.start("first")
        workers.start("second")
        arguments = ("backfill", "reparse", "--shards", "4", "--store", str(store), "--json")
        process = start(arguments, PREFECT_API_URL=workers.url, **ONE_THREAD)
        victim = wait_for_run(workers, "second")
        workers.kill("second")
        killed = time.monotonic()
        out, err = process.communicate(timeout=900)
        silence = time.monotonic() - killed
        states = {run["id"]: run["state_type"] for run in workers.runs()}
    print(f"done {silence:.0f} s after the kill; {sorted(states.values())}")

    assert process.returncode == 0, err
    assert json.loads(out)["indexed"] == 8
    assert states[victim] == "CRASHED"
    assert sorted(states.values()) == ["COMPLETED"] * 4 + ["CRASHED"]
    check(store, clean)


def wait_for_run(workers: Pool, name: str) -> str:
    """The id of the first run of a worker, once it runs."""
    until = time.monotonic() + 300
    while time.monotonic() < until:
        running = [run["id"] for run in workers.runs() if run["state_type"] == "RUNNING"]
        log = (workers.folder / f"{name}.txt").read_text(errors="replace")
        if found := [run for run in running if f"submitting flow run '{run}'" in log]:
            time.sleep(1)  # it is at work
            return str(found[0])
        time.sleep(0.5)
    raise AssertionError("no run began")


def test_shards_with_a_store_on_s3(tmp_path: Path) -> None:
    """Two workers, a store on a local S3 server: an ingest and a backfill in shards make what one process makes."""
    folder, clean, cache = tmp_path / "docs", tmp_path / "clean", str(tmp_path / "cache")
    folder.mkdir()
    for number in range(12):
        write(folder / f"{number:02}.txt", random.Random(number))
    with running() as s3, pool(tmp_path / "pool", **ONE_THREAD, XDG_CACHE_HOME=cache, **s3.environment) as workers:
        workers.start("first")
        workers.start("second")
        store = f"s3://{BUCKET}/db"
        environment = {"PREFECT_API_URL": workers.url, "XDG_CACHE_HOME": cache, **ONE_THREAD, **s3.environment}
        made = ("ingest", str(folder), "--shards", "4", "--store", store, "--json")
        first = summary(docmill(*made, timeout_s=900, **environment))
        make_stale(store)
        again, _ = reparse(workers, store, 4, XDG_CACHE_HOME=cache, **s3.environment)
        summary(docmill("ingest", str(folder), "--store", str(clean), "--json", timeout_s=300, **environment))
        by_each = workers.taken("first"), workers.taken("second")
        rows = rows_of(store)

    assert (first["indexed"], again["indexed"], again["embedded"]) == (12, 12, 0)
    assert sum(by_each) == 8
    assert min(by_each) > 0
    assert rows == rows_of(clean)
