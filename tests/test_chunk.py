"""Passages: nothing is lost, nothing is too long, and what belongs together stays together."""

import doctest
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.chunk import Chunker, cut, sentences
from pipeline.types import Page, Part, Route

TEXT = Route("text", "words")


def words(texts):
    return [len(text.split()) for text in texts]


def characters(texts):
    return [len(text) for text in texts]


def odd_bytes(texts):
    """A count that does not add up: joining two texts may cost more, or less, than both."""
    return [(len(text.encode("utf-8", "replace")) + 2) // 3 + 2 * text.count("\n") for text in texts]


def page(*parts, number=1):
    return Page(number, TEXT, parts=tuple(Part("text", part) if isinstance(part, str) else part for part in parts))


def chunked(*parts, aim=20, budget=30, count=words):
    return Chunker(count, aim=aim, budget=budget).feed(page(*parts))


def texts(passages):
    return [passage.text for passage in passages]


def sentence(count, start="Word"):
    return " ".join([start, *(f"w{i}" for i in range(count - 1))]) + "."


def letters(text):
    return Counter(character for character in text if not character.isspace())


SALAD = st.text(st.characters(codec="utf-8"), max_size=60)
PROSE = st.lists(
    st.sampled_from(["Ab", "c.", "d!", "二人。", "e" * 40, "👩‍👧", "é", "g,", "\n", "\n\n", "|", "-"]), max_size=60
)
CELLS = st.lists(st.lists(st.text("ab |\\-漢", max_size=12), min_size=1, max_size=4), min_size=1, max_size=12)
PARTS = st.one_of(
    st.builds(Part, st.sampled_from(["text", "list", "code", "caption", "form", "note", "table"]), SALAD),
    st.builds(lambda tokens: Part("text", " ".join(tokens)), PROSE),
    st.builds(lambda text, level: Part("heading", text, level=level), SALAD, st.integers(0, 7)),
    st.builds(
        lambda rows: Part(
            "table", "\n".join(["| h1 | h2 |", "|---|---|", *(f"| {' | '.join(row)} |" for row in rows)])
        ),
        CELLS,
    ),
)


@pytest.mark.parametrize("count", [words, characters, odd_bytes])
@given(parts=st.lists(PARTS, max_size=8), budget=st.integers(8, 40), aim=st.integers(1, 60))
@settings(max_examples=150, deadline=None)
def test_no_text_is_lost_and_no_passage_is_over_the_budget(count, parts, budget, aim):
    """For any text and tokenizer: the same letters come out, but for table headers that stand again over a piece."""
    passages = chunked(*parts, aim=aim, budget=budget, count=count)

    out, wanted = letters("".join(texts(passages))), letters("".join(part.text for part in parts))
    header = letters("| h1 | h2 ||---|---|")
    again = (out - wanted)["h"] // 2
    assert out == wanted + Counter({letter: again * number for letter, number in header.items() if again})
    assert [passage.token_count for passage in passages] == count(texts(passages))
    assert all(passage.token_count <= budget and passage.text.strip() for passage in passages)


@given(st.text(st.sampled_from('Ab .!?…。」\n"1é ')))
def test_sentences_hold_every_character_in_order(text):
    """Only white space lies between sentences."""
    spans = sentences.sentences(text)

    assert letters("".join(text[start:end] for start, end in spans)) == letters(text)
    assert spans == sorted(spans)


def test_the_examples_in_the_docstrings_are_true():
    """What the docstrings show is what happens."""
    assert doctest.testmod(sentences).failed == 0
    assert doctest.testmod(cut).failed == 0


@pytest.mark.parametrize(
    "expected",
    [
        ["He met J. R. Ames at 3.5 km.", "Was it so?", "Yes!"],
        ["See Fig. 3 and e.g. No. 7, cf. Smith et al. 2020.", "Then stop."],
        ["She said “Stop.”", "He did (at last).", "1. It begins"],
        ["Das ist z.B. so.", "Dr. Weiß kommt am 3. Mai."],
        ["Wait... what?", "Wait…", "What?!", "¿Qué?", "¡No!"],
        ["今日は晴れです。", "「そうですか？」", "はい！"],
        ["यह एक है।", "दूसरा।"],
        ["هل هذا صحيح؟", "نعم."],
        ["no stop here", "after an empty line"],
    ],
)
def test_sentences_end_where_a_reader_ends_them(expected):
    """Abbreviations, initials, decimals and closing quotes stay with their sentence, in any script."""
    joined = "\n\n".join(expected) if "empty" in expected[-1] else " ".join(expected)

    found = [joined[start:end] for start, end in sentences.sentences(joined)]

    assert found == expected


def test_short_paragraphs_are_merged_up_to_the_aim():
    """The next one that would go over begins a new passage."""
    found = chunked(sentence(8), sentence(8), sentence(8))

    assert texts(found) == [f"{sentence(8)}\n\n{sentence(8)}", sentence(8)]


def test_a_long_paragraph_is_split_at_sentence_ends():
    """A sentence between aim and budget stays whole; one over the budget is split between words."""
    long = [sentence(12, "One"), sentence(12, "Two"), sentence(25, "Three"), sentence(50, "Four")]

    found = texts(chunked(" ".join(long)))

    assert found[:3] == long[:3]
    assert " ".join(found[3:]) == long[3]
    assert len(found) >= 5


def test_a_word_over_the_budget_is_split_between_letters():
    """Letters and their marks are not parted."""
    found = texts(chunked("e\u0301" * 50, aim=30, budget=30, count=characters))

    assert "".join(found) == "e\u0301" * 50
    assert not any(text.startswith("\u0301") for text in found)


def test_a_heading_begins_the_first_passage_below_it():
    """It is named above every passage of its section, and above those of the next page."""
    chunker = Chunker(words, aim=20, budget=30)
    parts = [Part("heading", "Guide", level=1), Part("heading", "Set up", level=2), sentence(15), sentence(15)]
    first = chunker.feed(page("Before.", *parts))
    second = chunker.feed(page(sentence(5), Part("heading", "Use", level=2), "Go.", number=2))

    assert texts(first) == ["Before.", f"Guide\n\nSet up\n\n{sentence(15)}", sentence(15)]
    assert [p.headings for p in first] == [(), ("Guide", "Set up"), ("Guide", "Set up")]
    assert [(p.page, p.headings) for p in second] == [(2, ("Guide", "Set up")), (2, ("Guide", "Use"))]


def test_a_heading_with_nothing_below_is_a_passage_of_its_own():
    """So its words are found; a heading of the same level is nothing below."""
    found = chunked(Part("heading", "One", level=2), Part("heading", "Two", level=2), "Text.", Part("heading", "End"))

    assert texts(found) == ["One", "Two\n\nText.", "End"]


def test_a_heading_joins_its_text_where_the_aim_is_the_budget():
    """The paragraph gives way, not the heading."""
    found = chunked(Part("heading", "Five words are up here"), f"{sentence(14)} {sentence(14)}", aim=30, budget=30)

    assert texts(found) == [f"Five words are up here\n\n{sentence(14)}", sentence(14)]


def table(rows):
    return "\n".join(["| name | value |", "| --- | --- |", *(f"| r{i} | {i} |" for i in range(rows))])


def test_a_table_stays_whole_up_to_the_budget_and_apart_from_text():
    """Its own passage, of kind "table", with its heading."""
    found = chunked("Before.", Part("heading", "Data"), Part("table", table(2)), "After.", aim=20, budget=30)

    assert texts(found) == ["Before.", f"Data\n\n{table(2)}", "After."]
    assert [passage.kind for passage in found] == ["prose", "table", "prose"]


def test_a_larger_table_is_split_between_rows_under_its_header_again():
    """Every piece can be read alone; no row is torn and none is lost."""
    found = texts(chunked(Part("table", table(20))))

    assert all(text.startswith("| name | value |\n| --- | --- |\n| r") for text in found)
    assert [line for text in found for line in text.splitlines()[2:]] == table(20).splitlines()[2:]
    assert len(found) > 3


def test_a_row_over_the_budget_is_split_between_cells():
    """A cell that fits is not torn."""
    cells = [f"| {'x ' * 9}{i}" for i in range(5)]

    found = texts(chunked(Part("table", "\n".join(["| a | b |", "|---|---|", " ".join(cells) + " |"]))))

    assert all(sum(cell in text for text in found) == 1 for cell in cells)


def test_code_is_split_by_lines_and_list_items_stay_together():
    """Lines keep their indentation inside a passage; items are joined line by line."""
    code = "\n".join(f"    line {i}" for i in range(12))
    items = [Part("list", f"- item {i}") for i in range(6)]

    pieces = chunked(Part("code", code))
    listed = chunked(sentence(10), *items)

    assert "\n".join(texts(pieces)).split() == code.split()
    assert all("\n    line" in text for text in texts(pieces))
    assert {passage.kind for passage in pieces} == {"code"}
    assert texts(listed) == [sentence(10), "\n".join(item.text for item in items)]


def test_the_box_of_a_passage_is_around_its_parts():
    """Parts without a box do not count."""
    (found,) = chunked(Part("text", "A.", (10, 20, 30, 40)), "B.", Part("text", "C.", (5, 30, 20, 90)))

    assert found.bbox == (5, 20, 30, 90)


def test_hostile_text_takes_no_time():
    """Runs of punctuation, one endless word, a million words without an end, deep headings: all linear."""
    hostile = [
        "." * 200_000,
        "a" * 200_000,
        "b c " * 50_000,
        "|" * 50_000,
        "-" * 60_000 + "x",
        "\n \n" * 30_000,
        '."' * 50_000,
    ]
    start = time.perf_counter()
    for kind in ("text", "table", "list", "code", "heading"):
        for text in hostile:
            found = chunked(Part(kind, f"| h |\n|---|\n{text}"), Part("text", "x"), aim=200, budget=254)
            assert all(len(passage.text) <= 32 * 254 + 20 for passage in found)

    assert time.perf_counter() - start < 20


def test_300_pages_take_well_under_a_second():
    """The chunker's own work is small beside parsing and embedding."""
    parts = [Part("heading", "A heading", level=2), *[" ".join(sentence(18) for _ in range(8))] * 4]
    chunker = Chunker(words, aim=200, budget=254)
    start = time.perf_counter()
    passages = [passage for number in range(300) for passage in chunker.feed(page(*parts, number=number))]

    assert time.perf_counter() - start < 1
    assert len(passages) >= 900
