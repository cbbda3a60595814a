"""A server is made ready as often as one likes; what cannot be used is said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import Settings
from pipeline.errors import UsageError

pytestmark = [pytest.mark.flow, pytest.mark.filterwarnings("ignore")]  # Prefect's own warnings


def prepare(folder: Path, **settings: object) -> list[str]:
    """What it tells; the settings are those of `docmill.toml`."""
    from flows.deployments import scheduled
    from flows.prepare_server import prepare_server

    told: list[str] = []
    chosen = Settings.model_validate(settings)
    prepare_server(chosen, scheduled(chosen.schedule), folder, told.append)
    return told


def test_a_second_time_brings_it_up_to_date(tmp_path: Path) -> None:
    """A changed cron line and overlap are taken over, and nothing is there twice; a paused pool is pointed out."""
    from prefect.client.orchestration import get_client

    from flows import heartbeat

    schedule = {"sources": ["docs"], "ingest": "0 1 * * *"}
    first = prepare(tmp_path, schedule=schedule)
    with get_client(sync_client=True) as client:
        client.request("PATCH", "/work_pools/docmill", json={"is_paused": True})
        second = prepare(tmp_path, schedule={**schedule, "ingest": "0 2 * * *", "overlap": "queue"})
        ingest = client.read_deployment_by_name("ingest/ingest")
        automations = client.read_automations_by_name(heartbeat.NAME)

    assert first == []
    assert second == ["the work pool docmill is paused: no run starts until it is resumed in the UI"]
    assert [schedule.schedule.cron for schedule in ingest.schedules] == ["0 2 * * *"]
    assert ingest.concurrency_options.collision_strategy.value == "ENQUEUE"
    assert len(automations) == 1


def test_deployments_that_worked_in_another_folder_are_pointed_out(tmp_path: Path) -> None:
    """There is one set of them on a server, and the last one who comes has it."""
    first, again, other = (prepare(tmp_path / name, serve={"pool": "shared"}) for name in ("one", "one", "two"))

    assert not any(str(tmp_path / "one") in line for line in again)
    assert f"worked in {tmp_path / 'one'}; from now on they work in {tmp_path / 'two'}" in other[-1]
    assert len(first) <= 1  # of the tests before


def test_a_work_pool_of_another_kind_is_refused(tmp_path: Path) -> None:
    """Its runs would need an image; another name helps."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate

    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="far-away", type="docker"))
    with pytest.raises(UsageError, match="the work pool far-away is there and of type docker, not process"):
        prepare(tmp_path, serve={"pool": "far-away"})


def test_what_the_command_line_said_holds_for_the_runs(tmp_path: Path) -> None:
    """The settings file and the store of `docmill serve` are parameters of its deployments, beside their own."""
    from flows.deployments import scheduled
    from pipeline.config import Schedule

    said = {"config": "/srv/mine.toml", "overrides": {"store": "s3://bucket/db"}}
    deployments = [one.with_request(said) for one in scheduled(Schedule())]

    assert {one.name for one in deployments} >= {"ingest", "maintain"}
    assert all(one.parameters == {"request": said} for one in deployments)
