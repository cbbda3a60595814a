"""The events of one document as JSON lines on disk, written by a parse worker and read back one at a time.

The writer reads untrusted bytes, so the reader trusts nothing: every line is checked against the event's type, and
every path must lie inside the document's own directory. Never pickle.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from pipeline.errors import Unreadable
from pipeline.types import Attachment, Event, Failure, Info, Page

NAME = "events.jsonl"  # in the document's work directory
ADAPTERS: dict[str, TypeAdapter[Any]] = {kind.__name__: TypeAdapter(kind) for kind in (Info, Page, Attachment, Failure)}


def append(spool: BinaryIO, event: Event) -> int:
    """Write one event as one line and flush it; returns the line's bytes. ValueError for a value no reader takes."""
    adapter = ADAPTERS[type(event).__name__]
    body = _encode(adapter, event)
    again = adapter.validate_json(body)  # a box with NaN in it is the parser's bug and must not surface in the reader
    if type(getattr(again, "signals", None)) is not type(getattr(event, "signals", None)):
        raise ValueError(f"signals that cannot be written: {event}")
    line = b"%s %s\n" % (type(event).__name__.encode(), body)
    spool.write(line)
    spool.flush()
    return len(line)


def read(path: Path) -> Iterator[Event]:
    """The events of a spool in order, lazily; an unfinished last line is dropped.

    Raises `Unreadable` for a line that is no event or that names a file outside of the spool's directory.
    """
    home = path.parent.resolve()
    with path.open("rb") as spool:
        for number, line in enumerate(spool, 1):
            if line.endswith(b"\n"):
                yield _event(line, home, f"{path} line {number}")


def repair(path: Path) -> None:
    """Cut off the unfinished last line that a killed writer may have left."""
    with path.open("ab+") as spool:
        end = spool.seek(0, os.SEEK_END)
        while end and _byte_before(spool, end) != b"\n":
            end -= 1
        spool.truncate(end)


def _byte_before(spool: BinaryIO, position: int) -> bytes:
    spool.seek(position - 1)
    return spool.read(1)


def _encode(adapter: TypeAdapter[Any], event: Event) -> bytes:
    try:
        return adapter.dump_json(event)  # NaN becomes null, which no field takes
    except (PydanticSerializationError, UnicodeEncodeError):  # lone surrogates, from a badly decoded file
        plain = adapter.dump_python(event)
        return json.dumps(plain, ensure_ascii=False, default=os.fspath).encode("utf-8", "replace")


def _event(line: bytes, home: Path, where: str) -> Event:
    kind, _, body = line.partition(b" ")
    try:
        event: Event = ADAPTERS[kind.decode()].validate_json(body)
    except (KeyError, UnicodeDecodeError, ValidationError) as error:
        raise Unreadable(f"{where}: a parse worker wrote something that is no event") from error
    return _inside(event, home, where)


def _inside(event: Event, home: Path, where: str) -> Event:
    """The event with its paths absolute; refuses any that leads out of `home`, through a link too."""

    def check(path: Path) -> Path:
        resolved = (home / path).resolve()
        if not resolved.is_relative_to(home):
            raise Unreadable(f"{where}: a parse worker named a file outside of its directory: {path}")
        return resolved

    match event:
        case Attachment():
            return replace(event, path=check(event.path))
        case Page():
            pictures = tuple(replace(picture, path=check(picture.path)) for picture in event.pictures)
            image = replace(event.image, path=check(event.image.path)) if event.image else None
            return replace(event, pictures=pictures, image=image)
        case _:
            return event
