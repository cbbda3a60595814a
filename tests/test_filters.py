"""Promises of the filters of a search: each lets the right rows through, and none lets SQL through."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import WordPages, WordUnified, word_vector

from cli.main import run
from pipeline.errors import UsageError
from pipeline.filters import Filter
from pipeline.store import Models, RowFile, Store, doc_id, open_store
from pipeline.types import DocumentRecord, Row

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
OLD = dt.datetime(2024, 2, 3, 4, 5, tzinfo=dt.UTC)
HOSTILE = [
    "'", "''", "o'brien", "' OR '1'='1", "'; DROP TABLE corpus; --", "x' UNION SELECT * FROM documents --", "/* */",
    "\\", "\\'", '"', '","owner":"bob', '{"owner":"bob', "%", "_", "été 🦆 漢字", "NULL", "SELECT", "\x00", "a\nb",
    "--", "\ud800", "\u202e", "')) OR ((true",
]  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Four sources: a file, one below a folder, an attachment of it, and a web page with a quote in its metadata."""
    row = Row("text", 0, "heron", page=1, vector=word_vector("heron"), route="text")
    documents = [
        (record("file:///data/a.txt", {"owner": "ann"}, OLD), [row, replace(row, ordinal=1, page=7, route="both")]),
        (record("file:///data/in/b%20c.eml", {"owner": "bob", "": "none"}, NOW), [row]),
        (record("file:///data/in/b%20c.eml!/d.pdf", {'a"owner': "bob"}, None), [row]),
        (record("https://example.org/it_s", {"owner": "o'brien", "note": '","owner":"bob"'}, NOW), [row]),
    ]
    return make(tmp_path_factory.mktemp("filters"), documents)


def make(folder: Path, documents: Sequence[tuple[DocumentRecord, list[Row]]]) -> Store:
    made = open_store(str(folder / "store"), create=Models(WordUnified.id, WordPages.id))
    with RowFile.create(folder / "rows.arrow", made.models) as file:
        for document, rows in documents:
            file.add(document, rows, NOW)
    with made.writer():
        made.replace(RowFile.open(folder / "rows.arrow"), [document.doc_id for document, _ in documents])
    return made


def record(uri: str, metadata: Mapping[str, str], modified: dt.datetime | None) -> DocumentRecord:
    return DocumentRecord(uri, doc_id(uri), "indexed", modified_at=modified, metadata=metadata)


def found(store: Store, **given: Any) -> list[str]:
    """The ends of the sources that come through, with a plus for each further row."""
    hits = store.match("heron", k=20, where=Filter(**given).sql())
    rows = store.fetch([id for id, _ in hits])
    return sorted(row["source_uri"].rsplit("/", 1)[-1] for row in rows.values())


A, B, D, WEB = "a.txt", "b%20c.eml", "d.pdf", "it_s"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [A, A, B, D, WEB]),
        ({"source": "/data/a.txt"}, [A, A]),
        ({"source": Path("/data/in")}, [B, D]),
        ({"source": "/data/in/b c.eml"}, [B, D]),
        ({"source": "file:///data/in/b%20c.eml!/d.pdf"}, [D]),
        ({"source": ["/data/a.txt", "https://example.org/"]}, [A, A, WEB]),
        ({"source": "/dat"}, []),
        ({"source": "*/b c.*"}, [B, D]),
        ({"source": "*_s"}, [WEB]),
        ({"source": "*%*"}, [B, D]),
        ({"page": 7}, [A]),
        ({"page": "2-9"}, [A]),
        ({"page": " 1 - 7 "}, [A, A, B, D, WEB]),
        ({"since": "2025-01-01"}, [B, D, WEB]),
        ({"until": dt.date(2025, 1, 1)}, [A, A]),
        ({"since": "2024-02-03T04:05", "until": "2024-02-03T06:05:01+02:00"}, [A, A]),
        ({"since": OLD, "until": OLD}, []),
        ({"route": "both"}, [A]),
        ({"metadata": {"owner": "bob"}}, [B]),
        ({"metadata": {"owner": "o'brien"}}, [WEB]),
        ({"metadata": {'a"owner': "bob"}}, [D]),
        ({"metadata": {"owner": "ann"}, "page": 1}, [A]),
        ({"where": "page = 7 OR page = 1", "source": "/data/in"}, [B, D]),
    ],
)
def test_a_filter_lets_the_right_rows_through(store: Store, given: dict[str, Any], expected: list[str]) -> None:
    """By source, page, date, route and metadata; several are met together, whatever stands in `where`."""
    assert found(store, **given) == expected


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["source", "key", "value", "pattern"])
def test_a_hostile_value_is_a_value(store: Store, name: str, value: str) -> None:
    """Quotes, comments, SQL and odd letters match nothing here, or are refused; the table stays as it is."""
    given = {
        "source": {"source": f"file:///{value}"},
        "key": {"metadata": {value: "x"}},
        "value": {"metadata": {"owner": value}},
        "pattern": {"source": f"*{value}!*"},
    }[name]
    rows: list[str] = []
    with suppress(UsageError):
        rows = found(store, **given)

    assert rows == ([WEB] if (name, value) == ("value", "o'brien") else [])
    assert store.count()["text"] == 5


