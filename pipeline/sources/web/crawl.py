"""Web sources: what a URL leads to, fetched, as sources. Parses nothing: `look` says what a body leads to.

What a named URL is decides: a sitemap or a feed stands for what it lists, anything else is a document, and a page may
be followed to pages of its own host, `web.depth` links deep. To list a page is to fetch it, with a conditional request
if it is known; its revision is that of its bytes, which are kept.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Literal

from pipeline.errors import DocmillError, StoreError, Transient, Unreadable, to_failure
from pipeline.sources.ignore import Rules
from pipeline.sources.web.browser import Browser
from pipeline.sources.web.fetch import GONE, Answer, Denied, Fetcher
from pipeline.sources.web.frontier import Frontier, Task
from pipeline.sources.web.kept import Record
from pipeline.sources.web.urls import host_of, name_of, path_of, try_canonical
from pipeline.types import Found

MOST_LISTINGS = 1000  # of one source, sitemaps in sitemaps among them


@dataclass(frozen=True, slots=True)
class Leads:
    """What a body leads to: canonical URLs; of a page's pictures, for each its addresses with their URLs."""

    kind: str = "file"  # "page", "sitemap", "feed" or "file"
    links: tuple[str, ...] = ()
    listings: tuple[str, ...] = ()
    pictures: tuple[tuple[tuple[str, str], ...], ...] = ()  # (address on the page, URL)
    skip: str = ""  # why it is no document


