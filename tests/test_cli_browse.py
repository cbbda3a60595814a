"""`docmill browse` as a command: what it says, where it listens, how it ends."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from browsing import make_store
from command import start
from serving import free_port

from cli.main import run


@contextmanager
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        yield int(holder.getsockname()[1])


def test_it_answers_and_ends_in_order(tmp_path: Path) -> None:
    """One line of JSON once it answers; SIGTERM and Ctrl-C end it with 0."""
    store, codes = make_store(tmp_path).uri, []
    for ending in (signal.SIGTERM, signal.SIGINT):
        process = start(["browse", "--store", store, "--port", str(free_port()), "--json"])
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        with urlopen(f"{url}/documents", timeout=30) as answer:
            page = answer.read().decode()
        process.send_signal(ending)
        codes.append(process.wait(30))
        process.communicate()

    assert "report.pdf" in page
    assert codes == [0, 0]


def test_what_cannot_be_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No store, a port that is taken, an address without a token: 2, and what to do."""
    store = make_store(tmp_path).uri
    with taken() as port:
        codes = [
            run(["browse", "--store", str(tmp_path / "none"), "--port", str(free_port())]),
            run(["browse", "--store", store, "--port", str(port)]),
            run(["browse", "--store", store, "--host", "0.0.0.0"]),
            run(["browse", "--store", store, "--host", "203.0.113.7"]),
        ]
    told = capsys.readouterr().err.splitlines()

    assert codes == [2, 2, 2, 2]
    assert len(told) == 4
    assert all(word in line for word, line in zip(["ingest", "--port", "token", "token"], told, strict=True))
