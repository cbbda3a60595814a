"""`docmill serve`: what it sets up, what it leaves behind, its schedules, and what becomes of runs that are killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest
from command import COMMAND, ROOT
from serving import CLEAN, Served, eventually, serving

pytestmark = [pytest.mark.flow, pytest.mark.filterwarnings("ignore")]  # Prefect's own warnings

MET = ("Cancelled", "AwaitingConcurrencySlot", "Running", "Completed")  # what may become of a second run
MINUTELY = '[schedule]\nsources = ["docs"]\ningest = "* * * * *"\n'


@pytest.fixture
def server() -> None:
    """These tests need no other server beside their own."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    for name, text in {"a.txt": "the tide turns the wheel", "b.md": "# Sluice\n\nThe gate leaks."}.items():
        (tmp_path / "docs" / name).write_text(text)
    return tmp_path


@pytest.fixture
def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "DOCMILL"))}
    return {**kept, **CLEAN}


@pytest.fixture
def served(folder: Path, environment: dict[str, str]) -> Iterator[Served]:
    with serving(folder, environment=environment) as served:
        yield served


def test_one_command_sets_up_everything_and_takes_it_down(
    served: Served, folder: Path, environment: dict[str, str]
) -> None:
    """UI on this port, pool, deployments, automation; `docmill ingest` in the folder shows there; nothing is left."""
    with urlopen(f"{served.ui}/ui-settings", timeout=30) as answer:
        ui = json.loads(answer.read())
    deployments = {one["name"]: one for one in served.ask("/deployments/filter")}
    automations = served.ask("/automations/filter")
    arguments = ["ingest", "docs", "--workers", "1", "--json"]
    done = subprocess.run([*COMMAND, *arguments], cwd=folder, env=environment, capture_output=True, timeout=120)
    (run,) = served.runs("COMPLETED")
    family = served.family()
    served.process.terminate()
    code = served.process.wait(60)

    assert ui["api_url"] == served.api
    assert {"ingest", "backfill", "maintain", "retry-quarantine", "canary"} <= deployments.keys()
    assert {one["work_pool_name"] for one in deployments.values()} == {"docmill"}
    assert [one["enabled"] for one in automations] == [True]
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run_id"] == run["id"]
    assert run["name"].startswith("ingest docs 2")
    assert run["name"].endswith(" (2 files)")
    assert code == 0
    assert [process for process in family if process.is_running()] == []
    assert not (folder / "docmill-server" / "server.json").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_cron_line_fires_twice(folder: Path, environment: dict[str, str]) -> None:
    """Every minute a run of the sources of docmill.toml, by the worker; the second finds nothing to do."""
    (folder / "docmill.toml").write_text(MINUTELY)
    with serving(folder, environment=environment) as served:
        runs = eventually(lambda: (done := served.runs("COMPLETED"))[1:] and done, 400)
        first, second = (run["name"] for run in runs[:2])

    assert first.startswith("ingest docs 2")
    assert (first[-9:], second[-9:]) == ("(2 files)", "(2 files)")
    assert all(run["auto_scheduled"] for run in runs)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("overlap", ["cancel", "queue"])
