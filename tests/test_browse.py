"""The web page: what it shows, whom it answers, and that no document gets to run anything in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from browsing import EVIL_URI, make_store, picture, searcher_of, visiting
from watched import answering

from browse.guard import HEADERS, check_address
from pipeline.config import Browse
from pipeline.errors import UsageError
from pipeline.store import Store, doc_id

EVIL_ID, REPORT_ID, SCAN_ID = doc_id(EVIL_URI), doc_id("file:///docs/report.pdf"), doc_id("file:///docs/scan.pdf")
VIEWS = (
    "/",
    "/?q=harbour",
    "/documents",
    f"/documents/{EVIL_ID}",
    f"/documents/{REPORT_ID}",
    "/routing",
    "/quarantine",
)
VIEWS += ("/status", "/api")
TOKEN = "a token of some length"


class Dangers(HTMLParser):
    """What of a page could run or style something, as a browser reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        is_own = tag != "script" or given.get("src") == "/static/browse.js"
        if not is_own or tag in ("style", "iframe", "object", "embed", "base"):
            self.found.append(tag)
        for name, value in given.items():
            if (
                name.startswith("on")
                or name == "style"
                or ("script:" in value.split("?")[0] and name in ("href", "src"))
            ):
                self.found.append(f"{tag} {name}={value}")


def dangers(page: str) -> list[str]:
    reader = Dangers()
    reader.feed(page)
    return reader.found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return make_store(tmp_path_factory.mktemp("browse"), active=True)


@pytest.fixture
def client(store: Store) -> Iterator[httpx.Client]:
    with visiting(store) as client:
        yield client


@pytest.mark.parametrize("view", [*VIEWS, "/nowhere"])
def test_every_answer_carries_the_headers_that_hold_a_browser_back(client: httpx.Client, view: str) -> None:
    """Content-Security-Policy without any inline code, nosniff, no referrer; and no page has inline code or style."""
    answer = client.get(view)

    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert dangers(answer.text) == []


@pytest.mark.parametrize(
    "view",
    ["/?q=harbour+alert", "/documents", f"/documents/{EVIL_ID}", "/documents?q=%3Cscript", "/routing", "/quarantine"],
)
def test_what_a_hostile_document_holds_is_text(client: httpx.Client, view: str) -> None:
    """Title, name, heading, words, table cells, warnings: each is there, escaped."""
    page = client.get(view).text

    assert "&lt;script&gt;alert(" in page
    assert dangers(page) == []


def test_a_danger_would_be_seen() -> None:
    """The reader of dangers finds what it looks for."""
    assert len(dangers("<script>a</script><p onclick=a style=b><a href='javascript:a'><iframe>")) == 5


def test_a_search_shows_the_hit_its_words_and_why(client: httpx.Client) -> None:
    """The document, the passage with the words marked, and the legs that found it."""
    page = client.get("/answers?q=harbour").text

    assert f"/documents/{REPORT_ID}?page=1" in page
    assert "<mark>harbour</mark>" in page
    assert "bm25" in page


def test_a_page_hit_shows_where_on_it(client: httpx.Client) -> None:
    """The stored page picture under the map and the boxes."""
    page = client.get("/answers?q=sluice+gate&kind=page").text
    picture = re.search(r'<image href="(/pictures/[^"]+)"', page)

    assert 'class="box best"' in page
    assert 'class="warm"' in page
    assert picture
    assert client.get(picture[1].replace("&amp;", "&")).headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ("source=scan", {"scan.pdf"}),
        ("route=page", {"scan.pdf"}),
        ("kind=page", {"scan.pdf"}),
        ("since=2026-01-03", set()),
        ("until=2026-01-01", set()),
        ("since=2026-01-02&until=2026-01-02&route=page", {"scan.pdf"}),
    ],
)
def test_filters_narrow_a_search(client: httpx.Client, filters: str, names: set[str]) -> None:
    """By source, route, kind and the days of the last change, both included."""
    page = client.get(f"/answers?q=the+gate&{filters}").text

    assert set(re.findall(r'<h2><a href="[^"]+">([^<]+)</a>', page)) == names


@pytest.mark.parametrize("bad", ["kind=x", "route=x", "since=yesterday", "k=0", "k=x", "k=9999"])
def test_what_no_form_sends_is_one_line(client: httpx.Client, bad: str) -> None:
    """400, and a line that says what was found."""
    answer = client.get(f"/answers?q=a&{bad}")

    assert (answer.status_code, answer.text.count('role="alert"')) == (400, 1)


def test_a_document_shows_its_pages_routes_and_tables(client: httpx.Client) -> None:
    """Page by page: the route with its reason and what is near, boxes with their rows, a table as a table."""
    first, second = (client.get(f"/documents/{REPORT_ID}?page={number}").text for number in (1, 2))

    assert "near <em>both</em>: figure is 0.076" in first
    assert "<td>Elsa</td>" in first
    assert f'data-row="{REPORT_ID}-text-0"' in first
    assert "a second page" in second
    assert "a second page" not in first