KINDS: dict[str, Literal["page", "listing", "file"]] = {
    "page": "page",
    "sitemap": "listing",
    "feed": "listing",
    "file": "file",
}
Look = Callable[[Record], Leads]


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of a task: an answer, or the error that kept it from one."""

    answer: Answer | None = None
    error: DocmillError | None = None


@dataclass(slots=True)
class Crawl:
    """One pass over some URLs. After `found` is exhausted, `gone` holds the documents that are to be deleted.

    With `only_named` nothing but what is named and what lists others is fetched; what is known counts as unchanged.
    """

    specs: Sequence[str]  # canonical URLs
    fetcher: Fetcher
    look: Look
    rules: Rules
    browser: Browser | None = None
    only_named: bool = False
    tell: Callable[[int], None] = lambda _: None  # how many URLs were visited
    gone: set[str] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)  # URLs that were added, or reached by a redirect
    _counts: Counter[str] = field(default_factory=Counter)  # documents and listings of a spec
    _left_out: Counter[str] = field(default_factory=Counter)  # links of a spec that rules and limits left out

    def found(self) -> Iterator[Found]:
        """Every source, each once, in an order that depends on the sites alone."""
        web = self.fetcher.web
        frontier = Frontier(self._visit, web.hosts, web.per_host)
        for spec in self.specs:
            if spec not in self._seen:
                self._seen.add(spec)
                frontier.add(Task(spec, spec, "named", web.depth))
        for number, (task, visit) in enumerate(frontier.results(self._known_but_unseen), 1):
            self.tell(number)
            yield from self._outcome(task, visit, frontier)

    def close(self) -> None:
        """Let go of connections and of the browser."""
        if self.browser is not None:
            self.browser.close()
        self.fetcher.close()

    # in threads -----------------------------------------------------------------------------------------------

    def _visit(self, task: Task) -> Visit:
        try:
            if self.only_named and task.way not in ("named", "listing"):
                return Visit(self._unvisited(task))
            answer = self.fetcher.get(task.url, again=not self._to_be_rendered(task.url))
            if answer.status == 200 and answer.record is not None:
                answer = replace(answer, record=self._completed(task, answer))
            elif answer.record is not None and (answer.record.missed or answer.record.found_by != task.spec):
                self._put(replace(answer.record, missed=0, found_by=task.spec))
            return Visit(answer)
        except StoreError:
            raise
        except DocmillError as error:
            return Visit(error=error)

    def _to_be_rendered(self, url: str) -> bool:
        """A page that was skipped for want of a browser, now that there is one."""
        known = self.fetcher.kept.record(url) if self.browser is not None else None
        return known is not None and bool(known.skip)

    def _unvisited(self, task: Task) -> Answer:
        return Answer(task.url, 304, self.fetcher.kept.record(task.url))

    def _completed(self, task: Task, answer: Answer) -> Record:
        """The record of a body that is new: what it leads to, with its pictures fetched."""
        record = answer.record
        assert record is not None
        before = self.fetcher.kept.record(record.url)
        same = before is not None and before.sha256 == record.sha256
        if (
            before is not None and same and not self._to_be_rendered(record.url)
        ):  # the server does not know conditional requests
            leads = (before.kind, before.links, before.listings, before.pictures, before.left_out, before.skip)
            names = ("kind", "links", "listings", "pictures", "left_out", "skip")
            record = replace(record, **dict(zip(names, leads, strict=True)))  # type: ignore[arg-type]
        else:
            record = self._looked_at(record)
        record = replace(record, found_by=task.spec, redirects=answer.redirects)
        self._put(record)
        return record

    def _looked_at(self, record: Record) -> Record:
        leads = self.look(record)
        if leads.skip and self.browser is not None:
            rendered = self.browser.render(record.url)
            record = replace(
                record,
                sha256=self.fetcher.kept.add(rendered.html),
                size_bytes=len(rendered.html),
                etag="",  # they tell nothing of what scripts make of the page: it is rendered in every run
                modified="",
                charset="utf-8",
                screenshots=tuple(map(self.fetcher.kept.add, rendered.pictures)),
            )
            leads = self.look(record)
        kind = KINDS[leads.kind]
        links = tuple(link for link in leads.links if kind == "listing" or _same_host(link, record.url))
        pictures: dict[str, str] = {}
        left_out = 0
        for addresses in leads.pictures if not leads.skip else ():
            if len(pictures) >= self.fetcher.web.pictures:
                break
            taken = self._picture(addresses)
            left_out += taken is None
            pictures |= taken or {}
        return replace(
            record,
            kind=kind,
            links=links,
            listings=leads.listings,
            pictures=pictures,
            left_out=left_out,
            skip=leads.skip,
        )

    def _picture(self, addresses: Sequence[tuple[str, str]]) -> dict[str, str] | None:
        """The first of a picture's addresses that can be fetched, with the hash of its bytes."""
        for address, url in addresses[:2]:
            try:
                record = self.fetcher.get(url, most_mb=self.fetcher.web.picture_mb, again=False).record
            except StoreError:
                raise
            except DocmillError:
                continue
            if record is not None:
                return {address: record.sha256}
        return None

    def _put(self, record: Record) -> None:
        self.fetcher.kept.put(record)

    # in order -------------------------------------------------------------------------------------------------

    def _outcome(self, task: Task, visit: Visit, frontier: Frontier[Visit]) -> Iterator[Found]:
        answer = visit.answer
        if answer is None:
            assert visit.error is not None
            yield self._failed(task, visit.error)
            return
        moved = answer.url != task.url
        if answer.status in GONE or moved:
            what = f"moved to {answer.url}" if moved and answer.status not in GONE else f"answers {answer.status}"
            yield from self._missed(task, what, moved)
        if answer.status in GONE or (moved and not self._may_move(task, answer.url)):
            return
        record = answer.record
        if task.way == "listing" and (record is None or record.kind != "listing"):
            yield self._failed(
                task, Unreadable(f"{name_of(task.url)}: is no sitemap, though a sitemap names it as one")
            )
        elif answer.not_wanted:
            yield _left_out(answer.url, f"not a format docmill parses ({answer.not_wanted})")
        elif record is None:  # not looked at
            yield Found(task.url, "", 0, None)
        elif record.kind == "listing":
            yield from self._listed(task, record, frontier)
        else:
            yield found_of(record)
            if record.kind == "page" and task.depth > 0:
                scope = task.scope or host_of(record.url)
                for link in record.links:
                    yield from self._added(Task(link, task.spec, "linked", task.depth - 1, scope), frontier)

    def _may_move(self, task: Task, url: str) -> bool:
        """Whether what a redirect led to is another document of this run; each once."""
        if url in self._seen:
            return False
        self._seen.add(url)
        return task.way in ("named", "listed", "listing") or _same_site(url, task.scope or host_of(task.url))

    def _failed(self, task: Task, error: DocmillError) -> Found:
        if isinstance(error, Denied):
            return _left_out(task.url, str(error))
        return Found(task.url, "", 0, None, failure=to_failure(error, "fetch"))

    def _missed(self, task: Task, what: str, moved: bool) -> Iterator[Found]:
        """A page that is gone: deleted once it was gone for some runs, in quarantine until then."""
        known = self.fetcher.kept.record(task.url)
        if known is None or known.skip or known.kind == "listing":
            if moved:
                return
            if task.way == "linked":
                yield _left_out(task.url, f"a dead link: the server {what}")
            elif task.way != "known":
                error = Unreadable(f"{name_of(task.url)}: the server {what}; check the URL")
                yield Found(task.url, "", 0, None, failure=to_failure(error, "fetch"))
            return
        missed, most = known.missed + 1, self.fetcher.web.gone_after
        if missed >= most:
            self.gone.add(task.url)
            return
        self._put(replace(known, missed=missed))
        message = f"{name_of(task.url)}: {what}, in run {missed} of {most} after which it is deleted (web.gone_after)"
        yield replace(found_of(known), failure=to_failure(Transient(message), "fetch"))

    def _listed(self, task: Task, record: Record, frontier: Frontier[Visit]) -> Iterator[Found]:
        """What a sitemap or a feed lists; further sitemaps only from its own host."""
        host = host_of(record.url)
        self.gone.add(record.url)  # if it was a document once, or a failure, it is none any more
        for url in record.listings:
            self._counts["listings " + task.spec] += 1
            if url not in self._seen and host_of(url) == host and self._counts["listings " + task.spec] < MOST_LISTINGS:
                self._seen.add(url)
                frontier.add(Task(url, task.spec, "listing"))
        for url in record.links:
            yield from self._added(Task(url, task.spec, "listed", 0, host), frontier)

    def _added(self, task: Task, frontier: Frontier[Visit]) -> Iterator[Found]:
        """Put a task behind the others, unless the rules or the limits leave it out."""
        if task.url in self._seen:
            return
        inside = _same_host(task.url, f"//{task.scope}/") if task.way == "linked" else _same_site(task.url, task.scope)
        if task.way == "linked" and not inside:
            return
        most = self.fetcher.web.max_pages
        reason = None if inside else "on another host than what lists it"
        reason = reason or self.rules.reason(path_of(task.url))
        if reason is None and self._counts[task.spec] >= most:
            reason = f"beyond the first {most} of its source (web.max_pages)"
        if reason is None:
            self._counts[task.spec] += 1
            self._seen.add(task.url)
            frontier.add(task)
            return
        self._left_out[task.spec] += 1
        if self._left_out[task.spec] <= most:
            self._seen.add(task.url)
            yield _left_out(task.url, reason)
        elif self._left_out[task.spec] == most + 1:  # a calendar, say: it must not fill the ledger
            yield _left_out(f"{task.spec}#more", f"more links than {most} were left out; only so many are listed")

    def _known_but_unseen(self) -> Iterator[Task]:
        """Documents of these sources that nothing led to this time: are they still there?"""
        for record in [] if self.only_named else self.fetcher.kept.records():
            if record.found_by in self.specs and record.url not in self._seen and record.kind != "listing":
                self._seen.add(record.url)
                yield Task(record.url, record.found_by, "known")


