"""Promises about what a passage is embedded as."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from fakes import WordPages, WordUnified, word_vector

from pipeline.ingest.context import Placed, in_context
from pipeline.ingest.draft import Draft
from pipeline.ingest.rows import RowMaker
from pipeline.types import Info, Page, Part, Route, Row


def words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def test_title_and_headings_stand_before_the_passage() -> None:
    """A passage is embedded under its title and headings, in order; one without any is embedded as it is."""
    passages = [Placed("It rose.", "Annual report", ("Part 1", "Water")), Placed("Alone.")]

    assert in_context(passages, words, 20) == ["Annual report. Part 1. Water\n\nIt rose.", "Alone."]


def test_context_never_costs_the_passage_a_word() -> None:
    """With less room there is less context, the outer headings first; the passage is always whole."""
    passage = Placed("a b c", "The title", ("one", "two", "three"))
    texts = [in_context([passage], words, budget)[0] for budget in (8, 7, 5, 4, 3)]

    assert [text.removesuffix("\n\na b c") for text in texts] == [
        "The title. one. two. three",
        "The title. three",
        "The title",
        "three",
        "a b c",
    ]


def test_nothing_is_said_twice() -> None:
    """Context leaves out what the passage itself says, and a heading that repeats the title."""
    passages = [Placed("Water\nlevels rose.", "Report", ("Report", "Water levels", "North"))]

    assert in_context(passages, words, 20) == ["Report. North\n\nWater\nlevels rose."]


def test_a_row_keeps_the_passage_and_is_found_by_its_context() -> None:
    """Only the vector knows the context: a row's text and token count are the passage's own."""
    rows: list[Row] = []
    maker = RowMaker(WordUnified(), WordPages(), aim=4, sink=lambda _, made: rows.extend(made))
    parts = (Part("heading", "Tides", level=1), Part("text", "one two three."), Part("text", "four five six."))
    maker.add(Draft("file:///a"), [Info(title="Almanac"), Page(1, Route("text", "clean"), parts=parts)])
    maker.flush()

    assert [(row.text, row.token_count) for row in rows] == [("Tides\n\none two three.", 4), ("four five six.", 3)]
    assert rows[1].vector is not None
    assert np.allclose(rows[1].vector, word_vector("Almanac. Tides four five six."))
