"""Runs the application until the process is told to stop."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable

import uvicorn

from browse.app import make_app
from pipeline.config import Settings

STOP_S = 3  # what answers that are under way have left


class _Server(uvicorn.Server):
    """Tells when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def serve(settings: Settings, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Answers on the listening socket; `ready` is called once it does. Raises `UsageError` if there is no store."""
    config = uvicorn.Config(
        make_app(settings),
        log_level=logging.ERROR,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_S,
        ws="none",
    )
    _Server(config, ready).run([listener])
