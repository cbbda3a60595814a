"""Specs as a person types them to plain specs: `@list.txt` read, `~` and `file://` taken off. Looks nothing up."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote_to_bytes

from pipeline.errors import UsageError


def expand(specs: Sequence[str], cwd: Path) -> Iterator[str]:
    """Every spec in order, those of an `@list.txt` in its place; URLs pass through.

    A list has one spec a line, relative to the list's own folder; empty lines and lines that start with `#` do not
    count, and a list may not name another list. Raises `UsageError` for a list that cannot be read.
    """
    for spec in specs:
        if spec.startswith("@"):
            yield from _read_list(cwd / spec[1:])
        else:
            yield _plain(spec)


def _read_list(path: Path) -> Iterator[str]:
    try:
        lines = path.read_text("utf-8-sig", errors="surrogateescape").split("\n")
    except (OSError, ValueError) as error:
        found = getattr(error, "strerror", None) or error
        raise UsageError(f"@{path}: the list cannot be read ({found})") from error
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if line.startswith("@"):
            raise UsageError(f"{path} line {number}: '{line}' names another list; write its lines here")
        if line and not line.startswith("#"):
            spec = _plain(line)
            yield spec if "://" in spec else str(path.parent / spec)


def _plain(spec: str) -> str:
    if not spec.strip():
        raise UsageError("an empty source: name a file, a folder, a glob or @list.txt")
    if spec.startswith("file://"):
        return os.fsdecode(unquote_to_bytes(spec.removeprefix("file://").removeprefix("localhost")))
    return str(Path(spec).expanduser()) if spec.startswith("~/") else spec
