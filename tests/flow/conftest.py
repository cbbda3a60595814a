"""One temporary Prefect server for all flow tests."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def server() -> Iterator[str]:
    """Prefect's own harness: a server with a database of its own, never the user's. Gives the URL of its API."""
    import flows  # noqa: F401 - telemetry off, first of all

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Prefect's own, at import and at start
        from prefect.testing.utilities import prefect_test_harness

        with prefect_test_harness(server_startup_timeout=120):
            from prefect.settings import get_current_settings

            yield str(get_current_settings().api.url)
