"""Where `docmill serve` runs: a note in its home folder, by which the other commands find the server. No Prefect."""

from __future__ import annotations

import json
from pathlib import Path

from flows.child import answers
from pipeline.config import Serve

NOTE = "server.json"
ANSWER_S = 3.0


def home_of(serve: Serve, folder: Path) -> Path:
    """The folder of the server that is served for `folder`."""
    return (folder / Path(serve.home).expanduser()).absolute()


def note_server(home: Path, url: str) -> None:
    (home / NOTE).write_text(json.dumps({"url": url}))


def forget_server(home: Path) -> None:
    (home / NOTE).unlink(missing_ok=True)


def noted_server(home: Path) -> str | None:
    """The URL of the API that was noted, whether or not it answers."""
    try:
        url = json.loads((home / NOTE).read_text())["url"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(url)


def find_served(serve: Serve, folder: Path) -> str | None:
    """The URL of the API that `docmill serve` runs for this folder, if it answers."""
    url = noted_server(home_of(serve, folder))
    return url if url is not None and answers(url, ANSWER_S) else None
