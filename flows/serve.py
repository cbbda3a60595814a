"""`docmill serve`: a Prefect server with UI, work pool, deployments and a worker, started and stopped as one.

Imports no Prefect at its top: the server starts while Prefect is being imported.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from flows.child import Child, answers, start_child
from flows.local import check_home, import_prefect
from flows.served import forget_server, home_of, note_server, noted_server
from pipeline.config import Serve, Settings
from pipeline.errors import ServerError, UsageError

LOCK = "serve.lock"
LOOK_EVERY_S = 0.5
JOIN_S = 10.0
STOP_RUNS_S = 40.0  # a run that ends in order finishes the commit that it is in
RESTARTS = 5  # of a worker in a row, each within a minute of its start
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Served:
    """What runs: the API of the server, and the address of its UI."""

    api: str
    joined: bool  # the server was there before

    @property
    def ui(self) -> str:
        return self.api.removesuffix("/api")


def serve(
    settings: Settings,
    folder: Path,
    tell: Tell,
    ready: Callable[[Served], None],
    *,
    request: Mapping[str, Any] | None = None,
    environment: MutableMapping[str, str] = os.environ,
) -> None:
    """Run until the process is told to stop; then stop all that was started, runs first. Runs work in `folder`, with
    `request` (`config`, `overrides`) as their parameters where nobody gives others.

    With PREFECT_API_URL set that server is joined: it gets the work pool, the deployments and a worker, and stays.
    Either way the other commands in `folder` find the server while this runs.

    Raises `UsageError` for settings and ports that do not work, `ServerError` if the server ends or never answers.
    """
    check_address(settings.serve)
    home = home_of(settings.serve, folder)
    check_home(home, "serve.home", "or give another one with serve.home")
    with ExitStack() as stack:
        stack.enter_context(_alone(home))
        environment.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
        environment["PREFECT_HOME"] = str(home)
        server = _join(settings.serve, environment) if environment.get("PREFECT_API_URL") else None
        if server is None:
            server = stack.enter_context(_server(settings.serve, home, environment))
        import_prefect()
        from flows.deployments import scheduled
        from flows.prepare_server import prepare_server

        deployments = scheduled(settings.schedule)
        if server.process is not None:
            server.process.wait_for(server.served.api)
        prepare_server(settings, [one.with_request(request or {}) for one in deployments], folder, tell)
        worker = stack.enter_context(_worker(settings.serve, environment))
        note_server(home, server.served.api)
        stack.callback(forget_server, home)
        ready(server.served)
        _watch(server, worker, tell)


def check_address(serve: Serve) -> None:
    """Raise `UsageError` for an address that others can reach without a password."""
    if serve.auth and not all(serve.auth.partition(":")):
        raise UsageError("serve.auth: must be user:password")
    if not serve.auth and not _is_loopback(serve.host):
        raise UsageError(
            f"serve.host = {serve.host}: others could reach the server, so set serve.auth (or DOCMILL_SERVE__AUTH) to "
            "user:password, or leave the host at 127.0.0.1"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    lock = FileLock(home / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        where = noted_server(home) or "it is still starting"
        raise UsageError(f"{home}: docmill serve runs here already ({where}); stop it, or set serve.home") from None
    try:
        yield
    finally:
        lock.release()


# the server -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Server:
    served: Served
    process: Child | None = None

    def check(self) -> None:
        if self.process is not None:
            self.process.check()


def _join(serve: Serve, environment: MutableMapping[str, str]) -> _Server:
    url = environment["PREFECT_API_URL"].rstrip("/")
    if serve.auth:
        environment.setdefault("PREFECT_API_AUTH_STRING", serve.auth)
    if not answers(url, JOIN_S):
        raise ServerError(f"no usable Prefect server at {url}; check PREFECT_API_URL, or unset it to start one")
    return _Server(Served(url, joined=True))


@contextmanager
def _server(serve: Serve, home: Path, environment: MutableMapping[str, str]) -> Iterator[_Server]:
    _check_port(serve)
    near = f"[{serve.host}]" if ":" in serve.host else serve.host
    near = near if _is_loopback(serve.host) else "127.0.0.1" if serve.host in ("0.0.0.0", "::") else near  # noqa: S104
    api = f"http://{near}:{serve.port}/api"
    environment["PREFECT_API_URL"] = api
    if serve.auth:
        environment["PREFECT_SERVER_API_AUTH_STRING"] = environment["PREFECT_API_AUTH_STRING"] = serve.auth
    own = {
        "PREFECT_UI_API_URL": "",  # older names of the same setting must not win
        "PREFECT_SERVER_UI_API_URL": environment.get("PREFECT_SERVER_UI_API_URL") or _seen_by_browsers(serve, api),
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"),
        "PREFECT_SERVER_API_HOST": serve.host,
        "PREFECT_SERVER_API_PORT": str(serve.port),
    }
    child = start_child(
        "flows.server_process",
        [str(serve.port), str(os.getpid()), serve.host],
        {**environment, **own},
        what="the Prefect server",
        cure=f"its files are in {home}; run it again, or set serve.home",
    )
    try:
        yield _Server(Served(api, joined=False), child)
    finally:
        child.stop()


def _seen_by_browsers(serve: Serve, api: str) -> str:
    """A server that listens on all addresses is reached by this machine's name."""
    if serve.host in ("0.0.0.0", "::"):  # noqa: S104
        return f"http://{socket.gethostname()}:{serve.port}/api"
    return api


def _check_port(serve: Serve) -> None:
    """Prefect would say it in a page of text, and only at the end of its start."""
    family = socket.AF_INET6 if ":" in serve.host else socket.AF_INET
    try:
        with closing(socket.socket(family)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((serve.host, serve.port))
    except OSError as error:
        url = f"http://{serve.host}:{serve.port}/api"
        join = f"; a Prefect server is there: PREFECT_API_URL={url} joins it" if answers(url, 2) else ""
        raise UsageError(
            f"port {serve.port} of {serve.host} cannot be used ({error.strerror}){join}; give another --port"
        ) from error


# the worker -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Worker:
    start: Callable[[], Child]
    child: Child
    started: float
    restarts: int = 0


@contextmanager
def _worker(serve: Serve, environment: MutableMapping[str, str]) -> Iterator[_Worker]:
    name = f"{socket.gethostname()}-{os.getpid()}"

    def start() -> Child:
        return start_child(
            "flows.worker",
            [serve.pool, name, str(serve.runs), str(os.getpid())],
            environment,
            what="the worker",
            cure="run docmill serve again",
        )

    worker = _Worker(start, start(), time.monotonic())
    try:
        yield worker
    finally:
        _stop_worker(worker.child)


def _stop_worker(child: Child) -> None:
    """Its runs end in order as well; what does not end in time is killed."""
    try:
        tree = psutil.Process(child.process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        tree = []
    child.stop(STOP_RUNS_S)
    for process in tree:
        if process.is_running():
            process.kill()


def _watch(server: _Server, worker: _Worker, tell: Tell) -> None:
    while True:
        server.check()
        if (code := worker.child.process.poll()) is not None:
            _restart(worker, code, tell)
        time.sleep(LOOK_EVERY_S)


def _restart(worker: _Worker, code: int, tell: Tell) -> None:
    quick = time.monotonic() - worker.started < 60
    worker.restarts = worker.restarts + 1 if quick else 1
    if worker.restarts > RESTARTS:
        worker.child.check()
    tell(f"the worker ended with {code}{worker.child.last_words()}; another one is started")
    worker.child.errors.close()
    worker.child, worker.started = worker.start(), time.monotonic()