def test_a_value_is_found_as_it_was_written(tmp_path: Path) -> None:
    """Of rows with a hostile value or key each, the one comes through that has it."""
    row = Row("text", 0, "heron", page=1, vector=word_vector("heron"), route="text")
    values = {f"file:///v{number}": {"owner": value} for number, value in enumerate(HOSTILE)}
    keys = {f"file:///k{number}": {key: "v"} for number, key in enumerate(HOSTILE)}
    made = make(tmp_path, [(record(uri, told, NOW), [row]) for uri, told in {**values, **keys}.items()])

    for number, hostile in enumerate(HOSTILE):
        assert found(made, metadata={"owner": hostile}) == [f"v{number}"], hostile
        assert found(made, metadata={hostile: "v"}) == [f"k{number}"], hostile


@pytest.mark.parametrize(
    "given",
    [
        {"page": 0}, {"page": "7-3"}, {"page": "1; DROP"}, {"page": "-1"}, {"page": ""}, {"since": "yesterday"},
        {"until": "2026-02-30"}, {"since": "'; --"}, {"route": "sideways"}, {"metadata": {"": "x"}}, {"source": " "},
        {"source": "*\ud800"},
    ],
)  # fmt: skip
def test_a_value_that_makes_no_sense_is_refused(given: dict[str, Any]) -> None:
    """One line that shows the value and what one looks like."""
    with pytest.raises(UsageError) as caught:
        Filter(**given)

    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "where",
    ["1 = 1) OR (1 = 1", "page = 1 -- ", "page = 1; DELETE", "password = 'x'", "metadata.\"x = 'y'", "sleep(9) = 1"],
)
def test_a_condition_cannot_break_out_of_its_brackets(store: Store, where: str) -> None:
    """What is no condition over the columns is refused, alone and beside other filters."""
    for given in ({"where": where}, {"where": where, "page": 1}):
        with pytest.raises(UsageError, match="filter"):
            found(store, **given)


def test_the_command_takes_them_all(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Each filter is an option; hits are those that meet all of them."""
    filters = ["--source", "/data", "--on-page", "1-3", "--since", "2020-01-01", "--until", "2025-01-01"]
    filters += ["--route", "text", "--metadata", "owner=ann"]
    code = run(["search", "heron", "--store", store.uri, "--legs", "bm25", "--json", *filters])
    (hit,) = json.loads(capsys.readouterr().out)["hits"]

    assert (code, hit["source_uri"], hit["page"]) == (0, "file:///data/a.txt", 1)


@pytest.mark.parametrize(
    "option",
    [("--on-page", "x"), ("--since", "soon"), ("--route", "up"), ("--metadata", "owner"), ("--source", "")],
)
def test_a_bad_option_is_one_line_and_exit_code_2(
    store: Store, capsys: pytest.CaptureFixture[str], option: tuple[str, str]
) -> None:
    """Nothing on standard output, no traceback."""
    code = run(["search", "heron", "--store", store.uri, "--legs", "bm25", *option])
    printed = capsys.readouterr()

    assert (code, printed.out) == (2, "")
    assert "rror: " in printed.err
    assert "Traceback" not in printed.err
