"""URLs to visit, a few hosts at once and each of them gently, with results in the order in which the URLs were added.

Order matters: where a limit ends a crawl, the next run must end it at the same place.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

from pipeline.sources.web.urls import host_of

Result = TypeVar("Result")
AHEAD = 64  # URLs that are looked at beyond the first that is not done


@dataclass(frozen=True, slots=True)
class Task:
    """One URL to visit. `spec` is the source it belongs to."""

    url: str
    spec: str
    way: str  # "named", "listing" (named by one), "listed" (a page), "linked" or "known"
    depth: int = 0  # links that may be followed from it
    scope: str = ""  # of a link or a listed page: host that it must be on


class Frontier(Generic[Result]):
    """Visits tasks in threads; more of them may be added while its results are taken."""

    def __init__(self, visit: Callable[[Task], Result], hosts: int, per_host: int) -> None:
        self._visit, self._hosts, self._per_host = visit, hosts, per_host
        self._waiting: deque[Task] = deque()

    def add(self, task: Task) -> None:
        self._waiting.append(task)

    def results(self, more: Callable[[], Iterator[Task]]) -> Iterator[tuple[Task, Result]]:
        """Every task and what came of it, in order. When all is done, `more` is asked, once, for what is left to do.

        Raises what a visit raised.
        """
        ahead: deque[tuple[Task, Future[Result] | None]] = deque()
        pool = ThreadPoolExecutor(self._hosts * self._per_host, "web")
        asked = False
        try:
            while True:
                while self._waiting and len(ahead) < AHEAD:
                    ahead.append((self._waiting.popleft(), None))
                if not ahead:
                    if asked:
                        return
                    asked = True
                    self._waiting.extend(more())
                    continue
                ahead = self._started(ahead, pool)
                task, first = ahead[0]
                assert first is not None
                if first.done():
                    ahead.popleft()
                    yield task, first.result()
                else:
                    wait([future for _, future in ahead if future and not future.done()], return_when=FIRST_COMPLETED)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _started(
        self, ahead: deque[tuple[Task, Future[Result] | None]], pool: ThreadPoolExecutor
    ) -> deque[tuple[Task, Future[Result] | None]]:
        """The tasks with those started that may be: the first always, since the others wait for it."""
        busy = Counter(host_of(task.url) for task, future in ahead if future is not None and not future.done())
        started: deque[tuple[Task, Future[Result] | None]] = deque()
        for task, future in ahead:
            host = host_of(task.url)
            room = busy[host] < self._per_host and (host in busy or len(busy) < self._hosts)
            if future is None and (room or not started):
                future = pool.submit(self._visit, task)
                busy[host] += 1
            started.append((task, future))
        return started
