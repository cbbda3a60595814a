"""Two models on the same documents: the real command, with both built-in models."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def docmill(*arguments: str, expected: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "cli", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == expected, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_another_model_is_shown_beside_the_stores_own(tmp_path: Path) -> None:
    """The same documents and questions, each model's own rows; the store stays as it was."""
    store, questions = str(tmp_path / "store"), tmp_path / "questions.jsonl"
    docmill("ingest", "sample_docs", "--store", store, "--json", expected=3)
    asked = [
        {"text": "how much energy does the mill make in a year?", "answers": ["paper.pdf#1"]},
        {"text": "a cat looking at the camera", "answers": ["cat.jpg"]},
        {"text": "what did the ironworks find at the sluice gate?", "answers": ["scanned-letter.pdf#1"]},
    ]
    questions.write_text("\n".join(map(json.dumps, asked)), encoding="utf-8")
    before = docmill("rows", "--store", store, "--json")
    html = tmp_path / "compared.html"
    said = docmill(
        "evaluate", str(questions), "--store", store, "--compare", "builtin-multilingual", "--html", str(html), "--json"
    )
    found = json.loads(said)
    first, second = found["reports"]

    assert found["models"] == ["builtin", "builtin-multilingual"]
    assert first["queries"] == second["queries"] == 3
    assert first["models"]["unified"] != second["models"]["unified"]
    assert first["rows"]["page"] == second["rows"]["page"] > 0
    assert "text → anything" in found["ndcg@10_differences"]
    assert "Two models" in html.read_text(encoding="utf-8")
    assert docmill("rows", "--store", store, "--json") == before
