"""A run with nothing to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.flow
PROBE = """
import sys
from cli.main import run
code = run(["ingest", {folder!r}, "--store", {store!r}, "--json"])
heavy = {{"prefect", "lancedb", "torch", "transformers", "onnxruntime", "pymupdf", "unstructured"}}
print("loaded", sorted(heavy & set(sys.modules)))
sys.exit(code)
"""


def test_a_run_with_nothing_to_do_loads_no_model_and_no_parser(tmp_path: Path) -> None:
    """The second run says unchanged without importing what it does not need: no scheduler and no LanceDB, either."""
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "a.txt").write_text("the tide turns the wheel")
    probe = PROBE.format(folder=str(folder), store=str(tmp_path / "store"))
    first, second = (
        subprocess.run([sys.executable, "-c", probe], env=os.environ, capture_output=True, text=True, check=True)
        for _ in range(2)
    )

    assert "loaded ['lancedb', 'prefect'" in first.stdout
    assert second.stdout.splitlines()[-1] == "loaded []"
