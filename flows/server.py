"""The edge to Prefect's server: what goes wrong on the way to it becomes a one-line `ServerError` here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.context import SyncClientContext
from prefect.exceptions import PrefectException
from prefect.settings import get_current_settings

from pipeline.errors import ServerError

ANSWER_S = 15.0
SAFE = "what is in the table is safe, run again"


@contextmanager
def reached() -> Iterator[None]:
    """Within the block the server that Prefect's settings name is at hand. Raises `ServerError`, at the latest after
    some 15 seconds if nothing answers, and when the server fails or goes away later."""
    url = get_current_settings().api.url
    if url is not None:
        _knock(url)
    try:
        with SyncClientContext.get_or_create():
            yield
    except (httpx.HTTPError, PrefectException) as error:
        raise ServerError(f"the Prefect server at {url} failed ({_reason(error)}); {SAFE}") from error


def rename_run(name: str) -> None:
    """Give the flow run that this is called in another name."""
    with get_client(sync_client=True) as client:
        client.update_flow_run(runtime.flow_run.id, name=name)


def _knock(url: str) -> None:
    """One request with a short time limit: Prefect itself would try for minutes."""
    check = "check PREFECT_API_URL, or unset it for a temporary server"
    try:
        with get_client(sync_client=True, httpx_settings={"timeout": ANSWER_S}) as client:
            client.raise_for_api_version_mismatch()
    except (RuntimeError, httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        if "401 Unauthorized" in _reason(error):  # no port of that number
            check = "set PREFECT_API_AUTH_STRING, or serve.auth, to its user:password"
        raise ServerError(f"no usable Prefect server at {url} ({_reason(error)}); {check}") from error


def _reason(error: BaseException) -> str:
    """The root of the matter in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, httpx.HTTPStatusError):
        return f"it answered {error.response.status_code} {error.response.reason_phrase}"
    return " ".join(str(error).split())[:200] or type(error).__name__
