"""What signals do to a run: SIGTERM ends it in order, and neither it nor Ctrl-C cuts a commit from its ledger entry."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Within the block SIGTERM raises `SystemExit(143)`, so that workers and a temporary server are stopped.

    Prefect has a handler of its own while a flow runs; it ends the flow run as crashed and then calls this one.
    """
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Within the block SIGINT and SIGTERM wait; the last that came is delivered after it. Main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[-1])


def _end(number: int, _: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not cut the clearing up
    raise SystemExit(128 + number)
