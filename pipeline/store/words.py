"""Words of a query as the index has them: Arabic writes its article and small words with the next one. Pure."""

from __future__ import annotations

import re

# "the", "and the", "by the", "as the", "so the", "for the", "and": the prefixes that light10 takes off (Larkey,
# Ballesteros and Connell, Light Stemming for Arabic Information Retrieval, 2007). The longest come first.
PREFIXES = ("وال", "بال", "كال", "فال", "لل", "ال", "و")
ARABIC = re.compile(r"[\u0621-\u064a\u064b-\u0652\u0640]+")
MARKS = re.compile(r"[\u064b-\u0652\u0640]")  # short vowels, and the stroke that only lengthens a word
LONGEST = 2_000  # characters of a query that is widened; a longer one has words enough
SHORTEST = 3  # letters that must be left of a word


def widened(query: str) -> str:
    """The query with the other ways to write its Arabic words, with and without such prefixes; the rest as it is.

    The index holds words as they stand in the text. Every form counts by its own rarity.

    >>> widened("pond والسد").split()[:4]
    ['pond', 'والسد', 'سد', 'بالسد']
    """
    return query if len(query) > LONGEST else ARABIC.sub(lambda found: " ".join(_forms(found[0])), query)


def _forms(word: str) -> list[str]:
    plain = MARKS.sub("", word)
    bare = next((plain[len(p) :] for p in PREFIXES if plain.startswith(p) and _is_word(plain[len(p) :], p)), plain)
    if len(bare) < 2:
        return [word]
    return list(dict.fromkeys((word, plain, bare, *(prefix + bare for prefix in PREFIXES))))


def _is_word(rest: str, prefix: str) -> bool:
    """Whether what is left is long enough to be a word: more so after a single letter, which may be the word's own."""
    return len(rest) >= (SHORTEST if len(prefix) == 1 else SHORTEST - 1)
