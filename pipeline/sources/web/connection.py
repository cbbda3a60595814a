"""Connections that can only lead where they may: the address is resolved, judged and connected to in one place.

The check is made when a connection is opened, with the address that is then connected to, so that neither a redirect
nor a name that resolves to something else the second time gets around it. TLS and the Host header keep the name.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

from pipeline.errors import Permanent
from pipeline.sources.web.addresses import Allowed, why_refused

Resolve = Callable[[str, int], Sequence[str]]  # host and port to IP addresses; OSError if there are none
MOST_CONNECTIONS = 32
_deadline: ContextVar[float] = ContextVar("deadline", default=float("inf"))  # of the request this thread works on


class Refused(Permanent):
    """The address may not be fetched from."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """All waiting on the network inside the block, in this thread, ends after so many seconds with `httpx.ReadTimeout`
    or its like."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def resolve(host: str, port: int) -> list[str]:
    """The system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def transport(allowed: Allowed, resolve: Resolve, proxy: str) -> httpx.HTTPTransport:
    """HTTP/1.1 and HTTP/2 over guarded connections, which are used again. Knows no cookies and no credentials, and
    looks at no variable of the environment but `SSL_CERT_FILE` and `SSL_CERT_DIR`.

    Through a proxy the names are judged as they resolve here, if they do; the proxy connects on its own.
    """
    context = httpx.create_ssl_context()
    limits: dict[str, Any] = {"max_connections": MOST_CONNECTIONS, "keepalive_expiry": 30.0, "http2": True}
    guarded = httpx.HTTPTransport(verify=context, trust_env=False)
    if not isinstance(guarded._pool, httpcore.ConnectionPool):
        raise RuntimeError("this version of httpx keeps its connections in another way; pin the version docmill names")
    backend = GuardedBackend(allowed, resolve)
    if proxy:
        guarded._pool = _ProxyPool(backend, proxy_url=proxy, ssl_context=context, **limits)
    else:
        guarded._pool = httpcore.ConnectionPool(ssl_context=context, network_backend=backend, **limits)
    return guarded


class GuardedBackend(httpcore.NetworkBackend):
    """Opens sockets to addresses that `why_refused` has nothing against."""

    def __init__(self, allowed: Allowed, resolve: Resolve) -> None:
        self._allowed, self._resolve = allowed, resolve
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        problem: Exception = httpcore.ConnectError("no address")
        for address in self.checked(host, port):
            try:
                stream = self._sockets.connect_tcp(address, port, _left(timeout), local_address, socket_options)
                return _TimedStream(stream)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
        raise problem

    def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
        raise Refused("a socket of this machine is no web server")

    def checked(self, host: str, port: int) -> Sequence[str]:
        """The host's addresses. Raises `Refused` if one of them may not be connected to."""
        try:
            addresses = self._resolve(host.strip("[]"), port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name {host} cannot be resolved") from error
        for address in addresses:
            if reason := why_refused(address, host, self._allowed):
                raise Refused(f"{host} is {reason} ({address}); web.allow lists hosts and networks that may be asked")
        return addresses


class _ProxyPool(httpcore.HTTPProxy):
    def __init__(self, backend: GuardedBackend, **options: Any) -> None:
        super().__init__(**options)
        self._guard = backend

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        with suppress(httpcore.ConnectError):  # the proxy may know a name that we do not
            self._guard.checked(request.url.host.decode("ascii"), request.url.port or 0)
        return super().handle_request(request)


class _TimedStream(httpcore.NetworkStream):
    """A stream whose every wait ends with the request's time: a server that sends byte by byte gains nothing."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(timeout: float | None) -> float | None:
    """The shorter of the time limit of one wait and what is left for the request."""
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the time for the whole response is over")
    if left == float("inf"):
        return timeout
    return left if timeout is None else min(timeout, left)
