"""The token, asked for once: then a cookie of this process stands for it."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from browse.forms import read_form
from browse.guard import Keys, set_cookie
from browse.render import page

WRONG_S = 1.0  # what a wrong guess takes


def form(request: Request) -> Response:
    keys: Keys = request.app.state.keys
    return page(request, "login.html", message="") if keys.browse.token else RedirectResponse("/", 303)


async def enter(request: Request) -> Response:
    """With the right token a cookie and the way in; a wrong one takes a second."""
    keys: Keys = request.app.state.keys
    given = (await read_form(request)).get("token", "").strip()
    async with request.app.state.guessing:  # one guess at a time, whoever makes it
        if not keys.is_token(given):
            await asyncio.sleep(WRONG_S)
            return page(request, "login.html", 403, message="This is not the token.")
    return RedirectResponse("/", 303, headers={"Set-Cookie": set_cookie(keys.cookie, keys.new_cookie())})


def leave(request: Request) -> Response:
    keys: Keys = request.app.state.keys
    return RedirectResponse("/login", 303, headers={"Set-Cookie": f"{set_cookie(keys.cookie, '')}; Max-Age=0"})
