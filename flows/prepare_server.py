"""Makes a Prefect server ready for docmill: work pool, automation, deployments; all may be there already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from flows import heartbeat
from flows.deployments import Deployment, apply
from flows.server import reached
from pipeline.config import Settings
from pipeline.errors import UsageError


def prepare_server(
    settings: Settings, deployments: Sequence[Deployment], folder: Path, tell: Callable[[str], None]
) -> None:
    """Set up the server that Prefect's settings name. Raises `UsageError` for a work pool that cannot be used,
    `ServerError` if the server fails."""
    pool = settings.serve.pool
    with reached(), get_client(sync_client=True) as client:
        _make_pool(client, pool, tell)
        _tell_of_another_folder(client, deployments[0], folder, tell)
        heartbeat.install(client, [deployment.name for deployment in deployments])
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


def _tell_of_another_folder(
    client: SyncPrefectClient, deployment: Deployment, folder: Path, tell: Callable[[str], None]
) -> None:
    """A server has one set of deployments: whoever comes last says where they work."""
    try:
        steps = client.read_deployment_by_name(f"{deployment.name}/{deployment.name}").pull_steps or []
    except ObjectNotFound:
        return
    folders = {place for step in steps for options in step.values() if (place := options.get("directory"))}
    for other in folders - {str(folder)}:
        tell(f"the deployments of this server worked in {other}; from now on they work in {folder}")
