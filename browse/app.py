"""The application: which address shows what, and what is said when something goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from browse import api, documents, finding, login, overview, pictures, quarantine, routing
from browse.browsed import Browsed, NotThere
from browse.forms import Forged, TooLarge
from browse.guard import Guard, Keys
from browse.render import page
from pipeline.config import Settings
from pipeline.errors import DocmillError, StoreBusy, UsageError
from pipeline.search import Searcher

STATIC = Path(__file__).with_name("static")


def make_app(settings: Settings, searcher: Callable[[], Searcher] | None = None, *, warm: bool = True) -> ASGIApp:
    """The whole application over one store. With `warm` models load while it starts, not with the first search;
    `searcher` gives what answers in place of what the settings describe.

    Raises `UsageError` if there is no store.
    """
    corpus, keys = Browsed(settings, searcher), Keys(settings.browse)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if warm:
            threading.Thread(target=corpus.warm_up, daemon=True).start()
        yield
        corpus.close()

    programs = api.make_api(corpus, {DocmillError: _expected, HTTPException: _http})
    app = Starlette(
        routes=[*_routes(), Mount("/api", programs)],
        lifespan=lifespan,
        exception_handlers={DocmillError: _expected, HTTPException: _http, 500: _bug},
    )
    app.state.corpus, app.state.keys, app.state.api = corpus, keys, programs
    app.state.limiters, app.state.guessing = pictures.limiters(), asyncio.Semaphore(1)
    programs.state.limiters = app.state.limiters
    return Guard(app, keys)


def _routes() -> list[Route | Mount]:
    return [
        Route("/", finding.search),
        Route("/answers", finding.answers),
        Route("/answers", finding.answers_like, methods=["POST"]),
        Route("/documents", documents.documents),
        Route("/document", documents.by_source),
        Route("/documents/{doc_id}", documents.document),
        Route("/documents/{doc_id}/pages/{number:int}/sheet", documents.page_sheet),
        Route("/documents/{doc_id}/pages/{number:int}/picture", pictures.page_picture),
        Route("/pictures/{asset_id}", pictures.stored),
        Route("/routing", routing.review),
        Route("/routing/labels", routing.label, methods=["POST"]),
        Route("/routing/labels.jsonl", routing.export),
        Route("/quarantine", quarantine.groups),
        Route("/quarantine/retry", quarantine.retry, methods=["POST"]),
        Route("/status", overview.status),
        Route("/api", api.described),
        Route("/login", login.form),
        Route("/login", login.enter, methods=["POST"]),
        Route("/logout", login.leave, methods=["POST"]),
        Route("/favicon.ico", _icon),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]


def _icon(_: Request) -> Response:
    return RedirectResponse("/static/icon.svg", 301)


def _expected(request: Request, error: Exception) -> Response:
    """An error that has a line for people."""
    status = 500
    if isinstance(error, StoreBusy):
        status = 503
    elif isinstance(error, NotThere):
        status = 404
    elif isinstance(error, Forged):
        status = 403
    elif isinstance(error, TooLarge):
        status = 413
    elif isinstance(error, UsageError):
        status = 400
    return _told(request, status, str(error))


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _told(request, error.status_code, "there is nothing here" if error.status_code == 404 else error.detail)


def _bug(request: Request, error: Exception) -> Response:
    return _told(request, 500, f"an error in docmill ({type(error).__name__}); the terminal that it runs in has more")


def _told(request: Request, status: int, message: str) -> Response:
    path = request.url.path
    if path.startswith("/api/"):
        return JSONResponse({"error": message}, status)
    if path == "/answers" or path.endswith("/sheet"):
        return page(request, "error_part.html", status, message=message)
    return page(request, "error.html", status, message=message, code=status)
