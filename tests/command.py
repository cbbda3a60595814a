"""The real command line in a process of its own, for tests of what no call within a test can show."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-m", "cli")
ROOT = Path(__file__).parents[1]


def start(arguments: Sequence[str], before: Sequence[str] = (), **environment: str) -> subprocess.Popen[str]:
    """`docmill` in a session of its own, so that a signal may go to it and all that it started."""
    settings = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*before, *COMMAND, *arguments],
        env={**os.environ, **settings, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def docmill(
    *arguments: str, before: Sequence[str] = (), timeout_s: float = 120, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run to the end; fails after `timeout_s` seconds."""
    process = start(arguments, before, **environment)
    try:
        out, err = process.communicate(timeout=timeout_s)
    finally:
        process.kill()
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def summary(done: subprocess.CompletedProcess[str]) -> Mapping[str, Any]:
    """The JSON object on the last line of a finished ingest."""
    assert done.returncode in (0, 3), done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def rows_of(store: Path | str) -> list[dict[str, Any]]:
    """All rows without what differs between two runs that do the same."""
    from pipeline.store import open_store

    varying = ("run_id", "ingested_at")
    return [{name: row[name] for name in row if name not in varying} for row in open_store(str(store)).rows()]


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str], timeout_s: float = 90) -> bool:
    """True as soon as the condition holds, False if the process ended before."""
    until = time.monotonic() + timeout_s
    while not condition():
        if process.poll() is not None:
            return False
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.02)
    return True
