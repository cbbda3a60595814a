"""The writer lock: one process at a time writes to a store. The system frees it when its holder dies."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from pipeline.errors import StoreBusy
from pipeline.store.edge import translated

LOCK = ".docmill.lock"
HOLDER = ".docmill.writer.json"  # who holds the lock, for the message to others; it means nothing without the lock
WORK = ".work"  # intermediate files of the run that writes
WEB = "web"  # what was fetched from the web
SHARED = ".shared-work"  # a folder in it for each of the runs that share the store
NOTES = ".docmill."  # how the names of small files for docmill itself begin
OURS = (WORK, WEB, SHARED)
PATIENCE_S = 1.0  # a wait that is over sooner is not worth a word


@contextmanager
def writer_lock(uri: str, timeout_s: float, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the lock. Raises `StoreBusy`, naming the holder, if it is not free within `timeout_s` seconds; `waiting` is
    told, once, who holds it meanwhile.

    An object store has no lock of the system: there the lock keeps writers of one user and machine apart, no others.
    """
    folder = _folder(uri)
    with translated(uri, "lock the store for writing"):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK, thread_local=False)
        try:
            try:
                lock.acquire(timeout=min(PATIENCE_S, timeout_s))
            except Timeout:
                if waiting is not None:
                    waiting(_holder(folder))
                lock.acquire(timeout=max(0.0, timeout_s - PATIENCE_S))
        except Timeout:
            raise StoreBusy(
                f"{uri}: another run is writing to this store ({_holder(folder)}); wait for it to end, or stop it"
            ) from None
    try:
        with translated(uri, "lock the store for writing"):
            _note(folder)
        yield
    finally:
        with suppress(OSError):
            (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def _folder(uri: str) -> Path:
    if "://" in uri:
        return user_cache_path("docmill") / "locks" / hashlib.sha256(uri.encode()).hexdigest()[:32]
    return Path(uri)


def _note(folder: Path) -> None:
    started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    (folder / HOLDER).write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "started": started}))


def _holder(folder: Path) -> str:
    try:
        note = json.loads((folder / HOLDER).read_text())
        return f"process {note['pid']} on {note['host']}, since {note['started']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "its process is not known"
