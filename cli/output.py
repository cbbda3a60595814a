"""What the commands share: their common options, JSON lines for programs, safe text for terminals."""

from __future__ import annotations

import datetime as dt
import functools
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import click
from rich.console import Console

from pipeline.config import Settings
from pipeline.settings_file import Loaded, load_settings
from pipeline.wording import one_line as one_line
from pipeline.wording import short_name as short_name
from pipeline.wording import size_text as size_text

EXIT_FAILED, EXIT_USAGE, EXIT_QUARANTINED, EXIT_INTERRUPTED = 1, 2, 3, 130
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Common:
    """The options every command takes."""

    store: str | None
    config: Path | None
    json: bool

    def load(self, flags: Mapping[str, Any] | None = None) -> Loaded:
        """The settings in force; `flags` are further settings by dotted key. Raises UsageError."""
        return load_settings(self.config, os.environ, {"store": self.store, **(flags or {})}, Path.cwd())

    @property
    def settings(self) -> Settings:
        return self.load().settings


def common_options(command: Callable[Concatenate[Common, P], int | None]) -> Callable[P, int | None]:
    """Adds `--store`, `--config` and `--json`; the command gets them as its first argument, a `Common`.

    A command returns its exit code, or None for 0.
    """

    @click.option("--store", metavar="DIR|URI", help="The store.  [default: ./docmill-data]")
    @click.option(
        "--config",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Settings file.  [default: docmill.toml, if there is one]",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
    @functools.wraps(command)
    def with_common(*args: P.args, **kwargs: P.kwargs) -> int | None:
        options: dict[str, Any] = dict(kwargs)
        common = Common(options.pop("store"), options.pop("config"), options.pop("as_json"))
        return command(common, *args, **options)

    return with_common


def json_line(value: Any) -> str:
    """One line of JSON; times in ISO 8601. A number that is not finite raises ValueError: it would not be JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)


def print_line(text: str) -> None:
    """A line to standard output, at once, in UTF-8 whatever the locale says."""
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def warn(text: str) -> None:
    """A line to standard error, beside the output."""
    click.echo(f"docmill: {one_line(text)}", err=True)


def console() -> Console:
    """Standard output for people: colours and width of the terminal, or plain text of 100 columns without one."""
    return Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 100)


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
