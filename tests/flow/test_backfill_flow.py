"""Backfills by the real command line, on a Prefect server."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from command import docmill, start, summary, wait_for
from mixed import SAMPLES

pytestmark = [pytest.mark.flow, pytest.mark.filterwarnings("ignore")]  # Prefect's own warnings


def test_killed_reparse_goes_on_where_it_was(tmp_path: Path, server: str) -> None:
    """Killed once in the middle, started again: what was done is current, the rest is read, and progress is told."""
    folder, store = tmp_path / "docs", tmp_path / "store"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.txt").write_text(f"report {number} about the mill wheel and the river")
    shutil.copy(SAMPLES / "paper.pdf", folder)
    common = ("--store", str(store), "--json")
    environment = {"PREFECT_API_URL": server, "DOCMILL_BATCH_DOCUMENTS": "1", "DOCMILL_WORKERS": "1"}
    assert summary(docmill("ingest", str(folder), *common, **environment))["indexed"] == 7
    environment["DOCMILL_CHUNKS__TOKENS"] = "60"
    process = start(("backfill", "reparse", "--share", "0.2", *common), **environment)
    written = wait_for(lambda: len(recipes(store)) == 2, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    done = docmill("backfill", "reparse", *common, **environment)
    found = json.loads(done.stdout)

    assert written
    assert (found["chosen"], found["quarantined"], found["left"]) == (7, 0, 0)
    assert found["current"] >= 1
    assert found["current"] + found["sources"] == 7
    assert found["indexed"] == found["sources"]
    assert f"of {found['sources']} documents, 0 left" in done.stderr
    assert len(recipes(store)) == 1


def recipes(store: Path) -> set[str]:
    from pipeline.store import open_store

    return {record.recipe for record in open_store(str(store)).documents()}
