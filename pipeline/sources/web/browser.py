"""Pages that scripts make, rendered by an installed Chromium that cannot reach any network by itself.

Every request of a page is answered by us, through the fetcher and all of its rules; only GET is. Chromium's own ways
out are closed: it runs in a network namespace without any interface where the system has those, it can resolve no name,
its proxy is a port where nobody listens, and WebRTC may not go around that proxy. The package is optional.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from pipeline.config import Web
from pipeline.errors import DocmillError, StoreError, Transient, UsageError
from pipeline.sources.web.fetch import Fetcher
from pipeline.sources.web.urls import name_of, try_canonical

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = (
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=http://127.0.0.1:9",
    "--proxy-bypass-list=<-loopback>",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
)
NEVER = ("media", "font", "websocket", "eventsource", "ping", "manifest")  # kinds of requests that show no text
MOST_REQUESTS = 200  # of one page
RESOURCE_MB = 10.0
WIDTH_PX, SLICE_PX, MOST_SLICES = 1280, 1600, 10


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page as it stood after its scripts had run, and what it looked like from top to bottom (PNG)."""

    html: bytes
    pictures: tuple[bytes, ...] = ()


def check_browser(web: Web) -> None:
    """Raise `UsageError` if a browser is asked for and cannot be had."""
    if web.browser and find_spec("playwright") is None:
        raise UsageError("web.browser needs the package playwright: pip install 'docmill[browser]'")
    if web.browser and chromium(web) is None:
        raise UsageError("web.browser needs Chromium: install it, or say in web.chromium where it is")


def chromium(web: Web) -> str | None:
    """Where Chromium is."""
    names = (web.chromium,) if web.chromium else CHROMIUM
    return next((path for name in names if (path := shutil.which(name))), None)


def without_network(command: str, folder: Path) -> str:
    """A script that runs `command` in a network namespace of its own; `command` itself where there are none."""
    unshare = shutil.which("unshare")
    space = ["--net"] if os.geteuid() == 0 else ["--user", "--map-current-user", "--net"]
    if unshare is None or subprocess.run([unshare, *space, "true"], capture_output=True, check=False).returncode != 0:
        return command
    script = folder / "chromium"
    script.write_text(f'#!/bin/sh\nexec {shlex.join([unshare, *space, "--", command])} "$@"\n')
    script.chmod(0o700)
    return str(script)


class Browser:
    """One Chromium a run, started when it is first needed, and used by one thread at a time."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._thread = ThreadPoolExecutor(1, "browser")  # the library's objects belong to the thread that made them
        self._folder = TemporaryDirectory(prefix="docmill-browser-")
        self._playwright: Any = None
        self._chromium: Any = None

    def render(self, url: str) -> Rendered:
        """Raises `Transient` if the page cannot be rendered in `web.response_s`."""
        return self._thread.submit(self._render, url).result()

    def close(self) -> None:
        self._thread.submit(self._stop).result()
        self._thread.shutdown()
        self._folder.cleanup()

    # in its thread --------------------------------------------------------------------------------------------

    def _render(self, url: str) -> Rendered:
        from playwright.sync_api import Error

        try:
            with self._time_limit(), self._page() as page:
                page.goto(url, wait_until="load")
                with suppress(Error):
                    page.wait_for_load_state("networkidle", timeout=5000)
                html = page.content().encode("utf-8", "replace")
                return Rendered(html, tuple(self._slices(page)) if self._fetcher.web.screenshot else ())
        except Error as error:
            self._stop()
            raise Transient(f"{name_of(url)}: cannot be rendered ({' '.join(str(error).split())[:150]})") from error

    @contextmanager
    def _page(self) -> Iterator[Any]:
        context = self._started().new_context(
            service_workers="block", accept_downloads=False, viewport={"width": WIDTH_PX, "height": SLICE_PX}
        )
        asked = 0

        def answer(route: Any) -> None:
            nonlocal asked
            asked += 1
            kind = route.request.resource_type
            unwanted = kind in NEVER or (kind == "image" and not self._fetcher.web.screenshot)
            if route.request.method != "GET" or unwanted or asked > MOST_REQUESTS:
                route.abort()
            else:
                self._answer(route)

        try:
            context.set_default_timeout(1000 * self._fetcher.web.response_s)
            context.route("**/*", answer)
            context.route_web_socket("**/*", lambda socket: socket.close())
            yield context.new_page()
        finally:
            with suppress(Exception):  # it may be gone already
                context.close()

    def _answer(self, route: Any) -> None:
        url = try_canonical(route.request.url)
        try:
            answer = self._fetcher.get(url, most_mb=RESOURCE_MB, again=False, any_kind=True) if url else None
        except StoreError:
            raise
        except DocmillError:
            answer = None
        if answer is None or answer.record is None:
            route.abort()
            return
        record = answer.record
        kind = f"{record.media_type or 'text/plain'}{'; charset=' + record.charset if record.charset else ''}"
        headers = {"Content-Type": kind, "Access-Control-Allow-Origin": "*"}
        route.fulfill(status=200, headers=headers, body=self._fetcher.kept.read(record.sha256))

    def _slices(self, page: Any) -> Iterator[bytes]:
        height = min(int(page.evaluate("document.documentElement.scrollHeight")), SLICE_PX * MOST_SLICES)
        for top in range(0, max(height, 1), SLICE_PX):
            clip = {"x": 0, "y": top, "width": WIDTH_PX, "height": max(min(SLICE_PX, height - top), 100)}
            yield page.screenshot(clip=clip, full_page=True)

    def _started(self) -> Any:
        if self._chromium is None or not self._chromium.is_connected():
            from playwright.sync_api import sync_playwright

            self._stop()
            command = chromium(self._fetcher.web)
            assert command is not None  # `check_browser` saw to it
            self._playwright = sync_playwright().start()
            self._chromium = self._playwright.chromium.launch(
                executable_path=without_network(command, Path(self._folder.name)),
                args=list(ARGUMENTS),
                chromium_sandbox=os.geteuid() != 0,  # it does not start as root with its sandbox
            )
        return self._chromium

    def _stop(self) -> None:
        with suppress(Exception):  # whatever is left of it
            if self._chromium is not None:
                self._chromium.close()
        with suppress(Exception):
            if self._playwright is not None:
                self._playwright.stop()
        self._chromium = self._playwright = None

    @contextmanager
    def _time_limit(self) -> Iterator[None]:
        """A script that never ends holds the library up for ever; killing Chromium frees it."""
        timer = threading.Timer(2 * self._fetcher.web.response_s, _kill_chromium)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _kill_chromium() -> None:
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if "chrom" in process.name():
                process.kill()
