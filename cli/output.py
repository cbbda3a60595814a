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
from urllib.parse import unquote

import click
from rich.console import Console

from pipeline.config import Settings
from pipeline.settings_file import Loaded, load_settings

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


def one_line(text: str) -> str:
    """Text on one line without control characters: a document must not steer the terminal.

    >>> one_line("red\\x1b[31m  and\\nblue")
    'red [31m and blue'
    """
    return " ".join("".join(" " if _is_control(letter) else letter for letter in text).split())


def short_name(uri: str) -> str:
    """A source as people know it: a local file relative to the working folder if it is below it, else the URI.

    >>> short_name("https://example.org/a%20b.html")
    'https://example.org/a b.html'
    """
    if not uri.startswith("file://"):
        return one_line(unquote(uri))
    return one_line(unquote(uri.removeprefix("file://")).removeprefix(f"{Path.cwd()}/"))


def size_text(size_bytes: float) -> str:
    """Bytes for people.

    >>> size_text(1536)
    '1.5 kB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} B" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TB"


def _is_control(letter: str) -> bool:
    code = ord(letter)
    return code < 32 or 127 <= code < 160 or 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
