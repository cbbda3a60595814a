"""Makes a Prefect server ready for docmill: work pool, limits, automation, deployments; all may be there already."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from flows import heartbeat
from flows.deployments import apply, scheduled
from flows.server import reached
from pipeline.config import Settings
from pipeline.errors import UsageError

LIMITS = {"docmill-commit": 1}  # global concurrency limits: slots that writers on several machines share


def prepare_server(settings: Settings, folder: Path, tell: Callable[[str], None]) -> None:
    """Set up the server that Prefect's settings name. Raises `UsageError` for a pool or schedule that cannot be used,
    `ServerError` if the server fails."""
    deployments = scheduled(settings.schedule)
    pool = settings.serve.pool
    with reached(), get_client(sync_client=True) as client:
        _make_pool(client, pool, tell)
        for name, slots in LIMITS.items():
            _make_limit(client, name, slots)
        heartbeat.install(client)
        apply(client, deployments, folder=folder, pool=pool, schedule=settings.schedule)


def _make_pool(client: SyncPrefectClient, name: str, tell: Callable[[str], None]) -> None:
    try:
        client.create_work_pool(WorkPoolCreate(name=name, type="process"))
    except ObjectAlreadyExists:
        there = client.read_work_pool(name)
        if there.type != "process":
            raise UsageError(
                f"the work pool {name} is there and of type {there.type}, not process; set serve.pool to another name"
            ) from None
        if there.is_paused:
            tell(f"the work pool {name} is paused: no run starts until it is resumed in the UI")


def _make_limit(client: SyncPrefectClient, name: str, slots: int) -> None:
    try:
        client.read_global_concurrency_limit_by_name(name)
    except ObjectNotFound:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=slots))
