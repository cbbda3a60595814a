"""What could not be read, by kind of failure, with the button that has it tried again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from browse.browsed import Browsed
from browse.forms import read_own_form, whole
from browse.render import page
from pipeline.errors import UsageError
from pipeline.ingest.by_hand import choose, to_retry
from pipeline.sources.listing import spec_of
from pipeline.types import DocumentRecord

LOCK_WAIT_S = 5.0
SHOWN = 20  # documents of a kind that are named
NAMED = 8  # files that the command names


@dataclass(frozen=True, slots=True)
class Kind:
    """Documents that failed in the same way; `waiting` of them are to be tried again."""

    fingerprint: str
    records: tuple[DocumentRecord, ...]
    waiting: int
    command: str

    @property
    def first(self) -> DocumentRecord:
        return self.records[0]


def groups(request: Request) -> Response:
    """All kinds of failure, the most frequent first."""
    corpus: Browsed = request.app.state.corpus
    kinds: dict[str, list[DocumentRecord]] = {}
    for record in corpus.store.documents(state="quarantined"):
        kinds.setdefault(record.fingerprint or record.source_uri, []).append(record)
    ordered = sorted(kinds.items(), key=lambda kind: (-len(kind[1]), kind[1][0].source_uri))
    return page(
        request,
        "quarantine.html",
        kinds=[_kind(name, records) for name, records in ordered],
        shown=SHOWN,
        marked=whole(request.query_params, "marked", 0),
    )


async def retry(request: Request) -> Response:
    """Marks a kind of failure, or one document, to be worked on by the next ingest."""
    fields = await read_own_form(request)
    marked = await anyio.to_thread.run_sync(partial(_mark, request.app.state.corpus, fields))
    return RedirectResponse(f"/quarantine?marked={marked}", 303)


def _mark(corpus: Browsed, fields: dict[str, str]) -> int:
    """Raises `StoreBusy` while another run writes, `UsageError` for what is not in quarantine."""
    uri, fingerprint = fields.get("uri", ""), fields.get("fingerprint", "")
    if bool(uri) == bool(fingerprint):
        raise UsageError("say which documents: one, or a kind of failure")
    store = corpus.store
    with store.writer(LOCK_WAIT_S):
        chosen = choose(store, [uri] if uri else [], fingerprint or None)
        store.record(to_retry(store, chosen))
    return len(chosen)


def _kind(name: str, records: Sequence[DocumentRecord]) -> Kind:
    files = list(dict.fromkeys(record.source_uri.partition("!/")[0] for record in records))
    command = shlex.join(["docmill", "ingest", *map(spec_of, files)]) if len(files) <= NAMED else ""
    waiting = sum(record.by_hand == "retry" for record in records)
    return Kind(name if records[0].fingerprint else "", tuple(records), waiting, command)