def test_a_mail_shows_what_is_attached(client: httpx.Client) -> None:
    """Both ways: from the mail to the file, and back."""
    mail, file = doc_id("file:///docs/mail.eml"), doc_id("file:///docs/mail.eml!/tide.csv")

    assert f'href="/documents/{file}"' in client.get(f"/documents/{mail}").text
    assert f'href="/documents/{mail}"' in client.get(f"/documents/{file}").text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil:4280"])
def test_another_name_for_this_machine_is_refused(client: httpx.Client, host: str) -> None:
    """A site whose name was made to lead here (DNS rebinding) reads nothing."""
    answer = client.get("/documents", headers={"Host": host})

    assert (answer.status_code, "report.pdf" in answer.text) == (421, False)


def test_without_the_token_nothing_is_shown(store: Store) -> None:
    """Pages lead to the form, programs get 401; with the token, and with the cookie for it, all is there."""
    with visiting(store, host="0.0.0.0", token=TOKEN) as client:
        html = {"Accept": "text/html"}
        shut = [client.get(view, headers=html).status_code for view in VIEWS]
        wrong = client.post("/login", data={"token": "x"}, headers=html)
        forged = client.get("/documents", headers={"Cookie": "docmill-4280=me.0000"})
        bearer = client.get("/documents", headers={"Authorization": f"Bearer {TOKEN}"})
        entered = client.post("/login", data={"token": TOKEN}, headers=html)
        inside = client.get("/documents", headers=html)

    assert shut == [303] * len(VIEWS)
    assert (wrong.status_code, forged.status_code, bearer.status_code) == (403, 401, 200)
    assert {"HttpOnly", "SameSite=Strict"} <= set(entered.headers["set-cookie"].split("; "))
    assert inside.status_code == 200


@pytest.mark.parametrize("browse", [Browse(host="0.0.0.0"), Browse(host="example.org"), Browse(token="short")])
def test_an_open_address_needs_a_token(browse: Browse) -> None:
    """Beyond this machine there is no page without one, and none that can be guessed."""
    with pytest.raises(UsageError, match=r"browse\.token"):
        check_address(browse)


def test_pictures_are_drawn_anew_and_alone(client: httpx.Client) -> None:
    """As JPEG in the size asked for, in a sandbox if opened by itself; names that are none are 400, not files."""
    page = client.get(f"/documents/{SCAN_ID}").text
    path = re.findall(r'href="(/pictures/[^"?]+)', page)[0]
    answer = client.get(f"{path}?width=160")
    strange = client.get("/pictures/..%2f..%2fetc%2fpasswd")

    assert answer.content.startswith(b"\xff\xd8\xff")
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert strange.status_code in (400, 404)
    assert b"root" not in strange.content


def test_a_picture_that_is_none_is_never_served(client: httpx.Client) -> None:
    """SVG that found its way into the store under another name stays there."""
    pictures = re.findall(r'src="(/pictures/[^"?]+)', client.get(f"/documents/{EVIL_ID}").text)
    answers = [client.get(path) for path in pictures]

    assert sorted(answer.status_code for answer in answers) == [200, 400]
    assert all(b"<svg" not in answer.content for answer in answers)


def form_key(page: str) -> str:
    found = re.search(r'name="key" value="([0-9a-f]+)"', page)
    assert found is not None
    return found[1]


def test_routing_shows_the_doubtful_first_and_keeps_what_people_say(tmp_path: Path) -> None:
    """A page near another route comes before a clear one; a label is shown, exported and taken back."""
    with visiting(make_store(tmp_path)) as client:
        page = client.get("/routing").text
        fields = {"key": form_key(page), "doc_id": REPORT_ID, "page": "1", "back": "/routing?route=text#x"}
        stored = client.post("/routing/labels", data=fields | {"path": "both"})
        shown, exported = client.get("/routing?show=labelled").text, client.get("/routing/labels.jsonl").text
        client.post("/routing/labels", data=fields | {"path": ""})
        after = client.get("/routing/labels.jsonl").text

    assert page.index("report.pdf, page 1") < page.index("scan.pdf, page 1")
    assert (stored.status_code, stored.headers["location"]) == (303, "/routing?route=text#x")
    assert "should have been both" in shown
    assert [json.loads(line)["path"] for line in exported.splitlines()] == ["both"]
    assert after == ""


def test_retry_has_a_kind_of_failure_tried_again(tmp_path: Path) -> None:
    """Both documents of the kind are marked in the ledger, and the page says so."""
    store = make_store(tmp_path)
    with visiting(store) as client:
        page = client.get("/quarantine").text
        answer = client.post("/quarantine/retry", data={"key": form_key(page), "fingerprint": "f00d"})
        after = client.get(answer.headers["location"]).text

    assert page.count("<section") == 1
    assert [record.by_hand for record in store.documents(state="quarantined")] == ["retry", "retry"]
    assert "2 documents will be tried again" in after


