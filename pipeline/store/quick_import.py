"""Imports LanceDB without pandas, and without what its REST client would prepare: checks of 366 calls, 300 models.

They take half of the import, most of a second of every command. No call of that client is ever made: docmill knows
files and buckets. The models are prepared when they are first used, and pandas is imported when a table becomes one of
its own. That methods override what they say they do is LanceDB's own test, which read the bytes of 105 of them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from typing import Any

import overrides
import pydantic


@contextmanager
def _unprepared() -> Iterator[None]:
    def as_it_is(function: Any) -> Any:
        return function

    def unread(method: Any) -> Any:
        method.__override__ = True
        return method

    checked, override = pydantic.validate_call, overrides.override
    pydantic.validate_call = as_it_is  # type: ignore[assignment]
    overrides.override = unread  # type: ignore[assignment]
    pydantic.BaseModel.model_config["defer_build"] = True
    try:
        yield
    finally:
        pydantic.validate_call, overrides.override = checked, override
        del pydantic.BaseModel.model_config["defer_build"]


class _WithoutPandas(MetaPathFinder):
    """Nothing imports pandas. PyArrow looks for it at its own import, and again when a table is to become one of it."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:  # noqa: ARG002
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is not imported yet", name=fullname)


@contextmanager
def _without_pandas() -> Iterator[None]:
    finder = _WithoutPandas()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


# LanceDB computes on all cores but two, which it keeps for reading: on two cores, in a single thread.
os.environ.setdefault("LANCE_CPU_THREADS", str(os.cpu_count() or 1))

with _unprepared(), _without_pandas():
    import lancedb  # noqa: F401
