"""The ranking of each query as a run in TREC's format, for ir_measures, ranx, pytrec_eval and their kin. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

TAG = "docmill"


def run_lines(runs: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """`query Q0 document rank score docmill`, best first; an answer is called what the judgements call it.

    Scores are one divided by the rank: what fuses several kinds of rows has none that compare between queries. White
    space in names, which would break the columns, is percent-encoded.

    >>> list(run_lines({"q 1": ["a.pdf#3", "b"]}))
    ['q%201 Q0 a.pdf#3 1 1.000000 docmill', 'q%201 Q0 b 2 0.500000 docmill']
    """
    for query, documents in runs.items():
        for rank, document in enumerate(documents, 1):
            yield f"{_plain(query)} Q0 {_plain(document)} {rank} {1 / rank:.6f} {TAG}"


def _plain(name: str) -> str:
    return re.sub(r"[\s\x00-\x1f]", lambda found: quote(found[0]), name)
