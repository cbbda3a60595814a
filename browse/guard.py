"""Who may ask, and what a browser may do with an answer: host names, token, forgery of requests, security headers."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.config import Browse
from pipeline.errors import UsageError

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with "no-referrer" a form would not tell where it comes from
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
OPEN_PATHS = ("/static/", "/login")
SAFE = frozenset({"GET", "HEAD"})
LEAST_TOKEN = 16


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_address(browse: Browse) -> None:
    """Raise `UsageError` for an address that others can reach without a token, and for a token that can be guessed."""
    if browse.token and len(browse.token) < LEAST_TOKEN:
        raise UsageError(f"browse.token: needs {LEAST_TOKEN} characters or more")
    if not browse.token and not is_loopback(browse.host):
        raise UsageError(
            f"browse.host = {browse.host}: others could read the corpus, so set browse.token (or "
            f"DOCMILL_BROWSE__TOKEN) to {LEAST_TOKEN} characters or more, or leave the host at 127.0.0.1"
        )


@dataclass(frozen=True)
class Keys:
    """What one running `docmill browse` knows its visitors by. Cookies are worth nothing to another process."""

    browse: Browse
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    @property
    def cookie(self) -> str:
        """Cookies do not tell ports apart, so the name does."""
        return f"docmill-{self.browse.port}"

    def visitor(self, cookies: Mapping[str, str]) -> str:
        """The visitor's name from the cookie, "" if there is none of ours."""
        name, _, proof = cookies.get(self.cookie, "").partition(".")
        kind = "in" if self.browse.token else "guest"
        return name if name and hmac.compare_digest(proof.encode(), self._sign(kind, name).encode()) else ""

    def new_cookie(self) -> str:
        name = secrets.token_urlsafe(16)
        return f"{name}.{self._sign('in' if self.browse.token else 'guest', name)}"

    def form_key(self, visitor: str) -> str:
        """Goes into each form that writes; another site cannot know it."""
        return self._sign("form", visitor)

    def is_form_key(self, visitor: str, given: str) -> bool:
        return bool(visitor) and hmac.compare_digest(self.form_key(visitor).encode(), given.encode())

    def is_token(self, given: str) -> bool:
        return bool(self.browse.token) and hmac.compare_digest(self.browse.token.encode(), given.encode())

    def _sign(self, kind: str, name: str) -> str:
        return hmac.new(self.secret, f"{kind}:{name}".encode(), sha256).hexdigest()


class Guard:
    """Around the whole application. A request that may not pass is answered here."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self.app, self.keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        request = Request(scope)
        cookie = ""
        answer = self._refused(request)
        if answer is None:
            visitor = self.keys.visitor(request.cookies)
            if not visitor and not self.keys.browse.token:
                cookie = self.keys.new_cookie()
                visitor = cookie.partition(".")[0]
            scope.setdefault("state", {})["visitor"] = visitor

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if request.url.path.startswith("/static/"):
                    headers.setdefault("Cache-Control", "no-cache")  # kept, and asked for again by its tag
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if cookie and "set-cookie" not in headers:
                    headers.append("Set-Cookie", set_cookie(self.keys.cookie, cookie))
            await send(message)

        await (answer or self.app)(scope, receive, with_headers)

    def _refused(self, request: Request) -> Response | None:
        if not self._is_our_name(request.headers.get("host", "")):
            return PlainTextResponse("docmill browse is not called so; see browse.hosts in its settings\n", 421)
        if _is_foreign(request.headers, is_write=request.method not in SAFE):
            return PlainTextResponse("a request from another site\n", 403)
        if not self.keys.browse.token or request.url.path.startswith(OPEN_PATHS):
            return None
        if self.keys.visitor(request.cookies):
            return None
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self.keys.is_token(given.strip()):
            return None
        if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
            headers = {"WWW-Authenticate": 'Bearer realm="docmill browse"'}
            return JSONResponse({"error": "a token is needed: Authorization: Bearer TOKEN"}, 401, headers)
        return RedirectResponse("/login", 303)

    def _is_our_name(self, host: str) -> bool:
        """Another site's name that leads here (DNS rebinding) is not one of ours."""
        name = _name_of(host)
        browse = self.keys.browse
        if name in map(str.lower, browse.hosts) or name == browse.host.lower():
            return True
        if is_loopback(browse.host):
            return name in LOOPBACK_NAMES
        return _is_address(name) or name in LOOPBACK_NAMES


def set_cookie(name: str, value: str) -> str:
    return f"{name}={value}; Path=/; HttpOnly; SameSite=Strict"


def _name_of(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_foreign(headers: Headers, *, is_write: bool) -> bool:
    """What a browser says of where a request comes from; programs say nothing. A link on another site may lead here."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return is_write or headers.get("sec-fetch-mode") != "navigate"
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
