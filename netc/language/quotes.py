"""Which quote of a line is the one that is missing, where a line holds an odd number of them.

A string that lost its closing quote runs on to the opening quote of the next one, so the parser stumbles later than the
mistake. What the strings hold tells: a string that ends in `name: ` has run into the next field.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from netc.errors import Source, Span

MOST_CHARACTERS = 2000
"""A longer line is not looked at: the work grows with its square."""
_STRING = re.compile(r"""#.*|(["'])((?:\\.|(?!\1)[^\\\n])*+)(\1|$)""", re.MULTILINE)
_NEXT_FIELD = re.compile(r"[\s;,}]*\s[A-Za-z_]\w*\s*[:{]")
_TAIL = re.compile(r"[\s;,}]*(?:#.*)?\Z")
_WORD_BEFORE = re.compile(r"[\w./-]+\Z")


class Quote(NamedTuple):
    """What is missing ("open" or "close"), and the characters of the string that it belongs to."""

    missing: str
    span: Span


def missing_quote(source: Source, at: int) -> Quote | None:
    """The quote that is missing in the line of `at`; None if the line's quotes are in pairs or it cannot be told."""
    text = source.text
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    if (len(text) if end < 0 else end) - start > MOST_CHARACTERS:
        return None
    line = text[start : len(text) if end < 0 else end].rstrip()
    found = [string for string in _STRING.finditer(line) if string[1]]
    if not found or found[-1][3]:
        return None
    for string in found:
        runs_on = _NEXT_FIELD.search(string[2])
        if string[3] and not (runs_on and line[string.end() :][:1].strip()):
            continue
        content = string[2][: (runs_on or _TAIL.search(string[2]) or string).start()]
        word = _WORD_BEFORE.search(line, 0, string.start())
        if word and not content:
            return Quote("open", Span(source, start + word.start(), start + string.start() + 1))
        return Quote("close", Span(source, start + string.start(), start + string.start(2) + len(content)))
    return None
