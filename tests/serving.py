"""`docmill serve` in a process of its own, in a folder of its own, on a free port."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
from command import COMMAND, ROOT

CLEAN = {"PREFECT_API_URL": "", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


@dataclass
class Served:
    """A server that answers, and the processes that it runs in."""

    process: subprocess.Popen[str]
    api: str
    ui: str

    def ask(self, path: str, **body: object) -> Any:
        """POST to the API, as its UI does."""
        head = {"content-type": "application/json"}
        with urlopen(Request(f"{self.api}{path}", json.dumps(body).encode(), head), timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def runs(self, *states: str) -> list[dict[str, Any]]:
        """Flow runs in these types of state, in order of their start."""
        found = self.ask("/flow_runs/filter", flow_runs={"state": {"type": {"any_": states}}})
        return sorted(found, key=lambda run: run["start_time"] or "")

    def start(self, name: str, **request: object) -> str:
        """Start a run of a deployment; gives its id."""
        with urlopen(f"{self.api}/deployments/name/{name}/{name}", timeout=30) as answer:
            deployment = json.loads(answer.read())["id"]
        parameters = {"request": request}
        return str(self.ask(f"/deployments/{deployment}/create_flow_run", parameters=parameters)["id"])

    def run(self, run_id: str) -> dict[str, Any]:
        with urlopen(f"{self.api}/flow_runs/{run_id}", timeout=30) as answer:
            run: dict[str, Any] = json.loads(answer.read())
        return run

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@contextmanager
def serving(folder: Path, *arguments: str, environment: dict[str, str]) -> Iterator[Served]:
    """Within the block the server runs; it is stopped with SIGTERM, and nothing of it is left."""
    port = str(free_port())
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", port, "--json", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield Served(process, **json.loads(line))
    finally:
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.terminate()
        try:
            process.wait(90)
        finally:
            process.kill()
            process.stdout.close()
            process.stderr.close()
            for child in family:
                if child.is_running():
                    child.kill()


def eventually(condition: Callable[[], Any], timeout_s: float) -> Any:
    """What the condition gives, as soon as that is true."""
    until = time.monotonic() + timeout_s
    while not (result := condition()):
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.5)
    return result


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
