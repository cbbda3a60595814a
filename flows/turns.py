"""Whose turn it is to write to a store: one at a time, by its lock, and in an object store by a limit of Prefect's.

A store on a disk has a lock of the system, which is free the moment that its holder dies. An object store has none:
there a global concurrency limit of the Prefect server keeps machines apart, and a killed run's slot is free after a
minute.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency

from flows.signals import undisturbed
from pipeline.ingest.manifest import store_name
from pipeline.store import Store, doc_id

WAIT_S = 7 * 24 * 3600.0  # a run that shares its store gives way to others for as long as they take
LEASE_S = 60.0  # so long a slot stays taken after its holder was killed


def limit_name(store: str) -> str:
    """The global concurrency limit of the commits to a store.

    >>> limit_name("s3://bucket/db")
    'docmill-commit-6d360c8b1776'
    """
    return f"docmill-commit-{doc_id(store_name(store))[:12]}"


def ensure_limit(store: str) -> None:
    """Make the limit of a store on the server, if it needs one and it is not there."""
    if "://" not in store_name(store):
        return
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(limit_name(store), 1)


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@contextmanager
def turn(store: Store) -> Iterator[None]:
    """Within the block no other run writes: the lock first, so that a run that waits for it holds nothing. A signal
    waits until the block ends."""
    shared = concurrency(limit_name(store.uri), lease_duration=LEASE_S) if "://" in store.uri else nullcontext()
    with store.writer(WAIT_S), shared, undisturbed():
        yield
