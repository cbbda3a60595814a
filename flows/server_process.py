"""`python -m flows.server_process PORT PARENT [HOST]`: a Prefect server that ends with the process PARENT."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

import uvicorn

APP = "prefect.server.api.server:create_app"
LOOK_EVERY_S = 0.5


def main() -> None:
    port, parent, host = int(sys.argv[1]), int(sys.argv[2]), (*sys.argv[3:], "127.0.0.1")[0]
    end_with(parent, lambda: os._exit(0))
    uvicorn.run(APP, factory=True, host=host, port=port, log_level="error", lifespan="on", timeout_graceful_shutdown=2)


def end_with(parent: int, end: Callable[[], object]) -> None:
    """Call `end` when the process that started this one is gone: a killed one cannot stop its children."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_EVERY_S)
        end()

    threading.Thread(target=look, daemon=True).start()


if __name__ == "__main__":
    main()
