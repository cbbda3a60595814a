"""The temporary local Prefect server of a run that was given none."""

from __future__ import annotations

import os
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
    environment.setdefault("PREFECT_HOME", str(user_cache_path("docmill") / "prefect"))
    environment.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
    environment.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
    return True


def _profile_names_server(environment: MutableMapping[str, str]) -> bool:
    home = Path(environment.get("PREFECT_HOME", "~/.prefect")).expanduser()
    try:
        return "PREFECT_API_URL" in (home / "profiles.toml").read_text()
    except OSError:
        return False
