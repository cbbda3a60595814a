"""Two workers share a backfill: the same table as by one, sooner; and one of them may be killed."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pytest
from command import docmill, summary
from mixed import check
from PIL import Image
from workers import Pool, pool

pytestmark = [
    pytest.mark.flow,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore"),  # Prefect's own warnings
]
PICTURES, SHARDS = 32, 8
ONE_THREAD = {"DOCMILL_WORKERS": "1", "DOCMILL_BATCH_DOCUMENTS": "4", "OMP_NUM_THREADS": "1"}
SHARE = 0.65  # of one worker's time that two may take; measured: benchmarks/README.md


def pictures(folder: Path, count: int, size: tuple[int, int] = (5000, 4000)) -> None:
    """Large pictures: seconds of decoding each, and next to nothing for a model."""
    folder.mkdir()
    for number in range(count):
        blocks = np.random.default_rng(number).integers(0, 255, (40, 50, 3), dtype=np.uint8)
        large = Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC)
        large.save(folder / f"{number:02}.jpg", quality=80)


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
        takers = [run["infrastructure_pid"] for run in workers.runs()][SHARDS:]
        hosts = {pid.rpartition(":")[0] for pid in takers if pid}
        names = [run["work_queue_name"] for run in workers.runs()]
    print(f"one worker {seconds_alone:.1f} s, two {seconds_together:.1f} s: {seconds_together / seconds_alone:.2f}")
    print(hosts, names[:2])

    assert (alone["indexed"], together["indexed"], together["embedded"]) == (PICTURES, PICTURES, 0)
    check(two, one)
    assert seconds_together <= SHARE * seconds_alone
