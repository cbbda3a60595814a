"""Names, sizes and pieces of text as people read them, on a terminal or on a page. Pure; escapes nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

LOOK_AT = 20_000  # characters of a hit's text that are searched for the query's words


def one_line(text: str) -> str:
    """Text on one line without control characters: a document must not steer the terminal.

    >>> one_line("red\\x1b[31m  and\\nblue")
    'red [31m and blue'
    """
    return " ".join(without_controls(text).split())


def without_controls(text: str) -> str:
    """Text whose control characters, those for the direction of writing too, are spaces; line ends stay.

    >>> without_controls("a\\u202eb\\nc")
    'a b\\nc'
    """
    return "".join(" " if _is_control(letter) and letter != "\n" else letter for letter in text)


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


def words_to_mark(query: str) -> list[str]:
    """Words of the query that are worth marking: in lower case, without those of one or two Latin letters.

    >>> words_to_mark("Who is at the Harbour?")
    ['who', 'the', 'harbour']
    """
    return [word for word in dict.fromkeys(re.findall(r"\w+", query.lower())) if len(word) > 2 or not word.isascii()]


def snippet(text: str, words: Sequence[str], length: int) -> str:
    """The piece of `length` characters with most of the query's words, on one line.

    >>> snippet("A mill by the sea. The wheel turns. The pond fills at night.", ["wheel"], 25)
    '…The wheel turns. The po…'
    """
    text = one_line(text[:LOOK_AT])
    if len(text) <= length:
        return text
    found = [(match.start(), match.group()) for match in marks(words).finditer(text)] if words else []
    starts = [max(0, place - length // 5) for place, _ in found] or [0]
    best = max(starts, key=lambda start: (len({w.lower() for p, w in found if start <= p < start + length}), -start))
    best = 0 if best == 0 else text.find(" ", best) + 1
    piece = text[best : best + length - 2]
    return ("…" if best else "") + piece + ("…" if best + len(piece) < len(text) else "")


def marks(words: Sequence[str]) -> re.Pattern[str]:
    """Where one of these words begins; there must be one."""
    return re.compile("|".join(rf"\b{re.escape(word)}" if word.isascii() else re.escape(word) for word in words), re.I)


def _is_control(letter: str) -> bool:
    code = ord(letter)
    return code < 32 or 127 <= code < 160 or 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069
