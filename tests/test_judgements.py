"""Queries and judgements as people have them: JSON lines, tables, TREC, BEIR folders; mistakes are named by line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.evaluate.beir import unpack
from pipeline.evaluate.judgements import Query, read_judgements, read_set
from pipeline.evaluate.places import Judged, Names, Place

LINES = '{"_id": "q1", "text": "who?", "answers": ["a.pdf#3", {"document": "b.txt", "grade": 2}]}\n'


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_answers_may_stand_beside_the_queries(tmp_path: Path) -> None:
    """As names, or as objects with page and grade; a query without any is left out, and that is said."""
    more = '{"id": 2, "query": "where?", "answers": [{"document": "c.pdf", "page": 4}], "modality": "page"}\n'
    found = read_set(write(tmp_path / "q.jsonl", "\ufeff" + LINES + more + '\n{"id": "3", "text": "why?"}\n'))

    assert found.queries == (
        Query("q1", "who?", {"a.pdf#3": 1.0, "b.txt": 2.0}),
        Query("2", "where?", {"c.pdf#4": 1.0}, "page"),
    )
    assert found.notes == ("1 of 3 queries have no answer and are left out",)


def test_a_table_names_its_columns(tmp_path: Path) -> None:
    """With tabs between; a query may have several lines."""
    table = write(tmp_path / "q.tsv", "Text\tAnswer\tPage\tScore\r\nwho?\ta.pdf\t3\t\r\nwho?\tb.pdf\t\t2\r\n")

    assert read_set(table).queries == (Query("who?", "who?", {"a.pdf#3": 1.0, "b.pdf": 2.0}),)


@pytest.mark.parametrize(
    ("name", "judgements"),
    [
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td 1\t1\nq1\td2\t0\n"),
        ("qrels.tsv", "q1\td 1\t1\n"),
        ("qrels/dev.tsv", "query-id\tcorpus-id\tscore\nq1\td 1\t1\nother\td2\t1\n"),
    ],
)
def test_a_beir_folder_is_read_as_it_is(tmp_path: Path, name: str, judgements: str) -> None:
    """Queries and judgements by split, or without; what has grade 0 is no answer."""
    write(tmp_path / "queries.jsonl", '{"_id": "q1", "text": "who?", "metadata": {}}\n{"_id": "q2", "text": "x"}\n')
    write(tmp_path / name, judgements)

    assert read_set(tmp_path, split="dev" if "dev" in name else "test").queries == (Query("q1", "who?", {"d 1": 1.0}),)


def test_judgements_of_trec_and_as_json_lines(tmp_path: Path) -> None:
    """Four columns without a header, or the keys of BEIR's table."""
    trec = write(tmp_path / "qrels.txt", "q1 0 d1 1\nq1 0 d2 0\nq2 Q0 d1 2\n")
    lines = write(tmp_path / "q.jsonl", '{"query-id": "q1", "corpus-id": "d1", "score": 1}\n')

    assert read_judgements(trec) == {"q1": {"d1": 1.0, "d2": 0.0}, "q2": {"d1": 2.0}}
    assert read_judgements(lines) == {"q1": {"d1": 1.0}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no queries in it"),
        ("[1]\n", r"line 1: found \[1\]"),
        (LINES + "{", "line 2: not JSON"),
        (LINES + LINES.replace("who", "why"), "line 2: there is another query with the id 'q1'"),
        ('{"id": "1"}', "line 1: the query has no text"),
        ('{"id": "1", "text": "a"}\n{"id": ["x"], "text": "a"}', r"line 2: `_id` is \[\"x\"\]"),
        ('{"id": "1", "text": "a", "answers": [7]}', "line 1: found the answer 7"),
        ('{"id": "1", "text": "a", "answers": "b"}', "line 1: `answers` must be a list"),
        ('{"id": "1", "text": "a", "answers": ["b"], "modality": "video"}', "modality is 'video'"),
        ('{"id": "1", "text": "a", "answers": [{"document": "b", "page": "iv"}]}', "page is 'iv'"),
        ('{"id": "1", "text": "a", "answers": [{"document": "b", "grade": "high"}]}', "the grade is 'high'"),
        ('{"id": "1", "text": "a"}', "no query has an answer"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, content: str, message: str) -> None:
    """File, line and what was found, in one line."""
    with pytest.raises(UsageError, match=message) as error:
        read_set(write(tmp_path / "q.jsonl", content))

    assert "\n" not in str(error.value)


def test_more_mistakes_are_named(tmp_path: Path) -> None:
    """Missing files and folders, tables without a header, judgements of other queries, grades that are no numbers."""
    queries = write(tmp_path / "q.jsonl", LINES)
    cases = [
        (tmp_path / "none.jsonl", None, "cannot be read as UTF-8 text"),
        (tmp_path, None, "has no queries.jsonl"),
        (write(tmp_path / "t.tsv", "who?\ta.pdf\n"), None, "the first line of a table names its columns"),
        (queries, write(tmp_path / "a.tsv", "x\td\t1\n"), "judges queries such as 'x', of which none"),
        (queries, write(tmp_path / "b.tsv", "h\th\th\nq1\td\tnan\n"), "line 2: the grade is 'nan'"),
        (queries, write(tmp_path / "c.tsv", "q1 d\n"), "line 1: has 2 columns"),
        (queries, write(tmp_path / "d.tsv", "\n"), "no judgements in it"),
    ]
    for path, judgements, message in cases:
        with pytest.raises(UsageError, match=message):
            read_set(path, judgements)


def test_documents_go_by_the_names_that_people_use() -> None:
    """The URI, the end of its path, the file's name with or without its ending; with a page behind it."""
    names = Names(["file:///docs/a%20b/report.v2.pdf", "https://example.org/x/", "file:///docs/mail.eml!/c%23d.txt"])
    report = "file:///docs/a%20b/report.v2.pdf"

    for name in (report, "/docs/a b/report.v2.pdf", "a b/report.v2.pdf", "a%20b/report.v2.pdf", "report.v2.pdf"):
        assert names.place(name) == Place(report)
        assert names.place(name + "#12") == names.place(name + "#page=12") == Place(report, 12)
    assert Names(["file:///a%2520b.txt"]).place("a%20b.txt") == Place("file:///a%2520b.txt")
    assert names.place("report.v2") == Place(report)
    assert names.place("https://example.org/x/") == Place("https://example.org/x/")
    assert names.place("c#d.txt") == Place("file:///docs/mail.eml!/c%23d.txt")
    assert names.place("port.v2.pdf") is None


def test_a_name_of_several_documents_is_refused() -> None:
    """Which of them is meant only the user knows."""
    names = Names(["file:///a/x.txt", "file:///b/x.txt", "file:///b/y.txt", "file:///b/y.md"])

    with pytest.raises(UsageError, match=r"'x.txt' is the name of 2 documents .*write more of the path"):
        names.place("x.txt")
    with pytest.raises(UsageError, match="'y' is the name of 2 documents"):
        names.place("y")
    assert names.place("a/x.txt") == Place("file:///a/x.txt")


def test_rows_count_once_as_what_the_answers_are() -> None:
    """A document stands where its best row does; pages count one by one where an answer is a page."""
    rows = [Place("d", 1), Place("d", 2), Place("e", 1), Place("d", 1)]
    query = Query("q", "who?")

    assert Judged(query, {Place("e"): 1.0}).units(rows) == ["d", "e"]
    assert Judged(query, {Place("d", 2): 1.0}).units(rows) == ["d#1", "d#2", "e#1"]
    assert Judged(query, {Place("d", 2): 1.0, Place("e"): 1.0}).units(rows) == ["d#1", "d#2", "e"]
    assert Judged(query, {Place("d"): 1.0}, {"gone": 2.0}).relevant == {"d": 1.0, "?gone": 2.0}


def test_a_beir_corpus_becomes_files_that_answers_find(tmp_path: Path) -> None:
    """Ids with signs that no file name can have, and nothing outside of the folder."""
    documents = [{"_id": id, "title": "T", "text": id} for id in ("1", "a/b c", "../x", ".hidden")]
    write(tmp_path / "corpus.jsonl", "\n".join(map(json.dumps, documents)))
    count = unpack(tmp_path, tmp_path / "files")
    names = Names(file.as_uri() for file in (tmp_path / "files").iterdir())

    assert count == len(list((tmp_path / "files").iterdir())) == 4
    assert (tmp_path / "files" / "1.txt").read_text() == "T\n\n1"
    assert all(names.place(str(document["_id"])) for document in documents)
    with pytest.raises(UsageError, match="is there already"):
        unpack(tmp_path, tmp_path / "files")
    with pytest.raises(UsageError, match="line 1: a document is"):
        unpack(write(tmp_path / "bad" / "corpus.jsonl", "[]").parent, tmp_path / "other")
