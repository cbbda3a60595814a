"""Pages that scripts make, in a real Chromium that reaches nothing but what the guard lets through."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from local_site import Reply, serving, web

from pipeline.config import Limits
from pipeline.errors import Transient, UsageError
from pipeline.sources.web.browser import Browser, check_browser
from pipeline.sources.web.fetch import Fetcher
from pipeline.sources.web.kept import Kept

APP = """<html><body><div id=root></div><script>
fetch('/data.json').then(r => r.json()).then(d => { root.innerHTML = '<h1>' + d.bird + '</h1>'; });
for (const u of ['%(inside)s', 'http://169.254.169.254/latest/', 'http://localhost:%(port)d/x', 'file:///etc/passwd'])
  fetch(u, {mode: 'no-cors'}).then(() => document.title = 'leaked').catch(() => 0);
try { new WebSocket('ws://127.0.0.2:%(port)d/'); } catch (e) {}
try {
  const peer = new RTCPeerConnection({iceServers: [{urls: 'stun:127.0.0.2:%(port)d'}]});
  peer.createDataChannel('x');
  peer.createOffer().then(offer => peer.setLocalDescription(offer));
} catch (e) {}
new Image().src = '%(inside)sbeacon.gif';
navigator.sendBeacon('%(inside)s', 'x');
document.write('<iframe src="%(inside)s"></iframe><link rel=preconnect href="%(inside)s">');
document.write('<link rel=dns-prefetch href="//inside.example">');
</script></body></html>"""


@contextmanager
def listening() -> Iterator[tuple[int, list[str]]]:
    """A port on 127.0.0.2, and who knocked there, over TCP or UDP."""
    knocks: list[str] = []
    listener = socket.create_server(("127.0.0.2", 0))
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(listener.getsockname())
    datagrams.setblocking(False)

    def accept() -> None:
        while True:
            try:
                connection, address = listener.accept()
            except OSError:
                return
            knocks.append(str(address))
            connection.close()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1], knocks
        with suppress(BlockingIOError):
            knocks.append(str(datagrams.recvfrom(100)))
    finally:
        datagrams.close()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def fetcher(tmp_path: Path, **changes: object) -> Fetcher:
    settings = web(allow=("127.0.0.1",), browser=True, response_s=20.0, **changes)
    return Fetcher(settings, Limits(), Kept(tmp_path / "web"), attempts=1)


@pytest.mark.browser
def test_a_page_is_rendered_and_reaches_nothing_else(tmp_path: Path) -> None:
    """What its scripts fetch from its own host is there; other addresses are never even connected to."""
    with serving() as site, listening() as (port, knocks), fetcher(tmp_path, screenshot=True) as fetch:
        site.pages["/"] = Reply(
            APP % {"inside": f"http://127.0.0.2:{port}/", "port": port}, headers={"Content-Type": "text/html"}
        )
        site.pages["/data.json"] = Reply('{"bird": "Heron"}', headers={"Content-Type": "application/json"})
        browser = Browser(fetch)
        try:
            rendered = browser.render(site.url)
        finally:
            browser.close()

        assert b"<h1>Heron</h1>" in rendered.html
        assert b"<title>leaked" not in rendered.html
        assert [picture[:4] for picture in rendered.pictures] == [b"\x89PNG"]
        assert {"/", "/data.json"} <= {path for path, *_ in site.requests()}

    assert knocks == []


@pytest.mark.browser
def test_a_script_without_end_costs_its_page(tmp_path: Path) -> None:
    """Chromium is killed, the page is a failure that may pass, and the next page is rendered."""
    with (
        serving() as site,
        Fetcher(web(allow=("127.0.0.1",), response_s=4.0), Limits(), Kept(tmp_path), attempts=1) as fetch,
    ):
        site.html("/ever", "<script>while (true) {}</script>")
        site.html("/good", "<p id=p></p><script>document.getElementById('p').textContent = 'good' + 1;</script>")
        browser = Browser(fetch)
        try:
            with pytest.raises(Transient, match="cannot be rendered"):
                browser.render(site.url + "ever")
            again = browser.render(site.url + "good")
        finally:
            browser.close()

    assert b"good1" in again.html


def test_a_browser_that_is_not_there_is_told_before_the_run() -> None:
    """The message says what to install or to set."""
    with pytest.raises(UsageError, match=r"web\.chromium|docmill\[browser\]"):
        check_browser(web(browser=True, chromium="/nowhere/chromium"))
