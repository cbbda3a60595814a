"""URLs in one canonical spelling, so that one page has one name; and what a URL says of a file's name. Pure."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote, unquote, urljoin, urlsplit

import idna

from pipeline.errors import UsageError

PORTS = {"http": 80, "https": 443}
LONGEST = 2000  # characters; longer ones are traps or data
TRACKING = re.compile(r"^(?:utm_\w+|gclid|fbclid|dclid|msclkid|mc_[ce]id|igshid|yclid|_ga|_gl)=", re.I)
NUMBER = re.compile(r"(?:0x[0-9a-f]*|\d+)$", re.I)
KEPT = "$&'()*+,;=:@/~"  # beside letters, digits, "-", "." and "_"; "!/" stands before an attachment's name
UNSAFE_PORTS = frozenset({1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102,
    103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515,
    526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045,
    4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080})  # fmt: skip
# what browsers refuse (WHATWG Fetch, "bad port"): services that would take an HTTP request for commands


def is_web(spec: str) -> bool:
    """True if the spec or URI is an http or https URL."""
    return spec[:8].lower().startswith(("http://", "https://"))


def canonical(url: str, base: str = "") -> str:
    """The one spelling of a URL, relative to `base`. Raises `UsageError` for what is no fetchable URL.

    Scheme and host in lower case, the host in Punycode and without a dot at its end, no default port, no fragment, no
    dot segments, percent-encoding only where it is needed, no parameters that only track the reader. User names and
    passwords, and addresses that are not written as four decimal numbers, are refused.

    >>> canonical("HTTP://Example.ORG:80/a/../b%7e c?utm_source=x&q=1#top")
    'http://example.org/b~%20c?q=1'
    >>> canonical("../x.pdf", "https://example.org/a/b.html")
    'https://example.org/x.pdf'
    """
    try:
        parts = urlsplit(urljoin(base, url.strip()) if base else url.strip())
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{_short(url)}: is no URL ({error})") from error
    if parts.scheme not in PORTS or not parts.hostname:
        raise UsageError(f"{_short(url)}: is no http or https URL with a host name")
    if "@" in parts.netloc:
        raise UsageError(f"{_short(parts.scheme + '://' + parts.hostname)}: a URL may not hold a user name or password")
    if port in UNSAFE_PORTS:
        raise UsageError(f"{_short(url)}: port {port} belongs to another service")
    host = _host(parts.hostname, url)
    suffix = "" if port in (None, PORTS[parts.scheme]) else f":{port}"
    path = _encoded(_without_dots(parts.path)) or "/"
    query = "&".join(_encoded(pair, "?") for pair in parts.query.split("&") if pair and not TRACKING.match(pair))
    found = f"{parts.scheme}://{host}{suffix}{path}{'?' + query if query else ''}"
    if len(found) > LONGEST:
        raise UsageError(f"{_short(url)}: is longer than {LONGEST} characters")
    return found


def try_canonical(url: str, base: str = "") -> str | None:
    """As `canonical`, for links found in documents: None for those that lead nowhere."""
    try:
        return canonical(url, base)
    except UsageError:
        return None


def origin(url: str) -> str:
    """Scheme, host and port of a canonical URL, with a slash at the end.

    >>> origin("https://example.org:8443/a/b?c")
    'https://example.org:8443/'
    """
    return "/".join(url.split("/", 3)[:3]) + "/"


def host_of(url: str) -> str:
    """Host and port of a canonical URL: what is one site, whatever the scheme."""
    return url.split("/", 3)[2]


def path_of(url: str) -> str:
    """What follows the host, without the slash at its beginning: what patterns are matched with."""
    return url.split("/", 3)[3]


def name_of(url: str) -> str:
    """A file name for people: the last part of the path, or the host.

    >>> name_of("https://example.org/a/My%20report.pdf?x=1"), name_of("https://example.org/")
    ('My report.pdf', 'example.org')
    """
    path = urlsplit(url).path.rstrip("/")
    return unquote(path.rpartition("/")[2]).replace("/", "_").replace("\x00", "") or host_of(url)


def _host(host: str, url: str) -> str:
    if ":" in host:
        try:
            if "%" in host:
                raise ValueError("a zone")
            return f"[{IPv6Address(host).compressed}]"
        except ValueError as error:
            raise UsageError(f"{_short(url)}: '{host}' is no IPv6 address") from error
    try:
        name = idna.encode(host, uts46=True, std3_rules=False, transitional=False).decode("ascii").rstrip(".")
    except idna.IDNAError:
        name = host.lower().rstrip(".")  # names with an underscore, say
    if not name or not re.fullmatch(r"[a-z0-9._-]+", name):
        raise UsageError(f"{_short(url)}: '{host}' is no host name")
    if NUMBER.fullmatch(name.rpartition(".")[2]):
        try:
            return str(IPv4Address(name))
        except ValueError as error:
            raise UsageError(f"{_short(url)}: '{host}' is an odd spelling of an address; write four numbers") from error
    return name


def _without_dots(path: str) -> str:
    """RFC 3986, section 5.2.4."""
    kept: list[str] = []
    parts = path.split("/")
    for part in parts:
        plain = part.replace("%2e", ".").replace("%2E", ".")
        if plain == "..":
            if len(kept) > 1:
                kept.pop()
        elif plain != ".":
            kept.append(part)
    if parts[-1].replace("%2e", ".").replace("%2E", ".") in (".", "..") and kept[-1:] != [""]:
        kept.append("")
    return "/".join(kept)


def _encoded(text: str, more: str = "") -> str:
    """Percent-encoded where needed; what is encoded without need is decoded, and `%2f` stays what it is."""
    pieces = re.split(r"(%[0-9A-Fa-f]{2})", text)
    return "".join(_triplet(p) if len(p) == 3 and p[0] == "%" else quote(p, safe=KEPT + more + "%") for p in pieces)


def _triplet(triplet: str) -> str:
    letter = chr(int(triplet[1:], 16))
    return letter if letter.isascii() and (letter.isalnum() or letter in "-._~") else triplet.upper()


def _short(url: str) -> str:
    return "".join(letter if letter.isprintable() else "�" for letter in url[:200])
