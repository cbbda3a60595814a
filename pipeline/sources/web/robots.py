"""robots.txt (RFC 9309): what a site wants no program to fetch. Asked for once a run and origin."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from protego import Protego

from pipeline.errors import DocmillError

LONGEST_BYTES = 512 * 1024  # RFC 9309 asks for 500 kB at least
LONGEST_DELAY_S = 30.0

Read = Callable[[str], str | None]  # a robots.txt by its URL; None if there is none; raises if the host is in trouble


@dataclass(slots=True)
class Robots:
    """The rules of the origins that were asked; `agent` is the name they know us by."""

    agent: str
    read: Read
    _rules: dict[str, Protego | DocmillError] = field(default_factory=dict)
    _locks: dict[str, threading.Lock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def allows(self, url: str, origin: str) -> bool:
        """Raises what `read` raised: while robots.txt cannot be had, nothing may be fetched."""
        return bool(self._of(origin).can_fetch(url, self.agent))

    def delay_s(self, origin: str) -> float:
        """The pause between requests that the site asks for, at most half a minute; 0 without one."""
        try:
            return min(float(self._of(origin).crawl_delay(self.agent) or 0.0), LONGEST_DELAY_S)
        except (ValueError, OverflowError):
            return 0.0

    def _of(self, origin: str) -> Protego:
        with self._lock:
            lock = self._locks.setdefault(origin, threading.Lock())
        with lock:
            if origin not in self._rules:
                try:
                    self._rules[origin] = Protego.parse((self.read(origin + "robots.txt") or "")[:LONGEST_BYTES])
                except DocmillError as error:
                    self._rules[origin] = error
                    raise
            rules = self._rules[origin]
        if isinstance(rules, DocmillError):
            raise rules
        return rules
