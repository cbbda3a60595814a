"""The Prefect server of one run: the one the user set, or a temporary one that ends with this process.

Imports no Prefect, so that a server can be started before Prefect reads its settings.
"""

from __future__ import annotations

import atexit
import io
import logging
import os
import shutil
import socket
import sqlite3
import tempfile
import tomllib
import warnings
from collections.abc import Mapping, MutableMapping
from contextlib import closing, redirect_stderr
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from platformdirs import user_cache_path

from flows.child import START_S, Child, start_child
from flows.served import find_served, home_of
from pipeline.config import Serve
from pipeline.errors import ServerError, UsageError

ADVICE = "or set PREFECT_API_URL to a running server"
DATABASE = "prefect.db"
SERVER = {  # no pages, and no words of its own
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
}


@dataclass(slots=True)
class TemporaryServer:
    """A server process that was started, and perhaps does not answer yet."""

    url: str
    home: Path
    child: Child

    def wait(self, timeout_s: float = START_S) -> None:
        """Return as soon as it answers. Raises `ServerError` if it ends instead, or is too slow."""
        self.child.wait_for(self.url, timeout_s)

    def stop(self) -> None:
        self.child.stop()


def local_server(
    serve: Serve | None = None, folder: Path | None = None, environment: MutableMapping[str, str] = os.environ
) -> TemporaryServer | None:
    """Start a temporary server and name it in the environment, unless a server is set there, is served for `folder`, or
    is set in Prefect's profile.

    Call it before Prefect is imported, import Prefect while the server starts, and call `wait` before the first flow.
    The server ends with this process, however that ends, and not earlier: Prefect sends its last logs at the exit. Its
    database lives in docmill's cache folder, so that only the first run on a machine pays for making it; nothing of the
    user's own Prefect set-up is touched. Raises `ServerError`.
    """
    environment.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")  # our terminal output is the report
    if has_server(serve, folder, environment):
        return None
    home = Path(environment["PREFECT_HOME"]) if environment.get("PREFECT_HOME") else _home()
    environment["PREFECT_HOME"] = str(home)
    check_home(home)
    server = _start(home, environment)
    atexit.register(server.stop)
    environment["PREFECT_API_URL"] = server.url
    return server


def has_server(
    serve: Serve | None = None, folder: Path | None = None, environment: MutableMapping[str, str] = os.environ
) -> bool:
    """Whether the user has a server: named in the environment, which a `docmill serve` of this folder is put into, or
    in Prefect's profile."""
    if environment.get("PREFECT_API_URL"):
        return True
    if serve is not None and folder is not None and (url := find_served(serve, folder)):
        environment["PREFECT_API_URL"] = url
        environment["PREFECT_HOME"] = str(home_of(serve, folder))
        if serve.auth:
            environment.setdefault("PREFECT_API_AUTH_STRING", serve.auth)
        return True
    return _profile_names_server(environment)


def import_prefect() -> None:
    """Import Prefect, which reads its settings at that moment. Raises `UsageError` if they are not valid."""
    logging.raiseExceptions = False  # a log line that cannot be sent to the server is not printed instead
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            import_module("prefect.main")
    except (ValueError, OSError) as error:
        text = " ".join(str(error).split()).partition(" For further")[0][:300]
        raise UsageError(f"Prefect's settings are not usable: {text}; check the PREFECT_* variables") from error


def _start(home: Path, environment: Mapping[str, str]) -> TemporaryServer:
    port = _free_port()
    child = start_child(
        "flows.server_process",
        [str(port), str(os.getpid())],
        {**environment, **SERVER},
        what="the temporary Prefect server",
        cure=f"its files are in {home}: move them away, {ADVICE}",
    )
    return TemporaryServer(f"http://127.0.0.1:{port}/api", home, child)


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _home() -> Path:
    """A folder for Prefect that can be written to: in the cache, or a temporary one where there is no home.

    A database that is none any more is thrown away: it only remembers earlier runs.
    """
    home = user_cache_path("docmill") / "prefect"
    try:
        _check_writable(home)
    except OSError:
        home = Path(tempfile.mkdtemp(prefix="docmill-prefect-"))
        atexit.register(shutil.rmtree, home, ignore_errors=True)
    if _is_damaged(home / DATABASE):
        shutil.rmtree(home, ignore_errors=True)
    return home


def check_home(home: Path, name: str = "PREFECT_HOME", advice: str = ADVICE) -> None:
    """Raise `ServerError` for a folder or database that cannot be used: Prefect would try for minutes."""
    try:
        _check_writable(home)
    except OSError as error:
        raise ServerError(f"{name}={home}: cannot be written to ({error.strerror}); change it, {advice}") from error
    if _is_damaged(home / DATABASE):
        raise ServerError(f"{home / DATABASE}: is damaged; move it away, {advice}")


def _check_writable(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def _is_damaged(database: Path) -> bool:
    if not database.exists():
        return False
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:  # locked by another run, for example
        return False
    except sqlite3.DatabaseError:
        return True
    return False


def _profile_names_server(environment: Mapping[str, str]) -> bool:
    profiles = Path(environment.get("PREFECT_HOME") or "~/.prefect").expanduser() / "profiles.toml"
    try:
        text = profiles.read_text()
        tomllib.loads(text)
    except OSError:
        return False
    except ValueError as error:
        raise UsageError(f"{profiles}: not valid TOML: {error}; mend it or move it away") from error
    return "PREFECT_API_URL" in text
