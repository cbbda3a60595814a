"""How little a page's Latin letters look like words: finds text layers whose letters are mapped to other letters.

A pair of letters is as plausible as in the language that uses it most, so that a page in any of some thirty languages
scores well, and a substitution cipher, an OCR of another script or an old Indian font encoding does not. The table was
counted from the letter-pair profiles of 34 Latin-script languages in langdetect 1.0.9 (Wikipedia; Apache-2.0), accents
folded away. Other scripts, capitals-only abbreviations, words with digits and short pages are not judged.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise

LETTERS = "abcdefghijklmnopqrstuvwxyz"
PLAUSIBLE = (  # row: first letter, column: second; 9 = 1 in 64 pairs or more often, 0 = 1 in 32,768 or less
    "98898789878989876999877898",  # a
    "86548020843614710644735062",  # b
    "80638009867536802576713088",  # c
    "95399448966547930766756077",  # d
    "87989787988989664999776577",  # e
    "71037732642505800646604060",  # f
    "94348365776666750766737083",  # g
    "92059223856556846658856070",  # h
    "87879677889979876999866587",  # i
    "82249201906345810265742032",  # j
    "94448026857664910677847072",  # k
    "95569455977876840377756073",  # l
    "97348474877665760665707054",  # m
    "94799499977757832488756277",  # n
    "77887886887889964997899358",  # o
    "90428437853623860845634343",  # p
    "70047000620000600020800040",  # q
    "95579567966666853677766268",  # r
    "94839369969656863589865069",  # s
    "94329339855546920878866275",  # t
    "75679666777888865887866666",  # u
    "80338022843506710553620074",  # v
    "93448236803547820661500083",  # w
    "82346004500030420003603020",  # x
    "96797756756689740776657054",  # y
    "84458244835557740457655075",  # z
)
ENOUGH_LETTERS = 80
MOST_LETTERS = 6000  # of one page; more would not change the answer
USUAL_SCORE, GARBLED_SCORE = 7.4, 6.0  # mean of the table over a page's pairs
USUAL_ODD, GARBLED_ODD = 0.06, 0.30  # share of oddly written words
FOLDED = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "ı": "i", "þ": "th"})
WORD = re.compile(r"[^\W\d_]+(?:[\xa1-\xa9\xac\xae-\xb4\xb6-\xb9\xbb-\xbf\xd7\xf7]+[^\W\d_]+)*")
ASCII_WORD = re.compile(r"[A-Za-z]+")  # what `WORD` finds in ASCII, in a third of the time
CAMEL = re.compile(r"[^\W\d_A-Z]*(?:[^\W\d_a-z][^\W\d_A-Z]{2,})+|[^\W\d_A-Z]+(?:[^\W\d_a-z][^\W\d_A-Z]+)+")
MIXED = re.compile(r"[0-9]")


def gibberish(text: str) -> float:
    """0 for text, 1 for letters that make no words; 0 as well where there is too little Latin text to tell."""
    words = _words(text)
    if sum(map(len, words)) < ENOUGH_LETTERS:
        return 0.0
    lower = sum(not word.isupper() for word in words)
    judged = words if lower < 0.2 * len(words) else [word for word in words if not word.isupper()]
    judged = [word for word in judged if len(word) > 4 or not word.isupper()]
    sums = [_pairs(word) for word in judged]
    pairs = sum(number for _, number in sums)
    if pairs < ENOUGH_LETTERS // 2:
        return 0.0
    score = sum(found for found, _ in sums) / pairs
    odd = sum(map(_is_odd, judged)) / len(judged)
    strange = max(_between(score, USUAL_SCORE, GARBLED_SCORE), _between(odd, USUAL_ODD, GARBLED_ODD))
    return round(strange, 3)


def _words(text: str) -> list[str]:
    """Latin words of three letters or more; none if most letters of the text are of another script."""
    found: list[str] = []
    latin = letters = 0
    for token in text.split():
        if not token.isalpha() and MIXED.search(token) and not token.strip("0123456789.,;:()[]").isalpha():
            continue  # codes, numbers, hashes
        for word in (ASCII_WORD if token.isascii() else WORD).findall(token):
            letters += len(word)
            if word.isascii() or ord(max(word)) < 0x250 or 0x1E00 <= ord(max(word)) < 0x1F00:
                latin += len(word)
                if 3 <= len(word) <= 40:
                    found.append(word)
        if letters > MOST_LETTERS:
            break
    return found if latin > 0.5 * letters else []


@lru_cache(20_000)
def _pairs(word: str) -> tuple[int, int]:
    """(sum of the table over the word's pairs, their number); words come again and again."""
    plain = word.lower()
    if not plain.isascii():
        plain = unicodedata.normalize("NFD", plain.translate(FOLDED))
    codes = [ord(letter) - 97 for letter in plain if letter in LETTERS]
    return sum(int(PLAUSIBLE[first][second]) for first, second in pairwise(codes)), max(0, len(codes) - 1)


@lru_cache(20_000)
def _is_odd(word: str) -> bool:
    """A capital or a symbol where no word and no identifier has one."""
    if not word.isalpha():
        return True
    if word.isupper() or word.islower() or word.istitle():
        return False
    return CAMEL.fullmatch(word) is None and not word[:-1].isupper()


def _between(value: float, none: float, full: float) -> float:
    return min(1.0, max(0.0, (value - none) / (full - none)))
