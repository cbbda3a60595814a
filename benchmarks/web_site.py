"""A whole site through the real command: requests, bodies, table versions and memory, run after run.

    python -m benchmarks.web_site [--pages 200] [--paragraphs 4] [--only-new]

A site on loopback with ETags, a sitemap, pages of about 1.3 kB and a picture on every tenth. Runs: new, unchanged, one
page changed and one removed, the removed page missed again. Ends with 1 if a run did not do what it must.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.process_tree import Measured, measure

SENTENCES = (
    "The heron of pond {n} stands in shallow water for hours and waits for a fish of {m} grams.",
    "In year {n} the wheel turned {m} times a day, and the miller wrote it down in book number {n}.",
    "Flour from stone {m} went to the bakers of the valley, who paid {n} pence for a sack of it.",
)


@dataclass(slots=True)
class Site:
    pages: dict[str, bytes] = field(default_factory=dict)
    paragraphs: int = 4
    asked: Counter[str] = field(default_factory=Counter)  # "200", "304", "404": documents; "bytes": of their bodies

    def start(self, count: int) -> None:
        self.pages = {f"/{n}.html": self.page(n, count) for n in range(count)}
        self.pages |= {f"/{n}.png": _picture(n) for n in range(0, count, 10)}
        self.pages["/sitemap.xml"] = b""

    def page(self, number: int, count: int, more: str = "") -> bytes:
        numbers = [{"n": number + k, "m": (number * 7 + k * 13) % 997} for k in range(self.paragraphs)]
        text = "".join(f"<p>{' '.join(one.format(**values) for one in SENTENCES)}</p>" for values in numbers)
        picture = f"<img src='/{number}.png' alt='Square {number}'>" if number % 10 == 0 else ""
        head = f"<html lang=en><title>Page {number}</title><h1>Page {number}</h1>"
        return f"{head}{text}<p>{more}</p>{picture}<a href='/{(number + 1) % count}.html'>next</a>".encode()

    def taken(self) -> Counter[str]:
        found, self.asked = self.asked, Counter()
        return found


@contextmanager
def serving(site: Site) -> Iterator[str]:
    """The URL of the site."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = site.pages.get(self.path)
            if self.path == "/sitemap.xml":
                body = _sitemap(site, f"http://127.0.0.1:{server.server_address[1]}")
            tag = f'"{hashlib.sha256(body or b"").hexdigest()[:16]}"'
            status = 404 if body is None else 304 if self.headers.get("If-None-Match") == tag else 200
            sent = body if status == 200 and body else b""
            if self.path.endswith((".html", ".png")):
                kind = "pages" if self.path.endswith(".html") else "pictures"
                site.asked[f"{kind} {status}"] += 1
                site.asked["conditional"] += self.headers.get("If-None-Match") is not None
                site.asked["bytes"] += len(sent)
            self.send_response(status)
            self.send_header("ETag", tag)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--paragraphs", type=int, default=4, help="of each page; one is one passage")
    parser.add_argument("--only-new", action="store_true", help="the first run only")
    options = parser.parse_args()
    count, site = options.pages, Site()
    site.paragraphs = options.paragraphs
    site.start(count)
    with tempfile.TemporaryDirectory(prefix="docmill-site-") as folder, serving(site) as url:
        first = _run("new", url, Path(folder), site)
        if options.only_new:
            return 0 if first[0]["indexed"] == count else 1
        second = _run("unchanged", url, Path(folder), site)
        site.pages["/7.html"] = site.page(7, count, "The mill was sold in the end.")
        del site.pages["/9.html"]
        third = _run("one changed, one removed", url, Path(folder), site)
        fourth = _run("missed again", url, Path(folder), site)
    return 0 if _as_promised(count, first, second, third, fourth) else 1


def _as_promised(count: int, *runs: tuple[dict[str, Any], Counter[str]]) -> bool:
    (first, _), (second, asked), (third, asked_3), (fourth, _) = runs
    return (
        first["indexed"] == count
        and second["unchanged"] == count
        and asked["pages 304"] == asked["conditional"] == count
        and asked["bytes"] == asked["pictures 200"] == 0
        and second["table_version"] == first["table_version"]
        and (third["indexed"], third["quarantined"], third["unchanged"]) == (1, 1, count - 2)
        and asked_3["pages 200"] == 1
        and (fourth["deleted"], fourth["unchanged"]) == (1, count - 1)
    )


def _run(name: str, url: str, folder: Path, site: Site) -> tuple[dict[str, Any], Counter[str]]:
    command = [sys.executable, "-m", "cli", "ingest", f"{url}sitemap.xml", "--store", str(folder / "store"), "--json"]
    settings = {"DOCMILL_WEB__ALLOW": "127.0.0.1", "DOCMILL_WEB__DELAY_S": "0", "DOCMILL_WEB__MAX_PAGES": "100000"}
    done: Measured = measure(command, settings)
    summary = json.loads(done.output.splitlines()[-1])
    asked = site.taken()
    outcome = {key: summary[key] for key in ("indexed", "unchanged", "quarantined", "deleted", "rows", "table_version")}
    print(f"{name}: exit {done.code}, {done.seconds:.0f} s, {outcome}")
    print(f"    asked: {dict(sorted(asked.items()))}")
    print(
        f"    peak of the tree: PSS {done.pss_mb:.0f} MB, RSS {done.rss_mb:.0f} MB; own {done.own_mb:.0f} MB",
        flush=True,
    )
    return summary, asked


def _picture(number: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (200, 200), (number % 256, 90, 40)).save(out, "PNG")
    return out.getvalue()


def _sitemap(site: Site, url: str) -> bytes:
    listed = "".join(f"<url><loc>{url}{path}</loc></url>" for path in site.pages if path.endswith(".html"))
    return f"<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>{listed}</urlset>".encode()


if __name__ == "__main__":
    raise SystemExit(main())
