"""Says when a noticeable share of passages is in a language that the model of the passages does not know.

The identifier is a package with its model inside (py3langid); it is loaded only when something does not look English.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pipeline.config import Settings
from pipeline.embed.catalog import catalog

KEPT = 200  # passages that are looked at
FEWEST = 20  # passages below which a share says nothing
NOTICEABLE = 0.1  # share of them
LETTERS = 60  # of a passage that has a language
LOOK_AT = 2_000  # characters of one
SURE = 0.9  # of the identifier: lists of names and codes are of no language
NO_LANGUAGE = ("zxx", "und")  # how the identifier calls lists, codes and numbers
MULTILINGUAL = "builtin-multilingual"
SMALL_WORDS = "the of and to in is that for it with as was on are by this be from or an at not have which were has"
ENGLISH = frozenset(SMALL_WORDS.split())
NAMES = {  # others are named by their codes
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan", "cs": "Czech", "cy": "Welsh", "da": "Danish",
    "de": "German", "el": "Greek", "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian", "fi": "Finnish",
    "fr": "French", "ga": "Irish", "gl": "Galician", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian",
    "id": "Indonesian", "is": "Icelandic", "it": "Italian", "ja": "Japanese", "ko": "Korean", "la": "Latin",
    "lt": "Lithuanian", "lv": "Latvian", "ms": "Malay", "nl": "Dutch", "no": "Norwegian", "pl": "Polish",
    "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sl": "Slovenian", "sr": "Serbian",
    "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian",
    "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip


@dataclass(slots=True)
class Sample:
    """Some of many texts, the same ones whatever their order: those whose hashes are smallest."""

    _kept: list[tuple[int, str]] = field(default_factory=list)

    def add(self, texts: Iterable[str]) -> None:
        for text in texts:
            key = -int.from_bytes(hashlib.blake2b(text[:LOOK_AT].encode("utf-8", "replace"), digest_size=8).digest())
            if len(self._kept) < KEPT:
                heapq.heappush(self._kept, (key, text[:LOOK_AT]))
            elif key > self._kept[0][0]:
                heapq.heapreplace(self._kept, (key, text[:LOOK_AT]))

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self._kept]


def language_note(texts: Sequence[str], settings: Settings) -> str:
    """One line on the share of passages in languages that the model of the passages does not know, and what to set; ""
    where the share is small, the texts are few, or the model knows many languages."""
    if knows_many(settings):
        return ""
    texts = [text[:LOOK_AT] for text in texts if sum(map(str.isalpha, text[:LOOK_AT])) >= LETTERS]
    strange = [text for text in texts if not looks_english(text)]
    if len(texts) < FEWEST or len(strange) < NOTICEABLE * len(texts):
        return ""
    found = Counter(language for language in map(identify, strange) if language != "en")
    del found[""]
    share = found.total() / len(texts)
    if share < NOTICEABLE:
        return ""
    most = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:4]
    named = ", ".join(f"{NAMES.get(code, code)} {count / len(texts):.0%}" for code, count in most)
    setting, name = ("text", settings.text) if settings.text else ("unified", settings.unified)
    return (
        f"about {share:.0%} of the passages are not in English ({named}; {len(texts)} were looked at), and "
        f'`{setting}` = "{name}" knows English: they will be found badly. unified = "{MULTILINGUAL}" knows a hundred; '
        f"`docmill backfill reembed --unified {MULTILINGUAL}` moves a store to it, `docmill models` shows others"
    )


def knows_many(settings: Settings) -> bool:
    """Whether the model of the passages is for more than English, or nothing is known of it."""
    name = (settings.text or settings.unified).partition("@")[0]
    own = settings.models.get(name)
    entries = [own] if own else [found for task in ("text", "unified", "pictures") if (found := _entry(task, name))]
    return not entries or entries[0].languages.strip().lower() not in ("english", "en")


def looks_english(text: str) -> bool:
    """Whether English's small words stand in a text as often as in English prose, roughly.

    >>> looks_english("the wheel of the mill was repaired in spring"), looks_english("das Rad der Mühle im Frühjahr")
    (True, False)
    """
    words = re.findall(r"[^\W\d_]+", text.lower())
    small = [word for word in words if word in ENGLISH]
    return len(set(small)) >= 3 and len(small) >= len(words) / 10


def identify(text: str) -> str:
    """The language of a text as two or three letters, "" if that is not clear. In letters that are not Latin it is
    clear enough that it is not English, whichever it is."""
    language, probability = _identifier().classify(text)
    latin = sum(letter < "\u0250" for letter in text if letter.isalpha())
    is_latin = 2 * latin >= sum(map(str.isalpha, text))
    if not language or language in NO_LANGUAGE:
        return ""
    return str(language) if probability >= SURE or not is_latin else ""


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _entry(task: Any, name: str) -> Any:
    return catalog(task).get(name)
