"""Filters: a small SQL condition that users write, read into a checked one; no other SQL gets through.

    condition = comparison, AND, OR, NOT, brackets
    comparison = VALUE (= != <> < <= > >=) VALUE | VALUE [NOT] IN (...) | VALUE [NOT] LIKE '...' | VALUE IS [NOT] NULL
               | VALUE [NOT] BETWEEN VALUE AND VALUE | array_has(headings, '...') | starts_with(...) | contains(...)
               | metadata.KEY (= != <>) '...' | metadata.KEY IN (...) | metadata.KEY IS [NOT] NULL
    KEY = letters, digits, _ and -, or any text in double quotes
    VALUE = column | 'text' | number | TRUE | FALSE | timestamp '...' | date '...' | lower(...) | upper(...)

Values that the program itself puts into a filter go through `sql_literal`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from itertools import accumulate
from typing import NoReturn

from pipeline.errors import UsageError

TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r"|(?P<name>metadata\.\"(?:[^\"]|\"\")+\"|[^\W\d]\w*(?:\.[\w-]+)?)|(?P<sign><=|>=|!=|<>|[=<>(),]))"
)
FUNCTIONS = {"lower": 1, "upper": 1, "length": 1, "array_has": 2, "starts_with": 2, "ends_with": 2, "contains": 2}
WORDS = {"and", "or", "not", "in", "is", "null", "like", "ilike", "between", "true", "false", "timestamp", "date"}
COMPARISONS = {"=", "!=", "<>", "<", "<=", ">", ">="}
MAX_LENGTH, MAX_DEPTH = 20_000, 50


def sql_literal(value: str) -> str:
    """A text as a SQL literal; the only escaping rule is the doubled quote.

    >>> sql_literal("o'brien")
    "'o''brien'"
    """
    return "'" + value.replace("'", "''") + "'"


def is_one_of(column: str, values: Iterable[str]) -> str:
    """The condition that a text column has one of some values, of which there must be at least one."""
    return f"{column} IN ({', '.join(map(sql_literal, values))})"


def checked(where: str, columns: Collection[str]) -> str:
    """The user's condition, rewritten from its parts. Raises `UsageError` that says where it went wrong."""
    if len(where) > MAX_LENGTH:
        raise UsageError(f"filter: longer than {MAX_LENGTH} characters")
    return _Reader(where, columns).condition_alone()


def alone(where: str) -> str:
    """The condition in brackets that nothing in it can close. Raises `UsageError` for one that could; columns are not
    looked at.

    >>> alone("page = 1 OR page = 2")
    '(page = 1 OR page = 2)'
    """
    signs = [word for kind, word in _Reader(where, ()).tokens if kind == "sign"]
    depths = list(accumulate({"(": 1, ")": -1}.get(sign, 0) for sign in signs))
    if depths and (min(depths) < 0 or depths[-1] != 0):
        raise UsageError(f"filter {where[:200]!r}: its brackets do not match")
    return f"({where})"


def both(*conditions: str | None) -> str | None:
    """All given conditions together, each in brackets; None if there is none."""
    given = [f"({condition})" for condition in conditions if condition]
    return " AND ".join(given) or None


def _in_json(pair: str) -> str:
    first, further = (f"contains(metadata, {sql_literal(sign + pair)})" for sign in "{,")
    return f"({first} OR {further})"


