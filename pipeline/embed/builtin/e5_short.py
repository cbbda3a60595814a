"""Tokens of the first few texts of a process from the word pieces that occur in them.

To build the tokenizer over all 250,000 pieces takes most of a second, longer than all else that a search asks of the
model. A Unigram model cuts a word into the likeliest of the pieces that are in it: those that are not make no
difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from pipeline.embed.builtin.e5_file import e5_file
from pipeline.embed.builtin.e5_tokenizer import MASK, e5_tokenizer, tokenizer_of
from pipeline.embed.builtin.windows import encodable

MOST_LETTERS = 20_000  # of a process: a fifth of a second; then the whole tokenizer is built, which takes less a text


@dataclass(frozen=True, slots=True)
class Tokens:
    """Ids without special tokens, and where each stands in the text: (start, end) in characters."""

    ids: list[int]
    offsets: list[tuple[int, int]]


class E5Tokens:
    """What `e5_tokenizer` makes of texts, whichever way is quicker. Get it from `e5_tokens()`."""

    def __init__(self) -> None:
        self._letters = 0

    def __call__(self, text: str) -> Tokens:
        text = encodable(text)
        self._letters += len(text)
        if self._letters > MOST_LETTERS:
            found = e5_tokenizer().encode(text, add_special_tokens=False)
            return Tokens(found.ids, found.offsets)
        return short(text)


@cache
def e5_tokens() -> E5Tokens:
    return E5Tokens()


def short(text: str) -> Tokens:
    """The tokens of `text` by a tokenizer of its own."""
    pieces, unknown = e5_file().pieces, e5_file().specials[3]
    frame = tokenizer_of([(" ", 0.0)], 0)
    normal = frame.normalizer.normalize_str(text)
    words = {word for word, _ in frame.pre_tokenizer.pre_tokenize_str(normal)}
    there = _ids()
    used = sorted({there[part] for word in words for part in _parts(word) if part in there})
    own = [(f" {pieces[unknown][0]}", pieces[unknown][1]), *(pieces[id] for id in used), _rarest()]
    found = tokenizer_of(own, 0).encode(text, add_special_tokens=False)
    ids = [unknown, *used]
    return Tokens([ids[place] for place in found.ids], found.offsets)


def _parts(word: str) -> Iterator[str]:
    longest = _longest()
    for start in range(len(word)):
        for end in range(start + 1, min(start + longest, len(word)) + 1):
            yield word[start:end]


@cache
def _ids() -> dict[str, int]:
    """Of all pieces that a word may hold: none of the special ones."""
    file = e5_file()
    named = {piece: id for id, (piece, _) in enumerate(file.pieces)}
    for special in (*file.specials, named.get(MASK, -1)):
        if special >= 0:
            del named[file.pieces[special][0]]
    return named


@cache
def _longest() -> int:
    return max(map(len, _ids()))


@cache
def _rarest() -> tuple[str, float]:
    """A piece that no text holds, as improbable as the rarest: what is unknown is less probable than that."""
    return "  ", min(score for _, score in e5_file().pieces)
