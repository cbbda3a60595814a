"""A web site on loopback for tests: pages as values, what was asked for counted, misbehaviour as functions."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pipeline.config import Web

Handle = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True, slots=True)
class Reply:
    """A page; with `etag` it answers conditional requests."""

    body: bytes | str = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: bool = True


@dataclass(slots=True)
class Site:
    """`pages` by path with query; `asked` holds (path, status, conditional) of every request."""

    port: int = 0
    pages: dict[str, Reply | Handle] = field(default_factory=dict)
    asked: list[tuple[str, int, bool]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def html(self, path: str, body: str, title: str = "") -> None:
        page = f"<!doctype html><html lang=en><title>{title or path}</title><body>{body}</body></html>"
        self.pages[path] = Reply(page, headers={"Content-Type": "text/html; charset=utf-8"})

    def requests(self) -> list[tuple[str, int, bool]]:
        """Requests since the last call, without those for robots.txt."""
        found, self.asked[:] = [one for one in self.asked if one[0] != "/robots.txt"], []
        return found


class Handler(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        page = self.site.pages.get(self.path, Reply("not here", 404))
        self.site.headers.append(dict(self.headers))
        if not isinstance(page, Reply):
            self.site.asked.append((self.path, 0, False))
            self.close_connection = True
            page(self)
            return
        body = page.body.encode() if isinstance(page.body, str) else page.body
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        conditional = self.headers.get("If-None-Match") is not None
        status = 304 if page.etag and page.status == 200 and self.headers.get("If-None-Match") == tag else page.status
        self.site.asked.append((self.path, status, conditional))
        self.send_response(status)
        for name, value in page.headers.items():
            self.send_header(name, value)
        if page.etag and page.status == 200:
            self.send_header("ETag", tag)
        body = b"" if status == 304 else body
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None: ...  # clients that hang up are what some tests are about


@contextmanager
def serving() -> Iterator[Site]:
    """A site without pages, on a free port."""
    site = Site()
    server = _Server(("127.0.0.1", 0), type("Bound", (Handler,), {"site": site}))
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def web(**changes: Any) -> Web:
    """Settings for such a site: loopback allowed, no pauses."""
    return Web(**{"allow": ("127.0.0.0/8",), "delay_s": 0.0, **changes})
