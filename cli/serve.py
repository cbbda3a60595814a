"""`docmill serve`: schedules, the Prefect UI and a worker in one command, until Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.output import Common, common_options, json_line, print_line, warn

if TYPE_CHECKING:
    from flows.serve import Served


@click.command()
@click.option("--port", type=click.IntRange(1, 65_535), help="Port of the server and its UI.  [default: 4200]")
@click.option("--host", metavar="ADDRESS", help="Address to listen on; others than this machine need serve.auth.")
@common_options
def serve(common: Common, port: int | None, host: str | None) -> int | None:
    """Start a Prefect server with its UI, the deployments with their schedules, and a worker; Ctrl-C stops them all.

    Runs work in this folder, with its docmill.toml; [schedule] there says what runs when. `docmill ingest` in the same
    folder shows in the same UI. With PREFECT_API_URL set that server is joined instead of starting one. With --json
    one object with ui and api, once all is ready.
    """
    from flows.serve import serve as run
    from flows.signals import ending_on_sigterm

    overrides = {"serve.port": port, "serve.host": host}
    settings = common.load(overrides).settings

    def ready(served: Served) -> None:
        if common.json:
            print_line(json_line({"ui": served.ui, "api": served.api}))
        else:
            print_line(f"Prefect UI    {served.ui}{'' if not served.joined else '  (joined)'}")
            print_line(f"work pool     {settings.serve.pool}, {settings.serve.runs} runs at a time")
            print_line("Ctrl-C stops the server, the worker and its runs.")

    try:
        with ending_on_sigterm():
            run(settings, Path.cwd(), warn, ready, request=_request(common))
    except (KeyboardInterrupt, SystemExit):
        warn("stopped")
    return None


def _request(common: Common) -> dict[str, object]:
    """What was said on the command line holds for the runs, too."""
    config = {"config": str(common.config.absolute())} if common.config else {}
    return config | ({"overrides": {"store": common.store}} if common.store else {})
