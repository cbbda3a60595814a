"""Imports LanceDB without what its REST client would prepare: checks of arguments for 366 calls, and 300 models.

They take a third of the import, half a second of every command, and no call of that client is ever made: docmill knows
files and buckets. The models are prepared when they are first used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pydantic


@contextmanager
def _unprepared() -> Iterator[None]:
    def as_it_is(function: Any) -> Any:
        return function

    checked = pydantic.validate_call
    pydantic.validate_call = as_it_is  # type: ignore[assignment]
    pydantic.BaseModel.model_config["defer_build"] = True
    try:
        yield
    finally:
        pydantic.validate_call = checked
        del pydantic.BaseModel.model_config["defer_build"]


with _unprepared():
    import lancedb  # noqa: F401
