"""What a parse worker that died leaves behind: why it ended, and how far its document had come."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

from pebble import ProcessExpired

from pipeline.config import Limits
from pipeline.errors import DocmillError, LimitExceeded, Unreadable, WorkerDied
from pipeline.parse import spool
from pipeline.parse.worker import OUT_OF_MEMORY, ParserBug
from pipeline.types import Failure, Info, Page


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a spool got: the page its worker was at, whether any page was whole, and the count, if it is known."""

    next_page: int
    any_page: bool
    page_count: int | None


def cause(error: BaseException, limits: Limits, paged: bool) -> DocmillError:
    """Why a worker ended, as an error whose message lacks the document's name."""
    if isinstance(error, TimeoutError):
        return LimitExceeded(f"took longer than {limits.document_s:g} s to parse (limits.document_s)")
    if not isinstance(error, ProcessExpired):
        return ParserBug(f"{type(error).__name__}: {error}")
    code = error.exitcode
    if code == -signal.SIGALRM:
        if not paged:
            return LimitExceeded(f"took longer than {limits.document_s:g} s to parse (limits.document_s)")
        return LimitExceeded(f"took longer than {limits.page_s:g} s (limits.page_s)")
    if code == OUT_OF_MEMORY:
        return LimitExceeded(f"needed more than {limits.memory_mb} MB of memory (limits.memory_mb)")
    if code == -signal.SIGKILL:
        return WorkerDied("its parser was killed by the system, probably out of memory; try fewer workers")
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return Unreadable(f"crashed the parser ({how})")


def progress(path: Path, first_page: int) -> Progress:
    """Read a spool for how far an attempt that began at `first_page` came; `Unreadable` if it is forged."""
    next_page, any_page, page_count = first_page, False, None
    for event in spool.read(path):
        match event:
            case Page():
                any_page = True
                next_page = max(next_page, (event.number or 0) + 1)
            case Info(page_count=int(count)):
                page_count = count
            case Failure(page=int(page)):
                next_page = max(next_page, page + 1)
    return Progress(next_page, any_page, page_count)