def test_a_run_that_finds_one_at_work(overlap: str, folder: Path, environment: dict[str, str]) -> None:
    """It is cancelled, or waits and begins when the first has ended, as `schedule.overlap` says."""
    for number in range(300):
        (folder / "docs" / f"{number}.txt").write_text(f"part {number} of the book of the mill " * 40)
    (folder / "docmill.toml").write_text(f'[schedule]\noverlap = "{overlap}"\n')
    slowly = {"batch_documents": 4, "workers": 1}
    with serving(folder, environment=environment) as served:
        first = served.start("ingest", sources=["docs"], overrides=slowly)
        eventually(lambda: served.run(first)["state"]["type"] == "RUNNING", 120)
        second = served.start("ingest", sources=["docs"], overrides=slowly)
        met = eventually(lambda: (name := served.run(second)["state"]["name"]) in MET and name, 120)
        meanwhile = served.run(first)["state"]["type"]
        eventually(lambda: served.run(first)["end_time"], 300)
        eventually(lambda: served.run(second)["state"]["type"] in ("CANCELLED", "COMPLETED"), 200)
        one, two = served.run(first), served.run(second)

    assert (one["state"]["type"], meanwhile) == ("COMPLETED", "RUNNING")
    if overlap == "cancel":
        assert (met, two["state"]["type"], two["total_run_time"]) == ("Cancelled", "CANCELLED", 0)
    else:
        assert (met, two["state"]["type"]) == ("AwaitingConcurrencySlot", "COMPLETED")
        assert two["start_time"] > one["end_time"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_whose_worker_is_killed_too_is_marked_crashed(folder: Path, environment: dict[str, str]) -> None:
    """Nobody is left to tell; the missing heartbeats do. The next run has the lock and the slot, and finishes."""
    for number in range(400):
        (folder / "docs" / f"{number}.txt").write_text(f"part {number} of the book of the mill " * 40)
    with serving(folder, environment=environment) as served:
        killed = served.start("ingest", sources=["docs"], overrides={"batch_documents": 4, "workers": 1})
        eventually(lambda: served.run(killed)["state"]["type"] == "RUNNING", 120)
        eventually((folder / "docmill-data" / ".docmill.writer.json").exists, 120)
        for process in (*_worker(served).children(recursive=True), _worker(served)):
            process.send_signal(signal.SIGKILL)
        state = eventually(lambda: (found := served.run(killed)["state"])["type"] == "CRASHED" and found, 240)
        again = served.start("ingest", sources=["docs"])
        eventually(lambda: served.run(again)["state"]["type"] == "COMPLETED", 240)

    assert state["message"].startswith("No heartbeat for two minutes")


def _worker(served: Served) -> psutil.Process:
    return next(process for process in served.family() if "flows.worker" in process.cmdline())


@pytest.mark.parametrize(
    ("toml", "arguments", "message"),
    [
        ("", ["--host", "0.0.0.0"], "others could reach the server, so set serve.auth"),
        ("[serve]\nauth = 'secret'\n", [], "serve.auth: must be user:password"),
        (
            "[schedule]\ningest = '1 2 3 4 x'\nsources = ['docs']\n",
            [],
            "schedule.ingest = '1 2 3 4 x': not a cron line",
        ),
    ],
)
def test_what_cannot_work_is_one_line(
    toml: str, arguments: list[str], message: str, folder: Path, environment: dict[str, str]
) -> None:
    """At once, with exit code 2."""
    (folder / "docmill.toml").write_text(toml)
    done = subprocess.run(
        [*COMMAND, "serve", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({"ingest": "0 1 * * *"}, "schedule.sources is empty"),
        ({"timezone": "Atlantis"}, "schedule.timezone = 'Atlantis': no such time zone"),
        ({"retry": "0 25 * * *"}, "schedule.retry = '0 25 * * *': not a cron line"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused(schedule: dict[str, str], message: str) -> None:
    """With the key that is wrong."""
    from flows.deployments import scheduled
    from pipeline.config import Schedule
    from pipeline.errors import UsageError

    with pytest.raises(UsageError, match=re.escape(message)):
        scheduled(Schedule.model_validate(schedule))


def test_prefect_yaml_says_the_same() -> None:
    """What `prefect deploy --all` sets up is what `docmill serve` sets up by default."""
    from ruamel.yaml import YAML

    from flows.deployments import scheduled
    from pipeline.config import Schedule

    written = YAML(typ="safe").load((ROOT / "prefect.yaml").read_text())["deployments"]
    wanted = {one.name: one for one in scheduled(Schedule())}

    assert {one["name"] for one in written} == wanted.keys()
    for one in written:
        deployment = wanted[one["name"]]
        crons = [schedule["cron"] for schedule in one.get("schedules", [])]
        limit = one.get("concurrency_limit")
        assert (one["entrypoint"], one["description"]) == (deployment.entrypoint, deployment.description)
        assert crons == ([deployment.cron] if deployment.cron else [])
        assert (limit["limit"] if limit else None) == deployment.limit
        assert one["parameters"] == deployment.parameters


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_killed_server_command_leaves_nothing(folder: Path, environment: dict[str, str]) -> None:
    """Server, worker and their runs end by themselves, and the next start takes over what is there."""
    with serving(folder, environment=environment) as served:
        family = served.family()
        served.process.kill()
        eventually(lambda: not any(map(_is_alive, family)), 60)
    with serving(folder, environment=environment) as served:
        automations = served.ask("/automations/filter")

    assert len(family) >= 2
    assert len(automations) == 1


def _is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
