"""Known questions asked again: does a search still find what it found when the store was last good?

A question is a few words of a passage, page or picture of the corpus itself (known-item search), or a line of the
user's own file. The answers of the last good time are kept in the store; only questions whose document has not changed
since then are compared, so that a changed corpus is no alarm and a lost index, text or model is.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import heapq
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.config import Canary, Settings
from pipeline.embed import PageModel, Unified
from pipeline.errors import CanaryDrop, UsageError
from pipeline.search import LEGS, Scope, Searcher
from pipeline.store import Store

K = 10  # a question is answered if its document is among so many hits
TOGETHER = 32  # questions that are embedded at once
WORDS = 10  # of a question
LETTERS = 30  # of a question in a script without spaces
NOTE = "canary"
TAG = "good"
MENDED = ""  # hash of a document whose rows were not what the ledger said: not its owner changed it
SHOWN = 5  # lost questions that an error names


@dataclass(frozen=True, slots=True)
class Question:
    """Words, and the document that they should find; `content` is that document's hash, empty for the user's own
    questions, whose document may be the end of a source URI."""

    text: str
    source_uri: str
    content: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """A question and the rank (from 1) at which its document was found, None if it was not among the first ten."""

    question: Question
    rank: int | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the canary says. `before` and `after` are recall@10 of the questions that were asked both times, None
    without any; `lost` are those that were answered before and are not now."""

    answers: tuple[Answered, ...]
    compared: int
    before: float | None
    after: float | None
    lost: tuple[Question, ...]
    good: bool
    version: int = 0  # of the corpus
    tagged: int | None = None  # version that has the tag `good` now

    @property
    def recall(self) -> float:
        """Recall@10 of all questions of this time; 1 without any."""
        return recall(self.answers)

    @property
    def mrr(self) -> float:
        """Mean reciprocal rank of all questions of this time; 1 without any."""
        ranks = [1 / answer.rank if answer.rank else 0.0 for answer in self.answers]
        return sum(ranks) / len(ranks) if ranks else 1.0

    def check(self) -> None:
        """Raise `CanaryDrop` if searches find less than they did."""
        if self.good:
            return
        named = "; ".join(f"{question.text!r} no longer finds {question.source_uri}" for question in self.lost[:SHOWN])
        raise CanaryDrop(
            f"the canary's recall@{K} fell from {self.before:.3f} to {self.after:.3f} on {self.compared} questions, so "
            f"the tag {TAG} stays at version {self.tagged}: {named}"
        )


def recall(answers: Sequence[Answered]) -> float:
    return sum(answer.rank is not None for answer in answers) / len(answers) if answers else 1.0


def run_canary(
    settings: Settings,
    store: Store,
    unified: Unified,
    pages: PageModel,
    *,
    now: dt.datetime,
    folder: Path,
    accept: bool = False,
) -> Verdict:
    """Ask the questions, compare with the last good time, and move the tag `good` to this version unless searches find
    too much less. With `accept` this time is good whatever it finds. Call it under the writer lock.

    Raises `UsageError` for a question file that cannot be read.
    """
    before = _read(store)
    own = read_questions(folder / settings.canary.file) if settings.canary.file else []
    questions = [*own, *_questions(store, before, settings.canary.questions)]
    answers = ask(Searcher(store, unified, pages, settings.search), questions)
    verdict = judge(before, answers, settings.canary)
    verdict = replace(verdict, good=verdict.good or accept)
    version = store.version()
    if verdict.good and answers:
        value = {"at": now.isoformat(timespec="seconds"), "version": version, "answers": [asdict(a) for a in answers]}
        store.set_note(NOTE, json.dumps(value).encode())
        store.set_tag(TAG)
    return replace(verdict, version=version, tagged=store.tagged(TAG))


def judge(before: Sequence[Answered], answers: Sequence[Answered], settings: Canary) -> Verdict:
    """Compare two times on the questions they have in common; the user's own questions and the sampled ones each."""
    known = {answer.question: answer for answer in before}
    both = [answer for answer in answers if answer.question in known]
    earlier = [known[answer.question] for answer in both]
    good = True
    for is_own in (True, False):
        old = [answer for answer in earlier if (not answer.question.content) == is_own]
        new = [answer for answer in both if (not answer.question.content) == is_own]
        good &= not old or recall(old) - recall(new) <= settings.drop + 1e-9
    lost = [a.question for a in both if a.rank is None and known[a.question].rank is not None]
    then, today = (recall(earlier), recall(both)) if both else (None, None)
    return Verdict(tuple(answers), len(both), then, today, tuple(lost), good)


