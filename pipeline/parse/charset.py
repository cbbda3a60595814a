"""Bytes of unknown encoding to text: byte order mark, UTF-8, what is declared, then what is likely."""

from __future__ import annotations

import codecs
import re

BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
SUPERSETS = {  # what browsers read when the smaller set is declared (WHATWG Encoding standard)
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
}
SEVEN_BIT = ("iso2022", "utf-7", "hz")  # plain ASCII bytes that mean something else
META = re.compile(rb"""<(?:meta|\?xml)[^>]{0,300}?(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]{2,40})""", re.I)
SAMPLE_BYTES = 200_000


def decode(data: bytes, declared: str | None = None) -> str:
    """Text of `data`; never raises. Bytes that fit nothing become U+FFFD. The byte order mark is taken off."""
    encoding = sniff(data, declared)
    for bom, name in BOMS:
        if name == encoding and data.startswith(bom):
            data = data[len(bom) :]
            break
    return data.decode(encoding, "replace")


def declared_in_html(data: bytes) -> str | None:
    """The encoding a page (or an XML declaration) names in its first 4 kB, if it names one."""
    found = META.search(data[:4096])
    return found[1].decode("ascii", "replace") if found else None


def sniff(data: bytes, declared: str | None = None) -> str:
    """Name of the Python codec that reads `data` best; `data` may be the beginning of something longer."""
    for bom, name in BOMS:
        if data.startswith(bom):
            return name
    sample = data[:SAMPLE_BYTES]
    if (wide := _utf16_without_bom(sample)) is not None:
        return wide
    named = codec_name(declared)
    if named.startswith(SEVEN_BIT) and named != "utf-7" and _bad_share(sample, named) == 0:
        return named
    if _bad_share(sample, "utf-8") < (0.01 if named == "utf-8" else 0.0005):
        return "utf-8"
    if named and named != "utf-8" and _bad_share(sample, named) < 0.01:
        return named
    return _likely(sample)


def fits(data: bytes, declared: str) -> bool:
    """Whether next to all of the beginning of `data` can be read as a declared encoding."""
    name = codec_name(declared)
    return bool(name) and _bad_share(data[:SAMPLE_BYTES], name) < 0.01


def codec_name(declared: str | None) -> str:
    """Python's name for a declared encoding, widened to what browsers read; empty when it is unknown."""
    try:
        name = codecs.lookup((declared or "").strip("\"' \t").lower()).name
        "".encode(name)  # refuses codecs that are not text encodings, such as base64
    except (LookupError, ValueError, TypeError):
        return ""
    return "" if name.startswith("utf-16") or name.startswith("utf-32") else SUPERSETS.get(name, name)


def _utf16_without_bom(sample: bytes) -> str | None:
    if len(sample) < 8 or sample.count(0) < len(sample) // 5:
        return None
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if max(even, odd) < 0.3 * len(sample) / 2 or min(even, odd) > 0.1 * max(even, odd):
        return None
    return "utf-16-be" if even > odd else "utf-16-le"


def _bad_share(sample: bytes, encoding: str) -> float:
    """Share of undecodable characters; a sequence cut off at the end of the sample does not count."""
    try:
        text = codecs.getincrementaldecoder(encoding)("replace").decode(sample)
    except (UnicodeError, ValueError):
        return 1.0
    bad = text.count("\ufffd") + sum(text.count(chr(c)) for c in range(0x80, 0xA0) if encoding != "utf-8")
    if not bad:
        return 0.0
    return bad / max(1, len(text) if encoding != "utf-8" else sum(c > "\x7f" for c in text) or 1)


def _likely(sample: bytes) -> str:
    """Western text has few high bytes, and little of it fools statistics; the rest is left to them."""
    high = sum(byte > 0x7F for byte in sample)
    if high < 200 and high < 0.2 * len(sample):
        return "cp1252"
    for japanese in ("cp932", "euc_jp"):
        if _bad_share(sample, japanese) == 0 and _kana_share(sample.decode(japanese, "replace")) > 0.2:
            return japanese
    from charset_normalizer import from_bytes

    best = from_bytes(sample, steps=5, chunk_size=1024).best()
    return SUPERSETS.get(codec_name(best.encoding), codec_name(best.encoding)) or "cp1252" if best else "cp1252"


def _kana_share(text: str) -> float:
    """Share of Japanese syllables in what is not ASCII: high in any Japanese text, zero in what only looks like it."""
    return sum("\u3041" <= ch <= "\u30fe" for ch in text) / max(1, sum(ch > "\x7f" for ch in text))
