"""The temporary local Prefect server of a run that was given none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import MutableMapping
from pathlib import Path

from platformdirs import user_cache_path


def use_local_server(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Prepare the environment for Prefect's own temporary server, unless a server or a Prefect home is set already.

    Call it before Prefect is imported. Its database lives in docmill's cache folder, so that only the first run on a
    machine pays for making it; nothing of the user's own Prefect set-up is touched. Gives True if it is used.
    """
    environment.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")  # our terminal output is the report
    if "PREFECT_API_URL" in environment or _profile_names_server(environment):
        return False
    if "PREFECT_HOME" not in environment:
        environment["PREFECT_HOME"] = str(_home())
    environment.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
    environment.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
    return True


def _home() -> Path:
    """A folder for Prefect that can be written to: in the cache, or a temporary one where there is no home."""
    home = user_cache_path("docmill") / "prefect"
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="docmill-prefect-"))
    return home if os.access(home, os.W_OK) else Path(tempfile.mkdtemp(prefix="docmill-prefect-"))


def _profile_names_server(environment: MutableMapping[str, str]) -> bool:
    home = Path(environment.get("PREFECT_HOME", "~/.prefect")).expanduser()
    try:
        return "PREFECT_API_URL" in (home / "profiles.toml").read_text()
    except OSError:
        return False