class _Reader:
    """Recursive descent over the tokens of one condition; each method returns SQL built from checked parts."""

    def __init__(self, where: str, columns: Collection[str]) -> None:
        self.where, self.columns = where, columns
        self.tokens: list[tuple[str, str]] = []
        self.at, self.depth = 0, 0
        position, end = 0, len(where.rstrip())
        while position < end:
            found = TOKEN.match(where, position)
            if found is None:
                raise UsageError(f"filter {where[:200]!r}: cannot read it from {where[position : position + 30]!r} on")
            kind = str(found.lastgroup)
            word = found[kind]
            self.tokens.append(("word", word.lower()) if kind == "name" and word.lower() in WORDS else (kind, word))
            position = found.end()

    def condition_alone(self) -> str:
        sql = self.condition()
        if self.at < len(self.tokens):
            self.fail("AND, OR or the end")
        return sql

    def condition(self) -> str:
        self.descend()
        parts = [self.conjunction()]
        while self.took("or"):
            parts.append(self.conjunction())
        self.depth -= 1
        return " OR ".join(parts)

    def conjunction(self) -> str:
        parts = [self.negation()]
        while self.took("and"):
            parts.append(self.negation())
        return " AND ".join(parts)

    def negation(self) -> str:
        count = 0
        while self.took("not"):
            count += 1
        sql = self.comparison()
        return f"NOT ({sql})" if count % 2 else sql

    def comparison(self) -> str:
        if self.took("("):
            sql = self.condition()
            self.need(")")
            return f"({sql})"
        kind, name = self.peek()
        if kind == "name" and name.startswith("metadata."):
            return self.metadata(name.removeprefix("metadata."))
        left = self.value()
        if self.peek()[1] in COMPARISONS:
            return f"{left} {self.next()[1]} {self.value()}"
        if self.took("is"):
            return f"{left} IS {'NOT ' if self.took('not') else ''}{self.null()}"
        negated = "NOT " if self.took("not") else ""
        if self.took("in"):
            return f"{left} {negated}IN ({', '.join(self.several())})"
        if self.peek()[1] in ("like", "ilike"):
            return f"{left} {negated}{self.next()[1].upper()} {self.text()}"
        if self.took("between"):
            low = self.value()
            self.need("and")
            return f"{left} {negated}BETWEEN {low} AND {self.value()}"
        if negated or kind != "name" or name in self.columns:
            self.fail("a comparison")
        return left  # a function that is true or false

    def metadata(self, key: str) -> str:
        """A user's own key is looked for in the canonical JSON text, where neither value nor other key can imitate it:
        inside of them a quote has a backslash before it, never a brace or a comma."""
        self.next()
        key = key[1:-1].replace('""', '"') if key.startswith('"') else key
        name = json.dumps(key, ensure_ascii=False)
        if self.took("is"):
            present = _in_json(f"{name}:")
            wanted = self.took("not")
            self.null()
            return present if wanted else f"NOT {present}"
        sign = self.next()[1]
        if sign not in ("=", "!=", "<>", "in"):
            self.at -= 1
            self.fail("=, !=, IN or IS NULL after metadata.KEY")
        values = self.several() if sign == "in" else [self.text()]
        found = []
        for value in values:
            plain = value[1:-1].replace("''", "'") if value.startswith("'") else value
            found.append(_in_json(f"{name}:{json.dumps(plain, ensure_ascii=False)}"))
        return f"{'NOT ' if sign in ('!=', '<>') else ''}({' OR '.join(found)})"

    def value(self) -> str:
        kind, word = self.next()
        if kind in ("text", "number"):
            return word
        if word in ("true", "false"):
            return word.upper()
        if word in ("timestamp", "date"):
            return f"{word} {self.text()}"
        if kind == "name" and self.peek() == ("sign", "("):
            return self.function(word)
        if kind == "name" and word in self.columns:
            return word
        self.at -= 1
        if kind == "name":
            raise UsageError(f"filter: there is no column {word!r}; there are {', '.join(sorted(self.columns))}")
        return self.fail("a column or a value")

    def function(self, name: str) -> str:
        if name.lower() not in FUNCTIONS:
            raise UsageError(f"filter: there is no function {name!r}; there are {', '.join(sorted(FUNCTIONS))}")
        arguments = self.several()
        if len(arguments) != FUNCTIONS[name.lower()]:
            raise UsageError(f"filter: {name} takes {FUNCTIONS[name.lower()]} values, not {len(arguments)}")
        return f"{name.lower()}({', '.join(arguments)})"

    def several(self) -> list[str]:
        self.descend()
        self.need("(")
        values = [self.value()]
        while self.took(","):
            values.append(self.value())
        self.need(")")
        self.depth -= 1
        return values

    def text(self) -> str:
        kind, word = self.next()
        if kind in ("text", "number"):
            return word
        self.at -= 1
        return self.fail("a text in single quotes")

    def null(self) -> str:
        self.need("null")
        return "NULL"

    def descend(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise UsageError(f"filter {self.where[:200]!r}: brackets are nested deeper than {MAX_DEPTH}")

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def next(self) -> tuple[str, str]:
        token = self.peek()
        self.at += 1
        return token

    def took(self, word: str) -> bool:
        kind, found = self.peek()
        hit = kind in ("word", "sign") and found == word
        self.at += hit
        return hit

    def need(self, word: str) -> None:
        if not self.took(word):
            self.fail(word.upper())

    def fail(self, wanted: str) -> NoReturn:
        kind, word = self.peek()
        found = "its end" if kind == "end" else repr(word[:40])
        raise UsageError(f"filter {self.where[:200]!r}: expected {wanted}, found {found}")
