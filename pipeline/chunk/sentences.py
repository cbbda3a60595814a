"""Where sentences end, by punctuation alone: no language is assumed and no model is loaded.

A run of `.!?…` ends a sentence if white space follows and what comes then may begin one (no small letter), unless the
word before is an initial, a number of one or two digits or a common abbreviation. The full stops of Chinese, Japanese,
Hindi, Urdu, Armenian, Amharic, Khmer and Burmese end one by themselves. An empty line always ends one.
"""

from __future__ import annotations

import re

CLOSERS = "\"'”’»›)\\]」』）】》"
END = re.compile(
    rf"(?<![.!?…])[.!?…]++[{CLOSERS}]*+(?=\s)"  # needs white space after it
    rf"|(?<![。！？｡．।॥۔؟։።፧။។])[。！？｡．।॥۔؟։።፧။។]++[{CLOSERS}]*+"  # does not
    r"|(?<!\n)\n[^\S\n]*+\n"
)
LAST_WORD = re.compile(r"(\S{1,12})[.]$")
ABBREVIATION = re.compile(
    "abb|abs|al|approx|apr|art|aug|bd|bzw|ca|cap|cf|co|corp|dec|dept|dr|ed|eds|eg|e[.]g|eq|est|etc|ex|feb|fig|figs|fr"
    "|gen|gov|hr|ibid|i[.]e|ie|inc|jan|jr|ltd|max|med|min|mme|mr|mrs|ms|mt|no|nos|nov|nr|num|oct|op|orig|p|par|pp|prof"
    "|pág|rev|sec|sect|sep|sept|seq|sr|sra|st|str|tab|tel|u[.]a|univ|usw|v|vgl|vol|vols|vs|z[.]b|zb"
)


def sentences(text: str) -> list[tuple[int, int]]:
    """(start, end) of every sentence, white space around it left out; together they hold every other character.

    >>> text = "Dr. Ames paid 3.50 for it. Why? 二人。そう。"
    >>> [text[start:end] for start, end in sentences(text)]
    ['Dr. Ames paid 3.50 for it.', 'Why?', '二人。', 'そう。']
    """
    found, start = [], 0
    for match in END.finditer(text):
        if match[0][0] in ".!?…" and not _ends(text, match):
            continue
        found.append((start, match.end()))
        start = match.end()
    found.append((start, len(text)))
    return [span for span in (trim(text, *span) for span in found) if span[0] < span[1]]


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without the white space at its ends."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _ends(text: str, match: re.Match[str]) -> bool:
    following = text[match.end() : match.end() + 40].lstrip()
    if following[:1].islower():
        return False
    if match[0] != ".":
        return True
    word = LAST_WORD.search(text, max(0, match.start() - 12), match.end())
    if word is None:
        return True
    bare = word[1].lstrip("(\"'“„«[").lower()
    initial = len(bare) == 1 and bare.isalpha() and bare.islower()
    numbered = len(bare) <= 2 and bare.isdigit()
    return not (initial or numbered or ABBREVIATION.fullmatch(bare))
