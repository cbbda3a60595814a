"""How fast each host is asked: so many requests at once, so long between two, none while it asks for a pause."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

FAILURES = 5  # in a row; then the host counts as down for the rest of the run


@dataclass(slots=True)
class _Host:
    slots: threading.Semaphore
    lock: threading.Lock = field(default_factory=threading.Lock)
    next_at: float = 0.0
    delay_s: float = 0.0
    failures: int = 0


class Pace:
    """Shared by the threads of a run. Times are of `time.monotonic`."""

    def __init__(self, delay_s: float, at_once: int) -> None:
        self._delay_s, self._at_once = delay_s, at_once
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, host: str) -> Iterator[None]:
        """Wait until the host may be asked; the block is one request."""
        state = self._state(host)
        with state.slots:
            while True:
                with state.lock:
                    wait_s = state.next_at - time.monotonic()
                    if wait_s <= 0:
                        state.next_at = time.monotonic() + state.delay_s
                        break
                time.sleep(min(wait_s, 1.0))
            yield

    def slow_down(self, host: str, delay_s: float) -> None:
        """The host's own wish (Crawl-delay), if it is longer than ours."""
        state = self._state(host)
        state.delay_s = max(state.delay_s, delay_s)

    def hold(self, host: str, seconds: float) -> None:
        """Nobody asks the host for so long."""
        state = self._state(host)
        with state.lock:
            state.next_at = max(state.next_at, time.monotonic() + seconds)

    def note(self, host: str, *, answered: bool) -> None:
        """Whether the host answered at all."""
        state = self._state(host)
        state.failures = 0 if answered else state.failures + 1

    def is_down(self, host: str) -> bool:
        return self._state(host).failures >= FAILURES

    def _state(self, host: str) -> _Host:
        with self._lock:
            if host not in self._hosts:
                self._hosts[host] = _Host(threading.Semaphore(self._at_once), delay_s=self._delay_s)
            return self._hosts[host]
