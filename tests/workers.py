"""A Prefect server of its own with the deployments, and workers as processes, for tests of fan-out and of crashes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import psutil

ROOT = Path(__file__).parents[1]
PREPARE = """
from pathlib import Path
import flows
from flows.local import import_prefect
import_prefect()
from flows.deployments import scheduled
from flows.prepare_server import prepare_server
from pipeline.config import Settings
settings = Settings.model_validate({"serve": {"pool": "test"}})
prepare_server(settings, scheduled(settings.schedule), Path.cwd(), print)
"""


@dataclass(slots=True)
class Pool:
    """A server with a work pool; workers are started and killed by name."""

    url: str
    folder: Path
    environment: Mapping[str, str]
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """A worker that has one run at a time, in a session of its own."""
        arguments = ["flows.worker", "test", name, "1", str(os.getpid())]
        self.workers[name] = _python("-m", *arguments, folder=self.folder, environment=self.environment, log=name)

    def kill(self, name: str) -> None:
        """SIGKILL to the worker and to the flow run that it has."""
        process = self.workers.pop(name)
        for child in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
            child.kill()
        process.wait()

    def taken(self, name: str) -> int:
        """How many shards a worker has brought to their end; two may reach for one, but only one of them gets it."""
        log = (self.folder / f"{name}.txt").read_text(errors="replace")
        return len(re.findall(r"Flow run 'shard [^']*' - Finished in state Completed", log))

    def stop(self, name: str) -> None:
        process = self.workers.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def runs(self, flow: str = "shard") -> list[dict[str, Any]]:
        """Flow runs of a flow, as the API gives them, oldest first."""
        from urllib.request import Request

        query = {"flows": {"name": {"any_": [flow]}}, "sort": "START_TIME_ASC", "limit": 200}
        body = json.dumps(query).encode()
        request = Request(f"{self.url}/flow_runs/filter", body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=30) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found


@contextmanager
def prefect_server(folder: Path, **more: str) -> Iterator[tuple[str, dict[str, str]]]:
    """A bare server with its database below `folder`, on a free port: the URL of its API, and the environment of its
    clients."""
    folder.mkdir(parents=True, exist_ok=True)
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PREFECT_HOME": str(folder / "prefect"),
        "OMP_NUM_THREADS": "1",
    }
    environment |= {"PREFECT_API_URL": url, "PREFECT_WORKER_QUERY_SECONDS": "2"}
    environment |= {"PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{folder / 'server.db'}"} | more
    server = _python("-m", "flows.server_process", str(port), str(os.getpid()), folder=folder, environment=environment)
    try:
        _wait(f"{url}/health", server)
        yield url, environment
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@contextmanager
def pool(folder: Path, **more: str) -> Iterator[Pool]:
    """A server that is set up as `docmill serve` does it, without workers."""
    with prefect_server(folder, **more) as (url, environment):
        subprocess.run([sys.executable, "-c", PREPARE], cwd=folder, env=environment, check=True, timeout=120)
        made = Pool(url, folder, environment)
        try:
            yield made
        finally:
            for name in list(made.workers):
                made.stop(name)


def _python(
    *arguments: str, folder: Path, environment: Mapping[str, str], log: str = "server"
) -> subprocess.Popen[bytes]:
    command = [sys.executable, *arguments]
    with (folder / f"{log}.txt").open("ab") as file:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=file, stderr=file, start_new_session=True)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert process.poll() is None, "the server ended"
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise AssertionError("the server did not answer")