def ask(searcher: Searcher, questions: Sequence[Question], legs: Collection[str] = LEGS) -> list[Answered]:
    """The rank of each question's document among the first ten hits."""
    answers: list[Answered] = []
    for start in range(0, len(questions), TOGETHER):
        group = questions[start : start + TOGETHER]
        for question, answer in zip(
            group, searcher.answer_many([q.text for q in group], Scope(k=K, legs=legs)), strict=True
        ):
            uris = [hit.source_uri for hit in answer.hits]
            answers.append(Answered(question, _rank(question, uris)))
    return answers


def question_of(text: str) -> str | None:
    """A few words from the middle of a text, or None if it has too few to be known by.

    >>> question_of("one two three four five six seven eight nine ten eleven twelve")
    'two three four five six seven eight nine ten eleven'
    >>> question_of("p. 12") is None
    True
    """
    words = [word for word in text.split() if any(letter.isalnum() for letter in word)]
    if len(words) >= WORDS:
        start = (len(words) - WORDS) // 2
        return " ".join(words[start : start + WORDS])
    joined = " ".join(words)
    if len(joined) < LETTERS:
        return None
    start = (len(joined) - LETTERS) // 2
    return joined[start : start + LETTERS]


def read_questions(path: Path) -> list[Question]:
    """The user's own: a JSON object a line with `text`, and `source_uri` or the end of one, such as a file's name."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or error
        raise UsageError(f"canary.file = {path}: cannot be read: {cause}") from error
    return [_own(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _own(path: Path, number: int, line: str) -> Question:
    try:
        value = json.loads(line)
        text, uri = value["text"], value["source_uri"]
    except (ValueError, KeyError, TypeError):
        text = uri = None
    if not (isinstance(text, str) and text.strip() and isinstance(uri, str) and uri.strip()):
        raise UsageError(f'{path}: line {number} is not {{"text": "...", "source_uri": "..."}}')
    return Question(text, uri)


def _rank(question: Question, uris: Sequence[str]) -> int | None:
    for rank, uri in enumerate(uris, 1):
        if uri == question.source_uri or (not question.content and uri.endswith("/" + question.source_uri)):
            return rank
    return None


def _questions(store: Store, before: Iterable[Answered], count: int) -> list[Question]:
    """The sampled questions of the last time whose document is as it was, and new ones up to `count`."""
    asked = [answer.question for answer in before if answer.question.content]
    contents = _contents(store, [question.source_uri for question in asked])
    kept = [q for q in asked if contents.get(q.source_uri) in (q.content, MENDED)][:count]
    names = {question.source_uri for question in kept}
    return [*kept, *(q for q in _sampled(store, 2 * count) if q.source_uri not in names)][:count]


def known_items(store: Store, count: int) -> list[Question]:
    """Up to so many questions, each a few words of a row of another document; the same corpus gives the same ones."""
    return _sampled(store, count)


def _sampled(store: Store, count: int) -> list[Question]:
    """Questions of rows that are chosen by their id, so that the same corpus gives the same ones; one a document."""
    ids = heapq.nsmallest(4 * count, store.row_ids(), key=lambda name: hashlib.sha256(name.encode()).digest())
    rows = store.fetch(ids)
    questions: dict[str, str] = {}
    for name in ids:
        row = rows.get(name)
        if row is not None and (text := question_of(row["text"] or "")):
            questions.setdefault(row["source_uri"], text)
    contents = _contents(store, list(questions))
    return [Question(text, uri, contents[uri]) for uri, text in questions.items() if contents.get(uri)][:count]


def _contents(store: Store, uris: Sequence[str]) -> dict[str, str]:
    """The hashes of documents that should be found, or `MENDED`."""
    records = store.documents(uris) if uris else iter(())
    should = (record for record in records if record.state == "indexed" or record.content_sha256 == MENDED)
    return {record.source_uri: record.content_sha256 for record in should}


def _read(store: Store) -> list[Answered]:
    note = store.note(NOTE)
    if note is None:
        return []
    try:
        return [_answered(value) for value in json.loads(note)["answers"]]
    except (ValueError, KeyError, TypeError):  # of another version of docmill: as if it were the first time
        return []


def _answered(value: Mapping[str, Any]) -> Answered:
    return Answered(Question(**value["question"]), value["rank"])