@pytest.mark.parametrize("path", ["/routing/labels", "/quarantine/retry"])
@pytest.mark.parametrize(
    ("key", "headers"),
    [
        ("", {}),
        ("0" * 64, {}),
        (None, {"Origin": "http://evil.example"}),
        (None, {"Sec-Fetch-Site": "cross-site"}),
        (None, {"Sec-Fetch-Site": "same-site"}),
    ],
)
def test_another_site_writes_nothing(
    store: Store, client: httpx.Client, path: str, key: str | None, headers: dict[str, str]
) -> None:
    """Without the key of this visit, or from a page of another site: 403, and nothing is stored."""
    given = form_key(client.get("/quarantine").text) if key is None else key
    fields = {"key": given, "fingerprint": "f00d", "doc_id": REPORT_ID, "page": "1", "path": "both"}
    answer = client.post(path, data=fields, headers=headers)

    assert answer.status_code == 403
    assert store.route_labels() == []
    assert {record.by_hand for record in store.documents(state="quarantined")} == {""}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200),
        ({}, 200),
    ],
)
def test_another_site_may_link_here_and_no_more(client: httpx.Client, headers: dict[str, str], status: int) -> None:
    """It cannot have this machine search or draw in the background of its own page."""
    assert client.get("/answers?q=harbour", headers=headers).status_code == status


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", ""]
)
def test_a_form_never_leads_to_another_site(client: httpx.Client, back: str) -> None:
    """Where to go on is a path of this site."""
    key = form_key(client.get("/routing").text)
    answer = client.post("/routing/labels", data={"key": key, "doc_id": REPORT_ID, "page": "1", "back": back})

    assert (answer.status_code, answer.headers["location"]) == (303, "/routing")


def test_programs_get_the_same_search(client: httpx.Client) -> None:
    """The hits of the command line, as JSON, with the same filters."""
    found = client.get("/api/search", params={"q": "sluice gate", "kind": "page"}).json()
    by_id = client.get("/api/similar", params={"id": f"{SCAN_ID}:page:0"})

    assert [hit["source_uri"] for hit in found["hits"]] == ["file:///docs/scan.pdf"]
    assert {"rank", "score", "bbox", "boxes", "legs", "page_size"} <= found["hits"][0].keys()
    assert by_id.status_code == 200


def test_programs_look_at_documents(client: httpx.Client) -> None:
    """List, one document with its pages, the rows of a page, status and labels."""
    listed = client.get("/api/documents", params={"q": "REPORT"}).json()
    one = client.get(f"/api/documents/{REPORT_ID}").json()
    rows = client.get(f"/api/documents/{REPORT_ID}/rows", params={"page": 1, "count": 1}).json()

    assert (listed["total"], listed["documents"][0]["title"]) == (1, "The harbour")
    assert [page["number"] for page in one["pages"]] == [1, 2]
    assert (rows["total"], rows["rows"][0]["text"]) == (2, "the harbour at night")
    assert client.get("/api/status").json()["rows"]["page"] == 1
    assert client.get("/api/labels").json() == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/documents/nothing", 404),
        ("/api/search?q=", 422),
        ("/api/search?q=a&k=100000", 422),
        ("/api/search?q=a&since=2026-13-01", 400),
        ("/api/similar?id=nothing", 400),
        ("/api/nowhere", 404),
    ],
)
def test_programs_are_told_what_is_wrong(client: httpx.Client, path: str, status: int) -> None:
    """A status and JSON, never a page."""
    answer = client.get(path)

    assert answer.status_code == status
    assert answer.json()


def test_the_api_only_reads_and_describes_itself(client: httpx.Client) -> None:
    """No operation but GET, and POST for a picture to search by; each is on the page for people, without a network."""
    described = client.get("/api/openapi.json").json()
    page = client.get("/api").text
    operations = {(method, path) for path, one in described["paths"].items() for method in one}

    assert {method for method, path in operations if path != "/search"} == {"get"}
    assert all(f"/api{path}" in page for _, path in operations)
    assert "http" not in re.sub(r'"?http://127\.0\.0\.1:4280[^"]*', "", page).replace("http-equiv", "")


def test_a_program_searches_by_a_picture(client: httpx.Client, tmp_path: Path) -> None:
    """The file is the body; what is no picture is told in a line."""
    found = client.post("/api/search?k=3", content=picture(tmp_path / "a.png", "a").read_bytes())
    wrong = client.post("/api/search", content=b"words")

    assert len(found.json()["hits"]) == 3
    assert (wrong.status_code, "only pictures and PDF pages" in wrong.json()["error"]) == (400, True)


def test_many_may_look_at_once(store: Store) -> None:
    """Eight visitors at the same time get what each asked for."""
    paths = [f"/documents/{REPORT_ID}", "/answers?q=harbour", "/routing", "/documents", "/status", "/quarantine"] * 8
    with (
        answering(store.uri, searcher_of) as base,
        ThreadPoolExecutor(8) as visitors,
        httpx.Client(base_url=base, timeout=60) as client,
    ):
        codes = list(visitors.map(lambda path: client.get(path).status_code, paths))

    assert codes == [200] * len(paths)


def test_what_is_too_large_is_not_taken(client: httpx.Client) -> None:
    """413, without holding it."""
    assert client.post("/login", content=b"x" * 200_000).status_code == 413
    assert client.post("/quarantine/retry", content=b"x" * 200_000).status_code == 413