def found_of(record: Record) -> Found:
    """A kept document as a source."""
    revision = f"{record.size_bytes}-{record.sha256}"
    skip = record.skip or ("empty file" if not record.size_bytes else None)
    return Found(record.url, revision, record.size_bytes, _time(record.modified), skip=skip)


def _left_out(url: str, reason: str) -> Found:
    return Found(url, "", 0, None, skip=reason)


def _time(modified: str) -> dt.datetime | None:
    try:
        found = parsedate_to_datetime(modified) if modified else None
    except (ValueError, TypeError, OverflowError):
        return None
    return found.replace(tzinfo=dt.UTC) if found is not None and found.tzinfo is None else found


def _same_host(one: str, other: str) -> bool:
    """One host, with or without `www.`."""
    return host_of(one).removeprefix("www.") == host_of(other).removeprefix("www.")


def _same_site(url: str, host: str) -> bool:
    """The host itself, or one that the other is a part of: blog.example.org and example.org."""
    one, other = sorted((host_of(url).removeprefix("www."), host.removeprefix("www.")), key=len)
    return one == other or (other.endswith("." + one) and "." in one)


def leads_of(
    record: Record,
    kind: str,
    base: str,
    links: Sequence[str],
    listings: Sequence[str],
    pictures: Sequence[Sequence[str]],
    skip: str,
) -> Leads:
    """Addresses as they stand in a body to canonical URLs; those that lead nowhere are dropped."""
    base = try_canonical(base, record.url) or record.url if base else record.url
    of_pictures = tuple(
        tuple((address, url) for address in addresses if (url := try_canonical(address, base)) is not None)
        for addresses in pictures
    )
    return Leads(kind, _canonical(links, base), _canonical(listings, base), tuple(filter(None, of_pictures)), skip)


def _canonical(addresses: Sequence[str], base: str) -> tuple[str, ...]:
    found = (try_canonical(address, base) for address in addresses)
    return tuple(dict.fromkeys(url for url in found if url is not None))
