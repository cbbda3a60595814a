"""`docmill serve` where a Prefect server runs already: it is joined, and it outlives what joined it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from urllib.request import urlopen

import pytest
from command import COMMAND
from serving import CLEAN, eventually, serving
from workers import prefect_server

pytestmark = [pytest.mark.flow, pytest.mark.filterwarnings("ignore")]  # Prefect's own warnings


@pytest.fixture
def server() -> None:
    """These tests need no other server beside their own."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "here" / "docs").mkdir(parents=True)
    (tmp_path / "here" / "docs" / "a.txt").write_text("the tide turns the wheel")
    return tmp_path / "here"


@pytest.fixture
def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "DOCMILL"))}
    return {**kept, **CLEAN}


def docmill(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_a_server_that_runs_is_joined_and_left_running(
    folder: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    """It gets deployments and a worker that takes their runs; `docmill ingest` in the folder shows there, too."""
    with prefect_server(tmp_path / "far") as (url, _):
        port = url.split(":")[2].removesuffix("/api")
        taken = docmill(folder, environment, "serve", "--port", port)
        with serving(folder, environment=environment | {"PREFECT_API_URL": url}) as served:
            asked = served.start("ingest", sources=["docs"])
            eventually(lambda: served.run(asked)["state"]["type"] == "COMPLETED", 120)
            by_hand = docmill(folder, environment, "ingest", "docs", "--json")
            family = served.family()
            served.process.terminate()
            code = served.process.wait(60)
        runs = {run["id"] for run in served.runs("COMPLETED")}
        with urlopen(f"{url}/deployments/name/ingest/ingest", timeout=30) as answer:
            deployment = json.loads(answer.read())

    assert (taken.returncode, taken.stderr.count("\n")) == (2, 1)
    assert f"a Prefect server is there: PREFECT_API_URL={url} joins it" in taken.stderr
    assert (served.api, code) == (url, 0)
    assert {asked, json.loads(by_hand.stdout)["run_id"]} == runs
    assert [process for process in family if process.is_running()] == []
    assert deployment["pull_steps"][0]["prefect.deployments.steps.set_working_directory"] == {"directory": str(folder)}
    assert not (folder / "docmill-server" / "server.json").exists()


@pytest.mark.slow
def test_a_server_with_a_password(folder: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    """Without it one line says what is missing; with it this folder's other commands have it as well."""
    with prefect_server(tmp_path / "far", PREFECT_SERVER_API_AUTH_STRING="tide:wheel") as (url, _):
        there = environment | {"PREFECT_API_URL": url}
        refused = docmill(folder, there, "serve")
        wrong = docmill(folder, there | {"DOCMILL_SERVE__AUTH": "tide:weal"}, "serve")
        (folder / "docmill.toml").write_text('[serve]\nauth = "tide:wheel"\n')
        with serving(folder, environment=there):
            done = docmill(folder, environment, "ingest", "docs", "--json")
        log = (tmp_path / "far" / "server.txt").read_text()

    for failed in (refused, wrong):
        assert (failed.returncode, failed.stderr.count("\n")) == (1, 1)
        assert "it answered 401 Unauthorized); set PREFECT_API_AUTH_STRING, or serve.auth" in failed.stderr
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in log
