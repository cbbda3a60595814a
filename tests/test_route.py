"""The router's promises: each kind of page takes the path that keeps its content findable."""

import random
import string

import pytest

from pipeline.parse.gibberish import gibberish
from pipeline.route import ROUTER_VERSION, route
from pipeline.types import PageSignals, PictureSignals

LANGUAGES = {
    "en": "The committee will publish its findings on the future of public libraries before the end of the year. " * 2,
    "de": "Die Rechtsschutzversicherungsgesellschaft übernimmt die Grundstücksverkehrsgenehmigungszuständigkeit und "
    "erstattet Straßenverkehrsordnungswidrigkeiten sowie Angstschweißtropfen des Donaudampfschifffahrtskapitäns.",
    "tr": "İstanbul'da yaşayan öğrenciler bugün üniversitenin kütüphanesinde toplanarak yeni dönem çalışmalarını "
    "değerlendirdiler ve sonuçları açıkladılar; görüşmeler önümüzdeki günlerde sürecek.",
    "vi": "Việt Nam nằm ở phía đông bán đảo Đông Dương, giáp với Lào, Campuchia và Trung Quốc; người dân nơi đây "
    "rất thân thiện và món ăn thì ngon tuyệt vời.",
    "pl": "Chrząszcz brzmi w trzcinie w Szczebrzeszynie, a w gąszczu szczypiorku przepiórki szczebiocą wśród "
    "źdźbeł trawy, gdzie świerszcze grają wieczorem.",
    "code": "def getElementById(self, nodeId): return self._idMap.get(nodeId); for index in xrange(len(argv)): "
    "printf('%s', strncmp(buf, ptr)); XMLHttpRequest addEventListener std::unique_ptr<HTMLElement> element;",
    "numbers": "Revenue 1,234.5 2,345.6 3,456.7\nCost 0x7fff5fbf sha256 a3f9c2d1 B52 747-8 10.5% 3Q22 " * 5,
    "acronyms": "NATO UNESCO HTTPS XML JSON GDP CPI FBI NSA NCAA UEFA FIFA OECD FDIC SEC IRS EPA FDA CDC DHCP BGP " * 2,
    "maths": "sup inf lim arg max min sin cos tan exp log det dim ker Hom End Aut such that for all there exists " * 2,
    "ru": "Все люди рождаются свободными и равными в своём достоинстве и правах. " * 3,
}


@pytest.mark.parametrize(
    ("signals", "path", "reason"),
    [
        (PageSignals(chars=2500), "text", "text"),
        (PageSignals(), "text", "blank"),
        (PageSignals(readable=False), "page", "unreadable"),
        (PageSignals(coverage=1, biggest=1), "page", "scan"),
        (PageSignals(chars=2000, coverage=1, biggest=1, invisible=1), "page", "scan+ocr-layer"),
        (PageSignals(chars=2000, coverage=1, invisible=1, gibberish=0.9), "page", "scan+garbled-ocr-layer"),
        (PageSignals(chars=900, bad=0.4), "page", "garbled-unmapped"),
        (PageSignals(chars=900, gibberish=0.9), "both", "suspect-text-layer"),
        (PageSignals(chars=20, coverage=0.4), "page", "picture-page"),
        (PageSignals(drawings=30), "page", "no-text"),
        (PageSignals(chars=200, coverage=0.9), "both", "mostly-picture"),
        (PageSignals(chars=1500, figure=0.15, drawings=60), "both", "text+graphics"),
    ],
)
def test_pages(signals: PageSignals, path: str, reason: str) -> None:
    """A page's path follows from where its content is: in the text layer, in pictures, or in both."""
    chosen = route(signals)

    assert (chosen.path, chosen.reason) == (path, reason)


@pytest.mark.parametrize(
    ("signals", "path"),
    [
        (PictureSignals(1600, 1200, paper=0.05, ink=0.5, colourful=0.7, lines=0.05), "image"),
        (PictureSignals(1700, 2200, paper=0.9, ink=0.06, colourful=0.02, lines=0.9), "page"),
        (PictureSignals(1200, 800, paper=0.5, ink=0.2, colourful=0.5, lines=0.4), "both"),
        (PictureSignals(16, 16), "image"),
    ],
)
def test_pictures(signals: PictureSignals, path: str) -> None:
    """A photograph goes to the image space, a page of text to late interaction, anything between to both."""
    assert route(signals).path == path


def test_version_is_stated() -> None:
    """The router has a version that a recipe can hold."""
    assert ROUTER_VERSION


@pytest.mark.parametrize("language", LANGUAGES)
def test_text_is_not_suspect(language: str) -> None:
    """Words of any language, code, numbers, acronyms and maths do not look garbled."""
    assert gibberish(LANGUAGES[language]) < 0.25


def test_mapped_letters_are_suspect() -> None:
    """Text whose letters were mapped to other letters looks garbled, whatever the language and the mapping."""
    rng = random.Random(7)
    alphabet = string.ascii_lowercase
    scores = []
    for language in ("en", "de", "pl"):
        for _ in range(10):
            mapped = "".join(rng.sample(alphabet, 26))
            table = str.maketrans(alphabet + alphabet.upper(), mapped + mapped.upper())
            scores.append(gibberish(LANGUAGES[language].translate(table)))

    assert sum(score > 0.5 for score in scores) >= 24


def test_other_scripts_as_latin_are_suspect() -> None:
    """A Cyrillic page read by Latin OCR, and Kannada in an old font encoding, look garbled."""
    cyrillic = "HayKa npoijecca pa3BHTHfl HCCAeAOBaHHe nepexoAa ynpaBAeHHfl ycAOBHflx pbiHOHHofl rocyAapcTBeHHoro " * 2
    kannada = "PÀ£ÀßqÀ ¨sÁµÉAiÀÄ ¸Á»vÀåªÀÅ §ºÀ¼À ²æÃªÀÄAvÀªÁVzÉ ¥ÀĸÀÛPÀzÀ°è PÀ«UÀ¼ÀÄ vÀªÀÄä PÁªÀåUÀ¼À£ÀÄß " * 3

    assert gibberish(cyrillic) > 0.5
    assert gibberish(kannada) > 0.5
