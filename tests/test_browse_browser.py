"""The web page as people use it, in a real Chromium: no console errors, no way out, keys, screen readers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import EVIL_URI, make_store, searcher_of
from PIL import Image
from watched import answering, browsers, watching

from pipeline.store import Store, doc_id

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "sample_docs"
EVIL_ID, REPORT_ID, SCAN_ID = doc_id(EVIL_URI), doc_id("file:///docs/report.pdf"), doc_id("file:///docs/scan.pdf")
VIEWS = ["/", "/?q=sluice+gate", "/documents", f"/documents/{REPORT_ID}", f"/documents/{SCAN_ID}"]
VIEWS += [f"/documents/{EVIL_ID}", "/routing", "/quarantine", "/status", "/api", "/nowhere"]
HAS_HANDLER = "e => [...e.attributes].some(a => /^on|^style$/.test(a.name))"
HANDLERS = f"[...document.querySelectorAll('*')].filter({HAS_HANDLER}).length"
LARGEST = 250_000  # bytes of a screenshot


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browsers() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return make_store(tmp_path_factory.mktemp("browse"))


@pytest.fixture(scope="module")
def base(store: Store) -> Iterator[str]:
    with answering(store.uri, searcher_of) as base:
        yield base


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with answering(make_store(tmp_path_factory.mktemp("hostile"), active=True).uri, searcher_of) as base:
        yield base


def test_answers_come_while_one_types(chromium: Any, base: str) -> None:
    """Without Enter: the hit, its words marked, where on the page, why it was found; the address keeps the words."""
    with watching(chromium, base) as tab:
        page = tab.go("/")
        page.type("#q", "sluice gate")
        page.wait_for_selector(".hit.page .box.best")
        page.click(".hit.page .why summary")

        assert page.inner_text(".hit.page .why table").count("bm25") == 1
        assert page.inner_text(".hit.page mark") == "sluice"
        assert page.url == f"{base}/?q=sluice+gate"
        assert page.locator(".hit.page .warm").count() > 0
        assert page.evaluate("document.querySelector('.hit.page image').getBBox().width") > 0


def test_filters_and_kinds_narrow_what_is_shown(chromium: Any, base: str) -> None:
    """A click on a kind asks again; a filter too; both can be taken back."""
    with watching(chromium, base) as tab:
        page = tab.go("/?q=harbour")
        page.wait_for_selector(".hit.text")
        page.click("text=Pages")
        page.wait_for_selector(".hit.text", state="detached")
        page.click("text=Everything")
        page.click(".filters summary")
        page.fill("[name=source]", "report")
        page.wait_for_selector(".groups:not(:has(.group:nth-child(2)))")
        page.click("#clear-filters")
        page.wait_for_selector(".group:nth-child(2)")


def test_a_picture_is_searched_by(chromium: Any, base: str, tmp_path: Path) -> None:
    """Chosen or dropped: it is shown beside the box, and answers come; typing goes back to words."""
    picture = tmp_path / "mine.png"
    Image.new("RGB", (80, 60), "red").save(picture)
    with watching(chromium, base) as tab:
        page = tab.go("/")
        page.set_input_files("#picture", str(picture))
        page.wait_for_selector("text=like what you chose")
        shown = page.evaluate("document.querySelector('#example-picture').naturalWidth")
        page.type("#q", "harbour")
        page.wait_for_selector(".hit.text mark")

        assert shown == 80
        assert not page.is_visible("#example")


def test_a_picture_is_dropped(chromium: Any, base: str, tmp_path: Path) -> None:
    """Anywhere on the page; while it hovers the page says so."""
    Image.new("RGB", (60, 60), "blue").save(tmp_path / "mine.png")
    content = list((tmp_path / "mine.png").read_bytes())
    with watching(chromium, base) as tab:
        page = tab.go("/")
        page.evaluate(
            """content => {
                window.held = new DataTransfer();
                held.items.add(new File([new Uint8Array(content)], 'mine.png', {type: 'image/png'}));
                document.body.dispatchEvent(new DragEvent('dragenter', {dataTransfer: held, bubbles: true}));
            }""",
            content,
        )
        page.wait_for_selector("#drop:visible")
        page.evaluate("document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: held, bubbles: true}))")
        page.wait_for_selector("text=like what you chose")

        assert page.inner_text("#example-name") == "mine.png"
        assert not page.is_visible("#drop")


def test_a_file_that_is_no_picture_is_told_in_a_line(chromium: Any, base: str, tmp_path: Path) -> None:
    """No answer, but what is wrong, without a path of this machine."""
    (tmp_path / "notes.txt").write_text("words")
    with watching(chromium, base) as tab:
        page = tab.go("/")
        page.set_input_files("#picture", str(tmp_path / "notes.txt"))
        page.wait_for_selector("#answers [role=alert]")
        told = page.inner_text("#answers [role=alert]")
        tab.complaints[:] = [said for said in tab.complaints if "400" not in said]  # Chromium tells the status

    assert "only pictures and PDF pages" in told
    assert "/tmp" not in told


def test_boxes_and_rows_belong_together(chromium: Any, base: str) -> None:
    """A box on the page lights its row up, and a click leads to it."""
    with watching(chromium, base) as tab:
        page = tab.go(f"/documents/{EVIL_ID}?page=1")
        page.hover(f"[data-row='{EVIL_ID}-text-0'] rect")
        lit = page.evaluate(f"document.getElementById('{EVIL_ID}-text-0').classList.contains('lit')")
        page.click(f"[data-row='{EVIL_ID}-text-0'] rect")

        assert lit
        assert page.url.endswith(f"#{EVIL_ID}-text-0")


@pytest.mark.parametrize(
    "view", ["/?q=harbour+alert", "/documents", f"/documents/{EVIL_ID}", "/routing", "/quarantine"]
)
def test_a_hostile_document_runs_nothing(chromium: Any, hostile: str, view: str) -> None:
    """Its scripts and handlers are words on the page: no dialog, no request elsewhere, no error of the policy."""
    with watching(chromium, hostile) as tab:
        page = tab.go(view)
        page.wait_for_load_state("networkidle")
        for summary in page.locator("summary:visible").all():
            summary.click()
        page.wait_for_timeout(200)
        tab.complaints[:] = [said for said in tab.complaints if "status of 400" not in said]  # the picture that is none
        ours = page.evaluate("[...document.querySelectorAll('script')].map(one => one.getAttribute('src'))")
        handlers = page.evaluate(HANDLERS)

        assert "<script>alert(" in page.inner_text("body")
        assert ours == ["/static/browse.js"]
        assert handlers == 0


def test_a_route_is_labelled_and_taken_back(chromium: Any, tmp_path: Path) -> None:
    """By a button of the grid; it shows on the page of the document, too."""
    store = make_store(tmp_path)
    with answering(store.uri, searcher_of) as base, watching(chromium, base) as tab:
        page = tab.go("/routing?route=page")
        page.click(".card button:text-is('both')")
        page.wait_for_selector("text=should have been both")
        labels = store.route_labels()
        tab.go(f"/documents/{SCAN_ID}")
        page.click("text=take back")
        page.wait_for_selector(".routing button:text-is('both')")

    assert [(label.path, label.was, label.page) for label in labels] == [("both", "page", 1)]
    assert store.route_labels() == []


def test_quarantine_is_tried_again(chromium: Any, tmp_path: Path) -> None:
    """One click for a kind of failure; then the page says what will happen."""
    store = make_store(tmp_path)
    with answering(store.uri, searcher_of) as base, watching(chromium, base) as tab:
        page = tab.go("/quarantine")
        page.click("text=Try again all 2")
        page.wait_for_selector("text=2 documents will be tried again")

    assert {record.by_hand for record in store.documents(state="quarantined")} == {"retry"}


def test_the_keyboard_is_enough(chromium: Any, base: str) -> None:
    """From the box to a hit, to its document, through its pages and back to the box, without a mouse."""
    with watching(chromium, base) as tab:
        page = tab.go("/status")
        keys = page.keyboard
        keys.press("/")
        page.wait_for_selector("#q:focus")
        keys.type('"a second page"')
        page.wait_for_selector(".hit.text")
        seen = []
        while not page.evaluate("document.activeElement.closest('.hit .meta a') !== null"):
            keys.press("Tab")
            seen.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
            assert len(seen) < 30, seen
        keys.press("Enter")
        page.wait_for_selector("h2:text-is('Page 2')")
        keys.press("ArrowLeft")
        page.wait_for_selector("h2:text-is('Page 1')")
        keys.press("Tab")
        skip = page.evaluate("document.activeElement.className")
        keys.press("/")
        page.wait_for_selector("#q:focus")

    assert skip == "skip"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_nothing_serious_stands_in_the_way_of_anyone(chromium: Any, base: str, scheme: str, width: int) -> None:
    """axe finds nothing serious or critical on any view, light and dark, wide and as on a phone."""
    found = {}
    with watching(chromium, base, color_scheme=scheme, viewport={"width": width, "height": 800}) as tab:
        for view in VIEWS:
            tab.go(view)
            for summary in tab.page.locator("summary:visible").all():
                summary.click()
            found[view] = tab.serious()
        tab.complaints[:] = [said for said in tab.complaints if "404" not in said]  # one view is not there

    assert {view: said for view, said in found.items() if said} == {}


def test_axe_would_find_what_is_wrong(chromium: Any, base: str) -> None:
    """A button without a name and words that can hardly be seen are told."""
    with watching(chromium, base) as tab:
        wrong = "<button></button><img src=/static/icon.svg>"
        tab.go("/documents").evaluate("wrong => { document.querySelector('main').innerHTML = wrong; }", wrong)

        assert [said.split(":")[0] for said in tab.serious()] == ["button-name", "image-alt"]


def test_a_phone_shows_it_without_scrolling_sideways(chromium: Any, base: str) -> None:
    """At 360 points nothing is wider than the page."""
    wide = {}
    with watching(chromium, base, viewport={"width": 360, "height": 700}) as tab:
        for view in VIEWS:
            wide[view] = tab.go(view).evaluate("document.documentElement.scrollWidth")
        tab.complaints[:] = [said for said in tab.complaints if "404" not in said]

    assert {view: width for view, width in wide.items() if width > 360} == {}


SHOTS = {  # name -> (address, size, what to wait for)
    "browse-search": ("/?q=how+many+eels+climbed+past+the+mill+in+May", (1180, 800), ".hit img"),
    "browse-map": ("/?q=repair+of+the+sluice+gate&kind=page", (1180, 620), ".hit image"),
    "browse-document": ("/documents/{paper}", (1180, 1000), ".sheet image"),
    "browse-routing": ("/routing", (1180, 760), ".card img"),
    "browse-documents": ("/documents?order=rows", (1180, 640), ".list"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SHOTS)
def test_screenshots_of_the_samples(chromium: Any, sample_store: str, name: str, tmp_path: Path) -> None:
    """What README and docs show. With SCREENSHOTS set they are put there."""
    address, (width, height), wait = SHOTS[name]
    paper = doc_id((SAMPLES / "paper.pdf").as_uri())
    path = tmp_path / f"{name}.jpg"
    scheme = "dark" if name == "browse-map" else "light"
    size = {"width": width, "height": height}
    with (
        answering(sample_store) as base,
        watching(chromium, base, color_scheme=scheme, viewport=size) as tab,
    ):
        tab.go("/?q=warm")
        page = tab.go(address.format(paper=paper))
        page.wait_for_selector(wait, state="attached")
        page.wait_for_load_state("networkidle")
        page.evaluate("document.activeElement.blur()")
        page.screenshot(path=str(path), type="jpeg", quality=82)
    if os.environ.get("SCREENSHOTS"):
        shutil.copy(path, ROOT / "docs" / "pictures" / path.name)

    assert 10_000 < path.stat().st_size < LARGEST


@pytest.mark.slow
def test_words_and_a_photograph_find_the_samples(chromium: Any, sample_store: str) -> None:
    """With the built-in models: a passage by a question, a photograph by words, and by a picture of its kind."""
    with answering(sample_store) as base, watching(chromium, base) as tab:
        page = tab.go("/")
        page.type("#q", "how much energy does the mill make in a year?")
        page.wait_for_selector(".group:first-child h2:has-text('paper.pdf')")
        tab.go("/?q=a+cat+looking+at+the+camera&kind=image")
        by_words = page.inner_text(".group h2 a >> nth=0")
        page.set_input_files("#picture", str(SAMPLES / "photos" / "coffee.jpg"))
        page.wait_for_selector("text=like what you chose")
        by_picture = page.inner_text(".group h2 a >> nth=0")

    assert (by_words, by_picture) == ("cat.jpg", "coffee.jpg")
