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
import subprocess
import sys
import tempfile
import time
import tomllib
import warnings
from collections.abc import Mapping, MutableMapping
from contextlib import closing, redirect_stderr, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from platformdirs import user_cache_path

from pipeline.errors import ServerError, UsageError

START_S = 120.0
STOP_S = 5.0
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
    process: subprocess.Popen[bytes]
    errors: IO[bytes]

    def wait(self, timeout_s: float = START_S) -> None:
        """Return as soon as it answers. Raises `ServerError` if it ends instead, or is too slow."""
        opener = build_opener(ProxyHandler({}))
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if (code := self.process.poll()) is not None:
                raise ServerError(f"the temporary Prefect server ended with {code}{self._last_words()}; {self._cure()}")
            with suppress(URLError, OSError), opener.open(f"{self.url}/health", timeout=5):
                return
            time.sleep(0.1)
        raise ServerError(f"the temporary Prefect server did not answer within {timeout_s:g} s; {self._cure()}")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()

    def _last_words(self) -> str:
        self.errors.seek(0)
        lines = [line for line in self.errors.read().decode(errors="replace").splitlines() if line.strip()]
        return f" ({lines[-1].strip()[:200]})" if lines else ""

    def _cure(self) -> str:
        return f"its files are in {self.home}: move them away, {ADVICE}"


def local_server(environment: MutableMapping[str, str] = os.environ) -> TemporaryServer | None:
    """Start a temporary server and name it in the environment, unless a server is set there or in Prefect's profile.

    Call it before Prefect is imported, import Prefect while the server starts, and call `wait` before the first flow.
    The server ends with this process, however that ends, and not earlier: Prefect sends its last logs at the exit. Its
    database lives in docmill's cache folder, so that only the first run on a machine pays for making it; nothing of the
    user's own Prefect set-up is touched. Raises `ServerError`.
    """
    environment.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")  # our terminal output is the report
    if environment.get("PREFECT_API_URL") or _profile_names_server(environment):
        return None
    home = Path(environment["PREFECT_HOME"]) if environment.get("PREFECT_HOME") else _home()
    environment["PREFECT_HOME"] = str(home)
    _check_home(home)
    server = _start(home, environment)
    atexit.register(server.stop)
    environment["PREFECT_API_URL"] = server.url
    return server


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
    errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the server is stopped
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.temporary_server", str(port), str(os.getpid())],
            env={**environment, **SERVER},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,  # Ctrl-C is for the run; it stops the server last
        )
    except OSError as error:
        raise ServerError(f"the temporary Prefect server could not start: {error.strerror}; {ADVICE}") from error
    return TemporaryServer(f"http://127.0.0.1:{port}/api", home, process, errors)


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


def _check_home(home: Path) -> None:
    """Prefect would try for minutes."""
    try:
        _check_writable(home)
    except OSError as error:
        raise ServerError(
            f"PREFECT_HOME={home}: cannot be written to ({error.strerror}); change it, {ADVICE}"
        ) from error
    if _is_damaged(home / DATABASE):
        raise ServerError(f"{home / DATABASE}: is damaged; move it away, {ADVICE}")


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
