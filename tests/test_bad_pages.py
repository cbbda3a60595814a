"""Pages that are no pages, through the real command line: bounded time and memory, and a row or a reason for each."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from bad_pages import bad_pages

from benchmarks.process_tree import measure
from pipeline.store import open_store


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_bad_page_has_a_row_or_a_reason(tmp_path: Path) -> None:
    """Blank, black, one pixel, 20,000 pixels, noise, tiny and crowded text, odd colours: as pictures and in PDFs."""
    bad_pages(tmp_path / "in")
    store = tmp_path / "store"
    command = [sys.executable, "-m", "cli", "ingest", str(tmp_path / "in"), "--store", str(store), "--json"]
    done = measure(command, {}, timeout_s=3000)
    report = json.loads(done.output.splitlines()[-1])
    files = {path.as_uri() for path in (tmp_path / "in").rglob("*.*")}
    records = {record.source_uri: record for record in open_store(str(store)).documents()}
    rows = list(open_store(str(store)).rows())
    pages = {row["source_uri"].rsplit("/", 1)[-1]: row["text"] for row in rows if row["modality"] == "page"}

    assert done.code in (0, 3)
    assert report["discovered"] == len(files) == len(records)
    assert all(uri in {row["source_uri"] for row in rows} or records[uri].message for uri in files)
    assert done.rss_mb < 4000
    for name in ("plain", "transparent", "palette", "cmyk", "deep", "bilevel"):
        assert "opens the sluice at noon" in pages[f"{name}.pdf"]
