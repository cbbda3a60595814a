"""What runs inside a parse worker: pulls a parser's events one by one and spools them. Holds one event at a time.

Kept small: every worker imports this first, and each parser is imported only when a document needs it.
"""

from __future__ import annotations

import errno
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import DocmillError, LimitExceeded, Transient, to_failure
from pipeline.parse import ParseOptions, spool
from pipeline.types import Attachment, Blob, Event, Failure, Page

Parser = Callable[[Blob, Path, ParseOptions], Iterator[Event]]
OUT_OF_MEMORY = 77  # exit code; the process ends, so that the next document gets all of its memory again
STARTED = ".started"  # its time tells how long a worker that died had been at it
SPOOL_PER_TEXT = 4  # lines with boxes and JSON around the text


def run(parser: Parser, blob: Blob, work_dir: Path, options: ParseOptions, event_s: float) -> Failure | None:
    """Spool one document's events to `work_dir`; returns the failure of the whole document, if any.

    An event that takes longer than `event_s` seconds ends the process with SIGALRM: the kernel stops native code
    as well. MemoryError ends it with `OUT_OF_MEMORY`. Any exception of a parser is a value, never raised.
    """
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


def _spool(out: BinaryIO, parser: Parser, blob: Blob, work_dir: Path, options: ParseOptions, event_s: float) -> None:
    known = _attachments(work_dir) if options.first_page > 1 else frozenset()
    room = SPOOL_PER_TEXT * options.limits.text_mb << 20
    pages = 0
    signal.setitimer(signal.ITIMER_REAL, event_s)
    for event in parser(blob, work_dir, options):
        match event:
            case Attachment() if event.path in known:
                continue
            case Page(number=int(number)) if number < options.first_page:
                continue
            case Page():
                pages += 1
        if pages > options.limits.pages:
            raise LimitExceeded(f"{blob.name}: more than {options.limits.pages} pages (limits.pages)")
        room -= spool.append(out, event)
        if room < 0:
            raise LimitExceeded(f"{blob.name}: more than {options.limits.text_mb} MB of text (limits.text_mb)")
        signal.setitimer(signal.ITIMER_REAL, event_s)


def _attachments(work_dir: Path) -> frozenset[Path]:
    """Those that were spooled before a crash; a resumed parser yields them again."""
    events = spool.read(work_dir / spool.NAME)
    return frozenset(event.path for event in events if isinstance(event, Attachment))


def _bug(blob: Blob, error: BaseException) -> ParserBug:
    ours = [f for f in traceback.extract_tb(error.__traceback__) if f"{os.sep}site-packages{os.sep}" not in f.filename]
    frame = ours[-1]
    place = f"{'/'.join(Path(frame.filename).parts[-3:])}:{frame.lineno}"
    return ParserBug(f"{blob.name}: {type(error).__name__} in the parser ({place}): {error}")
