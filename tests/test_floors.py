"""What searches find does not fall below the committed figures: the gold sets of the development data, real commands.

Floors are in `benchmarks/found.py`: the figures of docs/quality.md less 0.01, which is more than the arithmetic of
another processor changes, and never below what was promised.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.found import DATA, LANGUAGES, english, languages, run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not (DATA / "gold").is_dir(), reason=f"the gold sets are not at {DATA}"),
]


@pytest.mark.parametrize("number", range(3), ids=["text_cisi", "text_xquad-en", "page_retrieval"])
def test_english_questions_find_what_they_found(tmp_path: Path, number: int) -> None:
    """Abstracts, paragraphs and pages of filings, with the built-in models."""
    assert run(english(DATA, tmp_path)[number], tmp_path, multilingual=False, with_naive=False) == []


@pytest.mark.parametrize("number", range(len(LANGUAGES)), ids=LANGUAGES)
def test_questions_in_five_languages_find_their_paragraphs(tmp_path: Path, number: int) -> None:
    """nDCG@10 of 0.96 or more in each, with the built-in multilingual model."""
    assert run(languages(DATA, tmp_path)[number], tmp_path, multilingual=True) == []
