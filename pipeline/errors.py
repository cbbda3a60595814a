"""Every error docmill raises on purpose.

    DocmillError
    ├── UsageError            bad argument, setting or configuration file      exit code 2
    │   └── ModelMismatch     the table was made with another model            exit code 2
    ├── Permanent             the same input would fail again                  quarantine
    │   ├── Unreadable        damaged, empty or not what it claims to be
    │   ├── PasswordNeeded    encrypted, and no password in the settings opens it
    │   ├── Unsupported       a format docmill does not parse
    │   └── LimitExceeded     over a limit in `[limits]` (size, pages, pixels, time, memory)
    ├── Transient             may succeed when tried again                     quarantine, retried by a later run
    │   └── WorkerDied        a parse worker was killed by the system
    ├── StoreError            the store cannot be read or written              exit code 1
    │   ├── StoreBusy         another process holds the writer lock
    │   ├── TooLittleMemory   upkeep would need more than is free
    │   ├── NotAStore         the path holds something else
    │   └── AccountingError   the ledger and the table disagree
    ├── CanaryDrop            searches find less than they did                 exit code 1
    └── ServerError           Prefect's server cannot be started or reached    exit code 1

A library's own exception is translated once, in the stage that owns the library, with `raise ... from`.
"""

from __future__ import annotations

import hashlib
import re

from pipeline.types import Failure, Stage


class DocmillError(Exception):
    """Base of all; its message is one line fit to be shown to a person."""


class UsageError(DocmillError): ...


class ModelMismatch(UsageError): ...


class Permanent(DocmillError): ...


class Unreadable(Permanent): ...


class PasswordNeeded(Permanent): ...


class Unsupported(Permanent): ...


class LimitExceeded(Permanent): ...


class Transient(DocmillError): ...


class WorkerDied(Transient): ...


class StoreError(DocmillError): ...


class StoreBusy(StoreError): ...


class TooLittleMemory(StoreError): ...


class NotAStore(StoreError): ...


class AccountingError(StoreError): ...


class CanaryDrop(DocmillError): ...


class ServerError(DocmillError): ...


def is_transient(error: BaseException) -> bool:
    """The one place that decides: True if trying again later may help."""
    return isinstance(error, Transient | MemoryError | TimeoutError | ConnectionError)


def to_failure(error: BaseException, stage: Stage, page: int | None = None) -> Failure:
    """An expected error as the value that travels to the ledger; its message is one line."""
    message = " ".join(str(error).split()) or type(error).__name__
    return Failure(stage, type(error).__name__, message[:500], page, is_transient(error))


def fingerprint(failure: Failure) -> str:
    """Equal for failures of one kind: the message without the item's name, quoted parts and numbers.

    >>> one = Failure("parse", "Unreadable", "a.pdf: 12 objects are missing")
    >>> two = Failure("parse", "Unreadable", "b.pdf: 7 objects are missing")
    >>> fingerprint(one) == fingerprint(two)
    True
    """
    message = failure.message.split(": ", 1)[-1]
    message = re.sub(r"'[^']*'|\"[^\"]*\"|\(.*?\)|[\d.,]+", "#", message)
    return hashlib.sha256(f"{failure.stage}|{failure.error}|{message}".encode()).hexdigest()[:10]
