"""Prefect flows: the only place that imports Prefect. Importing this package turns all telemetry off first."""

import os

QUIET = {
    "DO_NOT_TRACK": "1",
    "SCARF_NO_ANALYTICS": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}
os.environ.update(QUIET)
os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30")  # seconds; `flows/heartbeat.py` waits for them
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `cli` does, for runs that a Prefect worker starts
