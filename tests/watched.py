"""The web page in a thread of this process, and a real Chromium that looks at it and tells what it complains of."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import uvicorn
from serving import free_port

from browse.app import make_app
from pipeline.config import Browse, Settings
from pipeline.sources.web.browser import CHROMIUM

AXE = Path(__file__).parent / "axe" / "axe.min.js"
SERIOUS = ("serious", "critical")


@dataclass
class Watched:
    """A tab, and what it complained of: errors on the console, dialogs, requests that left the page."""

    page: Any
    base: str
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> Any:
        self.page.goto(self.base + path)
        return self.page

    def serious(self) -> list[str]:
        """What axe finds serious or critical in the page as it is now."""
        self.page.evaluate(AXE.read_text("utf-8"))
        found = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']}: {one['nodes'][0]['html'][:200]} {one['nodes'][0]['failureSummary'][:300]}"
            for one in found["violations"]
            if one["impact"] in SERIOUS
        ]


def has_chromium() -> str:
    """The path of Chromium. Skips the test where there is none, or no Playwright."""
    pytest.importorskip("playwright.sync_api", reason="needs docmill[browser]")
    found = next(filter(None, map(which, CHROMIUM)), None)
    if found is None:
        pytest.skip("needs Chromium")
    return found


@contextmanager
def browsers() -> Iterator[Any]:
    """A Chromium for several tabs."""
    path = has_chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield chromium
        finally:
            chromium.close()


@contextmanager
def answering(store: str, searcher: Any = None) -> Iterator[str]:
    """The page over a store, at a free port of this machine; gives its address."""
    settings = Settings(store=store, browse=Browse(port=free_port()))
    app = make_app(settings, searcher(settings) if searcher else None, warm=False)
    config = uvicorn.Config(app, port=settings.browse.port, log_level="error", ws="none", loop="asyncio")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until = time.monotonic() + 30
        while not server.started and time.monotonic() < until:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{settings.browse.port}"
    finally:
        server.should_exit = True
        thread.join(30)


@contextmanager
def watching(chromium: Any, base: str, **context: object) -> Iterator[Watched]:
    """A new tab. Fails if it complained of anything."""
    opened = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **context})
    watched = Watched(opened.new_page(), base)
    page, complaints = watched.page, watched.complaints
    page.set_default_timeout(20_000)
    page.on("console", lambda told: complaints.append(told.text) if told.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda asked: None if _is_own(asked.url, base) else complaints.append(f"asked for {asked.url}"))
    try:
        yield watched
        assert complaints == [], complaints
    finally:
        opened.close()


def _is_own(url: str, base: str) -> bool:
    return url.startswith((base + "/", f"blob:{base}/"))
