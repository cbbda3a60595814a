"""`python -m flows.worker POOL NAME RUNS PARENT`: a Prefect worker that ends in order, and with the process PARENT."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from types import FrameType

import psutil
from prefect.workers.process import ProcessWorker

from flows.server_process import end_with

GRACE_S = 10.0


def main() -> None:
    pool, name, runs, parent = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    signal.signal(signal.SIGTERM, _end)
    end_with(parent, _end_soon)
    worker = ProcessWorker(work_pool_name=pool, name=name, limit=runs, create_pool_if_not_found=False)
    try:
        asyncio.run(worker.start(printer=lambda *_: None))
    except KeyboardInterrupt:
        sys.exit(0)


def _end_soon() -> None:
    """The server may be gone as well, and then ending in order takes minutes."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(1)


def _end(number: int, _: FrameType | None) -> None:
    """The runs are told to end, and the worker waits for them before it does."""
    signal.signal(number, signal.SIG_IGN)
    for child in psutil.Process().children():
        child.terminate()
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    main()
