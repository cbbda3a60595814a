"""The table of `python -m benchmarks`."""

from __future__ import annotations

import time

from benchmarks.__main__ import BEGIN, END, rewritten
from benchmarks.cold import Cold
from benchmarks.pairs import Compared, Took, in_turns

PAGE = f"# Benchmarks\n\n{BEGIN}\n{END}\n\nwords\n"


def compared(part: str, *seconds: tuple[float, float]) -> Compared:
    return Compared(part, "work", "other", 2.0, [(Took(ours, ours), Took(other, other)) for ours, other in seconds])


def test_a_part_that_was_not_run_keeps_its_line() -> None:
    """Lines are replaced by part, stand in the order of the parts, and what is around the table stays."""
    first = rewritten(PAGE, [compared("pdf (1 worker)", (2, 1)), Cold("cold search", "a search", 2, [Took(1, 1)])])
    page = rewritten(first, [compared("embed", (1, 3), (1, 4), (1, 9))])
    lines = page.partition(BEGIN)[2].partition(END)[0].splitlines()[3:]

    assert [line.split("|")[1].strip() for line in lines] == ["embed", "pdf (1 worker)", "cold search"]
    assert "**4.00** (3.00 to 9.00)" in lines[0]
    assert page.startswith("# Benchmarks\n\n")
    assert page.endswith("\n\nwords\n")
    assert rewritten(page, []) == page


def test_a_ratio_says_how_many_times_as_fast() -> None:
    """Each pair has both, whoever begins; the median decides whether a part is met."""
    pairs = in_turns(lambda: time.sleep(0.01), lambda: time.sleep(0.05), 3)

    assert all(ours.clock_s < theirs.clock_s for ours, theirs in pairs)
    assert Compared("sleep", "", "", 2.0, pairs).is_met
    assert not Compared("sleep", "", "", 2.0, [(theirs, ours) for ours, theirs in pairs]).is_met
