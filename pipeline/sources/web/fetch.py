"""One URL fetched: politely, within limits, redirects followed by hand, its bytes kept. Looks into no document."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self
from urllib.parse import unquote

import httpx

import pipeline
from pipeline.config import Limits, Web
from pipeline.errors import DocmillError, LimitExceeded, Permanent, Transient, Unreadable, UsageError
from pipeline.sources.web.addresses import parse_allowed
from pipeline.sources.web.body import ENCODINGS, decoded
from pipeline.sources.web.connection import Refused, Resolve, resolve, transport, within
from pipeline.sources.web.kept import Kept, Record
from pipeline.sources.web.pace import Pace
from pipeline.sources.web.robots import LONGEST_BYTES, Robots
from pipeline.sources.web.urls import canonical, host_of, name_of, origin

AGENT = "docmill"
MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
GONE = (404, 410)
BUSY = (408, 425, 429, 500, 502, 503, 504)
BACK_OFF_S = 1.0  # before the second attempt; four times as long before each further one
LONGEST_WAIT_S = 60.0  # that a server may ask for within a run
LONGEST_HEADER = 500  # characters of a header that is kept
NOT_WANTED = re.compile(  # kinds that docmill never reads: their bodies are not fetched
    r"(?:video|audio|font)/|text/(?:css|javascript)|application/(?:javascript|x-javascript|zip|x-tar|x-7z-compressed|"
    r"x-rar-compressed|vnd\.rar|x-bzip2|wasm|java-archive|vnd\.android|x-msdownload|x-apple-diskimage|x-iso9660-image)"
)


class Denied(Permanent):
    """robots.txt does not allow it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request after its redirects: 200 with a new record, 304 with the one that was kept, or 404 or
    410 without. `redirects` are the URLs that led to `url`."""

    url: str
    status: int
    record: Record | None = None
    redirects: tuple[str, ...] = ()
    not_wanted: str = ""  # the media type, if it was not fetched because of it


class Fetcher:
    """Fetches for one run, from any number of threads; use it as a context manager."""

    def __init__(
        self,
        web: Web,
        limits: Limits,
        kept: Kept,
        *,
        attempts: int = 3,
        resolve: Resolve = resolve,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.web, self.kept = web, kept
        self._limits, self._attempts, self._sleep = limits, attempts, sleep
        self._transport = transport(parse_allowed(web.allow), resolve, web.proxy)
        self._pace = Pace(web.delay_s, web.per_host)
        self._robots = Robots(AGENT, self._read_robots)
        self._agent = f"{AGENT}/{pipeline.__version__}" + (f" (+{web.contact})" if web.contact else "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    def get(self, url: str, *, most_mb: float | None = None, again: bool = True, any_kind: bool = False) -> Answer:
        """Fetch a canonical URL and keep its bytes. With `again` one whose bytes are kept costs a conditional request.
        With `any_kind` the kinds that docmill never reads are fetched as well.

        Raises `Denied`, `Refused`, `LimitExceeded`, `Unreadable` for what would fail again, `Transient` for the rest.
        """
        hops: list[str] = []
        while True:
            self._check_robots(url)
            known = self.kept.record(url) if again else None
            answer = self._persistent(url, known, most_mb or self.web.size_mb, any_kind)
            if answer.status not in REDIRECTS:
                return replace(answer, redirects=tuple(hops))
            hops.append(url)
            url = answer.url
            if url in hops or len(hops) > MOST_REDIRECTS:
                raise Unreadable(f"{name_of(hops[0])}: more than {MOST_REDIRECTS} redirects, the last to {url}")

    def _check_robots(self, url: str) -> None:
        if not self.web.robots:
            return
        start = origin(url)
        if not self._robots.allows(url, start):
            raise Denied("robots.txt does not allow it")
        self._pace.slow_down(host_of(url), self._robots.delay_s(start))

    def _persistent(self, url: str, known: Record | None, most_mb: float, any_kind: bool) -> Answer:
        host = host_of(url)
        for attempt in range(self._attempts):
            if self._pace.is_down(host):
                raise Transient(f"{name_of(url)}: {host} does not answer; the next run will try again")
            try:
                return self._once(url, known, most_mb, any_kind)
            except _Busy as busy:
                self._pace.note(host, answered=busy.answered)
                wait_s = busy.wait_s if busy.wait_s is not None else BACK_OFF_S * 4**attempt
                if attempt + 1 == self._attempts or wait_s > LONGEST_WAIT_S:
                    raise Transient(f"{name_of(url)}: {busy}; the next run will try again") from busy
                self._pace.hold(host, wait_s)
                self._sleep(wait_s)
        raise AssertionError("unreachable")

    def _once(self, url: str, known: Record | None, most_mb: float, any_kind: bool) -> Answer:
        with self._response(url, _conditions(known)) as response:
            status, headers = response.status_code, response.headers
            if status in REDIRECTS and headers.get("location"):
                return Answer(_moved_to(headers["location"], url), status)
            if status == 304 and known is not None:
                return Answer(url, 304, known)
            if status in GONE:
                return Answer(url, status)
            if status in BUSY:
                raise _Busy(f"the server answers {status}", _retry_after(headers, dt.datetime.now(dt.UTC)), True)
            if not 200 <= status < 300:
                raise Unreadable(f"{name_of(url)}: the server answers {status} {response.reason_phrase}".rstrip())
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            if NOT_WANTED.match(kind) and not any_kind:
                return Answer(url, 200, not_wanted=kind)
            return Answer(url, 200, self._take(url, response, most_mb * 1e6))

    def _take(self, url: str, response: httpx.Response, most_bytes: float) -> Record:
        headers, name = response.headers, name_of(url)
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > most_bytes:
            raise LimitExceeded(f"{name}: {int(length) / 1e6:,.1f} MB, over the limit of {most_bytes / 1e6:g} MB")
        with self.kept.body() as body:
            for piece in self._pieces(response, most_bytes, name):
                body.write(piece)
            sha256 = body.keep()
        kind, _, parameters = headers.get("content-type", "").partition(";")
        charset = re.search(r"charset\s*=\s*[\"']?([\w.:-]{2,40})", parameters, re.I)
        return Record(
            url,
            sha256,
            body.size_bytes,
            etag=_short(headers.get("etag", "")),
            modified=_short(headers.get("last-modified", "")),
            media_type=kind.strip().lower()[:100],
            charset=charset[1] if charset else "",
            name=_file_name(headers.get("content-disposition", "")),
        )

    def _pieces(self, response: httpx.Response, most_bytes: float, name: str) -> Iterator[bytes]:
        assert isinstance(response.stream, httpx.SyncByteStream)
        encoding = response.headers.get("content-encoding", "")
        yield from decoded(response.stream, encoding, most_bytes, self._limits.archive_ratio, name)

    @contextmanager
    def _response(self, url: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """One request, when its host may be asked; inside the block the body may be read."""
        host = host_of(url)
        asked = {"User-Agent": self._agent, "Accept": "*/*", "Accept-Encoding": ENCODINGS, **headers}
        timeout = {"connect": self.web.connect_s, "read": self.web.connect_s, "write": 30.0, "pool": 600.0}
        request = httpx.Request("GET", url, headers=asked, extensions={"timeout": timeout})
        with self._pace.turn(host), within(self.web.response_s), _translated():
            response = self._transport.handle_request(request)
            try:
                yield response
            finally:
                response.close()
        self._pace.note(host, answered=True)

    def _read_robots(self, url: str) -> str | None:
        for _ in range(MOST_REDIRECTS):
            try:
                found = self._robots_once(url)
            except _Busy as busy:
                raise Transient(f"robots.txt cannot be read ({busy}); the next run will try again") from busy
            if not isinstance(found, _Moved):
                return found
            url = found.url
        return None

    def _robots_once(self, url: str) -> str | _Moved | None:
        with self._response(url, {}) as response:
            status = response.status_code
            if status in REDIRECTS and response.headers.get("location"):
                return _Moved(_moved_to(response.headers["location"], url))
            if status >= 500 or status == 429:
                raise _Busy(f"the server answers {status}", None, True)
            if status >= 300:
                return None
            data = bytearray()
            for piece in self._pieces(response, 1e8, "robots.txt"):
                data += piece
                if len(data) > LONGEST_BYTES:
                    break
            return bytes(data).decode("utf-8", "replace").removeprefix("\ufeff")


@dataclass(frozen=True, slots=True)
class _Moved:
    url: str


class _Busy(Exception):
    """An attempt that may be repeated; `wait_s` is what the server asked for, if it did."""

    def __init__(self, message: str, wait_s: float | None, answered: bool) -> None:
        super().__init__(message)
        self.wait_s, self.answered = wait_s, answered


@contextmanager
def _translated() -> Iterator[None]:
    """The errors of httpx as ours."""
    try:
        yield
    except (DocmillError, _Busy):
        raise
    except httpx.TimeoutException as error:
        raise _Busy("no whole answer in time (web.connect_s, web.response_s)", None, False) from error
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        words = (" ".join(str(error).split()) or type(error).__name__)[:200]
        raise _Busy(f"no answer ({words})", None, False) from error


def _moved_to(location: str, url: str) -> str:
    try:
        return canonical(location, url)
    except UsageError as error:
        raise Refused(f"{name_of(url)}: redirects to {error}") from error


def _conditions(known: Record | None) -> dict[str, str]:
    if known is None:
        return {}
    named = {"If-None-Match": known.etag, "If-Modified-Since": known.modified}
    return {name: value for name, value in named.items() if value}


def _retry_after(headers: httpx.Headers, now: dt.datetime) -> float | None:
    """Seconds, from a number or a date."""
    value = headers.get("retry-after", "").strip()
    if value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds()) if value else None
    except (ValueError, TypeError, OverflowError):
        return None


def _short(header: str) -> str:
    """A header that is sent back as it came, or nothing: half of it would be another one."""
    return header if len(header) <= LONGEST_HEADER and header.isascii() and header.isprintable() else ""


def _file_name(disposition: str) -> str:
    """The name that a Content-Disposition gives, without folders."""
    extended = re.search(r"filename\*\s*=\s*utf-8''([^;\s]+)", disposition, re.I)
    plain = re.search(r"filename\s*=\s*(?:\"([^\"]*)\"|([^;\s]+))", disposition, re.I)
    name = unquote(extended[1]) if extended else (plain[1] or plain[2] or "") if plain else ""
    name = re.split(r"[/\\]", name)[-1].strip()
    return "".join(letter for letter in name if letter.isprintable())[:200]


__all__ = ["GONE", "Answer", "Denied", "Fetcher", "Refused"]
