"""The edge to LanceDB: its errors become one-line `StoreError`s here, and conflicting commits are tried again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pipeline.errors import DocmillError, StoreError

Result = TypeVar("Result")
ATTEMPTS = 5
CONFLICTS = ("conflict", "too many concurrent writers")
DENIED = "access denied; check the credentials in the environment and what they are allowed to do"
CAUSES = (  # what a message says in small letters, and what it means to a person
    ("no space left", "the disk is full; free some space and run it again, the previous state is intact"),
    ("disk quota", "the disk quota is used up; free some space and run it again, the previous state is intact"),
    ("read-only file system", "the file system is read-only"),
    ("permission denied", "permission denied; check who owns the folder and who may write to it"),
    ("operation not permitted", "permission denied; check who owns the folder and who may write to it"),
    ("nosuchbucket", "there is no such bucket; check its name, region and endpoint"),
    ("failed to get aws credentials", "no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile"),
    ("invalidaccesskeyid", DENIED),
    ("signaturedoesnotmatch", DENIED),
    ("accessdenied", DENIED),
    ("expiredtoken", DENIED),
    ("kind: connect", "the object store cannot be reached; check AWS_ENDPOINT_URL, the region and the connection"),
    ("too many open files", "too many open files; raise the limit (`ulimit -n 4096`)"),
)


@contextmanager
def translated(uri: str, doing: str) -> Iterator[None]:
    """Turn what LanceDB, Arrow or the system raise inside the block into a `StoreError` that names the store."""
    try:
        yield
    except DocmillError:
        raise
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, NotImplementedError) as error:
        raise StoreError(f"{uri}: cannot {doing}: {reason(error)}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # what a Rust panic arrives as; not an Exception
            raise
        raise StoreError(f"{uri}: cannot {doing}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """One line of at most 300 characters, without the source positions that Lance puts into its messages."""
    text = " ".join(str(error).split()) or type(error).__name__
    for sign, meaning in CAUSES:
        if sign in text.lower():
            return meaning
    text = re.sub(r",? ?/\S+\.rs:\d+:\d+", "", text)
    if re.search(r"Generic (S3|GCS|MicrosoftAzure|HTTP)", text):
        text += " (check the bucket, its region and the credentials in the environment)"
    elif "LanceError(IO)" in text or "not found" in text.lower() or "corrupt" in text.lower():
        text += " (a file of the store is missing or damaged)"
    return text[:300]


def is_conflict(error: BaseException) -> bool:
    """True for a commit that lost a race and may simply be tried again."""
    return any(sign in str(error).lower() for sign in CONFLICTS)


def retrying(action: Callable[[], Result], attempts: int = ATTEMPTS) -> Result:
    """Result of `action`, called again after a commit conflict, at most `attempts` times; it opens its own handles."""
    for attempt in range(1, attempts):
        try:
            return action()
        except (OSError, RuntimeError, ValueError) as error:
            if not is_conflict(error):
                raise
        time.sleep(0.1 * 2**attempt)
    return action()
