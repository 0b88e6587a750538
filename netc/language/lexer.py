"""The terminals: one compiled regular expression for each start symbol, and the names of what it finds.

Every match is blanks and comments followed by exactly one terminal, whose group number is the terminal's number.
What no terminal fits is matched by one of the faulty kinds, so that the scan never stops before the end. Operators and
keywords mean something to the scanner of programs only; plain text has the same numbers, but never finds them.
"""

from __future__ import annotations

import re
from functools import cache

END = "END"
BAD_NUMBER, OPEN_STRING, BAD_CHARACTER = "BAD_NUMBER", "OPEN_STRING", "BAD_CHARACTER"
KEYWORDS = ("let", "def", "for", "in", "if", "else", "import", "as", "and", "or", "not")

_NUMBER = (
    r"(?:0[xX][0-9a-fA-F]++"  # hexadecimal
    r"|0[0-7]++"  # octal
    r"|(?:(?:0|[1-9][0-9]*+)(?:\.(?!\.)[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?[fF]?)"  # decimal; `1..3` is 1, then ..
    r"(?![0-9A-Za-z_]|\.(?!\.))"
)
_KEYWORD = r"\b(?!\s*:)"
_COMMON = {
    "NAME": r"[A-Za-z_][A-Za-z0-9_]*",
    "COLON": r":",
    "STRING": r"\"[^\"\\\n]*+(?:\\[^\n][^\"\\\n]*+)*+\"|'[^'\\\n]*+(?:\\[^\n][^'\\\n]*+)*+'",
    "NUMBER": _NUMBER,
    "LBRACE": r"\{",
    "RBRACE": r"\}",
    "LANGLE": r"<",
    "RANGLE": r">",
    "LSQUARE": r"\[",
    "RSQUARE": r"\]",
    "COMMA": r",",
    "SEMICOLON": r";",
    "MINUS": r"-",
    "EQUALS": r"=",
}
_OPERATORS = {
    "LPAREN": r"\(",
    "RPAREN": r"\)",
    "PLUS": r"\+",
    "POWER": r"\*\*",
    "STAR": r"\*",
    "FLOOR": r"//",
    "SLASH": r"/",
    "PERCENT": r"%",
    "EQ": r"==",
    "NE": r"!=",
    "LE": r"<=",
    "GE": r">=",
    "QUESTION": r"\?",
    "ARROW": r"->",
    "DOTDOT": r"\.\.",
    **{keyword.upper(): keyword + _KEYWORD for keyword in KEYWORDS},
}
_FAULTY = {
    BAD_NUMBER: r"\.?[0-9](?:[eE][+-]|[0-9A-Za-z_.])*+",
    OPEN_STRING: r"[\"'][^\n]*",
    END: r"\Z",
    BAD_CHARACTER: r"[^\n]",
}
_IN_PROGRAMS = {
    "NAME": rf"(?!(?:{'|'.join(KEYWORDS)}){_KEYWORD}){_COMMON['NAME']}",
    "LANGLE": r"<(?!=)",
    "RANGLE": r">(?!=)",
    "MINUS": r"-(?!>)",
    "EQUALS": r"=(?!=)",
}

NAMES: tuple[str, ...] = ("", *_COMMON, *_OPERATORS, *_FAULTY)
NUMBERS: dict[str, int] = {name: number for number, name in enumerate(NAMES)}


def _compile(patterns: dict[str, str]) -> re.Pattern[str]:
    return re.compile(r"(?:[ \t\r\n\v\f]++|\#[^\n]*+)*+(?:" + "|".join(f"({p})" for p in patterns.values()) + ")")


@cache
def scanner(start: str) -> re.Pattern[str]:
    """What recognises the terminals of a start symbol (`plain`, `program` or `expression`)."""
    if start == "plain":
        return _compile(_COMMON | dict.fromkeys(_OPERATORS, "(?!)") | _FAULTY)
    if start == "expression":
        return scanner("program")
    return _compile(_COMMON | _IN_PROGRAMS | _OPERATORS | _FAULTY)
