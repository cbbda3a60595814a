"""A process that docmill starts and stops again, with the last line it said. Imports no Prefect."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from pipeline.errors import ServerError

START_S = 120.0
STOP_S = 5.0


@dataclass(slots=True)
class Child:
    """A running Python module; `what` names it in messages and `cure` ends them."""

    what: str
    cure: str
    process: subprocess.Popen[bytes]
    errors: IO[bytes]

    def wait_for(self, url: str, timeout_s: float = START_S, between: Callable[[], None] = lambda: None) -> None:
        """Return as soon as the server at this URL of an API answers. Raises `ServerError` if the process ends instead,
        or is too slow."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            self.check()
            if answers(url, timeout_s=5):
                return
            between()
            time.sleep(0.1)
        raise ServerError(f"{self.what} did not answer within {timeout_s:g} s; {self.cure}")

    def check(self) -> None:
        """Raise `ServerError` if it is no longer there."""
        if (code := self.process.poll()) is not None:
            raise ServerError(f"{self.what} ended with {code}{self.last_words()}; {self.cure}")

    def stop(self, timeout_s: float = STOP_S) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()

    def last_words(self) -> str:
        """The last line of its standard error in brackets, or nothing."""
        self.errors.seek(0)
        lines = [line for line in self.errors.read().decode(errors="replace").splitlines() if line.strip()]
        return f" ({lines[-1].strip()[:200]})" if lines else ""


def start_child(
    module: str, arguments: Sequence[str], environment: Mapping[str, str], *, what: str, cure: str
) -> Child:
    """Start `python -m module` apart from this terminal: Ctrl-C is for its parent, which stops it in order."""
    errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process is stopped
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
    except OSError as error:
        raise ServerError(f"{what} could not start: {error.strerror}; {cure}") from error
    return Child(what, cure, process, errors)


def answers(url: str, timeout_s: float) -> bool:
    """Whether a Prefect API is at this URL and in health."""
    opener = build_opener(ProxyHandler({}))
    with suppress(URLError, OSError, ValueError), opener.open(f"{url}/health", timeout=timeout_s) as answer:
        return bool(answer.read(8).strip() == b"true")
    return False
