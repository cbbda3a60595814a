"""Documents that ask for more than to be read, and folders that are stranger than people make them."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from bombs import word_file
from command import ROOT, docmill, rows_of, summary
from traps import WORDS, spoiled_directory, write_traps

pytestmark = [pytest.mark.flow, pytest.mark.filterwarnings("ignore")]  # Prefect's own warnings

SECRET = "sesame opens the mountain"


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """The URL of a server on this machine, and what was asked of it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_POST = do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}", asked
        http.shutdown()


def test_nothing_is_fetched_opened_or_run(tmp_path: Path, server: str, listener: tuple[str, list[str]]) -> None:
    """Words of every trap are read; no request comes, nothing from outside of the folder is in the table, and no file
    is made beside the store."""
    url, asked = listener
    folder, secret, picture = tmp_path / "docs", tmp_path / "secret.txt", tmp_path / "secret.png"
    folder.mkdir()
    secret.write_text(SECRET)
    shutil.copy(ROOT / "sample_docs/photos/cat.jpg", picture)
    write_traps(folder, url, secret, picture)
    there, times = set(tmp_path.rglob("*")), secret.stat().st_mtime_ns
    done = summary(docmill("ingest", str(folder), "--store", str(tmp_path / "store"), "--json", PREFECT_API_URL=server))
    rows = rows_of(tmp_path / "store")
    read = {row["source_uri"].rpartition("/")[2] for row in rows if WORDS in row["text"]}
    new = {path for path in set(tmp_path.rglob("*")) - there if "store" not in path.relative_to(tmp_path).parts[0]}

    assert read >= {path.name for path in folder.iterdir()}
    assert (done["quarantined"], asked, new) == (0, [], set())
    assert [row["id"] for row in rows if SECRET in row["text"] or row["modality"] == "image"] == []
    assert secret.stat().st_mtime_ns == times


def test_a_folder_of_oddities(tmp_path: Path, server: str) -> None:
    """Names of all bytes, paths of a kilobyte, copies, links, pipes, lying zip files: each is accounted for, twice."""
    folder, store = tmp_path / "docs", tmp_path / "store"
    deep = folder.joinpath(*(f"{number}" * 200 for number in range(6)))
    deep.mkdir(parents=True)
    for name in (
        b"two\nlines.txt",
        b"q\"'`$(x).txt",
        "🦆 ü.txt".encode(),
        b"caf\xe9.txt",
        b"a#b?c%2F!.txt",
        b"x" * 251 + b".txt",
    ):
        (folder / os.fsdecode(name)).write_text("the same words in each")
    (deep / "Deep.txt").write_text("words far below")
    (deep / "deep.txt").write_text("words far below, in small letters")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.txt")
    for seed in range(20):
        (folder / f"zip-{seed:02}.docx").write_bytes(spoiled_directory(word_file(f"{WORDS} {seed}"), seed))
    arguments = ("ingest", str(folder), "--store", str(store), "--json")
    first = summary(docmill(*arguments, PREFECT_API_URL=server))
    second = summary(docmill(*arguments, PREFECT_API_URL=server))
    rows = [json.loads(line) for line in docmill("rows", "--store", str(store), "--json").stdout.splitlines()]
    failures = json.loads(docmill("quarantine", "ls", "--store", str(store), "--json").stdout)

    assert first["discovered"] == 6 + 2 + 2 + 20
    assert first["discovered"] == first["indexed"] + first["skipped"] + first["quarantined"]
    assert (first["skipped"], len(failures)) == (2, first["quarantined"])
    assert (second["indexed"], second["table_version"]) == (0, first["table_version"])
    assert sum(row["text"] == "the same words in each" for row in rows) == 6
    assert all(failure["reason"] and failure["error"] != "ParserBug" for failure in failures)
