"""Exact words in a text, where an index only knows stems and leaves out the most common words. Pure."""

from __future__ import annotations

import re
import unicodedata

UNSPACED = 0x0E00  # scripts from here on (Thai, Chinese, Japanese, Korean) join words without a space


def folded(text: str) -> str:
    """Words in small letters without accents, with one space between them.

    >>> folded("  Das Café,\\nam Ufer. ")
    'das cafe am ufer'
    """
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return " ".join(re.findall(r"\w+", plain.casefold()))


def has_phrase(text: str, phrase: str) -> bool:
    """True if the words of the phrase stand in the text next to each other; case, accents and punctuation do not count.

    >>> has_phrase("The mill-wheel turned.", "Mill wheel"), has_phrase("mills wheels", "mill wheel")
    (True, False)
    >>> has_phrase("東京都の水車小屋", "水車小屋")
    True
    """
    wanted = folded(phrase)
    if not wanted:
        return False
    start, end = ("" if ord(edge) >= UNSPACED else r"\b" for edge in (wanted[0], wanted[-1]))
    return re.search(f"{start}{re.escape(wanted)}{end}", folded(text)) is not None


def in_order(phrase: str) -> str:
    """A LIKE pattern that every text with the phrase matches, if its accents are written in the same way.

    >>> in_order("to be, or not")
    '%to%be%or%not%'
    """
    words = [word.replace("_", "\\_") for word in re.findall(r"\w+", phrase)]
    return "".join(f"%{word}" for word in words) + "%"
