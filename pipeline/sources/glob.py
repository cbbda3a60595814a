"""Globs, matched name by name while a folder is walked, so that what cannot match is never entered.

A glob is the tuple of its parts; `()` matches everything. What lies in a folder that matches is matched as well, as
if the shell had put the folder's name in the glob's place.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal

MAGIC = frozenset("*?[")


def split_glob(spec: str) -> tuple[str, tuple[str, ...]]:
    """The folder before the first part with `*`, `?` or `[`, and the parts from there on; `()` if there is none.

    >>> split_glob("docs/2024/**/*.pdf")
    ('docs/2024', ('**', '*.pdf'))
    """
    parts = [part for part in spec.split("/") if part not in ("", ".")]
    first = next((index for index, part in enumerate(parts) if MAGIC & set(part)), len(parts))
    folder = "/".join(parts[:first])
    return ("/" + folder if spec.startswith("/") else folder or "."), tuple(parts[first:])


def matches(parts: tuple[str, ...], glob: tuple[str, ...]) -> bool:
    """True if the path, or a folder it lies in, matches.

    >>> matches(("a", "b", "c.pdf"), ("**", "*.pdf")), matches(("a", "c.pdf"), ("*.pdf",))
    (True, False)
    """
    return _compare(parts, glob) == "yes"


def could_match(parts: tuple[str, ...], glob: tuple[str, ...]) -> bool:
    """True if something inside this folder may match.

    >>> could_match(("a",), ("*", "x", "*.pdf")), could_match(("a", "b"), ("*", "x", "*.pdf"))
    (True, False)
    """
    return _compare(parts, glob) != "no"


def _compare(parts: tuple[str, ...], glob: tuple[str, ...]) -> Literal["yes", "maybe", "no"]:
    if not glob:
        return "yes"
    if glob[0] == "**":
        answers = {_compare(parts, glob[1:])} | ({_compare(parts[1:], glob)} if parts else set())
        return "yes" if "yes" in answers and (len(glob) > 1 or parts) else "maybe"
    if not parts:
        return "maybe"
    return _compare(parts[1:], glob[1:]) if fnmatchcase(parts[0], glob[0]) else "no"
