"""`docmill browse`: a local web page to look at the store, its routing and its search."""

from __future__ import annotations

import signal
import socket

import click

from cli.output import Common, common_options, json_line, print_line, warn
from pipeline.config import Browse
from pipeline.errors import UsageError


@click.command()
@click.option("--port", type=click.IntRange(1, 65_535), help="Port of the page.  [default: 4280]")
@click.option("--host", metavar="ADDRESS", help="Address to listen on; others than this machine need browse.token.")
@common_options
def browse(common: Common, port: int | None, host: str | None) -> int | None:
    """Look at the store in a web browser: search, documents, routing, quarantine, status.

    It reads only, but for two things: that the route of a page was wrong, and that quarantined documents are to be
    tried again. The same search is there for programs under /api. Ctrl-C stops it. With --json one object with url,
    once it answers.
    """
    settings = common.load({"browse.port": port, "browse.host": host}).settings
    from browse.guard import check_address
    from browse.serve import serve

    check_address(settings.browse)
    listener = listen(settings.browse)

    def ready() -> None:
        url = url_of(settings.browse)
        print_line(json_line({"url": url}) if common.json else f"docmill browse  {url}\nCtrl-C stops it.")

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends it as Ctrl-C does
    try:
        serve(settings, listener, ready)
    except (KeyboardInterrupt, SystemExit):
        warn("stopped")
    finally:
        listener.close()
    return None


def listen(browse: Browse) -> socket.socket:
    """The socket, bound. Raises `UsageError` if the address is not ours or taken."""
    try:
        family = socket.getaddrinfo(browse.host, browse.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((browse.host, browse.port), family=family)
    except OSError as error:
        cause = error.strerror or error
        raise UsageError(
            f"browse.port = {browse.port} at {browse.host}: {cause}; give another --port or --host"
        ) from error


def url_of(browse: Browse) -> str:
    host = f"[{browse.host}]" if ":" in browse.host else browse.host
    return f"http://{host}:{browse.port}"
