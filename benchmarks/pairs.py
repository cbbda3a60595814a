"""The same work done by docmill and by something else, in turns: seconds by the clock and of processors, and ratios.

Whatever else a machine does falls on both of a pair. A ratio is the other's seconds over docmill's: how many times as
fast docmill is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import psutil


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of the clock, and of processors by this process and all below it."""

    clock_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """Median, least and most over pairs."""

    middle: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.least:.2f} to {self.most:.2f})"


@dataclass(frozen=True, slots=True)
class Compared:
    """Pairs of (docmill, other). `asked` is the least ratio by the clock; `note` says what else the work was."""

    part: str
    work: str
    beside: str
    asked: float
    pairs: Sequence[tuple[Took, Took]]
    note: str = ""

    @property
    def clock(self) -> Ratio:
        return _ratio([theirs.clock_s / ours.clock_s for ours, theirs in self.pairs])

    @property
    def cpu(self) -> Ratio:
        return _ratio([theirs.cpu_s / ours.cpu_s for ours, theirs in self.pairs])

    @property
    def is_met(self) -> bool:
        return self.clock.middle >= self.asked

    @property
    def seconds(self) -> tuple[float, float]:
        """Medians by the clock, docmill's and the other's."""
        ours, theirs = zip(*self.pairs, strict=True)
        return median(took.clock_s for took in ours), median(took.clock_s for took in theirs)


def in_turns(
    ours: Callable[[], object], theirs: Callable[[], object], pairs: int, warm: bool = True
) -> list[tuple[Took, Took]]:
    """Both, `pairs` times, who begins changes; with `warm` each has run once before."""
    found = []
    if warm:
        ours(), theirs()
    for number in range(pairs):
        if number % 2:
            second = timed(theirs)
            found.append((timed(ours), second))
        else:
            first = timed(ours)
            found.append((first, timed(theirs)))
        print(f"  pair {number + 1}: {found[-1][1].clock_s / found[-1][0].clock_s:.2f}", flush=True)
    return found


def timed(action: Callable[[], object]) -> Took:
    clock, cpu = time.perf_counter(), _cpu_s()
    action()
    return Took(time.perf_counter() - clock, max(_cpu_s() - cpu, 1e-3))


def _cpu_s() -> float:
    """Of this process, of those it waited for, and of those below it that live."""
    this = psutil.Process()
    times = [this.cpu_times()]
    for child in this.children(recursive=True):
        try:
            times.append(child.cpu_times())
        except psutil.Error:
            continue
    return sum(one.user + one.system + one.children_user + one.children_system for one in times)


def _ratio(values: Sequence[float]) -> Ratio:
    return Ratio(median(values), min(values), max(values))
