"""Killable parse workers: many documents in, their spooled events out, whatever a document does to its worker.

A worker that dies or hangs costs one page of a paged document, or one document of any other kind; the rest of the
queue never notices. It must not parse anything in the calling process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from pebble import ProcessExpired, ProcessPool

from pipeline.config import Limits
from pipeline.errors import DocmillError, WorkerDied, to_failure
from pipeline.parse import ParseOptions, crash, parse_document, spool, worker
from pipeline.parse.isolation import BareContext
from pipeline.types import Blob, Failure

PAGED = frozenset(
    {
        "application/pdf",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "image/tiff",
    }
)
RESUMES = 5  # crashed pages of one document that are left out before the document is given up
RESTARTS = 3  # of the whole pool without one document done
TASKS_PER_WORKER = 1000  # then it is replaced; what libraries leak is watched as well (`wear.py`)
HEARTBEAT_S = 1.0
WORKERS_FAIL = "parse workers end as soon as they start; `python -c 'import pipeline.parse.worker'` may tell why"


@dataclass(frozen=True, slots=True)
class ParseJob:
    """One document to parse; its events and files go to `work_dir`, which belongs to this job alone."""

    blob: Blob
    work_dir: Path
    options: ParseOptions
    parser: worker.Parser = parse_document  # a module-level function: workers import it by name


@dataclass(frozen=True, slots=True)
class Parsed:
    """A job's outcome. `failure` is the whole document's; failures of single pages are events in the spool."""

    job: ParseJob
    spool: Path
    failure: Failure | None
    seconds: float


@dataclass(slots=True)
class _Attempt:
    job: ParseJob
    options: ParseOptions
    resumes: int = 0
    spent_s: float = 0.0
    ended: float = 0.0
    offset: int = 0  # of its own events in the spool
    breaks: int = 0  # times the pool broke under it
    failure: Failure | None = None  # of the page that the previous attempt stumbled over

    @property
    def spool(self) -> Path:
        return self.job.work_dir / spool.NAME


@dataclass(slots=True)
class Sandbox:
    """A pool of parse workers; use it as a context manager. `workers` 0 means one a core."""

    workers: int
    limits: Limits
    _pool: ProcessPool | None = field(default=None, init=False)
    _closed: threading.Event = field(default_factory=threading.Event, init=False)
    _restarts: int = field(default=0, init=False)
    _ended: bool = field(default=False, init=False)
    _starting: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self.workers = self.workers or os.cpu_count() or 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True  # a thread that still parses must not start workers again
        with self._starting:  # those that it starts at this very moment are there to be stopped then
            self._close()

    def parse(self, jobs: Iterable[ParseJob]) -> Iterator[Parsed]:
        """Parse all jobs, yielding each as it is done; at most 2 * `workers` of them are taken ahead.

        Whatever a document does is a `Parsed.failure` or a `Failure` event. Raises `WorkerDied` only if workers
        cannot be started at all.
        """
        source = iter(jobs)
        running: dict[Future[Failure | None], _Attempt] = {}
        try:
            while True:
                while len(running) < 2 * self.workers and (job := next(source, None)) is not None:
                    self._start(_fresh(job), running)
                if not running:
                    return
                for future in self._wait(running):
                    outcome = self._outcome(future, running.pop(future))
                    if isinstance(outcome, Parsed):
                        yield outcome
                    else:
                        self._start(outcome, running)
        finally:
            for future in running:
                future.cancel()

    def _start(self, attempt: _Attempt, running: dict[Future[Failure | None], _Attempt]) -> None:
        job = attempt.job
        event_s = self.limits.page_s if _paged(job) else self.limits.document_s
        arguments = (job.parser, job.blob, job.work_dir, attempt.options, event_s)
        timeout_s = self.limits.document_s - attempt.spent_s
        with self._starting:
            pool = self._ready()
            os.truncate(attempt.spool, attempt.offset)  # of an attempt that was cut short by another's end
            attempt.ended = 0.0
            future: Future[Failure | None] = pool.schedule(worker.run, args=arguments, timeout=timeout_s)
        future.add_done_callback(lambda _: setattr(attempt, "ended", time.time()))
        running[future] = attempt

    def _wait(self, running: dict[Future[Failure | None], _Attempt]) -> list[Future[Failure | None]]:
        """Those that are done, in the order they were started; all of them when the pool broke."""
        while True:
            done, _ = wait(running, timeout=HEARTBEAT_S, return_when=FIRST_COMPLETED)
            if done:
                return [future for future in running if future in done]
            if self._pool is None or not self._pool.active:
                return list(running)

    def _outcome(self, future: Future[Failure | None], attempt: _Attempt) -> Parsed | _Attempt:
        error = future.exception() if future.done() else BrokenProcessPool("the pool has stopped")
        if isinstance(error, BrokenProcessPool) or _worn_out(error):  # before it read anything: nobody's fault
            attempt.breaks += 1
            if attempt.breaks <= RESTARTS:
                return attempt
            error = ProcessExpired("the pool broke under it again and again", code=-signal.SIGKILL)
        self._restarts = 0
        attempt.spent_s += _seconds(attempt)
        try:
            spool.repair(attempt.spool)
            if error is None:
                return _parsed(attempt, future.result() or _nothing_left(attempt))
            return self._after_crash(attempt, crash.cause(error, self.limits, _paged(attempt.job)))
        except (DocmillError, OSError) as problem:
            return _parsed(attempt, to_failure(problem, "parse"))

    def _after_crash(self, attempt: _Attempt, cause: DocmillError) -> Parsed | _Attempt:
        """Leave out the page that the worker died on and go on behind it, or give the document up."""
        job, name = attempt.job, attempt.job.blob.name
        whole = to_failure(type(cause)(f"{name}: {cause}"), "parse")
        if not _paged(job):
            return _parsed(attempt, whole)
        progress = crash.progress(attempt.spool, attempt.options.first_page)
        page = progress.next_page
        if attempt.spent_s >= self.limits.document_s:
            return _given_up(attempt, progress, whole, f"{name}: {cause}")
        if attempt.resumes == RESUMES:
            message = f"{name}: given up after {RESUMES + 1} pages that failed; the last, page {page}, {cause}"
            return _given_up(attempt, progress, whole, message)
        if progress.page_count is not None and page > progress.page_count:
            return self._after_last_page(attempt, progress, cause)
        failure = to_failure(type(cause)(f"{name}: page {page}: {cause}"), "parse", page)
        _note(attempt, failure)
        return replace(
            attempt,
            options=replace(attempt.options, first_page=page + 1),
            offset=attempt.spool.stat().st_size,
            resumes=attempt.resumes + 1,
            failure=failure,
        )

    def _after_last_page(self, attempt: _Attempt, progress: crash.Progress, cause: DocmillError) -> Parsed:
        name = attempt.job.blob.name
        if not progress.any_page:
            return _parsed(attempt, to_failure(type(cause)(f"{name}: {cause}"), "parse"))
        message = f"{name}: behind its last page: {cause}; attachments may be missing"
        _note(attempt, to_failure(type(cause)(message), "parse", progress.page_count))
        return _parsed(attempt, None)

    def _ready(self) -> ProcessPool:
        if self._ended:
            raise WorkerDied("parsing was stopped")
        if self._pool is None or not self._pool.active:
            if self._restarts > RESTARTS:
                raise WorkerDied(WORKERS_FAIL)
            self._restarts += 1
            self._close()
            self._pool = self._open()
        return self._pool

    def _open(self) -> ProcessPool:
        """Started by a thread of its own: a worker dies with the thread that started it, not with the process."""
        pool = ProcessPool(
            max_workers=self.workers,
            max_tasks=TASKS_PER_WORKER,
            initializer=worker.start,
            initargs=(self.limits, os.getpid()),
            context=BareContext(),
        )
        self._closed = closed = threading.Event()
        started = threading.Event()

        def keep() -> None:
            try:
                assert pool.active
            finally:
                started.set()
            closed.wait()

        threading.Thread(target=keep, name="docmill-sandbox", daemon=True).start()
        started.wait()
        return pool

    def _close(self) -> None:
        if self._pool is not None:
            self._pool.stop()
            _join(self._pool)
            self._pool = None
        self._closed.set()


def _join(pool: ProcessPool) -> None:
    """Wait until all workers are gone; Pebble trips over a worker that ends by itself at this very moment."""
    for _ in range(pool._context.workers + 1):
        with contextlib.suppress(KeyError):
            pool.join()
            return


def _fresh(job: ParseJob) -> _Attempt:
    attempt = _Attempt(job, job.options)
    job.work_dir.mkdir(parents=True, exist_ok=True)
    attempt.spool.write_bytes(b"")
    return attempt


def _paged(job: ParseJob) -> bool:
    return job.blob.media_type in PAGED


def _worn_out(error: BaseException | None) -> bool:
    return isinstance(error, ProcessExpired) and error.exitcode == worker.WORN_OUT


def _parsed(attempt: _Attempt, failure: Failure | None) -> Parsed:
    return Parsed(attempt.job, attempt.spool, failure, attempt.spent_s)


def _given_up(attempt: _Attempt, progress: crash.Progress, whole: Failure, message: str) -> Parsed:
    """The pages that were whole, with a failure that says what is missing; or the document's failure, without any."""
    if not progress.any_page:
        return _parsed(attempt, replace(whole, message=message))
    told = f"{message}; page {progress.next_page} and all behind it are missing"
    _note(attempt, replace(whole, message=told, page=progress.next_page))
    return _parsed(attempt, None)


def _seconds(attempt: _Attempt) -> float:
    """How long a worker was at it, whether it lived or not."""
    try:
        started = (attempt.job.work_dir / worker.STARTED).stat().st_mtime
    except OSError:
        return 0.0
    return max(0.0, (attempt.ended or time.time()) - started)


def _note(attempt: _Attempt, failure: Failure) -> None:
    with attempt.spool.open("ab") as out:
        spool.append(out, failure)


def _nothing_left(attempt: _Attempt) -> Failure | None:
    """The document's failure, if all that came of it is pages that failed."""
    if attempt.failure is None or crash.progress(attempt.spool, 1).any_page:
        return None
    return replace(attempt.failure, page=None)
