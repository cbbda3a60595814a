"""What becomes of runs whose process is gone: the automation that marks them Crashed when their heartbeats stop."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

NAME = "docmill: runs without a heartbeat have crashed"
SILENCE_S = 120  # more than three heartbeats, which come every 30 seconds (`flows/__init__.py`)
MESSAGE = (
    "No heartbeat for two minutes: the process of this run is gone. What it wrote is safe; its lock is free. "
    "The next run goes on where it was."
)


def install(client: SyncPrefectClient, flows: Sequence[str], silence_s: float = SILENCE_S) -> None:
    """Make the automation for runs of these flows, or bring one of an earlier start up to date."""
    wanted = automation(flows, silence_s)
    known = client.read_automations_by_name(NAME)
    if not known:
        client.create_automation(wanted)
        return
    for one in known[1:]:
        client.delete_automation(one.id)
    client.update_automation(known[0].id, wanted)


def automation(flows: Sequence[str], silence_s: float) -> AutomationCore:
    """After the start or a heartbeat of a run another one, or its end, is expected within so many seconds.

    Other flows of the same server, which may have no heartbeats, are left alone.
    """
    return AutomationCore(
        name=NAME,
        description="Installed by `docmill serve`.",
        trigger=EventTrigger(
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification(
                {"prefect.resource.role": "flow", "prefect.resource.name": list(flows)}
            ),
            after={"prefect.flow-run.Running", "prefect.flow-run.heartbeat"},
            expect={
                "prefect.flow-run.heartbeat",
                "prefect.flow-run.Completed",
                "prefect.flow-run.CompletedWithQuarantine",
                "prefect.flow-run.Failed",
                "prefect.flow-run.Cancelled",
                "prefect.flow-run.Crashed",
                "prefect.flow-run.AwaitingRetry",
            },
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=dt.timedelta(seconds=silence_s),
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, name="Crashed", message=MESSAGE)],
    )
