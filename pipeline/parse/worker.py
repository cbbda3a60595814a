"""What runs inside a parse worker: pulls a parser's events one by one and spools them. Holds one event at a time.

Kept small: every worker imports this first, and each parser is imported only when a document needs it.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from pipeline.config import Limits
from pipeline.errors import DocmillError, LimitExceeded, Transient, to_failure
from pipeline.parse import ParseOptions, spool
from pipeline.parse.isolation import confine
from pipeline.parse.wear import is_worn
from pipeline.types import Attachment, Blob, Event, Failure, Page

Parser = Callable[[Blob, Path, ParseOptions], Iterator[Event]]
OUT_OF_MEMORY = 77  # exit code; the process ends, so that the next document gets all of its memory again
WORN_OUT = 78  # exit code, before anything is read: the document goes to a fresh worker
STARTED = ".started"  # its time tells how long a worker that died had been at it
NEW_OBJECTS = 20_000  # between two searches for cycles, which parsers hardly make; 700 take a twentieth of the time
SPOOL_PER_TEXT = 4  # lines with boxes and JSON around the text


def start(limits: Limits, parent: int) -> None:
    """Of a fresh worker, before its first document: shut in, and set up to parse rather than to look for garbage."""
    gc.set_threshold(NEW_OBJECTS)
    confine(limits, parent)


def run(parser: Parser, blob: Blob, work_dir: Path, options: ParseOptions, event_s: float) -> Failure | None:
    """Spool one document's events to `work_dir`; returns the failure of the whole document, if any.

    An event that takes longer than `event_s` seconds ends the process with SIGALRM: the kernel stops native code
    as well. MemoryError ends it with `OUT_OF_MEMORY`, and a worker worn by earlier documents with `WORN_OUT`. Any
    exception of a parser is a value, never raised.
    """
    if is_worn(options.limits):
        os._exit(WORN_OUT)
    (work_dir / STARTED).touch()
    try:
        with (work_dir / spool.NAME).open("ab") as out:
            _spool(out, parser, blob, work_dir, options, event_s)
    except DocmillError as error:
        return to_failure(error, "parse")
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return to_failure(DiskFull(f"{work_dir}: {error.strerror}") if full else _bug(blob, error), "parse")
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the edge: a bug in a parser must not stop a run
        return to_failure(_bug(blob, error), "parse")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return None


class DiskFull(Transient):
    """No room for what a parser writes: no document's fault, so the run stops."""


class ParserBug(DocmillError):
    """A parser raised what it never should; the message says where."""


@dataclass(slots=True)
class _Taken:
    """What has been spooled of a document, by this attempt and by those before a crash."""

    attachments: set[Path] = field(default_factory=set)
    pages: int = 0
    text_bytes: int = 0

    def add(self, event: Event) -> None:
        match event:
            case Attachment():
                self.attachments.add(event.path)
            case Page():
                self.pages += 1
                self.text_bytes += _text_bytes(event)


def _spool(out: BinaryIO, parser: Parser, blob: Blob, work_dir: Path, options: ParseOptions, event_s: float) -> None:
    limits, taken = options.limits, _Taken()
    if options.first_page > 1:
        for event in spool.read(work_dir / spool.NAME):
            taken.add(event)
    room = (SPOOL_PER_TEXT * limits.text_mb << 20) - out.tell()
    signal.setitimer(signal.ITIMER_REAL, event_s)
    for event in parser(blob, work_dir, options):
        match event:
            case Attachment() if event.path in taken.attachments:  # a resumed parser yields them again
                continue
            case Page(number=int(number)) if number < options.first_page:
                continue
        whole, left = event, (limits.text_mb << 20) - taken.text_bytes
        if isinstance(event, Page) and _text_bytes(event) > left:
            event = _cut(event, left)
        taken.add(event)
        if taken.pages > limits.pages:
            raise LimitExceeded(f"{blob.name}: more than {limits.pages} pages (limits.pages)")
        room -= spool.append(out, event)
        if room < 0:
            raise LimitExceeded(f"{blob.name}: more than {limits.text_mb} MB of text (limits.text_mb)")
        if event is not whole:
            problem = f"what follows the first {limits.text_mb} MB of text was left out (limits.text_mb)"
            spool.append(out, to_failure(LimitExceeded(problem), "parse"))
            return
        signal.setitimer(signal.ITIMER_REAL, event_s)


def _text_bytes(page: Page) -> int:
    return sum(len(part.text.encode(errors="replace")) for part in page.parts)


def _cut(page: Page, most_bytes: int) -> Page:
    """The page with its first parts, of the last of them the beginning."""
    kept = []
    for part in page.parts:
        data = part.text.encode(errors="replace")[:most_bytes]
        kept.append(replace(part, text=data.decode(errors="ignore")))
        most_bytes -= len(data)
    return replace(page, parts=tuple(part for part in kept if part.text))


def _bug(blob: Blob, error: BaseException) -> ParserBug:
    ours = [f for f in traceback.extract_tb(error.__traceback__) if f"{os.sep}site-packages{os.sep}" not in f.filename]
    frame = ours[-1]
    place = f"{'/'.join(Path(frame.filename).parts[-3:])}:{frame.lineno}"
    return ParserBug(f"{blob.name}: {type(error).__name__} in the parser ({place}): {error}")
