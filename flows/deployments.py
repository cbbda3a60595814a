"""The deployments as data, and their way to a server: what `docmill serve` applies and `prefect.yaml` repeats."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions
from prefect.client.schemas.schedules import CronSchedule
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema

from pipeline.config import Schedule
from pipeline.errors import UsageError


@dataclass(frozen=True, slots=True)
class Deployment:
    """A flow that a server can start: by hand with the form of its parameters, by a cron line, or by another flow."""

    name: str  # of the flow, and of its deployment
    entrypoint: str  # module.function, so that it works wherever docmill is installed
    description: str
    cron: str = ""
    limit: int | None = 1  # runs at a time; None for as many as the workers take
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"request": {}})

    def with_request(self, request: Mapping[str, Any]) -> Deployment:
        """The deployment with these fields of its request, too."""
        return replace(self, parameters={"request": {**self.parameters["request"], **request}})


DEPLOYMENTS = (
    Deployment("ingest", "flows.ingest.ingest", "Read sources into the store: what is new, changed or gone."),
    Deployment("backfill", "flows.backfill.backfill", "Read documents of the store again, or route their pages again."),
    Deployment("maintain", "flows.maintain.maintain", "Merge files, update indexes, take away old versions."),
    Deployment(
        "retry-quarantine",
        "flows.quarantine.retry_quarantine",
        "Try documents in quarantine again: of a fingerprint, by name, or all.",
    ),
    Deployment("canary", "flows.canary.canary", "Ask known questions again; fails if searches find less."),
    Deployment("reembed", "flows.reembed.reembed", "Move the store to other models, while it is in use."),
    Deployment("shard", "flows.shard.shard", "A part of a large run, which asks for it itself.", limit=None),
)


def scheduled(schedule: Schedule) -> tuple[Deployment, ...]:
    """The deployments with the cron lines of the settings. Raises `UsageError` for one that cannot be read."""
    crons = {"ingest": schedule.ingest, "maintain": schedule.maintain}
    crons |= {"retry-quarantine": schedule.retry, "canary": schedule.canary}
    for name, cron in crons.items():
        _check(f"schedule.{name.removesuffix('-quarantine')}", cron, schedule.timezone)
    if schedule.ingest and not schedule.sources:
        raise UsageError("schedule.ingest is set, but schedule.sources is empty: name what it is to read")
    return tuple(_with_cron(deployment, crons.get(deployment.name, "")) for deployment in DEPLOYMENTS)


def apply(
    client: SyncPrefectClient, deployments: Sequence[Deployment], *, folder: Path, pool: str, schedule: Schedule
) -> list[UUID]:
    """Make or update them in a work pool of processes whose runs work in `folder`; gives their ids."""
    return [_apply(client, deployment, folder, pool, schedule) for deployment in deployments]


def _apply(client: SyncPrefectClient, deployment: Deployment, folder: Path, pool: str, schedule: Schedule) -> UUID:
    flow: Flow[..., Any] = load_flow_from_entrypoint(deployment.entrypoint, use_placeholder_flow=False)
    crons = [_schedule(deployment.cron, schedule.timezone)] if deployment.cron else []
    queued = schedule.overlap == "queue"
    strategy = ConcurrencyLimitStrategy.ENQUEUE if queued else ConcurrencyLimitStrategy.CANCEL_NEW
    return client.create_deployment(
        flow_id=client.create_flow_from_name(flow.name),
        name=deployment.name,
        entrypoint=deployment.entrypoint,
        description=deployment.description,
        parameters=dict(deployment.parameters),
        parameter_openapi_schema=parameter_schema(flow).model_dump_for_openapi(),
        enforce_parameter_schema=True,
        schedules=crons,
        concurrency_limit=deployment.limit,
        concurrency_options=ConcurrencyOptions(collision_strategy=strategy) if deployment.limit else None,
        work_pool_name=pool,
        pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(folder)}}],
        job_variables={"command": f"{sys.executable} -m prefect.engine", "working_dir": str(folder)},
        tags=["docmill"],
    )


def _with_cron(deployment: Deployment, cron: str) -> Deployment:
    return replace(deployment, cron=cron.strip())


def _schedule(cron: str, timezone: str) -> DeploymentScheduleCreate:
    return DeploymentScheduleCreate(schedule=CronSchedule(cron=cron, timezone=timezone), active=True)


def _check(key: str, cron: str, timezone: str) -> None:
    if timezone not in available_timezones():
        raise UsageError(f"schedule.timezone = {timezone!r}: no such time zone; write it like Europe/Berlin")
    try:
        if cron.strip():
            CronSchedule(cron=cron.strip(), timezone=timezone)
    except ValueError as error:
        raise UsageError(f"{key} = {cron!r}: not a cron line; write five fields, such as 30 2 * * *") from error
