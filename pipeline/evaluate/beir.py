"""Writes the documents of a set in BEIR's layout as files, so that they can be ingested like any others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from pipeline.errors import UsageError


def unpack(folder: Path, target: Path) -> int:
    """One text file for each line of `corpus.jsonl`, named by its `_id`, title first; gives how many.

    A name keeps what is safe in file names, the rest is percent-encoded, as in a URI: answers are found by it. Raises
    `UsageError` for lines that cannot be read, and for a target that holds something already.
    """
    corpus = folder / "corpus.jsonl"
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target}: is there already; name a folder that is new or empty")
    documents = dict(_documents(corpus))
    if not documents:
        raise UsageError(f"{corpus}: no documents in it")
    target.mkdir(parents=True, exist_ok=True)
    for id, text in documents.items():
        (target / file_name(id)).write_text(text, encoding="utf-8")
    return len(documents)


def file_name(id: str) -> str:
    """The file of a document.

    >>> file_name("doc/7"), file_name(".x")
    ('doc%2F7.txt', '%2Ex.txt')
    """
    name = quote(id, safe=" ")
    return f"{'%2E' + name[1:] if name.startswith('.') else name}.txt"


def _documents(corpus: Path) -> Iterator[tuple[str, str]]:
    try:
        for number, line in enumerate(corpus.read_text("utf-8-sig").split("\n"), 1):
            if line.strip():
                yield _document(f"{corpus}, line {number}", line)
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or error
        raise UsageError(f"{corpus}: cannot be read as UTF-8 text ({cause})") from error


def _document(place: str, line: str) -> tuple[str, str]:
    try:
        value = json.loads(line)
        id, text, title = str(value["_id"]), str(value["text"]), str(value.get("title") or "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f'{place}: a document is {{"_id": ..., "title": ..., "text": ...}}') from error
    return id, f"{title}\n\n{text}" if title else text
