"""`python -m flows.temporary_server PORT PARENT`: a Prefect server that lives no longer than the process PARENT."""

from __future__ import annotations

import os
import sys
import threading
import time

import uvicorn

APP = "prefect.server.api.server:create_app"
LOOK_EVERY_S = 0.5


def main() -> None:
    port, parent = int(sys.argv[1]), int(sys.argv[2])
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    uvicorn.run(
        APP,
        factory=True,
        host="127.0.0.1",
        port=port,
        log_level="error",
        lifespan="on",
    )


def _end_with(parent: int) -> None:
    """A killed run cannot stop its server, so the server looks for itself."""
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY_S)
    os._exit(0)


if __name__ == "__main__":
    main()
