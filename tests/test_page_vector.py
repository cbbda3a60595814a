"""Promises of a page's one dense vector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from fakes import WordUnified, word_vector

from pipeline.page_vector import MOST_WINDOWS, page_vectors, windows


def by_letters(texts: Sequence[str]) -> list[int]:
    return [len(text) for text in texts]


def test_all_of_a_page_counts() -> None:
    """Words behind the first window count as much as those in it, and windows by their tokens."""
    model = WordUnified()
    first, second = "mill " * model.max_tokens, "wheel " * 10
    found = page_vectors([first + second], model)[0]
    expected = model.max_tokens * word_vector("mill") + 10 * word_vector("wheel")

    assert found is not None
    assert found == pytest.approx(expected / np.linalg.norm(expected), abs=1e-4)
    assert model.embedded == [first.strip(), second.strip()]


def test_pages_without_words_have_none() -> None:
    """None for them, in their places; no text at all calls no model."""
    model = WordUnified()
    found = page_vectors(["", "mill", " \n"], model)

    assert [vector is None for vector in found] == [True, False, True]
    assert found[1] == pytest.approx(word_vector("mill"), abs=1e-6)
    assert page_vectors([" "], WordUnified()) == [None]


@pytest.mark.parametrize("text", ["a" * 1000, "ab cd " * 200, "粉" * 333 + " b", "x", "a" * 30 + " b c d"])
def test_windows_hold_all_of_a_text_and_fit(text: str) -> None:
    """Every letter is in exactly one window, in order, and no window is over the budget; a long word is cut."""
    found = windows(text, by_letters, 10)

    assert all(0 < len(window) <= 10 for window in found)
    assert "".join("".join(found).split()) == "".join(text.split())


def test_a_page_of_a_whole_book_is_bounded() -> None:
    """At most some windows are embedded, from all over the text."""
    model = WordUnified()
    page_vectors([" ".join(f"w{n}" for n in range(model.max_tokens * MOST_WINDOWS * 3))], model)

    assert len(model.embedded) == MOST_WINDOWS
    assert "w7560" in model.embedded[-1]  # of 7,680 words
