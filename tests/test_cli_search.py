"""Promises of `docmill search` and of the command as a whole, run in process on a small store."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import WordPages, WordUnified, word_vector

from cli.main import COMMANDS, run
from pipeline import __version__
from pipeline.store import Models, RowFile, doc_id, open_store
from pipeline.types import DocumentRecord, Row

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
KEYS = ["rank", "score", "modality", "source_uri", "page", "bbox", "text", "route", "legs"]
KEYS += ["id", "title", "headings", "boxes", "page_size", "also"]
WORDS = ("--legs", "bm25")  # needs no weights


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Two documents: a passage on page 3, and a picture with a caption that would steer a terminal."""
    rows = {
        "file:///tmp/report%201.pdf": Row(
            "text", 0, "the harbour at night", page=3, bbox=(1, 2, 3, 4), vector=word_vector("harbour"), route="text"
        ),
        "file:///tmp/photo.png": Row(
            "image", 0, "a red \x1b[31m lamp [bold]", vector=word_vector("lamp"), route="image"
        ),
    }
    opened = open_store(str(tmp_path / "store"), create=Models(WordUnified.id, WordPages.id))
    records = [DocumentRecord(uri, doc_id(uri), "indexed", media_type=f"{row.modality}/x") for uri, row in rows.items()]
    with RowFile.create(tmp_path / "rows.arrow", opened.models) as file:
        for record, row in zip(records, rows.values(), strict=True):
            file.add(record, [row], NOW)
    with opened.writer():
        opened.replace(RowFile.open(tmp_path / "rows.arrow"), [record.doc_id for record in records])
    return opened.uri


def test_json_is_one_line_with_the_keys_of_the_contract(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """{"id": null, "hits": [...]}; a hit has its contract keys first, in order."""
    code = run(["search", "harbour", "--store", store, "--json", *WORDS])
    answer = json.loads(capsys.readouterr().out)
    (hit,) = answer["hits"]

    assert (code, answer["id"], list(hit)) == (0, None, KEYS)
    assert (hit["rank"], hit["modality"], hit["page"], hit["bbox"]) == (1, "text", 3, [1, 2, 3, 4])
    assert (hit["source_uri"], hit["text"]) == ("file:///tmp/report%201.pdf", "the harbour at night")
    assert hit["legs"]["bm25"]["rank"] == 1


def test_people_see_name_page_and_reason(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Plain text without a terminal: rank, modality, file, page, legs, and the text; --explain adds scores of legs."""
    run(["search", "harbour", "--store", store, "--explain", *WORDS])
    lines = capsys.readouterr().out.splitlines()

    assert lines[0].split() == ["1", "text", "/tmp/report", "1.pdf,", "p.", "3", "0.0164", "bm25", "1"]
    assert lines[1] == "    the harbour at night"
    assert lines[-1].startswith("1    1 (")


def test_a_document_cannot_steer_the_terminal(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters are taken out, brackets are no markup."""
    run(["search", "lamp", "--store", store, *WORDS])

    assert capsys.readouterr().out.splitlines()[1] == "    a red [31m lamp [bold]"


def test_filters_and_modality_reach_the_search(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--modality and --where leave out the rest."""
    run(["search", "harbour lamp", "--store", store, "--json", "--modality", "image", *WORDS])
    run(["search", "harbour lamp", "--store", store, "--json", "--where", "media_type = 'text/x'", *WORDS])
    found = [[h["modality"] for h in json.loads(line)["hits"]] for line in capsys.readouterr().out.splitlines()]

    assert found == [["image"], ["text"]]


def test_a_batch_gives_a_line_for_each_query(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ids come back as they were, in order; a query that finds nothing has no hits."""
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"id": "a", "text": "lamp"}\n\n{"id": 7, "text": "zebra", "lang": "en"}\n')
    run(["search", "--batch", str(queries), "--store", store, *WORDS])
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())

    assert (first["id"], [hit["modality"] for hit in first["hits"]]) == ("a", ["image"])
    assert second == {"id": 7, "hits": []}


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"text": "x"}', '{"id": "a"}', '{"id": "a", "text": " "}', '{"id":"a","text":1}']
)
def test_a_bad_line_of_a_batch_is_named(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    """The message has file and line; nothing was searched before."""
    queries = tmp_path / "queries.jsonl"
    queries.write_text(f'{{"id": "a", "text": "lamp"}}\n{line}\n')
    code = run(["search", "--batch", str(queries), "--store", store, *WORDS])
    printed = capsys.readouterr()

    assert (code, printed.out) == (2, "")
    assert printed.err.startswith(f"docmill: error: {queries}, line 2: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["search"],
        ["search", "a", "--image", "b.png"],
        ["search", " ", *WORDS],
        ["search", "a", "-k", "0"],
        ["search", "a", "--modality", "sound"],
        ["search", "a", "--legs", "colour"],
        ["search", "a", "--where", "colour = 1", *WORDS],
        ["search", "a", "--where", "modality = 'text'; drop", *WORDS],
        ["search", "--image", "missing.png"],
        ["search", "--batch", "missing.jsonl"],
        ["search", "a", "--config", "missing.toml"],
        ["serch", "a"],
    ],
)
def test_bad_usage_is_a_message_and_exit_code_2(
    store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """No traceback, nothing on standard output."""
    monkeypatch.setenv("DOCMILL_STORE", store)
    code = run(arguments)
    printed = capsys.readouterr()

    assert (code, printed.out) == (2, "")
    assert "rror: " in printed.err


def test_a_missing_store_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line on standard error that names the place and the command that makes a store."""
    code = run(["search", "a", "--store", str(tmp_path / "none"), *WORDS])
    lines = capsys.readouterr().err.splitlines()

    assert (code, len(lines)) == (2, 1)
    assert "docmill ingest" in lines[0]


def test_an_empty_store_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing indexed: exit code 0, no hits, and a line that says why."""
    open_store(str(tmp_path / "store"), create=Models(WordUnified.id, WordPages.id))
    code = run(["search", "a", "--store", str(tmp_path / "store"), "--json"])
    printed = capsys.readouterr()

    assert (code, json.loads(printed.out)) == (0, {"id": None, "hits": []})
    assert "nothing is indexed yet" in printed.err


def test_the_wrong_model_is_named(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A table of another model is refused with both names."""
    code = run(["search", "a", "--store", store])

    assert code == 2
    assert "made with words@1" in capsys.readouterr().err


def test_a_search_loads_neither_scheduler_nor_parsers(store: str) -> None:
    """The command starts fast: what it does not need is not imported."""
    program = (
        "import sys; from cli.main import run; code = run(sys.argv[1:]);"
        "heavy = {'prefect', 'pymupdf', 'unstructured', 'torch', 'transformers', 'pandas'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "search", "lamp", "--store", store, "--json", *WORDS],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1],
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)["hits"]) == 1


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints it; `--help` lists every command without importing them."""
    codes = run(["--version"]), run(["--help"])
    printed = capsys.readouterr().out

    assert codes == (0, 0)
    assert f"docmill {__version__}" in printed
    assert all(f"\n  {name}" in printed for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_the_common_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The names in the table of commands lead to commands."""
    code = run([name, "--help"])
    printed = capsys.readouterr().out

    assert code == 0
    assert "--store" in printed or "Commands:" in printed
